# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written and activated, and when."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.quetrex.platform.plugins.module_utils.host.guard import restore_script
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import (
    Activation,
    FileState,
    Wanted,
    forgotten,
    make_plan,
    merge_settings,
    resolve,
    stamp,
)

WANTED = Wanted("/etc/a", FileState("new\n"))
OTHER = Wanted("/etc/b", FileState("b\n"))
RELOAD = Activation(("/etc/a",), ("systemctl", "reload", "a"), ("true",))
CURRENT = {"/etc/a": WANTED.state, "/etc/b": OTHER.state}


def test_nothing_to_do_when_files_and_stamps_match() -> None:
    plan = make_plan([WANTED, OTHER], CURRENT, [RELOAD], {RELOAD: stamp(RELOAD, [WANTED, OTHER])})
    assert not plan.changed


def test_a_changed_file_is_written_and_activated() -> None:
    plan = make_plan([WANTED], {"/etc/a": FileState("old\n")}, [RELOAD], {RELOAD: stamp(RELOAD, [WANTED])})
    assert (plan.writes, plan.activations) == ((WANTED,), (RELOAD,))


def test_a_run_killed_before_the_reload_is_finished_by_the_next() -> None:
    plan = make_plan([WANTED], CURRENT, [RELOAD], {})
    assert (plan.writes, plan.activations) == ((), (RELOAD,))


def test_a_failing_check_activates_again() -> None:
    plan = make_plan([WANTED], CURRENT, [RELOAD], {RELOAD: stamp(RELOAD, [WANTED])}, failing=[RELOAD])
    assert plan.activations == (RELOAD,)


def test_another_file_does_not_activate() -> None:
    plan = make_plan([WANTED, OTHER], {**CURRENT, "/etc/b": FileState(None)}, [RELOAD], {RELOAD: stamp(RELOAD, [WANTED, OTHER])})
    assert (plan.writes, plan.activations) == ((OTHER,), ())


def test_owner_and_mode_count_but_not_for_an_absent_file() -> None:
    gone = Wanted("/etc/a", FileState(None, mode=0o600))
    assert make_plan([WANTED], {"/etc/a": FileState("new\n", mode=0o600)}, [], {}).changed
    assert not make_plan([gone], {"/etc/a": FileState(None)}, [], {}).changed


def test_undo_of_new_files() -> None:
    """The way back removes what was not there and quotes names."""
    script = restore_script("ssh", [("/etc/a b", None)], [("/stamp", None)], [["systemctl", "reload", "ssh.service"]])
    assert script.splitlines()[2:] == [
        "rm -f '/etc/a b'",
        "rm -f /stamp",
        'if [ "$1" != boot ]; then',
        "true",
        "systemctl reload ssh.service || failed=1",
        '[ -n "$failed" ] || { rm -f /stamp; }',
        "fi",
        "rm -f /etc/systemd/system/sysinit.target.wants/platform-guard-boot-ssh.service /etc/systemd/system/platform-guard-boot-ssh.service",
        "rm -rf /var/lib/platform-host/guard/ssh",
    ]


def test_the_way_back_keeps_what_is_there_when_the_disk_is_full(tmp_path: Path) -> None:
    """cp cannot write: the file that never changed stays, and so does the changed one, whole."""
    same, changed, folder = tmp_path / "same", tmp_path / "changed", tmp_path / "kept"
    folder.mkdir()
    for path, now, old in ((same, "a", "a"), (changed, "new", "old")):
        path.write_text(now)
        (folder / path.name).write_text(old)
    full = tmp_path / "cp"
    full.write_text('#!/bin/sh\n: >"$3"; exit 1\n')
    full.chmod(0o755)
    script = restore_script("x", [(str(path), folder / path.name) for path in (same, changed)], [], [])
    lines = [line for line in script.splitlines() if "cmp -s" in line]
    for programs in (str(tmp_path) + ":" + os.environ["PATH"], os.environ["PATH"]):
        for line in lines:
            subprocess.run(["sh", "-c", line], env={"PATH": programs}, check=False)
        contents = (same.read_text(), changed.read_text())
        assert contents == (("a", "new") if programs.startswith(str(tmp_path)) else ("a", "old"))


def test_settings_in_a_file() -> None:
    """Settings replace their line drop doubles and add what is missing."""
    text = "# UMASK 022\nUMASK\t\t022\nOTHER a\nUMASK 077\n"
    merged = merge_settings(text, (("NEW", "1"), ("UMASK", "027")))
    assert merged == "# UMASK 022\nUMASK\t027\nOTHER a\nNEW\t1\n"
    assert merge_settings(merged, (("NEW", "1"), ("UMASK", "027"))) == merged


def test_settings_with_an_equals_sign_and_flags() -> None:
    wanted = (("minlen", "=14"), ("strict", ""), ("Storage", "=persistent"))
    merged = merge_settings("#minlen = 8\nminlen = 8\n[Journal]\n#Storage=auto\n", wanted)
    assert merged == "#minlen = 8\nminlen=14\n[Journal]\n#Storage=auto\nstrict\nStorage=persistent\n"
    assert merge_settings(merged, wanted) == merged
    assert merge_settings("minlen = 14\n", wanted[:1]) == "minlen = 14\n"


def test_missing_settings_go_before_the_first_block() -> None:
    merged = merge_settings("Port 22\nMatch User a\n    X11Forwarding yes\n", (("PermitRootLogin", "no"),), "Match")
    assert merged == "Port 22\nPermitRootLogin\tno\nMatch User a\n    X11Forwarding yes\n"


def test_settings_keep_owner_and_mode_and_make_no_file() -> None:
    item = Wanted("/etc/a", FileState("", mode=0o644), settings=(("A", "1"),))
    assert resolve(item, FileState("A 2\n", mode=0o600)).state == FileState("A\t1\n", mode=0o600)
    assert not make_plan([resolve(item, FileState(None))], {"/etc/a": FileState(None)}, [], {}).changed


def test_orphaned_files_are_removed() -> None:
    """What an earlier call wrote and nobody names any more goes."""
    assert forgotten(["/etc/a", "/etc/old"], [WANTED]) == [Wanted("/etc/old", FileState(None))]

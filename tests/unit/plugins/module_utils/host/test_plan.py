# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written and activated, and when."""

from __future__ import annotations

from ansible_collections.quetrex.platform.plugins.module_utils.host.guard import restore_script
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import Activation, FileState, Wanted, make_plan, stamp

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


def test_the_way_back_removes_what_was_not_there_and_quotes_names() -> None:
    script = restore_script("ssh", [("/etc/a b", None)], [("/stamp", None)], [["systemctl", "reload", "ssh.service"]])
    assert script.splitlines()[2:] == [
        "rm -f '/etc/a b'",
        "rm -f /stamp",
        "systemctl reload ssh.service || failed=1",
        '[ -n "$failed" ] || rm -f /stamp',
        "rm -rf /var/lib/platform-host/guard/ssh",
    ]

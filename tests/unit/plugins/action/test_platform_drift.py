# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second run: its words, its environment, its secrets, and what is told of its events. Also the callback that writes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.cli.playbook import PlaybookCLI

from ansible_collections.quetrex.platform.plugins.action.platform_drift import REPEATED, asked_passwords, condense, environment, piped, run, words
from ansible_collections.quetrex.platform.plugins.callback.drift import changed_lines

pytestmark = pytest.mark.play

PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - quetrex.platform.platform_drift:
        playbook: "{{ inner }}"
      register: found
    - copy: {content: "{{ found | to_json }}", dest: "{{ out }}"}
"""
INNER = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: A change
      copy: {content: "after\\n", dest: "{{ folder }}/file"}
    - name: A secret change
      copy: {content: "hush {{ hidden }}\\n", dest: "{{ folder }}/secret"}
      no_log: true
    - name: A failure
      fail: {msg: "this layer is broken"}
    - name: What follows from it
      fail: {msg: "also"}
    - name: A loop
      copy: {content: "x", dest: "{{ folder }}/{{ item }}"}
      loop: [one, two]
      changed_when: item == 'two'
    - name: Nothing
      command: "true"
- hosts: localhost
  gather_facts: false
  tasks:
    - name: A later play
      file: {path: "{{ folder }}/later", state: touch}
"""


def test_the_words_repeat_the_running_command_in_check_mode() -> None:
    given = {"inventory": ["/a", "/b"], "extra_vars": ("x=1", "@/f.yml"), "private_key_file": "/k", "subset": None, "forks": 10, "ssh_common_args": "-o A=b"}
    argv = words(given, "site.yml", ["--vault-id=prod@/pipe"])
    assert argv[:6] == [sys.executable, "-m", "ansible", "playbook", "--check", "--diff"]
    assert argv[6:] == [
        "--inventory", "/a", "--inventory", "/b", "--extra-vars", "x=1", "--extra-vars", "@/f.yml", "--private-key", "/k", "--forks", "10",
        "--ssh-common-args=-o A=b", "--vault-id=prod@/pipe", "site.yml",
    ]  # fmt: skip


# Options of ansible-playbook that the second run leaves out, each for its reason.
LEFT_OUT = {
    "args", "check", "diff", "help", "version", "verbosity", "force_handlers", "flush_cache",  # the second run has its own, or they change no task
    "listhosts", "listtasks", "listtags", "syntax", "step", "start_at_task",  # these speak of the tasks of the running playbook
    "vault_ids", "ask_vault_pass", "vault_password_files", "ask_pass", "connection_password_file", "become_ask_pass", "become_password_file",  # by pipe
    "become",
}  # fmt: skip


def test_every_option_is_repeated_or_left_out() -> None:
    """A new option of ansible-core has to be judged here before drift is trusted with it."""
    cli = PlaybookCLI(["ansible-playbook", "site.yml"])
    cli.init_parser()
    assert cli.parser is not None
    assert {action.dest for action in cli.parser._actions} - LEFT_OUT == set(REPEATED.values())
    options = dict(vars(cli.parser.parse_args(["-b", "-t", "x", "--skip-tags", "y", "-c", "local", "--become-user", "u", "--start-at-task", "z", "site.yml"])))
    argv = words(options, "site.yml", [])
    assert [argv[argv.index(word) + 1] for word in ("--tags", "--skip-tags", "--connection", "--become-user")] == ["x", "y", "local", "u"]
    assert "--become" in argv
    assert "z" not in argv


def test_passwords_asked_by_the_running_command_are_handed_on() -> None:
    class Play:
        become_pass, password = "sudo's", ""

    assert asked_passwords(Play) == [("--become-password-file", b"sudo's")]


def test_a_runner_around_the_first_run_does_not_hear_the_second(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "ANSIBLE_STDOUT_CALLBACK": "awx_display", "AWX_ISOLATED_DATA_DIR": "/x", "ANSIBLE_CALLBACK_PLUGINS": "/y", "HCLOUD_TOKEN": "t"}
    env = environment(given, tmp_path / "events")
    assert (env["ANSIBLE_STDOUT_CALLBACK"], env["HCLOUD_TOKEN"]) == ("default", "t")
    assert not {"AWX_ISOLATED_DATA_DIR", "ANSIBLE_CALLBACK_PLUGINS"} & set(env)


def test_shorter_wait_for_vendors(tmp_path: Path) -> None:
    """It waits less for a vendor that is down unless told otherwise."""
    assert environment({}, tmp_path)["QUETREX_CLOUDFLARE_TIMEOUT"] == "30"
    assert environment({"QUETREX_CLOUDFLARE_TIMEOUT": "90"}, tmp_path)["QUETREX_CLOUDFLARE_TIMEOUT"] == "90"


def test_secrets_go_through_pipes_and_leave_nothing(tmp_path: Path) -> None:
    with piped(tmp_path, [("prod", b"word"), ("other", b"more")]) as (pipe, _unread):
        assert subprocess.run(["cat", pipe], capture_output=True, check=True).stdout == b"word"
        assert oct(Path(pipe).stat().st_mode)[-3:] == "600"
        assert not any(path.is_file() for path in tmp_path.iterdir())
    # the second one was read by nobody, and nothing hangs


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    assert run(["sleep", "60"], os.environ, tmp_path / "out", 0.1) is None


def test_of_a_role_that_fails_only_the_first_failure_is_told() -> None:
    events: list[dict[str, Any]] = [
        {"kind": "changed", "role": "a", "host": "h", "task": "1"},
        {"kind": "failed", "role": "a", "host": "h", "task": "2"},
        {"kind": "failed", "role": "a", "host": "h", "task": "3"},
        {"kind": "failed", "role": "b", "host": "h", "task": "4"},
        {"kind": "end", "tasks": 4},
    ]
    assert [event["task"] for event in condense(events)] == ["1", "2", "4"]


def test_long_differences_are_cut() -> None:
    text = "--- before\n+++ after\n@@\n" + "".join(f"+line {number}\n" for number in range(50)) + "\x1b[32m-old\x1b[0m\n"
    lines = changed_lines(text)
    assert (lines[0], len(lines), lines[-1]) == ("+line 0", 21, "… 31 more lines")


@pytest.mark.parametrize("vault", [False, True])
def test_a_real_second_run(tmp_path: Path, collection_tree: str, vault: bool) -> None:
    """Also with a secret that only the vault's password opens."""
    inventory, inner, out = tmp_path / "hosts.yml", tmp_path / "inner.yml", tmp_path / "out.json"
    inventory.write_text(f"all: {{hosts: {{localhost: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n")
    inner.write_text(INNER)
    (tmp_path / "file").write_text("before\n")
    (tmp_path / "outer.yml").write_text(PLAYBOOK)
    values = tmp_path / "values.yml"
    values.write_text(f"hidden: opensesame\nfolder: {tmp_path}\ninner: {inner}\nout: {out}\n")
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collection_tree, "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    more = []
    if vault:
        (tmp_path / "password").write_text("correct horse")
        subprocess.run([sys.executable, "-m", "ansible", "vault", "encrypt", "--vault-password-file", tmp_path / "password", values], env=env, check=True)
        more = ["--vault-password-file", str(tmp_path / "password")]
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "-e", f"@{values}", *more, str(tmp_path / "outer.yml")]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    told = {event["task"]: event for event in found["drift"]}
    assert list(told) == ["A change", "A secret change", "A failure", "A loop", "A later play"]
    assert told["A change"]["diff"] == ["-before", "+after"]
    assert told["A secret change"]["hidden"]
    assert told["A failure"]["message"] == "this layer is broken"
    assert told["A loop"]["item"] == "two"
    assert (tmp_path / "file").read_text() == "before\n"
    assert not (tmp_path / "later").exists()
    assert "opensesame" not in done.stdout + out.read_text()

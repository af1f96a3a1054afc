# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action platform_drift: a playbook run once more in check mode, and what it would change as data.

A process of its own, because check mode belongs to a whole run: `ansible_check_mode`, which roles ask, cannot be set for a part of one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

COLLECTION = Path(__file__).parents[2]
TOLD = ("changed", "failed", "unreachable")
# What belongs to the run around this one: its output, its log, its event stream.
NOT_INHERITED = (
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_CALLBACKS_ENABLED",
    "ANSIBLE_FORCE_COLOR",
    "ANSIBLE_LOG_PATH",
    "ANSIBLE_STDOUT_CALLBACK",
    "AWX_ISOLATED_DATA_DIR",
)
# Who only looks need not wait as long as who builds: every role's question would wait by itself, one after the other.
PATIENCE = {"QUETREX_CLOUDFLARE_TIMEOUT": "30"}


def environment(given: Mapping[str, str], events: Path) -> dict[str, str]:
    """The environment of the second run."""
    kept = {name: value for name, value in given.items() if name not in NOT_INHERITED}
    ours = {"ANSIBLE_CALLBACKS_ENABLED": "quetrex.platform.drift", "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1"}
    return {**PATIENCE, **kept, **ours, "QUETREX_DRIFT_PATH": str(events), "QUETREX_DRIFT_KEEP_GOING": "true"}


# Options of the running command that decide what its tasks do and on which hosts, and so belong to the second run too. Not among them:
# --start-at-task, --step and --list-*, which speak of the tasks of the running playbook, and check and diff, which are always on here.
REPEATED = {
    "--inventory": "inventory",
    "--extra-vars": "extra_vars",
    "--module-path": "module_path",
    "--tags": "tags",
    "--skip-tags": "skip_tags",
    "--private-key": "private_key_file",
    "--user": "remote_user",
    "--connection": "connection",
    "--timeout": "timeout",
    "--limit": "subset",
    "--forks": "forks",
    "--become-method": "become_method",
    "--become-user": "become_user",
    "--ssh-common-args": "ssh_common_args",
    "--sftp-extra-args": "sftp_extra_args",
    "--scp-extra-args": "scp_extra_args",
    "--ssh-extra-args": "ssh_extra_args",
}
# The value itself begins with a dash.
ATTACHED = {option for option in REPEATED if option.endswith("-args")}


def words(options: Mapping[str, Any], playbook: str, secrets: Sequence[str]) -> list[str]:
    """The command that repeats the running one on another playbook, in check mode; `secrets` are its words for vaults and passwords."""
    argv = [sys.executable, "-m", "ansible", "playbook", "--check", "--diff"]
    for option, name in REPEATED.items():
        given = options.get(name)
        for value in given if isinstance(given, (list, tuple)) else [given]:
            if value:
                argv += [f"{option}={value}"] if option in ATTACHED else [option, str(value)]
    return [*argv, *(["--become"] if options.get("become") else []), *secrets, playbook]


def vault_secrets(loader: Any) -> list[tuple[str, bytes]]:
    """Names and secrets of the vaults this run was given."""
    try:
        from ansible.parsing.vault import VaultSecretsContext  # since core 2.19

        current = VaultSecretsContext.current(optional=True)
        secrets = current.secrets if current else []
    except ImportError:
        secrets = getattr(getattr(loader, "_vault", None), "secrets", None) or []
    return [(str(name), bytes(secret.bytes)) for name, secret in secrets if secret.bytes]


def _give(pipe: Path, secret: bytes) -> None:
    """Hands the secret to whoever reads; nobody may."""
    with contextlib.suppress(OSError):
        pipe.write_bytes(secret)


def asked_passwords(play: Any) -> list[tuple[str, bytes]]:
    """Passwords that the running command was given, with the option that takes each from a file."""
    found = (("--become-password-file", getattr(play, "become_pass", None)), ("--connection-password-file", getattr(play, "password", None)))
    return [(option, password.encode()) for option, password in found if password]


@contextlib.contextmanager
def piped(folder: Path, secrets: Sequence[tuple[str, bytes]]) -> Iterator[list[str]]:
    """For each secret a pipe that only this user can open, in their order."""
    pipes = []
    for number, (_name, secret) in enumerate(secrets):
        pipe = folder / f"secret-{number}"
        os.mkfifo(pipe, 0o600)
        threading.Thread(target=_give, args=(pipe, secret), daemon=True).start()
        pipes.append(pipe)
    try:
        yield [str(pipe) for pipe in pipes]
    finally:
        for pipe in pipes:
            # lets a writer go whom nobody read
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))


def run(argv: Sequence[str], env: Mapping[str, str], output: Path, budget: float) -> int | None:
    """Exit code of the command; None when it had to be ended."""
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return process.wait(timeout=budget)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def condense(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is reported: every change, and of each role's failures on a host the first, because the others follow from it."""
    told: list[dict[str, Any]] = []
    broken = set()
    for event in events:
        if event["kind"] not in TOLD:
            continue
        place = (event["role"], event["host"])
        if event["kind"] != "changed" and place in broken:
            continue
        if event["kind"] != "changed":
            broken.add(place)
        told.append(dict(event))
    return told


def read(path: Path) -> list[dict[str, Any]]:
    """The lines the callback wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = {**super().run(tmp, task_vars), "changed": False}
        _validated, given = self.validate_argument_spec({"playbook": {"type": "path"}, "budget": {"type": "int", "default": 900}})
        playbook = given["playbook"] or str(COLLECTION / "playbooks" / "site.yml")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="drift-") as name:
            folder = Path(name)
            vaults, passwords = vault_secrets(self._loader), asked_passwords(self._play_context)
            with piped(folder, [*vaults, *passwords]) as pipes:
                options = [f"--vault-id={name}@{pipe}" for (name, _secret), pipe in zip(vaults, pipes)]
                options += [f"{option}={pipe}" for (option, _secret), pipe in zip(passwords, pipes[len(vaults) :])]
                argv = words(context.CLIARGS, playbook, options)
                code = run(argv, environment(os.environ, folder / "events"), folder / "output", given["budget"])
            events = read(folder / "events")
            said = (folder / "output").read_text(encoding="utf-8", errors="replace")
        ends = [event for event in events if event["kind"] == "end"]
        if ends:
            return {**result, "drift": condense(events), "tasks": ends[-1]["tasks"], "seconds": round(time.monotonic() - began, 1)}
        why = f"it did not end within {given['budget']} s" if code is None else f"it ended with code {code} before its end"
        failure = {"code": "no_answer", "details": {"output": said.splitlines()[-15:]}}
        return {**result, "failed": True, "msg": f"What {playbook} would change is not known: {why}.", "failure": failure}

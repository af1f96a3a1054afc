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


def words(options: Mapping[str, Any], playbook: str, vaults: Sequence[str]) -> list[str]:
    """The command that repeats the running one on another playbook, in check mode."""
    argv = [sys.executable, "-m", "ansible", "playbook", "--check", "--diff"]
    for option, name in (("--inventory", "inventory"), ("--extra-vars", "extra_vars")):
        for value in options.get(name) or ():
            argv += [option, str(value)]
    for option, name in (("--private-key", "private_key_file"), ("--user", "remote_user"), ("--limit", "subset"), ("--forks", "forks")):
        if options.get(name):
            argv += [option, str(options[name])]
    for option, name in (("--ssh-common-args", "ssh_common_args"), ("--ssh-extra-args", "ssh_extra_args")):
        if options.get(name):
            argv += [f"{option}={options[name]}"]
    return [*argv, *(word for vault in vaults for word in ("--vault-id", vault)), playbook]


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


@contextlib.contextmanager
def piped(folder: Path, secrets: Sequence[tuple[str, bytes]]) -> Iterator[list[str]]:
    """Vault identities for a command, each read from a pipe that only this user can open."""
    pipes = []
    for number, (name, secret) in enumerate(secrets):
        pipe = folder / f"vault-{number}"
        os.mkfifo(pipe, 0o600)
        threading.Thread(target=_give, args=(pipe, secret), daemon=True).start()
        pipes.append((name, pipe))
    try:
        yield [f"{name}@{pipe}" for name, pipe in pipes]
    finally:
        for _name, pipe in pipes:
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
    """What is told: every change, and of each role's failures on a host the first, because the others follow from it."""
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
            with piped(folder, vault_secrets(self._loader)) as vaults:
                argv = words(context.CLIARGS, playbook, vaults)
                code = run(argv, environment(os.environ, folder / "events"), folder / "output", given["budget"])
            events = read(folder / "events")
            said = (folder / "output").read_text(encoding="utf-8", errors="replace")
        ends = [event for event in events if event["kind"] == "end"]
        if ends:
            return {**result, "drift": condense(events), "tasks": ends[-1]["tasks"], "seconds": round(time.monotonic() - began, 1)}
        why = f"it did not end within {given['budget']} s" if code is None else f"it ended with code {code} before its end"
        failure = {"code": "no_answer", "details": {"output": said.splitlines()[-15:]}}
        return {**result, "failed": True, "msg": f"What {playbook} would change is not known: {why}.", "failure": failure}

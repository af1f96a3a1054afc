# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/server.md between their markers: controls from the roles' specs, figures from the bench. `--check` only compares."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "server.md"
# What each control is set to so that it is off, by role. `None`: a limit that has no off, only another value.
OFF: dict[str, dict[str, str | None]] = {
    "host_baseline": {
        "hardening_packages": "[]",
        "journal_max_size": None,
        "journal_max_age": "0",
        "security_upgrades": "false",
        "automatic_reboot": "false",
        "kernel_hardening": "false",
        "blocked_modules": "[]",
        "core_dumps": "true",
        "login_settings": "{}",
        "shell_timeout_seconds": "0",
        "login_umask": '""',
        "password_rules": "{}",
        "password_failures": "0",
        "password_history": "0",
        "su_group": '""',
        "cron_users": "[]",
        "banner": '""',
        "private_paths": "[]",
        "audit": "false",
        "audit_system_calls": "false",
        "sudo_umask": '"0777"',
        "sudo_settings": "[]",
        "shm_options": '""',
        "main_files": "false",
        "deploy_ssh_public_keys": "[]",
    },
    "ssh_hardening": {
        "max_auth_tries": None,
        "max_sessions": None,
        "max_startups": None,
        "source_startups": None,
        "login_grace_seconds": "0",
        "client_alive_seconds": "0",
        "tcp_forwarding": "true",
        "log_level": "INFO",
        "banner": "none",
        "main_file": "false",
        "host_key_types": "[]",
        "key_exchanges": "ssh_hardening_extra_settings: {KexAlgorithms: null}",
        "ciphers": "ssh_hardening_extra_settings: {Ciphers: null}",
        "macs": "ssh_hardening_extra_settings: {MACs: null}",
        "key_algorithms": "ssh_hardening_extra_settings: {HostKeyAlgorithms: null, PubkeyAcceptedAlgorithms: null}",
        "extra_settings": "{PermitRootLogin: null, …}",
    },
    "host_firewall": {
        "edge_cidrs": '["0.0.0.0/0", "::/0"]',
        "ssh_cidrs": "[]",
        "ssh_rate": "10000/second",
        "ssh_burst": None,
        "http": "true",
        "ping": "true",
        "log_drops": "true",
        "metadata": "true",
        "container_ports": None,
        "container_connections": None,
        "database_ports": "[]",
        "database_cidrs": '["0.0.0.0/0", "::/0"]',
    },
    "docker_engine": {
        "live_restore": "false",
        "renew": "false",
        "userland_proxy": "true",
        "log_max_size": '"-1"',
        "log_max_files": None,
        "no_new_privileges": "false",
        "required_mounts": "[]",
    },
}


def read(path: Path) -> Any:
    """Return a YAML file."""
    return yaml.safe_load(path.read_text())


def preset_values(role: str) -> dict[str, dict[str, Any]]:
    """Return what each preset of a role stands for."""
    found: dict[str, dict[str, Any]] = read(ROOT / "roles" / role / "vars" / "main.yml").get(f"__{role}_presets", {})
    return found


def written(value: Any) -> str:
    """Write a value as an inventory would, shortened where it is long."""
    if isinstance(value, str) and "{{" in value:
        return "derived"
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 40 else text[:37] + '…'}`".replace("|", "\\|") if text else '`""`'


def controls(role: str) -> list[str]:
    """Return the rows of one role."""
    defaults = read(ROOT / "roles" / role / "defaults" / "main.yml")
    options = read(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    presets = preset_values(role)
    rows = []
    for name, off in OFF[role].items():
        full = f"{role}_{name}"
        described = options[full]["description"]
        key = next(
            (key for key in (name, name.removesuffix("_seconds"), name.replace("hardening_packages", "packages")) if key in presets.get("standard", {})), None
        )
        values = [written(presets[preset][key]) if key else written(defaults[full]) for preset in ("standard", "strict")]
        shown = values[0] if values[0] == values[1] else " / ".join(values)
        why = re.sub(r"[A-Z]\((?:\w+_)?([^)]*)\)", r"`\1`", " ".join([described] if isinstance(described, str) else described))
        rows.append(f"| `{full}` | {shown} | {f'`{off}`' if off is not None else 'another value'} | {why.replace('|', '/')} |")
    return rows


def control_tables() -> str:
    """Return one table a role."""
    head = "| variable | standard / strict | off | what and why |\n|---|---|---|---|\n"
    return "\n\n".join(f"### {role}\n\n{head}" + "\n".join(controls(role)) for role in OFF)


def figures() -> str:
    """Return the table of measurements."""
    kept = json.loads((ROOT / "tests" / "bench" / "results" / "hardening.json").read_text())
    lines = {"untouched": "a fresh Debian 13", "standard": "ours, `standard`", "strict": "ours, `strict`"}
    rows = [(title, kept["ours"][name]) for name, title in lines.items() if name in kept["ours"]] + [
        (f"{name} (measured elsewhere)", facts) for name, facts in kept["peers"].items()
    ]
    columns = ["lynis index", "lynis warnings / suggestions", "ssh-audit failures / warnings", "CIS L1 pass / fail", "CIS L2 pass / fail"]
    columns += ["ANSSI enhanced pass / fail", "tasks", "first run", "second run", "changed on second"]
    table = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for title, facts in rows:
        pairs = [facts.get("openscap", {}).get(name) for name in ("cis_level1", "cis_level2", "anssi_enhanced")]
        cells = [
            facts.get("lynis"),
            pair([facts.get("warnings"), facts.get("suggestions")]),
            pair(facts.get("ssh_audit")),
            *map(pair, pairs),
            facts.get("tasks"),
        ]
        cells += [seconds(facts.get("first_run")), seconds(facts.get("second_run")), facts.get("changed_on_second")]
        table.append(f"| {title} | " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return "\n".join(table)


def pair(values: list[int | None] | None) -> str:
    """Return two numbers as they stand in a cell."""
    return "" if not values or None in values else f"{values[0]} / {values[1]}"


def seconds(value: float | None) -> str:
    """Return a duration as it stands in a cell."""
    return "" if value is None else f"{value:g} s"


def page(text: str) -> str:
    """Return the page with its tables renewed."""
    for name, content in (("figures", figures()), ("controls", control_tables())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _begin, rest = text.partition(begin)
        _old, _end, after = rest.partition(end)
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


def main() -> None:
    """Write the page, or say that it is old."""
    old = PAGE.read_text()
    new = page(old)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if old == new else f"{PAGE.relative_to(ROOT)} is old: run python tools/server_controls.py")
    PAGE.write_text(new)


if __name__ == "__main__":
    main()

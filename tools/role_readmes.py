# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of variables in each role's README, between its markers, from the role's specification and defaults. `--check` only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- variables: written by tools/role_readmes.py -->", "<!-- end of the variables -->"
LONGEST = 60
"""Characters of a default that still fit a table."""


class _Loader(yaml.SafeLoader):
    """Ansible's own tags are values like any other here."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, node: str(node.value))


def read(path: Path) -> dict[str, Any]:
    return (yaml.load(path.read_text(), _Loader) if path.exists() else None) or {}  # noqa: S506 - a SafeLoader


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of all entry points, each once."""
    specs = read(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}


def plain(text: str) -> str:
    """A description without Ansible's markup, fit for one cell."""
    text = re.sub(r"\b[VCEI]\(((?:[^()]|\([^()]*\))*)\)|\b[OMPR]V?\(([^)#]*)(?:#[^)]*)?\)", lambda match: f"`{match[1] or match[2]}`", text)
    return " ".join(text.replace("quetrex.platform.", "").split()).replace("|", "\\|")


def meaning(option: dict[str, Any]) -> str:
    """What an option is, in sentences."""
    told = option.get("description", "")
    text = " ".join(plain(str(one)) for one in (told if isinstance(told, list) else [told]))
    missing = [f"`{choice}`" for choice in option.get("choices") or [] if f"`{choice}`" not in text]
    return f"{text} One of {', '.join(missing)}." if missing and len(missing) == len(option["choices"]) else text


def default(name: str, defaults: dict[str, Any], option: dict[str, Any]) -> str:
    """The default as it stands in the role, or what is to be known of it."""
    if name not in defaults:
        return "required" if option.get("required") else "none"
    value = defaults[name]
    if value is None or value in ("", [], {}):
        return {"": "empty", "[]": "`[]`", "{}": "`{}`"}.get("" if value == "" else str(value), "none")
    text = str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=1000)
    text = str(text).removesuffix("\n...\n").strip()
    return f"`{text}`".replace("|", "\\|") if len(text) <= LONGEST and "\n" not in text else "[computed](defaults/main.yml)"


def table(role: Path) -> str:
    """The table with its markers."""
    defaults = read(role / "defaults" / "main.yml")
    rows = [f"| `{name}` | {default(name, defaults, option)} | {meaning(option)} |" for name, option in options(role).items()]
    return "\n".join([BEGIN, "", "| variable | default | meaning |", "|---|---|---|", *rows, "", END])


def with_table(role: Path) -> str:
    """The README with its table brought up to date; a README without markers gets it before its first example, or at its end."""
    text = (role / "README.md").read_text()
    if BEGIN in text:
        before, _begin, rest = text.partition(BEGIN)
        return before + table(role) + rest.partition(END)[2]
    before, fence, rest = text.partition("```yaml")
    return f"{before.rstrip()}\n\n{table(role)}\n" + (f"\n{fence}{rest}" if fence else "")


def main() -> int:
    """Write, or with `--check` name the READMEs that are not up to date."""
    stale = [role for role in sorted((ROOT / "roles").iterdir()) if role.is_dir() and with_table(role) != (role / "README.md").read_text()]
    if "--check" in sys.argv[1:]:
        sys.stderr.write("".join(f"roles/{role.name}/README.md: run tools/role_readmes.py\n" for role in stale))
        return 1 if stale else 0
    for role in stale:
        (role / "README.md").write_text(with_table(role))
    return 0


if __name__ == "__main__":
    sys.exit(main())

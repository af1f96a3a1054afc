# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared is used, what is used is declared, and no part knows what is above it; each rule finds its seeded defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contract import dependencies, rules

UTILS = "ansible_collections.quetrex.platform.plugins.module_utils"
RULES = (dependencies.collections, dependencies.packages, dependencies.layers)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_collection(rule: Callable[[Path], list[str]]) -> None:
    assert rule(rules.ROOT) == []


@pytest.mark.parametrize(
    ("rule", "files", "says"),
    [
        (dependencies.collections, {"galaxy.yml": "dependencies: {community.docker: '*'}\n"}, "nothing uses community.docker"),
        (dependencies.collections, {"roles/a/tasks/main.yml": "- ansible.posix.mount:\n    path: /srv\n"}, "lacks ansible.posix"),
        (dependencies.collections, {"roles/a/vars/main.yml": "x: '{{ y | community.general.json_query(z) }}'\n"}, "lacks community.general"),
        (dependencies.packages, {"requirements.txt": "requests>=2\n"}, "nothing imports requests"),
        (dependencies.packages, {"plugins/module_utils/a.py": "def f():\n    import httpx\n"}, "lacks httpx"),
        (dependencies.layers, {"plugins/module_utils/a.py": "from ..plugin_utils.plain import Path\n"}, "below all plugins"),
        (dependencies.layers, {"plugins/module_utils/cloudflare/a.py": "from ..hetzner import client\n"}, "no other vendor"),
        (dependencies.layers, {"plugins/module_utils/cloudflare/a.py": "from ..supabase.errors import redact\n"}, "no other vendor"),
        (dependencies.layers, {"plugins/module_utils/api/a.py": f"import {UTILS}.uptime.client\n"}, "knows none of them"),
        (
            dependencies.layers,
            {
                "plugins/module_utils/host/a.py": f"from {UTILS}.between import x\n",
                "plugins/module_utils/between.py": f"from {UTILS}.reporting.page import x\n",
                "plugins/module_utils/reporting/page.py": "x = 1\n",
            },
            "reporting.page presents something",
        ),
    ],
)
def test_seeded_defect(rule: Callable[[Path], list[str]], files: dict[str, str], says: str, tmp_path: Path) -> None:
    bare = {"galaxy.yml": "dependencies: {}\n", "requirements.txt": "", "plugins/module_utils/__init__.py": ""}
    for name, text in {**bare, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert says in "\n".join(rule(tmp_path))

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer of a survey that was left empty means what no answer means: AWX hands `''` to a job as a variable, and Ansible reads `!unsafe ''` as null."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = yaml.safe_load((ROOT / "roles/awx_controller/vars/main.yml").read_text())["__awx_controller_catalogue"]
ASKED = sorted({question["variable"] for one in CATALOGUE for question in one.get("questions", [])})
REFUSED = "<refused>"
# Where the answer is read: file, the line's key, what else the expression needs, and what it gives without an answer.
READ: dict[str, list[tuple[str, str, dict[str, Any], Any]]] = {
    "app_release_image": [
        (
            "roles/app_release/vars/main.yml",
            "__app_release_images",
            {
                "app_release_action": "deploy",
                "app_release_what": "web",
                "app_release_inventory_image": "inventory",
                "__app_release_own": False,
                "__app_release_service_words": [],
            },
            ["inventory"],
        )
    ],
    "logs_service": [
        ("playbooks/logs.yml", "that", {"__logs_stack": {"web": {"coloured": True}}}, True),
        ("playbooks/logs.yml", "__logs_container", {"__logs_colour": "blue"}, "platform-web-blue"),
    ],
    "maintenance": [("playbooks/maintenance.yml", "that", {}, False)],
    "maintenance_reason": [("playbooks/maintenance.yml", "platform_maintenance_reason", {}, "")],
    "runner_user_id": [("roles/user_runner/defaults/main.yml", "user_runner_user_id", {}, REFUSED)]
    + [
        (f"playbooks/runner_{verb}.yml", "platform_lock_name", {"platform_name": "q", "platform_environment": "e"}, "q-e-runner-")
        for verb in ("provision", "destroy")
    ],
    "secret_rotate": [("playbooks/secret_rotate.yml", "that", {}, False)],
    "destroy_confirm": [("playbooks/destroy.yml", "that", {"platform_environment": "production"}, False)],
    "destroy_lift_protection": [("playbooks/destroy.yml", "lift_protection", {}, False)],
}
CASES = [(variable, *one) for variable, found in READ.items() for one in found]


def expressions(node: Any, key: str) -> list[Any]:
    """Every value of that key, however deep."""
    if isinstance(node, list):
        return [found for one in node for found in expressions(one, key)]
    if not isinstance(node, dict):
        return []
    return [node[key]] if key in node else [found for one in node.values() for found in expressions(one, key)]


def value(expression: str, variables: dict[str, Any]) -> Any:
    """What Ansible makes of it; a bare condition as in `that`."""
    text = expression if "{{" in expression else f"{{{{ {expression} }}}}"
    try:
        return Templar(DataLoader(), variables).template(trust_as_template(text))
    except AnsibleError:
        return REFUSED


def test_every_question_has_its_case() -> None:
    assert sorted(READ) == ASKED


@pytest.mark.parametrize("answer", ["", None, ...], ids=["empty", "null", "none"])
@pytest.mark.parametrize(("variable", "file", "key", "more", "wanted"), CASES, ids=[f"{one[0]}-{one[2]}-{Path(one[1]).stem}" for one in CASES])
def test_empty_answer(variable: str, file: str, key: str, more: dict[str, Any], wanted: Any, answer: Any) -> None:
    """An empty answer, null and none at all give the same."""
    given = {} if answer is ... else {variable: answer}
    found = [one for one in expressions(yaml.safe_load((ROOT / file).read_text()), key) if re.search(rf"\b{variable}\b", str(one))]
    assert found
    for one in found:
        assert value(str(one), {**more, **given}) == wanted

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short descriptions made into the long ones AWX keeps. Everything AWX would fill in is given, so that a second run sees no difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

QUESTION = {"question_description": "", "type": "text", "required": False, "default": "", "choices": [], "min": 0, "max": 1024}
KEY_FILE = "{{ tower.filename.ssh_private_key }}"


def survey(questions: Iterable[Mapping[str, Any]], name: str, description: str = "") -> dict[str, Any]:
    """The survey_spec of questions with at least `variable` and `question`."""
    spec = []
    for question in questions:
        if not {"variable", "question"} <= set(question):
            raise AnsibleFilterError(f"a question of the survey {name} needs 'variable' and 'question', this one has {', '.join(map(str, question))}")
        given = {"question_name" if key == "question" else key: value for key, value in question.items()}
        spec.append({**QUESTION, **given})
    return {"name": name, "description": description, "spec": spec}


def secrets_type(names: Iterable[str]) -> dict[str, Any]:
    """`{inputs, injectors}` of a credential type: the owner's SSH key as a file, and an extra variable for each name."""
    wanted = sorted(names)
    for name in wanted:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or name == "ssh_private_key":
            raise AnsibleFilterError(f"awx_controller_secrets: {name!r} cannot be a field; use small letters, digits and _, and not ssh_private_key")
    key = {"id": "ssh_private_key", "type": "string", "label": "Private SSH key of the owner", "secret": True, "multiline": True, "format": "ssh_private_key"}
    fields = [key, *({"id": name, "type": "string", "label": name, "secret": True, "multiline": True} for name in wanted)]
    variables = {"platform_admin_ssh_private_key_file": KEY_FILE, **{name: f"{{{{ {name} }}}}" for name in wanted}}
    return {
        "inputs": {"fields": fields, "required": ["ssh_private_key"]},
        # Jinja takes one line's end away, and ssh cannot read a key without any
        "injectors": {"file": {"template.ssh_private_key": "{{ ssh_private_key }}\n\n"}, "extra_vars": variables},
    }


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name -> function."""
        return {"awx_survey": survey, "awx_secrets_type": secrets_type}

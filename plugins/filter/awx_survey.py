# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes short questions into the survey AWX keeps. Everything AWX would fill in is given, so that a second run sees no difference."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_survey
short_description: Makes the survey_spec of an AWX template from short questions
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - Fills in what AWX would fill in, so that a second run sees no difference.
  - No default but those that are given. AWX hands every default that is not null to the job, also an empty one, where it wins over the inventory.
positional: name, description
options:
  _input:
    description: Questions, each with C(variable) and C(question), and with what differs from an optional text of up to 1024 characters.
    type: list
    elements: dict
    required: true
  name:
    description: Name of the survey.
    type: str
    required: true
  description:
    description: What the survey is for.
    type: str
    default: ""
"""

EXAMPLES = r"""
survey_spec: "{{ [{'variable': 'destroy_confirm', 'question': 'Name of the environment'}] | quetrex.platform.awx_survey('destroy') }}"
"""

RETURN = r"""
_value:
  description: What C(awx.awx.job_template) takes as C(survey_spec).
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

QUESTION = {"question_description": "", "type": "text", "required": False, "choices": [], "min": 0, "max": 1024}


def survey(questions: Iterable[Mapping[str, Any]], name: str, description: str = "") -> dict[str, Any]:
    """The survey_spec of questions with at least `variable` and `question`."""
    spec = []
    for question in questions:
        if not {"variable", "question"} <= set(question):
            raise AnsibleFilterError(f"a question of the survey {name} needs 'variable' and 'question', this one has {', '.join(map(str, question))}")
        if question.get("default") == "":
            raise AnsibleFilterError(f"{question['variable']} of the survey {name} has an empty default, which jobs would get as a variable; leave it out")
        given = {"question_name" if key == "question" else key: value for key, value in question.items()}
        spec.append({**QUESTION, **given})
    return {"name": name, "description": description, "spec": spec}


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name -> function."""
        return {"awx_survey": survey}

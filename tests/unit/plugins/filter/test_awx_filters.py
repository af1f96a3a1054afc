# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short descriptions become what AWX keeps."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.filter import awx_secrets_type, awx_survey
from ansible_collections.quetrex.platform.plugins.filter.awx_secrets_type import secrets_type
from ansible_collections.quetrex.platform.plugins.filter.awx_survey import survey


def test_a_question_has_every_field_awx_would_fill_in() -> None:
    made = survey([{"variable": "size", "question": "How big", "type": "multiplechoice", "choices": ["a", "b"]}], "scale", "Another size")
    assert made == {
        "name": "scale",
        "description": "Another size",
        "spec": [
            {
                "question_name": "How big", "question_description": "", "variable": "size", "type": "multiplechoice", "required": False,
                "choices": ["a", "b"], "min": 0, "max": 1024,
            }
        ],
    }  # fmt: skip


def test_an_empty_default_is_refused() -> None:
    """AWX would hand it to the job as a variable."""
    with pytest.raises(AnsibleFilterError, match="image of the survey deploy has an empty default"):
        survey([{"variable": "image", "question": "Which", "default": ""}], "deploy")


def test_a_question_without_a_variable_is_refused_by_name() -> None:
    with pytest.raises(AnsibleFilterError, match="survey destroy needs 'variable' and 'question', this one has question"):
        survey([{"question": "Really?"}], "destroy")


def test_secrets_become_fields_and_extra_variables_and_the_key_a_file() -> None:
    made = secrets_type(["vault_b", "vault_a"])
    assert [one["id"] for one in made["inputs"]["fields"]] == ["ssh_private_key", "vault_a", "vault_b"]
    assert all(one["secret"] for one in made["inputs"]["fields"])
    assert made["inputs"]["required"] == ["ssh_private_key"]
    assert made["injectors"]["extra_vars"] == {
        "platform_admin_ssh_private_key_file": "{{ tower.filename.ssh_private_key }}",
        "vault_a": "{{ vault_a }}",
        "vault_b": "{{ vault_b }}",
    }
    assert made["injectors"]["file"] == {"template.ssh_private_key": "{{ ssh_private_key }}\n\n"}


@pytest.mark.parametrize("name", ["Vault", "a-b", "ssh_private_key", "", "a b", "{{ x }}"])
def test_a_name_that_cannot_be_a_field_is_refused(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match="awx_controller_secrets"):
        secrets_type([name])


def test_the_filters_have_the_names_of_their_pages() -> None:
    assert awx_survey.FilterModule().filters() == {"awx_survey": survey}
    assert awx_secrets_type.FilterModule().filters() == {"awx_secrets_type": secrets_type}

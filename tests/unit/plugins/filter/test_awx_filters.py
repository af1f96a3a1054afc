# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short descriptions become what AWX keeps."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.filter import awx_secret_problems, awx_secrets_type, awx_survey
from ansible_collections.quetrex.platform.plugins.filter.awx_secret_problems import problems
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


def test_secrets_become_fields() -> None:
    """Secrets become fields and extra variables and the key a file."""
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
    assert awx_secret_problems.FilterModule().filters() == {"awx_secret_problems": problems}


def test_other_names_have_another_digest() -> None:
    """The order does not count: a second run finds the same credential."""
    one, same, other = (secrets_type(names)["digest"] for names in (["a", "b"], ["b", "a"], ["a", "b", "c"]))
    assert one == same != other
    assert len(one) == 8


class Tagged(int):
    """As Ansible gives a number, with where it came from."""


@pytest.mark.parametrize(
    ("value", "kind"), [(1234, "a number"), (1.5, "a number"), (Tagged(5), "a number"), (True, "a switch"), ({"a": 1}, "a mapping"), (["a"], "a list")]
)
def test_a_secret_that_is_not_text_is_named_and_not_shown(value: object, kind: str) -> None:
    (found,) = problems({"vault_pin": value, "vault_other": "x", "vault_empty": "", "vault_null": None})
    assert found == f"vault_pin is {kind}, not text; put it in quotes"


def key(kind: str, data: str) -> str:
    return f"-----BEGIN {kind}PRIVATE " + f"KEY-----\n{data}\n-----END {kind}PRIVATE " + "KEY-----\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (key("OPENSSH ", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU="), ""),
        (key("OPENSSH ", "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI="), "has a passphrase"),
        (key("OPENSSH ", "b"), "is damaged"),
        (key("RSA ", "eHg="), ""),
        (key("RSA ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\neHg="), "has a passphrase"),
        (key("", "eHg="), ""),
        (key("ENCRYPTED ", "eHg="), "has a passphrase"),
        ("", "is no private key"),
        ("ssh-ed25519 AAAA", "is no private key"),
    ],
)
def test_a_key_no_job_can_open_is_refused(text: str, reason: str) -> None:
    found = problems({"ssh_private_key": text})
    assert [f"ssh_private_key {reason}" in one for one in found] == ([True] if reason else [])

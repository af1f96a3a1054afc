# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job gets its variables as AWX writes them."""

from __future__ import annotations

from ansible.parsing.dataloader import DataLoader

from lab.controller import variables_file


def test_variables_of_a_job() -> None:
    """What a credential or a person gives stays as it is, braces, signs and lines too; what the template says may be an expression."""
    text = variables_file({"secret": "a{{ b }}ö\nc", "folder": "{{ 1 + 1 }}", "empty": ""}, {"folder": "{{ 1 + 1 }}"})
    assert DataLoader().load(text)["secret"] == "a{{ b }}ö\nc"
    assert "secret: !unsafe" in text
    assert "empty: !unsafe ''" in text
    assert "folder: '{{ 1 + 1 }}'" in text

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for what has to hold on a database."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules that try who may do what."""

    DOCUMENTATION = r"""
options:
  setup:
    description: SQL that makes the rows the expectations are about, run as O(user) at the beginning and rolled back.
    type: list
    elements: str
    default: []
  expectations:
    description: What is tried, each for itself, on what O(setup) left.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is expected, in words.
        type: str
        required: true
      role:
        description: Role of the request, such as V(anon), V(authenticated) or V(service_role). O(user) has to be a member of it.
        type: str
        required: true
      claims:
        description: Claims of the request's token; C(role) is added.
        type: dict
      statement:
        description: One SQL statement.
        type: str
        required: true
      expect:
        description:
          - V(denied) when a privilege or policy refuses it (SQLSTATE 42501), V(error) with O(expectations[].sqlstate).
          - V(rows) when it returns O(expectations[].count) rows, V(affected) when it changes that many. Rows a policy hides are neither.
        type: str
        choices: [rows, affected, denied, error]
        required: true
      count:
        description: How many rows; any number if not given.
        type: int
      sqlstate:
        description: The error's five letters.
        type: str
  lint_schemas:
    description: The schemas that the API exposes.
    type: list
    elements: str
    default: [public]
  lint_allowed:
    description: Findings that are as they are on purpose, as C(<lint> <object>).
    type: list
    elements: str
    default: []
  lints_fail:
    description: Whether findings of the lints fail the task. Otherwise they are warnings.
    type: bool
    default: true
requirements:
  - pglast >= 8.0 on the controller
"""

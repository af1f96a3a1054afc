# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful stand-in of the AWX 24.6 API (`/api/v2`), as far as the awx.awx collection and a launch need it.

Objects are kept as AWX keeps them: defaults filled in, secrets answered as `$encrypted$`, names unique per organisation, foreign keys
checked, related objects in `related`. A project is really fetched with git, so a template with a playbook that is not there is refused.
A token has its user's rights: `admin` is system administrator, `organizer` administers the organisations it was made administrator of
(`POST organizations/<id>/admins/`), `somebody` nothing. What AWX answers to requests it refuses is recorded in `answers.yml`.
Jobs are not run here: `lab.controller` does that, with ansible-runner, as AWX's own nodes do, and reports how they ended; workflows go on then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from ..faults import Faults
from ..kit import LabPaths, Store
from .users import USERS, token
from .views import routes

if TYPE_CHECKING:
    from lab.config import Lab

__all__ = ["create_app", "token", "token_of"]


def token_of(lab: Lab) -> str:
    return token(lab.name)


def create_app(lab: LabPaths) -> Starlette:
    """The API, with what a fresh AWX has: one organisation, the managed credential types and the Galaxy credential."""
    store, faults, name = Store(lab, "awx"), Faults(), getattr(lab, "name", "scratch")
    app = Starlette(routes=routes(store, lab.path("awx", "projects"), {token(name, user): user for user in USERS}, faults))
    app.state.store = store
    app.state.faults = faults
    return app

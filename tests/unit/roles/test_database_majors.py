# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of schema, promises, export and restore once more, on the PostgreSQL that older projects have.

POSTGRES_MAJORS (default: 15; 18 is known as well) names the versions; 17 is what all other tests run on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.config import CHECKOUT
from lab.supabase import majors
from lab.supabase.cluster import cache_dir

pytestmark = [pytest.mark.lab, pytest.mark.long]

# The runner, concurrent indexes and drift; every attack on both kinds of project; a thousand accounts to a project and a plain PostgreSQL.
FILES = (
    "plugins/module_utils/supabase/test_schema.py",
    "plugins/modules/test_supabase_schema.py",
    "plugins/modules/test_supabase_restore.py",
    "roles/test_supabase_database.py",
)
WANTED = "check_run_again or concurrent_indexes or thousand_accounts or drift or test_supabase_database"


@pytest.mark.parametrize("major", [int(one) for one in os.environ.get("POSTGRES_MAJORS", "15").split()])
def test_the_same_on_this_postgresql(major: int) -> None:
    folder = majors.programs(cache_dir(), major)
    environment = {**os.environ, "POSTGRES_BIN": str(folder), "POSTGRES_VERSION": str(major), "PATH": f"{folder}:{os.environ['PATH']}"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", WANTED, *(f"tests/unit/{file}" for file in FILES)]
    done = subprocess.run(words, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    version = subprocess.run([str(Path(folder) / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    assert f" {major}." in version

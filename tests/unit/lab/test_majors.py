# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's programs in a root of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lab.supabase.cluster import SUPERUSER, Cluster, bin_dir


@pytest.mark.postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder in /")
def test_a_folder_made_later() -> None:
    """The checkout may lie below a folder of / that the machine did not have when the programs' root was made."""
    if bin_dir().is_relative_to("/usr"):
        pytest.skip("the machine has this PostgreSQL itself")
    folder = Path(tempfile.mkdtemp(prefix="quetrex-", dir="/"))
    try:
        with Cluster(folder / "db", privileges="bare") as cluster, cluster.connect(SUPERUSER).cursor() as cursor:
            cursor.execute("SHOW data_directory")
            assert cursor.fetchone() == (str(folder / "db"),)
    finally:
        shutil.rmtree(folder)

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""READMEs of roles: their tables are those of the specifications, and Ansible takes their examples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_tables_are_as_new_as_the_specifications() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "role_readmes.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.play
def test_ansible_takes_every_example(tmp_path: Path) -> None:
    """One file with the examples of all roles, whose syntax Ansible checks with every role in them."""
    blocks = [block for path in sorted((ROOT / "roles").glob("*/README.md")) for block in re.findall(r"```yaml\n(- hosts:.*?)```", path.read_text(), re.DOTALL)]
    assert len(blocks) >= len(list((ROOT / "roles").glob("*/README.md")))
    (tmp_path / "examples.yml").write_text("---\n" + "".join(blocks))
    words = [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", "-i", "localhost,", tmp_path / "examples.yml"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

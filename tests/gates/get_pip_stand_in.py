# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for ansible-test's get-pip.py: installs the pip wheel that lies beside it."""

from __future__ import annotations

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - runs under every Python ansible-test knows
sys.path.insert(0, os.path.join(HERE, "pip-@VERSION@-py3-none-any.whl"))  # noqa: PTH118
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--no-index", "--find-links", HERE, *wanted]
runpy.run_module("pip", run_name="__main__", alter_sys=True)

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's own SDK for Python, which checks every answer against the types of its API description when it is asked to.

The collection does not use it, so it is no dependency: it is installed once into the lab's cache, beside the other things that are fetched there.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.config import Lab
from lab.process import locked
from lab.shell import run

PACKAGES = ("cloudflare==5.9.0", "sniffio==1.3.1")
"""The SDK, and what it needs beside the packages that the tests have anyway."""


def client(lab: Lab, url: str, token: str) -> Any:
    """The SDK at that address. An answer that is not of the described type is an error, and nothing is tried twice."""
    place = str(_installed(lab))
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module("cloudflare").Cloudflare(api_token=token, base_url=url, max_retries=0, timeout=10, _strict_response_validation=True)


def described(module: str) -> Any:
    """The SDK's types of one answer."""
    return importlib.import_module(f"cloudflare.types.{module}")


def _installed(lab: Lab) -> Path:
    place = lab.cache / PACKAGES[0].replace("==", "-sdk-")
    lab.cache.mkdir(parents=True, exist_ok=True)
    with locked(lab.cache / "cloudflare-sdk.lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(dir=lab.cache, prefix="making-") as scratch:
                pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-deps", "--no-compile"]
                run(*pip, "--target", Path(scratch, "packages"), *PACKAGES, timeout=300)
                Path(scratch, "packages").rename(place)
    return place

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the documentation site: `python tools/docs/build.py TARGET` (an empty or absent folder). Any warning is an error.

Guides are docs/*.md, reference pages come from the plugins' documentation and the roles' argument specs. A link from a guide to a file of
the repository becomes a link to its page on the web; that the file exists is checked here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = "https://github.com/quetrex/platform/blob/main"
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(#[^)]*)?\)")


def guide(page: Path) -> str:
    """A guide's text with links that work on the site; raises on one that leads nowhere."""

    def follow(match: re.Match[str]) -> str:
        target = (page.parent / match.group(1)).resolve()
        if not target.exists():
            raise SystemExit(f"{page.relative_to(ROOT)}: there is no {match.group(1)}")
        if target.parent == ROOT / "docs" and target.suffix == ".md":
            return match.group(0)
        return f"]({WEB}/{target.relative_to(ROOT)}{match.group(2) or ''})"

    return LINK.sub(follow, page.read_text())


def build(target: Path) -> None:
    """Writes the site to `target`."""
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        for name in ("conf.py", "index.md"):
            (source / "guide").mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(__file__).parent / name, source)
        for page in sorted((ROOT / "docs").glob("*.md")):
            (source / "guide" / page.name).write_text(guide(page))
        path = f"{programs}:{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "HOME": scratch,
            "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".cache" / "tree")),
        }
        words: list[str | Path] = [
            "--use-current",
            "--squash-hierarchy",
            "--fail-on-error",
            "--dest-dir",
            source / "collections",
            "quetrex.platform",
        ]
        (source / "collections").mkdir()
        subprocess.run([programs / "antsibull-docs", "collection", *words], check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run([programs / "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", source, target], check=True, env=environment)


if __name__ == "__main__":
    build(Path(sys.argv[1]))

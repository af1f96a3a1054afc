# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static files of releases, kept where nginx finds them after their container is gone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from quetrex_release.docker import Docker
from quetrex_release.files import replace

# what the engine says of an application without such files
NONE_THERE = re.compile(r"could not find the file|no such file", re.IGNORECASE)


class StaticFiles:
    """Those of one service: `path` in its image, `prefix` in its addresses. Without a path there are none."""

    def __init__(self, folder: Path, path: str, prefix: str, docker: Docker) -> None:
        self.folder, self.path, self.docker = folder, path, docker
        self.served = folder / "files" / prefix.strip("/")

    def keep(self, container: str, image: str) -> None:
        """Copies what a container has."""
        if not self.path:
            return
        scratch = self.folder / ".new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        said = self.docker.run("cp", f"{container}:{self.path}/.", str(scratch), check=False)
        names = [str(path.relative_to(scratch)) for path in scratch.rglob("*") if path.is_file() and not path.is_symlink()]
        if not names and said.strip():
            if NONE_THERE.search(said):
                replace(self._list(image), "[]")
            return
        for name in names:
            target = self.served / name
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            (scratch / name).chmod(0o644)
            (scratch / name).replace(target)
        shutil.rmtree(scratch)
        replace(self._list(image), json.dumps(names))

    def has(self, image: str) -> bool:
        """Whether an image's are kept, or it is known to have none."""
        return self._list(image).exists()

    def prune(self, kept: list[str]) -> None:
        """Removes what none of these images has."""
        lists = set(self.folder.glob("*.json"))
        gone = lists - {self._list(image) for image in kept}
        named: set[str] = {name for path in lists - gone for name in json.loads(path.read_text())}
        for path in gone:
            for name in set(json.loads(path.read_text())) - named:
                (self.served / name).unlink(missing_ok=True)
            path.unlink()

    def _list(self, image: str) -> Path:
        return self.folder / f"{image.rpartition(':')[2][:24]}.json"

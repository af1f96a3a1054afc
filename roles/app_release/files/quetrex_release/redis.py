# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of Redis: how much it holds, a copy of it, and the copy as the data again."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quetrex_release.docker import Docker
from quetrex_release.files import content
from quetrex_release.outcome import ReleaseError


class Redis:
    """Its container, its folder on the volume, and the env file and variable with the login that it is asked with."""

    def __init__(self, container: str, folder: Path, login: tuple[Path, str], docker: Docker) -> None:
        self.container, self.folder, self.login, self.docker = container, folder, login, docker

    def keys(self) -> int | None:
        """How many keys Redis holds, as the application's user sees it; None when it cannot be asked."""
        file, variable = self.login
        match = re.search(rf"^{re.escape(variable)}='?(redis://[^'\n]+)", content(file) or "", re.MULTILINE)
        login = urlsplit(match[1]) if match else None
        if not login or not login.username or not login.password:
            return None
        words = ("exec", "--env", "REDISCLI_AUTH", self.container, "redis-cli", "--user", unquote(login.username), "info", "keyspace")
        said = self.docker.run(*words, env={"REDISCLI_AUTH": unquote(login.password)}, check=False)
        return sum(int(number) for number in re.findall(r"keys=(\d+)", said)) if "# Keyspace" in said else None

    def forget_copy(self) -> None:
        """A copy of an earlier exchange is no way back from another one."""
        for name in (".before", ".copying"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def copy(self) -> None:
        """A copy of the data of a stopped Redis: a newer version may write what the older one cannot read. There is a whole copy or none."""
        if (self.folder / "appendonlydir").is_dir():
            try:
                self._copy_owned(self.folder / "appendonlydir", self.folder / ".copying")
            except OSError as error:  # shutil.Error is one
                raise ReleaseError("copy_failed", f"The data of Redis could not be copied: {error}") from error
            (self.folder / ".copying").rename(self.folder / ".before")

    def restore(self) -> bool:
        """The copy becomes the data again, and what it replaces is kept in `.replaced`. False without a copy."""
        if not (self.folder / ".before").is_dir():
            return False
        self.docker.stop(self.container)
        if (self.folder / "appendonlydir").is_dir():
            shutil.rmtree(self.folder / ".replaced", ignore_errors=True)
            (self.folder / "appendonlydir").rename(self.folder / ".replaced")
        (self.folder / ".before").rename(self.folder / "appendonlydir")
        return True

    def _copy_owned(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target)
        for path in (target, *target.rglob("*")):
            original = source / path.relative_to(target)
            os.chown(path, original.stat().st_uid, original.stat().st_gid)

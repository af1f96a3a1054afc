# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Newer PostgreSQL than the machine has: Debian's packages in a root of their own, and programs that run there on the machine's files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab import base
from lab.process import locked
from lab.supabase.cluster import account

SUITES = {15: "bookworm", 17: "trixie", 18: "forky"}
FOLLOW_PARENT = "LAB_POSTGRES_FOLLOWS"
"""Set in the environment: the program gets SIGINT when who started it ends."""
PROGRAMS = ("initdb", "postgres", "psql", "pg_dump", "pg_restore", "pg_ctl")
# Folders that the programs' root has of its own. All others are the machine's at the moment a program starts: a cluster's files, sockets and certificates
# may lie in any of them, also in one that was not there when the root was made.
OWN = ("bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "lost+found", "sbin", "sys", "usr")
# Whoever is root no more, as the product's own way of starting a server makes her, first needs a namespace in which she may mount.
# As a user of a namespace of its own (made before the root is entered: inside of one the kernel makes none). Only a test's server goes with who started
# it: a lab's stays when the command that brought it up has ended.
_PROGRAM = """#!/bin/sh
[ "$(id -u)" = 0 ] || own="--user --map-root-user"
exec unshare $own --mount -- /bin/sh -ec '
  mount -t tmpfs -o mode=755 programs {stage}
  for path in {own}; do
    if [ -L $path ]; then cp -P $path {stage}
    elif [ -d $path ]; then mkdir {stage}/${{path##*/}}; mount --rbind $path {stage}/${{path##*/}}; fi
  done
  for path in /*; do
    name=${{path##*/}}
    [ -d "$path" ] && [ ! -L "$path" ] || continue
    case "$name" in {names}) continue ;; esac
    mkdir "{stage}/$name"; mount --rbind "$path" "{stage}/$name"
  done
  exec unshare --user --map-user={user} --map-group={user} --root={stage} -- \\
    ${{{follow}:+setpriv --pdeathsig INT --}} /usr/lib/postgresql/{major}/bin/{program} "$@"
' {program} "$@"
"""


def programs(cache: Path, major: int) -> Path:
    """Folder of the programs of this major version; made when absent (half a minute)."""
    packages = [f"postgresql-{major}", "util-linux", "dash", "coreutils"]
    cache.mkdir(parents=True, exist_ok=True)
    root = base.debian_root(cache, SUITES[major], packages, variant="extract", salt="every folder of the machine")
    stage = root / "stage"
    words = {
        "stage": stage,
        "own": " ".join(str(root / name) for name in OWN),
        "names": "|".join(OWN),
        "major": major,
        "user": account(),
        "follow": FOLLOW_PARENT,
    }
    folder = root / f"programs-{hashlib.sha256(_PROGRAM.encode()).hexdigest()[:8]}"
    with locked(cache / f"{root.name}.lock"):
        if not folder.exists():
            _complete(root)
            stage.mkdir(exist_ok=True)
            draft = folder.with_suffix(".new")
            draft.mkdir(exist_ok=True)
            for program in PROGRAMS:
                path = draft / program
                path.write_text(_PROGRAM.format(program=program, **words))
                path.chmod(0o755)
            draft.rename(folder)
    return folder


def _complete(root: Path) -> None:
    """What the packages' own scripts would have made, as far as a server needs it."""
    for name in ("bin", "sbin", "lib", "lib64"):
        link = root / name
        if not link.exists():
            link.symlink_to(f"usr/{name}")
    shell = root / "usr/bin/sh"
    if not shell.exists():
        shell.symlink_to("dash")
    (root / "etc/passwd").write_text(f"root:x:0:0::/root:/bin/sh\npostgres:x:{account()}:{account()}::/:/bin/sh\n")

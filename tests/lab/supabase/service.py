# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own Supabase database: PostgreSQL on 5432 at one address, and its pooler at another, 5432 for sessions and 6543 for transactions.

Each has a network namespace of its own. Network restrictions drop packets in front of PostgreSQL, and the pooler answers them in words, see strict.py.
Wrong passwords have consequences at both, see bans.py and strict.py.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2

from lab import net, pki, process
from lab.config import CHECKOUT, DATABASE, Lab
from lab.supabase import bans, identity, strict
from lab.supabase.cluster import Cluster, Privileges, Server, unprivileged

NODE, POOLER_NODE = "db", "pool"
PORT = 5432
POOLERS: dict[strict.Mode, int] = {"session": 5432, "transaction": 6543}
LOGINS = ("postgres", "authenticator", "supabase_auth_admin", "supabase_storage_admin")


def up(lab: Lab, privileges: Privileges | None = None) -> dict[str, Any]:
    """Start what is not running and say how to reach it. Safe to repeat."""
    who = identity.load(lab)
    kind = privileges or os.environ.get("LAB_SUPABASE_PRIVILEGES", "new")
    if not net.exists(lab, NODE):
        net.add_namespace(lab, NODE, [lab.database, lab.address6(DATABASE)])
    server = _server(lab, who, kind)  # type: ignore[arg-type]
    if not process.running(lab, "postgres"):
        _start_postgres(lab, server, who)
    argv = [sys.executable, "-m", "lab.supabase.bans", str(process.log_file(lab, "postgres"))]
    process.start(lab, "bans", argv, netns=net.netns_name(lab, NODE), cwd=CHECKOUT / "tests")
    _start_pooler(lab, who)
    return describe(lab)


def _start_pooler(lab: Lab, who: identity.Identity) -> None:
    if not net.exists(lab, POOLER_NODE):
        net.add_namespace(lab, POOLER_NODE, [lab.address(DATABASE, 2), lab.address6(DATABASE, 2)])
    ports = []
    for mode, number in POOLERS.items():
        bouncer = strict.backend(_sockets(lab) / mode, _sockets(lab), PORT, mode)
        ports.append({"number": number, "mode": mode, "backend": f"{bouncer.folder}/.s.PGSQL.{bouncer.port}"})
        if not process.running(lab, f"pgbouncer-{mode}"):
            bouncer.configure()
            process.start(lab, f"pgbouncer-{mode}", bouncer.argv(), ready=bouncer.ready)
    if process.running(lab, "pooler"):
        return
    settings = {
        "ref": who.ref,
        "listen": [lab.address(DATABASE, 2), lab.address6(DATABASE, 2)],
        "ports": ports,
        "certificate": [str(path) for path in pki.issue(lab, [who.host, who.pooler_host, lab.database])],
        "rules": str(_rules(lab)),
    }
    path = lab.path("supabase", "pooler.json")
    path.write_text(json.dumps(settings))
    listens = functools.partial(_listens, lab.address(DATABASE, 2))
    argv = [sys.executable, "-m", "lab.supabase.strict", str(path)]
    process.start(lab, "pooler", argv, netns=net.netns_name(lab, POOLER_NODE), cwd=CHECKOUT / "tests", ready=listens)


def _listens(address: str) -> bool:
    try:
        socket.create_connection((address, POOLERS["session"]), timeout=2).close()
    except OSError:
        return False
    return True


def rules(lab: Lab, **changed: Any) -> dict[str, Any]:
    """What the pooler's rules are now, after these changes; see strict.Rules."""
    path = _rules(lab)
    found = (json.loads(path.read_text()) if path.exists() else {}) | changed
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(found))
    scratch.rename(path)
    return dict(found)


def _rules(lab: Lab) -> Path:
    return lab.path("supabase", "pooler-rules.json")


def halt(lab: Lab) -> None:
    """Stop both, as pausing the project does: the address stays, nothing answers there."""
    process.stop(lab, "pooler", grace=1)
    for mode in POOLERS:
        process.stop(lab, f"pgbouncer-{mode}", grace=1)
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
    if process.signal(lab, "postgres", signal.SIGINT):
        process.until(lambda: not process.running(lab, "postgres"), 15)
    process.stop(lab, "postgres", grace=0)


def down(lab: Lab) -> None:
    """Stop both and take the node off the network; the data stays."""
    halt(lab)
    process.stop(lab, "bans", grace=0)
    for node in (NODE, POOLER_NODE):
        net.remove_namespace(lab, node)


def destroy(lab: Lab) -> None:
    """Stop, and forget all data and keys."""
    down(lab)
    for folder in (lab.path("supabase"), _sockets(lab)):
        shutil.rmtree(folder, ignore_errors=True)


def describe(lab: Lab) -> dict[str, Any]:
    """What the platform's owner would copy from the dashboard, and the names DNS has to know."""
    who = identity.load(lab)
    pooler = {"host": who.pooler_host, "address": lab.address(DATABASE, 2), "port": POOLERS["session"], "user": who.pooler_user}
    direct = {"host": who.host, "address": lab.database, "port": PORT, "user": "postgres"}
    return {
        "ref": who.ref,
        "region": who.region,
        "url": who.url,
        **direct,
        "password": who.password,
        "database": "postgres",
        "sslmode": "verify-full",
        "ca_certificate": str(pki.ca(lab)),
        "pooler": pooler,
        # the way that the lab's platform takes
        "login": direct if lab.direct else pooler,
        "anon_key": who.newer_key("publishable"),
        "service_role_key": who.newer_key("secret"),
        "names": {who.host: lab.database, who.pooler_host: lab.address(DATABASE, 2), f"{who.ref}.supabase.test": lab.database},
        "sockets": str(_sockets(lab)),
    }


def restrict(lab: Lab, allowed: Sequence[str] | None) -> None:
    """The project's network restrictions: only these networks reach the database or are let in by the pooler; None lifts them."""
    rules(lab, allowed=None if allowed is None else list(allowed))
    net.set_firewall(lab, NODE, None if allowed is None else [{"direction": "in", "protocol": "tcp", "port": f"{PORT}", "source_ips": list(allowed)}])


def enforce_tls(lab: Lab, enforced: bool) -> None:
    """The project's SSL enforcement: a connection without TLS is refused."""
    rules(lab, tls_enforced=enforced)
    _write_access(_data(lab), enforced)
    process.signal(lab, "postgres", signal.SIGHUP)


def banned(lab: Lab) -> list[str]:
    """The addresses that the database's own host refuses, see bans.py."""
    return bans.banned(net.netns_name(lab, NODE))


def lift_bans(lab: Lab) -> None:
    bans.lift(net.netns_name(lab, NODE))


def connect(lab: Lab, user: str = "supabase_admin") -> Any:
    """A connection over the socket, past network and password."""
    connection = psycopg2.connect(host=str(_sockets(lab)), port=PORT, user=user, dbname="postgres")
    connection.autocommit = True
    return connection


def _data(lab: Lab) -> Path:
    return lab.path("supabase", "data")


def _sockets(lab: Lab) -> Path:
    # Not below the lab's folder: the path of a socket may hold 107 bytes.
    return Path("/run/quetrex-lab") / lab.name


def _server(lab: Lab, who: identity.Identity, privileges: Privileges) -> Server:
    sockets = _sockets(lab)
    sockets.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(_data(lab), PORT, sockets, privileges, cache=lab.cache)
    cluster.create()
    key, chain = pki.issue(lab, [who.host, who.pooler_host, lab.database])
    settings = {"ssl": "on", "ssl_cert_file": str(chain), "ssl_key_file": str(key), "log_connections": "on"}
    # whom a wrong password comes from, see bans.py
    settings["log_line_prefix"] = "%m [%p] %q%h %u@%d %a "
    return Server(_data(lab), sockets, PORT, listen=f"127.0.0.1,{lab.database},{lab.address6(DATABASE)}", settings=settings)


def _start_postgres(lab: Lab, server: Server, who: identity.Identity) -> None:
    server.configure()
    # A project that was paused, or whose machine was restarted, takes TLS only as before.
    access = server.data / "pg_hba.conf"
    _write_access(server.data, enforced=any(line.startswith("hostssl all all all") for line in access.read_text().splitlines()))
    # Left by one that was killed: nothing of this lab holds them, or it would be running.
    for stale in (server.data / "postmaster.pid", *_sockets(lab).glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    process.start(lab, "postgres", unprivileged(server.argv()), netns=net.netns_name(lab, NODE), cwd=Path("/"), ready=server.ready)
    with contextlib.closing(connect(lab)) as connection, connection.cursor() as cursor:
        for login in LOGINS:
            cursor.execute(f'ALTER ROLE "{login}" PASSWORD %s', (who.password,))


def _write_access(data: Path, enforced: bool) -> None:
    """Who may connect how: over the socket without a password, over the network with one, and with TLS when enforced."""
    kind = "hostssl" if enforced else "host"
    (data / "pg_hba.conf").write_text(f"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n{kind} all all all scram-sha-256\n")

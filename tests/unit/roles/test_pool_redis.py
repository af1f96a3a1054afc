# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in a pool, with the role's files: three real servers, Sentinels and proxies that lose each other."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import redis_pool
from lab.redis_pool import NODES, ROLE, Pool, Writer, wait

MISSING = [name for name in ("redis-server", "haproxy", "dnsmasq", "ip") if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
pytestmark = [pytest.mark.service, pytest.mark.lab, pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {MISSING}")]
BACK, LOST = 15, 1.0
"""Seconds until writes go on, and of acknowledged writes that may be lost."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with redis_pool.pool(tmp_path_factory.mktemp("pool")) as nodes:
        yield nodes


@pytest.fixture
def pool(made: Pool) -> Pool:
    """Three nodes that are well; what a test leaves broken is repaired before the next."""
    made.settle()
    return made


def primary(pool: Pool) -> int:
    return next(node for node in NODES if pool.info(node).get("min_slaves_good_slaves", "0") != "0")


def others(node: int) -> list[int]:
    return [one for one in NODES if one != node]


def lost(pool: Pool, writer: Writer) -> list[float]:
    """When writes were acknowledged that the primary does not have."""
    kept = pool.kept(primary(pool), writer.prefix)
    return [answer.at for answer in writer.acknowledged() if answer.number not in kept]


def goes_on(writer: Writer, since: float) -> float:
    """Seconds from a moment to the first write that was acknowledged after a pause."""
    wait(lambda: len(writer.acknowledged(since + 1.5)) > 3, 2 * BACK)
    times = [answer.at for answer in writer.acknowledged()]
    return max(times[place + 1] for place in range(len(times) - 1) if times[place + 1] > since and times[place + 1] - times[place] > 0.5) - since


def ended(writer: Writer, since: float) -> float:
    """Seconds from a moment to the last write that was acknowledged."""
    return max(answer.at for answer in writer.acknowledged()) - since


@pytest.mark.parametrize(
    ("states", "first"),
    [
        ({1: "nothing", 2: "nothing", 3: "nothing"}, 1),
        ({1: "data", 2: "nothing", 3: "nothing"}, 1),
        ({1: "nothing", 2: "data", 3: "nothing"}, 2),
        ({1: "nothing", 2: "replica", 3: "primary"}, 3),
        ({1: "nothing", 2: "replica"}, 2),
        ({1: "nothing", 2: "data", 3: "replica"}, 3),
    ],
)
def test_first_primary(states: dict[int, str], first: int) -> None:
    """A server without state follows one that has data."""
    redis, sentinel = redis_pool.seeds(1, states).values()
    assert ("replicaof" not in redis) == (first == 1)
    assert f"sentinel monitor platform redis-{first} 6379 2\n" in sentinel


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "nothing"),
        ({"redis/appendonlydir/appendonly.aof.1.base.rdb": ""}, "nothing"),
        ({"redis/appendonlydir/appendonly.aof.1.base.rdb": "REDIS"}, "data"),
        ({"redis/appendonlydir/a": "x", "pool-redis/redis/redis.conf": 'save ""\nreplicaof redis-1 6379\n'}, "replica"),
        ({"pool-redis/redis/redis.conf": "# replicaof\n"}, "primary"),
    ],
)
def test_state(tmp_path: Path, files: dict[str, str], state: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    done = subprocess.run(["sh", ROLE / "files" / "state.sh", "2", tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"2 {state}\n"


def test_cut_off_while_clients_write(tmp_path: Path) -> None:
    """A primary that is cut off together with a proxy and its client acknowledges nothing after a second, and writes again when it is back.

    Every user has its own rights alone.
    """
    with redis_pool.pool(tmp_path) as pool:
        for node in NODES:
            pool.start("redis", node)
        pool.start("proxy", 1)
        wait(lambda: pool.through(1, "SET", "a", "b") == "+OK" and pool.info(1).get("min_slaves_good_slaves") == "2", 20)
        for user, command in (("probe", ["get", "a"]), ("replication", ["get", "a"]), ("sentinel", ["get", "a"]), ("web", ["replicaof", "no", "one"])):
            assert "NOPERM" in pool.ask(1, *command, user=user), user
        assert "NOPERM" in pool.ask(1, "config", "get", "masterauth", user="sentinel")
        assert pool.ask(3, "get", "a", user="web") == "b"

        writer = Writer(pool, 1, "cut")
        wait(lambda: len(writer.acknowledged()) > 300, 10)
        cut = time.monotonic()
        pool.cut(1)
        wait(lambda: time.monotonic() - cut > 2.5, 6)
        writer_ended = ended(writer, cut)
        pool.heal(1)
        healed = time.monotonic()
        wait(lambda: len(writer.acknowledged(healed)) > 10, 15)
        writer.stop()
        print(f"the last write was acknowledged {writer_ended:.2f} s after the cut")
        assert writer_ended <= LOST + 0.3


@pytest.mark.long
def test_primary_dies(pool: Pool) -> None:
    """A server loses its power: its names are gone, another one is primary, and nothing or nearly nothing that was acknowledged is lost."""
    dead = primary(pool)
    left = others(dead)
    writer = Writer(pool, left[0], "dies")
    wait(lambda: len(writer.acknowledged()) > 500, 20)
    killed = time.monotonic()
    pool.kill_node(dead)
    pool.forget(f"redis-{dead}", f"sentinel-{dead}")
    back = goes_on(writer, killed)
    writer.stop()
    gone = lost(pool, writer)
    print(f"writes went on after {back:.1f} s; {len(gone)} of {len(writer.acknowledged())} acknowledged writes lost")
    assert back <= BACK
    assert all(killed - at <= LOST for at in gone)

    # It comes back as it was, a primary, and nobody is led to it: what is acknowledged through its own proxy reaches the new one.
    pool.remember(f"redis-{dead}", f"sentinel-{dead}")
    pool.heal(dead)
    began = time.monotonic()
    pool.start_node(dead)
    returned = Writer(pool, dead, "returns")
    wait(lambda: pool.role(dead) == "slave", 30)
    took = time.monotonic() - began
    wait(lambda: len(returned.acknowledged()) > 100, 20)
    returned.stop()
    print(f"the old primary was a replica after {took:.1f} s")
    assert lost(pool, returned) == []
    assert primary(pool) != dead


@pytest.mark.long
def test_cut_off_and_healed(pool: Pool) -> None:
    """Clients on both sides of a cut: those beside the old primary lose at most a second of acknowledged writes, and follow the new one when it heals."""
    old = primary(pool)
    beside, beyond = Writer(pool, old, "beside"), Writer(pool, others(old)[0], "beyond")
    wait(lambda: min(len(beside.acknowledged()), len(beyond.acknowledged())) > 300, 20)
    cut = time.monotonic()
    pool.cut(old)
    back = goes_on(beyond, cut)
    stopped = ended(beside, cut)
    pool.heal(old)
    healed = time.monotonic()
    wait(lambda: len(beside.acknowledged(healed)) > 100, 30)
    followed = min(answer.at for answer in beside.acknowledged(healed)) - healed
    wait(lambda: pool.role(old) == "slave", 30)
    beside.stop()
    beyond.stop()
    gone = lost(pool, beside)
    print(
        f"writes beyond went on after {back:.1f} s, beside stopped after {stopped:.2f} s, went on {followed:.1f} s after the cut healed; "
        f"{len(gone)} of {len(beside.acknowledged())} acknowledged beside lost"
    )
    assert back <= BACK
    assert all(at - cut <= LOST + 0.3 for at in gone)
    assert all(cut - at <= 0.1 for at in lost(pool, beyond))
    assert primary(pool) != old


@pytest.mark.long
def test_frozen(pool: Pool) -> None:
    """A primary that is stopped and goes on later serves nobody in between or afterwards."""
    frozen = primary(pool)
    writer = Writer(pool, others(frozen)[1], "frozen")
    wait(lambda: len(writer.acknowledged()) > 300, 20)
    stopped = time.monotonic()
    pool.processes[f"redis-{frozen}"].send_signal(signal.SIGSTOP)
    back = goes_on(writer, stopped)
    pool.processes[f"redis-{frozen}"].send_signal(signal.SIGCONT)
    wait(lambda: pool.role(frozen) == "slave", 30)
    writer.stop()
    print(f"writes went on after {back:.1f} s")
    assert back <= BACK
    assert lost(pool, writer) == []


def lead(pool: Pool, node: int) -> None:
    """Make a node the primary, as before its server is taken away on purpose."""

    def there() -> bool:
        if primary(pool) == node:
            return True
        pool.ask(node, "SENTINEL", "FAILOVER", "platform", port=26379, user="sentinel")
        return False

    wait(there, 120, 6)
    pool.settle()


@pytest.mark.long
@pytest.mark.parametrize("role", ["slave", "master"])
def test_two_gone(pool: Pool, role: str) -> None:
    """One server alone acknowledges nothing and promotes nobody, whichever it is; with a second one writes go on."""
    left = primary(pool) if role == "master" else others(primary(pool))[0]
    gone = others(left)
    for node in gone:
        pool.kill_node(node)
    pool.forget(*(f"{kind}-{node}" for kind in ("redis", "sentinel") for node in gone))
    writer, began = Writer(pool, left, f"alone-{role}", pause=0.02), time.monotonic()
    # longer than a Sentinel waits before it tries again
    wait(lambda: time.monotonic() - began > 35, 40)
    assert (pool.role(left), [answer for answer in writer.acknowledged() if answer.at > began + 3]) == (role, [])
    second = gone[0]
    pool.remember(f"redis-{second}", f"sentinel-{second}")
    pool.heal(second)
    pool.start_node(second)
    again = time.monotonic()
    wait(lambda: len(writer.acknowledged(began + 35)) > 10, 60)
    print(f"writes went on {writer.acknowledged(began + 35)[0].at - again:.1f} s after the second server was back")
    writer.stop()
    assert [at for at in lost(pool, writer) if at > began + 1] == []


@pytest.mark.long
def test_sentinel_restarts(pool: Pool) -> None:
    """A changed setting reaches Sentinels that keep who is primary, at which epoch, and who they are."""
    lead(pool, others(primary(pool))[0])
    before = [pool.sentinel(node) for node in NODES]
    kept = ("ip", "config-epoch", "num-slaves", "num-other-sentinels", "quorum")
    assert int(before[0]["config-epoch"]) > 0
    for node in NODES:
        pool.kill("sentinel", node, signal.SIGTERM)
    for node in NODES:
        pool.configure(node, {"pool_redis_down_after_ms": 4000})
        pool.start("sentinel", node)
    # as it says at once, from its file: not what it would learn again
    wait(lambda: all(pool.sentinel(node) for node in NODES), 10)
    after = [pool.sentinel(node) for node in NODES]
    assert [[one[name] for name in kept] for one in after] == [[one[name] for name in kept] for one in before]
    assert {one["down-after-milliseconds"] for one in after} == {"4000"}
    for node in NODES:
        pool.configure(node)


@pytest.mark.long
def test_replaced_server(pool: Pool) -> None:
    """A server whose state is gone comes back empty, as a replica that copies the data and a Sentinel that is counted once; nothing is lost."""
    gone = primary(pool)
    writer = Writer(pool, others(gone)[0], "replaced", pause=0.01)
    wait(lambda: len(writer.acknowledged()) > 100, 20)
    killed = time.monotonic()
    pool.kill_node(gone)
    goes_on(writer, killed)
    pool.replace(gone)
    pool.heal(gone)
    pool.start_node(gone)
    pool.settle()
    writer.stop()
    assert pool.role(gone) == "slave"
    assert [pool.sentinel(node)["num-other-sentinels"] for node in NODES] == ["2", "2", "2"]
    assert all(killed - at <= LOST for at in lost(pool, writer))
    assert len(pool.kept(gone, "replaced")) >= len([answer for answer in writer.acknowledged() if answer.at > killed])


@pytest.mark.long
def test_primary_restarts(pool: Pool) -> None:
    """A restart that is over before Sentinel believes in a death changes nothing and loses nothing."""
    restarted = primary(pool)
    writer = Writer(pool, others(restarted)[0], "restarted")
    wait(lambda: len(writer.acknowledged()) > 300, 20)
    stopped = time.monotonic()
    pool.kill("redis", restarted, signal.SIGTERM)
    pool.start("redis", restarted)
    back = goes_on(writer, stopped)
    writer.stop()
    print(f"writes went on after {back:.1f} s")
    assert back <= BACK
    assert lost(pool, writer) == []


@pytest.mark.long
def test_refused_names(pool: Pool) -> None:
    """A name that the resolver refuses to answer for hinders no election either."""
    dead = primary(pool)
    writer = Writer(pool, others(dead)[0], "refused")
    wait(lambda: len(writer.acknowledged()) > 300, 20)
    pool.refuse()
    try:
        killed = time.monotonic()
        pool.kill_node(dead)
        pool.forget(f"redis-{dead}", f"sentinel-{dead}")
        back = goes_on(writer, killed)
    finally:
        pool.refuse(False)
        writer.stop()
    print(f"writes went on after {back:.1f} s")
    assert back <= BACK
    assert all(killed - at <= LOST for at in lost(pool, writer))


def test_one_server_to_three_and_back(tmp_path: Path) -> None:
    """The single Redis's folder is the first server's: three have its data, and afterwards the single one has theirs."""
    with redis_pool.pool(tmp_path) as pool:
        pool.start_single(1)
        wait(lambda: "OK" in pool.ask(1, "set", "first", "1", user="web"), 10)
        pool.stop_single(1)
        for node in NODES:
            pool.start("redis", node)
        pool.start("proxy", 2)
        wait(lambda: pool.through(2, "SET", "second", "2") == "+OK", 20)
        wait(lambda: [pool.ask(node, "mget", "first", "second", user="web").split() for node in NODES] == [["1", "2"]] * 3, 10)
        for node in (3, 2, 1):
            pool.kill("redis", node, signal.SIGTERM)
        pool.start_single(1)
        wait(lambda: pool.ask(1, "mget", "first", "second", user="web").split() == ["1", "2"], 10)
        assert "OK" in pool.ask(1, "set", "third", "3", user="web")
        pool.stop_single(1)

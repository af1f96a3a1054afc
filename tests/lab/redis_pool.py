# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three nodes with Redis, Sentinel and HAProxy as the role pool_redis configures them, without Docker: a namespace a node, a root folder a process.

Each process has what its container has: the role's files at `/etc/platform`, its state at `/state` and `/data`, a user without rights, and a resolver
at 127.0.0.11 that knows the names of living tasks alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.services import swarm_redis
from lab import rendering
from lab.config import LabError
from lab.shell import run

ROLE = Path(__file__).resolve().parents[2] / "roles" / "pool_redis"
STACK = ROLE.with_name("app_stack")
NODES = (1, 2, 3)
KINDS = ("redis", "sentinel", "proxy")
PASSWORD = "it's p@ss/word#1"
SECRET = "inner secret of the pool"
# A root folder of its own over the machine's, as a container has one; gone with the process.
_COUNTER = itertools.count()
CONTAINER = """
set -e
root=$1 config=$2 state=$3 data=$4 user=$5; shift 5
mount -t tmpfs tmpfs "$root"
mkdir "$root/up" "$root/work" "$root/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/up,workdir=$root/work" "$root/root"
cd "$root/root"
mkdir -p etc/platform state data
mount --bind "$config" etc/platform
mount -o remount,bind,ro etc/platform
mount --bind "$state" state
mount --bind "$data" data
rm -f etc/resolv.conf
printf 'nameserver 127.0.0.11\\noptions ndots:0 timeout:1 attempts:1\\n' > etc/resolv.conf
mount --rbind /dev dev
mount -t proc proc proc
exec chroot . setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
# Writes one key after the other through a proxy and says of each that was acknowledged when that was; ends when its input does.
WRITER = """
import itertools, select, socket, sys, time

address, password, prefix, pause = sys.argv[1], sys.argv[2].encode(), sys.argv[3], float(sys.argv[4])
def command(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in words)
def open_one():
    sock = socket.create_connection((address, 6379), timeout=1)
    sock.settimeout(1)
    sock.sendall(command(b"AUTH", b"web", password))
    if not sock.recv(200).startswith(b"+OK"):
        raise OSError("refused")
    return sock
sock = None
for number in itertools.count():
    if select.select([sys.stdin], [], [], pause)[0]:
        break
    try:
        sock = sock or open_one()
        sock.sendall(command(b"SET", b"%s:%d" % (prefix.encode(), number), b"x"))
        answer = sock.recv(200)
        word = "ack" if answer.startswith(b"+OK") else "closed" if not answer else answer.split()[0].decode()
    except OSError as error:
        word = type(error).__name__
    print(word, number, time.monotonic(), flush=True)
    if word != "ack" and sock is not None:
        sock.close()
        sock = None
"""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of one write: `ack`, Redis's word for a refusal, or an error's name."""

    word: str
    number: int
    at: float


class Writer:
    """A client of one node's proxy that writes until it is stopped."""

    def __init__(self, pool: Pool, node: int, prefix: str, pause: float = 0.001) -> None:
        self.prefix = prefix
        words = [sys.executable, "-c", WRITER, pool.proxy(node), PASSWORD, prefix, str(pause)]
        self._path = pool.folder / f"writes-{prefix}"
        with self._path.open("w") as output:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", pool.namespace(f"p{node}"), *words], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL
            )

    def answers(self) -> list[Answer]:
        """All until now."""
        lines = [line.split() for line in self._path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [Answer(word, int(number), float(at)) for word, number, at in lines]

    def acknowledged(self, since: float = 0.0) -> list[Answer]:
        return [answer for answer in self.answers() if answer.word == "ack" and answer.at >= since]

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)


def files(node: int, variables: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The role's files of a node by name."""
    given = {
        "platform_state_dir": "/nonexistent",
        "pool_redis_index": node,
        "pool_redis_password": PASSWORD,
        "pool_redis_former_password": "",
        "pool_redis_inner_secret": SECRET,
        **(variables or {}),
    }
    names = ("redis/redis.conf", "redis/users.acl", "sentinel/sentinel.conf", "sentinel/sentinel.acl", "proxy/haproxy.cfg")
    return {name: rendering.text(ROLE, (ROLE / "templates" / f"{Path(name).name}.j2").read_text(), given) for name in names}


def seeds(node: int, states: Mapping[int, str]) -> dict[str, str]:
    """What the role writes into a node's state folder where there is nothing yet, by the state that it found on each node."""
    hosts = {f"s{number}": {"__pool_redis_state": {"stdout": f"{number} {state}"}} for number, state in states.items()}
    given = {"pool_redis_index": node, "pool_redis_platform_name": "lab", "hostvars": hosts, "ansible_play_hosts_all": list(hosts)}
    return dict(rendering.value(ROLE, "__pool_redis_seeds", given))


class Pool:
    """The nodes and what runs on them."""

    def __init__(self, folder: Path, *, variables: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.name = f"q-rp{os.getpid()}x{next(_COUNTER)}"
        self.names = {f"{kind}-{node}": self.address(node) for kind in ("redis", "sentinel") for node in NODES}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.states = dict.fromkeys(NODES, "nothing")
        self.variables = variables
        self.refusing = False
        folder.chmod(0o755)
        try:
            self._connect()
            for node in NODES:
                self.configure(node)
                self._resolve(node)
        except BaseException:
            self.close()
            raise

    # ---- nodes

    def namespace(self, node: str) -> str:
        return f"{self.name}-{node}"

    @staticmethod
    def address(node: int) -> str:
        """Of a node's Redis and Sentinel."""
        return f"192.0.2.{10 + node}"

    @staticmethod
    def proxy(node: int) -> str:
        """Of a node's proxy."""
        return f"192.0.2.{20 + node}"

    def _connect(self) -> None:
        """A bridge for each node's containers, and one between the nodes."""
        hub = self.namespace("hub")
        lines, later = ["link add br0 type bridge", "link set br0 up"], []
        run("ip", "netns", "add", hub)
        for node in NODES:
            lines += [f"link add br{node} type bridge", f"link set br{node} up", f"link add up{node} type veth peer name down{node}"]
            lines += [f"link set up{node} master br0 up", f"link set down{node} master br{node} up"]
            for kind, address in (("s", self.address(node)), ("p", self.proxy(node))):
                space = self.namespace(f"{kind}{node}")
                run("ip", "netns", "add", space)
                run("ip", "-n", hub, "link", "add", f"{kind}{node}", "type", "veth", "peer", "name", "eth0", "netns", space)
                later.append(f"link set {kind}{node} master br{node} up")
                run("ip", "-n", space, "-batch", "-", stdin=f"addr add {address}/24 dev eth0\nlink set eth0 up\nlink set lo up\n")
        run("ip", "-n", hub, "-batch", "-", stdin="\n".join([*lines, *later]) + "\n")

    def configure(self, node: int, variables: Mapping[str, Any] | None = None) -> None:
        """Write a node's files as the role does; state that is there stays."""
        for name, content in files(node, {**(self.variables or {}), **(variables or {})}).items():
            path = self.folder / str(node) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        state = self.folder / str(node) / "state"
        for name, content in seeds(node, self.states).items():
            place = state / name.removeprefix("/pool-redis/")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
        (state / "data").mkdir(exist_ok=True)
        for path in (state, *state.rglob("*")):
            os.chown(path, 999, 999)

    def _resolve(self, node: int) -> None:
        hosts = self.folder / str(node) / "hosts"
        text = "".join(f"{address} {name}\n" for name, address in sorted(self.names.items()))
        if hosts.exists() and hosts.read_text() == text:
            return
        hosts.write_text(text)
        for kind in ("s", "p"):
            running = self.processes.get(f"dns-{kind}{node}")
            if running is not None:
                running.send_signal(signal.SIGHUP)
                continue
            words = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root", "--pid-file="]
            words += [] if self.refusing else ["--local=/#/"]
            words += ["--listen-address=127.0.0.11", "--bind-interfaces", f"--addn-hosts={hosts}", "--log-facility=-"]
            self._start(f"dns-{kind}{node}", self._within(kind, node, *words))
            # a signal before it listens for signals would end it
            log = self.folder / f"dns-{kind}{node}.log"
            wait(lambda log=log: "names" in log.read_text(), 10, 0.02)  # type: ignore[misc]

    def _within(self, kind: str, node: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace(f"{kind}{node}"), *words]

    def forget(self, *names: str) -> None:
        """Take names out of every node's resolver, as Docker does when a task or its node is gone."""
        self._name({name: address for name, address in self.names.items() if name not in names})

    def remember(self, *names: str) -> None:
        self._name(self.names | {name: self.address(int(name[-1])) for name in names})

    def _name(self, names: dict[str, str]) -> None:
        self.names = names
        for node in NODES:
            self._resolve(node)

    # ---- processes

    def _start(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, kind: str, node: int) -> None:
        """Start `redis`, `sentinel` or `proxy` of a node with the command of its service."""
        service = swarm_redis.services(swarm_redis.Pool("/opt/platform/pool-redis", "/srv/platform", "redis", "haproxy"))
        entry = service["redis" if kind == "proxy" else f"{kind}-{node}"]
        self._contain(kind, node, "p" if kind == "proxy" else "s", self.folder / str(node) / kind, entry["command"], entry["user"].partition(":")[0])

    def _contain(self, kind: str, node: int, space: str, config: Path, command: list[str], user: str) -> None:
        base = self.folder / str(node)
        root, state, data = base / f"root-{kind}", base / "state" / kind, base / "state" / "data"
        root.mkdir(exist_ok=True)
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin") or ""
        inner = ["sh", "-c", CONTAINER, "container", root, config, state if state.exists() else data, data, user, program, *command[1:]]
        self._start(f"{kind}-{node}", self._within(space, node, "unshare", "--mount", "--propagation", "private", *map(str, inner)))

    def start_node(self, node: int) -> None:
        for kind in KINDS:
            self.start(kind, node)

    def start_single(self, node: int) -> None:
        """Start the Redis of one server, with the files of the role app_stack, on a node's data."""
        folder = self.folder / str(node) / "single"
        folder.mkdir(exist_ok=True)
        given = {"app_stack_redis_password": PASSWORD, "app_stack_redis_former_password": ""}
        for name in ("redis.conf", "users.acl"):
            (folder / name).write_text(rendering.text(STACK, (STACK / "templates" / f"{name}.j2").read_text(), given))
        self._contain("single", node, "s", folder, ["redis-server", "/etc/platform/redis.conf"], "999")

    def stop_single(self, node: int) -> None:
        self.kill("single", node, signal.SIGTERM)

    def replace(self, node: int) -> None:
        """Take a node's state away and write what the role writes on a new server, with what the others have."""
        shutil.rmtree(self.folder / str(node) / "state")
        self.states = {one: "nothing" if one == node else "replica" for one in NODES}
        self.configure(node)

    def refuse(self, on: bool = True) -> None:
        """Refuse to answer for names that nobody has, as Docker does without a resolver to ask, instead of saying that they do not exist."""
        self.refusing = on
        for node in NODES:
            for kind in ("s", "p"):
                process = self.processes.pop(f"dns-{kind}{node}")
                process.kill()
                process.wait(10)
            (self.folder / str(node) / "hosts").unlink()
            self._resolve(node)

    def kill(self, kind: str, node: int, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(f"{kind}-{node}")
        process.send_signal(number)
        process.wait(20)

    def kill_node(self, node: int) -> None:
        """As by a loss of power: nothing of it answers any more."""
        self.cut(node)
        for kind in KINDS:
            self.kill(kind, node)

    def cut(self, node: int) -> None:
        """Let no packet from or to the node through; what is on it goes on."""
        run("ip", "-n", self.namespace("hub"), "link", "set", f"up{node}", "nomaster")

    def heal(self, node: int) -> None:
        run("ip", "-n", self.namespace("hub"), "link", "set", f"up{node}", "master", "br0")

    def settle(self) -> None:
        """Start what does not run, connect what is cut, and wait until all replicate one primary."""
        for node in NODES:
            self.heal(node)
        self.remember(*(f"{kind}-{node}" for kind in ("redis", "sentinel") for node in NODES))
        for node in NODES:
            for kind in KINDS:
                process = self.processes.get(f"{kind}-{node}")
                if process is None or process.poll() is not None:
                    self.start(kind, node)
                else:
                    process.send_signal(signal.SIGCONT)
        wait(self.ready, 60)

    def close(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(10)
        for space in ("hub", *(f"{kind}{node}" for kind in "sp" for node in NODES)):
            run("ip", "netns", "delete", self.namespace(space), check=False)

    # ---- questions

    def ask(self, node: int, *command: str, port: int = 6379, user: str = "probe") -> str:
        """What Redis (6379) or Sentinel (26379) of a node answers, asked on the node itself."""
        word = PASSWORD if user == "web" else rendering.value(ROLE, f"__pool_redis_passwords.{user}", {"pool_redis_inner_secret": SECRET})
        login = ["--user", user, "--pass", word, "--no-auth-warning"]
        words = self._within("s", node, "redis-cli", "-h", self.address(node), "-p", str(port), *login, *command)
        try:
            return subprocess.run(words, capture_output=True, text=True, check=False, timeout=3).stdout.strip()
        except subprocess.TimeoutExpired:
            return ""

    def through(self, node: int, *command: str) -> str:
        """What Redis answers to the application, through the node's proxy."""
        words = self._within("p", node, sys.executable, "-c", ASK, self.proxy(node), PASSWORD, *command)
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout.strip()

    def info(self, node: int) -> dict[str, str]:
        lines = [line.partition(":") for line in self.ask(node, "INFO", "replication").splitlines()]
        return {name: value for name, colon, value in lines if colon}

    def role(self, node: int) -> str:
        return self.info(node).get("role", "")

    def primary(self, node: int) -> str:
        """Whom a node's Sentinel holds for the primary."""
        return self.ask(node, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "platform", port=26379, user="sentinel").partition("\n")[0]

    def sentinel(self, node: int) -> dict[str, str]:
        """What a node's Sentinel knows of the primary."""
        words = self.ask(node, "SENTINEL", "MASTER", "platform", port=26379, user="sentinel").splitlines()
        return dict(zip(words[::2], words[1::2], strict=False))

    def ready(self) -> bool:
        """Whether all replicate one and every Sentinel knows all others."""
        known = [self.sentinel(node) for node in NODES]
        agreed = {(one.get("ip"), one.get("flags"), one.get("num-other-sentinels"), one.get("num-slaves")) for one in known}
        followed = [node for node in NODES if self.info(node).get("min_slaves_good_slaves") == "2"]
        return agreed == {(f"redis-{followed[0] if followed else 0}", "master", "2", "2")} and all(self.through(node, "PING") == "+PONG" for node in NODES)

    def kept(self, node: int, prefix: str) -> set[int]:
        """The numbers of a writer's keys that a node has."""
        found = subprocess.run(
            self._within("s", node, sys.executable, "-c", SCAN, self.address(node), PASSWORD, prefix),
            capture_output=True, text=True, check=True, timeout=30,
        ).stdout  # fmt: skip
        return set(json.loads(found))


ASK = """
import socket, sys
words = [word.encode() for word in sys.argv[3:]]
def command(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in words)
try:
    with socket.create_connection((sys.argv[1], 6379), timeout=1) as sock:
        sock.sendall(command(b"AUTH", b"web", sys.argv[2].encode()))
        assert sock.recv(100).startswith(b"+OK")
        sock.sendall(command(*words))
        print(sock.recv(4096).decode().strip())
except (OSError, AssertionError) as error:
    print(type(error).__name__)
"""
SCAN = """
import json, socket, sys
def command(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in words)
sock = socket.create_connection((sys.argv[1], 6379), timeout=5)
file = sock.makefile("rb")
sock.sendall(command(b"AUTH", b"web", sys.argv[2].encode()))
assert file.readline().startswith(b"+OK")
cursor, found, prefix = b"0", set(), sys.argv[3].encode() + b":"
while True:
    sock.sendall(command(b"SCAN", cursor, b"COUNT", b"1000", b"MATCH", prefix + b"*"))
    file.readline()
    file.readline()
    cursor = file.readline().strip()
    for _ in range(int(file.readline()[1:])):
        file.readline()
        found.add(int(file.readline().strip().rpartition(b":")[2]))
    if cursor == b"0":
        break
print(json.dumps(sorted(found)))
"""


def wait(what: Callable[[], bool], seconds: float, step: float = 0.1) -> float:
    """How long it took until something was so; a `LabError` if that was too long."""
    start = time.monotonic()
    while not what():
        if time.monotonic() - start > seconds:
            raise LabError(f"it was not so within {seconds} s")
        time.sleep(step)
    return time.monotonic() - start


@contextlib.contextmanager
def pool(folder: Path, variables: Mapping[str, Any] | None = None) -> Iterator[Pool]:
    """Three nodes on which nothing runs yet."""
    made = Pool(folder, variables=variables)
    try:
        yield made
    finally:
        made.close()

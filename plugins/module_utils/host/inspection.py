# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server is, as data: what only somebody on it can see. It changes nothing.

The module host_inspection asks it over SSH, and the heartbeat's timer asks the same code on the server; so it needs neither ansible nor
anything outside Python's standard library. Programs are run by whoever asks.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
import ssl
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

Json = t.Dict[str, t.Any]  # noqa: UP006 - servers run 3.9
RunProgram = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006
"""Runs these words; status (-1 when the program is not there), output, complaints."""

RULES = "/etc/platform/firewall.nft"
TABLE = ["inet", "platform"]
INSIDE = "/run/platform/nginx/inside.sock"
PARTS = ("base", "disks", "memory", "listeners", "firewall", "containers", "units", "upgrades", "certificates", "releases", "backups", "history", "maintenance")


class Places(t.NamedTuple):
    """Where the platform's things are on this server."""

    stack: str = "/opt/platform"
    state: str = "/srv/platform"
    disks: tuple[str, ...] = ("/", "/srv/platform")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(text: str, default: t.Any) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        return default


def _age_days(path: str, now: float) -> float | None:
    try:
        return round((now - Path(path).stat().st_mtime) / 86400, 2)
    except OSError:
        return None


def base(_run: RunProgram, _places: Places) -> Json:
    """Load, cores, and whether a restart is waited for."""
    return {
        "cores": os.cpu_count() or 1,
        "load": [float(word) for word in _text("/proc/loadavg").split()[:3]],
        "up_seconds": float((_text("/proc/uptime").split() or ["0"])[0]),
        "reboot_required": Path("/run/reboot-required").exists(),
    }


def disks(_run: RunProgram, places: Places) -> list[Json]:
    """Room on each file system, each once."""
    found: dict[tuple[int, int, int], Json] = {}
    for path in places.disks:
        try:
            seen, device = os.statvfs(path), Path(path).stat().st_dev
        except OSError:
            continue
        size = seen.f_frsize * seen.f_blocks
        used = size - seen.f_frsize * seen.f_bfree
        room = used + seen.f_frsize * seen.f_bavail  # without what is kept for root
        inodes = 1 - seen.f_favail / seen.f_files if seen.f_files else 0.0
        item = {"path": path, "size": size, "used": used, "share": round(used / room, 4) if room else 0.0, "inodes": round(inodes, 4)}
        found.setdefault((device, size, used), item)
    return list(found.values())


def memory(_run: RunProgram, _places: Places) -> Json:
    """In MB."""
    lines = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _text("/proc/meminfo"), re.MULTILINE))
    values = {name: int(lines.get(key, 0)) // 1024 for name, key in (("total", "MemTotal"), ("available", "MemAvailable"), ("swap", "SwapTotal"))}
    return {**values, "swap_free": int(lines.get("SwapFree", 0)) // 1024}


def listeners(run: RunProgram, _places: Places) -> list[Json]:
    """What other machines could reach: sockets on every address, or on one that is neither loopback nor a bridge of this server."""
    _status, shown, _complaints = run(["ip", "-json", "address", "show"])
    inside = {
        address.get("local")
        for link in _json(shown, [])
        if str(link.get("ifname", "")).startswith(("lo", "br-", "docker"))
        for address in link.get("addr_info") or []
    }
    _status, output, _complaints = run(["ss", "-H", "-n", "-l", "-t", "-u", "-p"])
    found = []
    for line in output.splitlines():
        words = line.split(None, 6)
        if len(words) < 5:
            continue
        address, _colon, port = words[4].rpartition(":")
        address = address.partition("%")[0].strip("[]")
        if port.isdigit() and address not in inside and not address.startswith(("127.", "::1", "fe80:")):
            program = re.search(r'"([^"]+)"', words[6]) if len(words) > 6 else None
            found.append({"protocol": words[0], "address": address, "port": int(port), "program": program.group(1) if program else ""})
    unique = {(item["protocol"], item["port"], item["program"]): item for item in found}
    return sorted(unique.values(), key=lambda item: (item["protocol"], item["port"]))


def _shape(text: str) -> list[str]:
    """A table of nft as lines that can be compared: no handles, no counters, no elements that come and go."""
    lines = []
    for item in (_json(text, {}) or {}).get("nftables", []):
        for kind, content in item.items():
            if kind == "metainfo":
                continue
            plain = {key: value for key, value in content.items() if key not in ("handle", "index", "comment")}
            if kind == "set" and {"dynamic", "timeout"} & set(plain.get("flags") or []):
                plain.pop("elem", None)
            lines.append(f"{kind} {json.dumps(_without_counts(plain), sort_keys=True)}")
    return lines


def _without_counts(data: t.Any) -> t.Any:
    if isinstance(data, dict):
        return {key: None if key == "counter" else _without_counts(value) for key, value in data.items()}
    return [_without_counts(item) for item in data] if isinstance(data, list) else data


def firewall(run: RunProgram, _places: Places) -> Json:
    """The rules in force against those of the file, both as the kernel shows them: the file is loaded into a network of its own."""
    if not Path(RULES).exists():
        return {"file": False, "loaded": False, "added": [], "missing": []}
    show = ["nft", "--json", "--stateless", "list", "table", *TABLE]
    status, live, complaints = run(show)
    wanted_status, wanted, wanted_complaints = run(["unshare", "--net", "sh", "-c", f'nft --file {RULES} && exec "$@"', "sh", *show])
    if wanted_status != 0:
        return {"file": True, "loaded": status == 0, "error": wanted_complaints.strip()[-300:], "added": [], "missing": []}
    if status != 0:
        return {"file": True, "loaded": False, "error": complaints.strip()[-300:], "added": [], "missing": []}
    now, meant = _shape(live), _shape(wanted)
    return {"file": True, "loaded": True, "added": [line for line in now if line not in meant], "missing": [line for line in meant if line not in now]}


def containers(run: RunProgram, places: Places) -> Json:
    """Every container against what the stack's files and the release record want."""
    status, output, complaints = run(["docker", "container", "ls", "--all", "--quiet", "--no-trunc"])
    if status != 0:
        return {"engine": False, "error": complaints.strip()[-300:], "items": [], "wanted": {}}
    ids = output.split()
    shown = _json(run(["docker", "container", "inspect", *ids])[1], []) if ids else []
    return {"engine": True, "items": [_container(item) for item in shown], "wanted": _wanted(run, places)}


def _container(item: Json) -> Json:
    state, config = item.get("State") or {}, item.get("Config") or {}
    labels = config.get("Labels") or {}
    return {
        "name": str(item.get("Name", "")).lstrip("/"),
        "image": _plain(config.get("Image", "")),
        "image_id": item.get("Image", ""),
        "running": bool(state.get("Running")) and not state.get("Restarting"),
        "health": (state.get("Health") or {}).get("Status", ""),
        "restarts": int(item.get("RestartCount") or 0),
        "started": state.get("StartedAt", ""),
        "out_of_memory": bool(state.get("OOMKilled")) or kills(state.get("Pid") or 0) > 0,
        "labels": {name: value for name, value in labels.items() if name.startswith("platform.")},
        # the service of a Swarm that it is a task of
        "service": str(labels.get("com.docker.swarm.service.name") or ""),
        "published": sorted(port for port, bound in ((item.get("HostConfig") or {}).get("PortBindings") or {}).items() if bound),
    }


def kills(pid: int, root: str = "/") -> int:
    """Processes that the kernel killed for memory in a process's control group. Docker says so only of a container's first process."""
    for line in _text(f"{root}proc/{pid}/cgroup").splitlines() if pid else []:
        _number, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        folder, name = (f"{root}sys/fs/cgroup/memory", "memory.oom_control") if controllers else (f"{root}sys/fs/cgroup", "memory.events")
        # a container's control group may be told from further up than this system sees
        for inside in (place, "/" + "/".join(place.split("/")[-2:])):
            found = re.search(r"^oom_kill (\d+)$", _text(f"{folder}{inside}/{name}"), re.MULTILINE)
            if found:
                return int(found.group(1))
    return 0


def _wanted(run: RunProgram, places: Places) -> Json:
    """By container name: image, its id on this server, and the labels that carry the identity of its configuration."""
    status, output, _complaints = run(["docker", "compose", "--project-directory", places.stack, "config", "--format", "json"])
    if status != 0:
        return {}
    services = _json(output, {}).get("services") or {}
    wanted: Json = {
        service.get("container_name", name): {"image": _plain(service.get("image", "")), "labels": service.get("labels") or {}}
        for name, service in services.items()
    }
    record = _json(_text(f"{places.state}/releases.json"), {})
    for name, track in {"web": record, **(record.get("services") or {})}.items():
        current = track.get("current") or {}
        if current.get("colour"):  # a job has none, and no container between its runs
            labels = {"platform.config": current["config"]} if current.get("config") else {}
            wanted[f"platform-{name}-{current['colour']}"] = {"image": _plain(current.get("image", "")), "labels": labels}
    images = sorted({item["image"] for item in wanted.values() if item["image"]})
    ids = {}
    for image in _json(run(["docker", "image", "inspect", *images])[1], []) if images else []:
        ids.update({name: image.get("Id", "") for name in image.get("RepoDigests") or []})
    return {name: {**item, "image_id": ids.get(item["image"], "")} for name, item in wanted.items()}


def _plain(image: str) -> str:
    """name@digest of name:tag@digest: a container, the compose file and the release record may name one image in two ways."""
    name, at, digest = image.partition("@")
    return re.sub(r":[\w.-]+$", "", name) + at + digest if at else image


def units(run: RunProgram, _places: Places) -> Json:
    """Units that failed, and every timer: whether it is to run, and whether it does."""
    listing = ["--no-pager", "--no-legend", "--plain", "--full", "--all"]
    failed = [line.split()[0] for line in run(["systemctl", "list-units", "--state=failed", *listing])[1].splitlines() if line.split()]
    files = {
        line.split()[0]: line.split()[1] for line in run(["systemctl", "list-unit-files", "--type=timer", *listing])[1].splitlines() if len(line.split()) > 1
    }
    states = {line.split()[0]: line.split()[2] for line in run(["systemctl", "list-units", "--type=timer", *listing])[1].splitlines() if len(line.split()) > 2}
    timers: list[Json] = [{"name": name, "enabled": state, "active": states.get(name) == "active"} for name, state in sorted(files.items())]
    for timer in timers:
        # one whose conditions do not hold here was never meant to run, as fstrim's in a container
        if timer["enabled"] == "enabled" and not timer["active"]:
            timer["conditions"] = run(["systemctl", "show", "--property=ConditionResult", "--value", timer["name"]])[1].strip() != "no"
    return {"failed": failed, "timers": timers}


def upgrades(run: RunProgram, _places: Places) -> Json:
    """What apt would upgrade, and how old its lists are."""
    # what is kept back is no upgrade that anybody forgot; a simulation needs no lock
    _status, output, _complaints = run(["apt-get", "--simulate", "--quiet=2", "-o", "Debug::NoLocking=true", "upgrade"])
    pending = [line for line in output.splitlines() if line.startswith("Inst ")]
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    return {
        "pending": sorted(line.split()[1] for line in pending),
        "security": sorted(line.split()[1] for line in pending if "security" in line.lower()),
        "lists_days": _age_days("/var/lib/apt/lists", now),
    }


def certificates(run: RunProgram, places: Places) -> list[Json]:
    """The origin's certificate, as it lies in its file and as nginx shows it, and how long the authority lasts that the edge's is trusted by."""
    path = f"{places.stack}/nginx/tls/origin.pem"
    found: list[Json] = []
    der: dict[str, bytes] = {}
    text = _text(path)
    if "-----BEGIN CERTIFICATE-----" in text:
        first = text[text.index("-----BEGIN CERTIFICATE-----") :]
        first = first[: first.index("-----END CERTIFICATE-----") + 25]
        der["file"] = ssl.PEM_cert_to_DER_cert(first)
        found.append({"where": "file", "path": path, **_dates(run, path)})
    authority = f"{places.stack}/nginx/edge-client-ca.pem"
    if Path(authority).exists():
        found.append({"where": "origin pulls", "path": authority, **_last_end(run, authority)})
    name = str(_json(_text(f"{places.stack}/stack.json"), {}).get("server_name") or "localhost")
    try:
        same = der.get("file") == _served(name)
    except OSError as error:
        return [*found, {"where": "served", "error": str(error) or type(error).__name__}]
    return [*found, {"where": "served", "same_as_file": same}]


def _front() -> socket.socket:
    """A connection to this server's nginx; behind a load balancer, which speaks before the visitor does, by the socket for programs of the server."""
    if not Path(INSIDE).exists():
        return socket.create_connection(("127.0.0.1", 443), timeout=5)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.settimeout(5)
    found.connect(INSIDE)
    return found


def _served(name: str) -> bytes | None:
    """The certificate nginx shows for this name; who signed it and for how long is asked of the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _front() as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        return secure.getpeercert(binary_form=True)


def _dates(run: RunProgram, path: str) -> Json:
    status, output, complaints = run(["openssl", "x509", "-in", path, "-noout", "-enddate", "-serial"])
    lines = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if status != 0 or "notAfter" not in lines:
        return {"error": complaints.strip()[-200:] or "no certificate"}
    return {**_lasts(ssl.cert_time_to_seconds(lines["notAfter"])), "serial": lines.get("serial", "")}


def _last_end(run: RunProgram, path: str) -> Json:
    """When the last of several certificates in a file ends: an authority is replaced by putting the new one beside the old."""
    status, output, complaints = run(["openssl", "storeutl", "-noout", "-text", "-certs", path])
    ends = [ssl.cert_time_to_seconds(line.partition(":")[2].strip()) for line in output.splitlines() if line.strip().startswith("Not After")]
    return _lasts(max(ends)) if status == 0 and ends else {"error": complaints.strip()[-200:] or "no certificate"}


def _lasts(seconds: float) -> Json:
    end = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    left = (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400
    return {"not_after": end.isoformat(timespec="seconds"), "days_left": round(left, 2)}


def releases(_run: RunProgram, places: Places) -> Json:
    """What serves, what served before, the last lines of the log, oldest first, and how each job ended last."""
    record = _json(_text(f"{places.state}/releases.json"), {})
    lines = [_json(line, {}) for line in _text(f"{places.state}/releases.log").splitlines()[-20:]]
    ended = {path.stem: _json(_text(str(path)), None) for path in sorted(Path(f"{places.state}/jobs").glob("*.json"))}
    jobs = {name: last for name, last in ended.items() if isinstance(last, dict)}
    found = {"current": record.get("current"), "previous": record.get("previous"), "log": [line for line in lines if line]}
    return found | ({"jobs": jobs} if jobs else {})


def backups(_run: RunProgram, places: Places) -> Json | None:
    """What the backup of the server's state left as its last word; None where none is set up."""
    for path in (f"{places.state}/backup.json", "/var/lib/platform/backup.json"):
        seen = _json(_text(path), None)
        if isinstance(seen, dict):
            return seen
    return None


def history(_run: RunProgram, places: Places) -> list[Json]:
    """The heartbeat's samples, thinned."""
    lines = _text(f"{places.state}/history.jsonl").splitlines()
    step = max(1, len(lines) // 90)
    rows = [_json(line, None) for line in lines[::-1][::step][::-1]]
    return [row for row in rows if isinstance(row, dict)]


def maintenance(_run: RunProgram, places: Places) -> Json | None:
    """Since when and why visitors get the maintenance page; None while they get the platform."""
    seen = _json(_text(f"{places.state}/maintenance/state.json"), None)
    return {"since": str(seen.get("since", "")), "reason": str(seen.get("reason", ""))} if isinstance(seen, dict) else None


LOOKS: dict[str, t.Callable[[RunProgram, Places], t.Any]] = {
    "base": base, "disks": disks, "memory": memory, "listeners": listeners, "firewall": firewall, "containers": containers, "units": units,
    "upgrades": upgrades, "certificates": certificates, "releases": releases, "backups": backups, "history": history,
    "maintenance": maintenance,
}  # fmt: skip


def inspect(run: RunProgram, places: Places, parts: t.Sequence[str] = PARTS) -> Json:
    """Every part, a few at once; a part that cannot be looked at says why instead of hiding the others."""

    def look(part: str) -> t.Any:
        try:
            return LOOKS[part](run, places)
        except Exception as error:  # noqa: BLE001 - one broken part is a finding, and hides no other
            return {"error": f"{type(error).__name__}: {error}"}

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(parts, pool.map(look, parts)))
    return {**found, "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge: real nginx in a namespace of its own, configured from what the Cloudflare API was told.

`up(lab)` starts it, `follow(lab, app)` renders and reloads it after every change of the API's state, `down(lab)` ends it.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import net, pki, process
from lab.api.cloudflare.certificates import authority as origin_authority
from lab.config import EDGE, Lab, LabError
from lab.edge import cache, render
from lab.shell import run

if TYPE_CHECKING:
    from starlette.applications import Starlette

Json = dict[str, Any]
NODE, NGINX, LEGS, HELPER = "edge", "edge", "edge-legs", "edge-trouble"
CONFIGURATIONS = {NGINX: "nginx.conf", LEGS: "legs.conf"}
MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")


def pull_authority(lab: Lab) -> tuple[Path, Path]:
    """Key and certificate of the authority behind the edge's client certificate (authenticated origin pulls)."""
    return pki.authority(lab.folder("pki", "origin-pull"), "Lab origin-pull.cloudflare.net")


def pull_certificate(lab: Lab) -> tuple[Path, Path]:
    """Key and certificate with which the edge shows origins who it is, made once."""
    key_path, cert_path = lab.path("pki", "origin-pull", "client.key"), lab.path("pki", "origin-pull", "client.pem")
    ca_key_path, ca_path = pull_authority(lab)
    if not cert_path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(ca_path.read_bytes())
        moment = datetime.datetime.now(datetime.UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cloudflare origin pull")])
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
        )
        builder = builder.not_valid_before(moment - datetime.timedelta(hours=1)).not_valid_after(moment + datetime.timedelta(days=3650))
        pki.save_key(key_path, key)
        cert_path.write_bytes(builder.sign(_key(ca_key_path), hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return key_path, cert_path


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not an elliptic curve key")
    return key


def _revocations(key_path: Path, cert_path: Path, serials: list[int]) -> bytes:
    """A revocation list of one authority; the edge's check wants one from each authority it trusts."""
    moment = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(x509.load_pem_x509_certificate(cert_path.read_bytes()).subject)
    builder = builder.last_update(moment - datetime.timedelta(hours=1)).next_update(moment + datetime.timedelta(days=3650))
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build())
    return builder.sign(_key(key_path), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def state_of(lab: Lab) -> Json:
    """What the Cloudflare API has stored; an account without zones before it first ran."""
    stored = lab.path("api", "cloudflare.json")
    state: Json = json.loads(stored.read_text()) if stored.exists() else {}
    return state or {"zones": {}, "certificates": {}}


def _files(lab: Lab, state: Json) -> render.Files:
    folder = lab.folder("edge")
    pull_key, pull_cert = pull_certificate(lab)
    web = {zone["name"]: pki.issue(lab, [zone["name"], f"*.{zone['name']}"]) for zone in state["zones"].values()}
    timeout = int(os.environ.get("LAB_EDGE_CONNECT_TIMEOUT", "19"))
    return render.Files(folder, folder / "trust.pem", folder / "revoked.pem", pull_key, pull_cert, folder / "trouble.sock", folder / "legs.sock", web, timeout)


def _write(path: Path, content: bytes) -> bool:
    """Replace a file in one step; False when it already says this."""
    if path.exists() and path.read_bytes() == content:
        return False
    draft = path.parent.parent / f".{path.name}.new"
    draft.write_bytes(content)
    draft.replace(path)
    return True


def prepare(lab: Lab, state: Json) -> set[str]:
    """Write everything nginx and the DNS read; returns which of the two nginx have to reload."""
    files = _files(lab, state)
    revoked = sorted(int(row["id"]) for row in state["certificates"].values() if "revoked_at" in row)
    marker = files.folder / "revoked.json"
    outside = _write(files.folder / "decide.js", (Path(__file__).parent / "decide.js").read_bytes())
    outside |= _write(files.folder / "rules.js", render.rules_script(state).encode())
    outside |= _write(files.folder / CONFIGURATIONS[NGINX], render.configuration(state, files).encode())
    origin_key, origin_ca = origin_authority(lab)
    public_ca = pki.ca(lab)
    inside = _write(files.trust, origin_ca.read_bytes() + public_ca.read_bytes())
    if _write(marker, json.dumps(revoked).encode()) or not files.revoked.exists():
        lists = _revocations(origin_key, origin_ca, revoked) + _revocations(public_ca.parent / "ca.key", public_ca, [])
        inside |= _write(files.revoked, lists)
    inside |= _write(files.folder / CONFIGURATIONS[LEGS], render.legs(state, files).encode())
    lab.folder("edge", "temp")
    _write(lab.folder("dns", "hosts") / "cloudflare", render.hosts(state, [lab.edge, lab.address6(EDGE)]).encode())
    return {name for name, changed in ((NGINX, outside), (LEGS, inside)) if changed}


def apply(lab: Lab) -> None:
    """Bring the edge to what the API says now."""
    state = state_of(lab)
    with process.locked(lab.path("edge", ".lock")):
        # a new name is known to the legs before the first visitor comes for it
        for name in sorted(prepare(lab, state), key=[LEGS, NGINX].index):
            if process.running(lab, name):
                check(lab, name)
                process.signal(lab, name, signal.SIGHUP)
        cache.purge(lab.folder("edge"), state)


def check(lab: Lab, name: str) -> None:
    """Fail with nginx's own words when it would refuse the configuration."""
    run("nginx", "-t", "-q", "-p", "/usr/share/nginx", "-c", lab.path("edge", CONFIGURATIONS[name]), "-g", "error_log stderr;")


def up(lab: Lab) -> None:
    """Start the edge."""
    if shutil.which("nginx") is None or not MODULE.exists():
        raise LabError("nginx with its JavaScript module is needed: apt-get install nginx libnginx-mod-http-js")
    net.add_namespace(lab, NODE, [lab.edge, lab.address6(EDGE)])
    prepare(lab, state_of(lab))
    folder = lab.folder("edge")
    socket, space = folder / "trouble.sock", net.netns_name(lab, NODE)
    key, certificate = pull_certificate(lab)
    tests = Path(__file__).resolve().parents[2]
    process.start(
        lab,
        HELPER,
        [sys.executable, "-m", "lab.edge.trouble", socket, folder / "trust.pem", folder / "revoked.pem", certificate, key],
        netns=space,
        env={"PYTHONPATH": str(tests)},
        ready=socket.is_socket,
    )
    if not process.running(lab, LEGS):
        (folder / "legs.sock").unlink(missing_ok=True)  # of one that was killed, in whose place nginx would not listen
    for name, ready in ((LEGS, folder / "legs.sock"), (NGINX, folder / "nginx.pid")):
        check(lab, name)
        process.start(lab, name, ["nginx", "-p", "/usr/share/nginx", "-c", folder / CONFIGURATIONS[name]], netns=space, ready=ready.exists)


def down(lab: Lab) -> None:
    """End the edge."""
    for name in (NGINX, LEGS, HELPER):
        process.stop(lab, name)
    net.remove_namespace(lab, NODE)


def follow(lab: Lab, app: Starlette) -> None:
    """Apply the API's state after each change, in a thread; changes that come while one is applied are applied together."""
    wake = threading.Event()

    def work() -> None:
        while True:
            wake.wait()
            wake.clear()
            try:
                apply(lab)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one state, the next may be right
                print(f"edge: {error}", file=sys.stderr, flush=True)

    threading.Thread(target=work, name="edge", daemon=True).start()
    app.state.cloud.listeners.append(wake.set)
    wake.set()

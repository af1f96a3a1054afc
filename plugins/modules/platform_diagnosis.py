#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_diagnosis: what is wrong with the server, and the cheapest action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_diagnosis
short_description: Find out why the platform does not answer and which action is the cheapest
version_added: "1.0.0"
description:
  - Asks Hetzner's API, pings, logs in by SSH, writes to the disk, and asks the health page on the server and through the edge, all at once.
  - Chooses the mildest action that can work. Only looks; M(quetrex.platform.hetzner_repair) does it.
  - A server that seems dead is looked at twice. While visitors are served the decision is C(none).
  - What this machine cannot reach proves nothing. C(reset) wants one proof that the server is dead, namely Hetzner's word, an origin error of the
    edge, or what a login finds; C(rebuild), C(recreate) of a server that exists, and C(relocate) want two. Without them the decision is C(stop).
extends_documentation_fragment:
  - quetrex.platform.hetzner
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  name:
    description: Name of the server and of its Primary IPv4.
    type: str
    required: true
  labels:
    description: Labels that together name the one server.
    type: dict
    required: true
  domain:
    description: Name that visitors use.
    type: str
    required: true
  path:
    description: Page that answers 200 when the application works.
    type: str
    default: /
  edge:
    description: Address to connect to instead of asking the DNS for O(domain).
    type: str
  ca_path:
    description: File with the authorities to trust instead of the system's.
    type: path
  user:
    description: Account for SSH.
    type: str
    required: true
  key_file:
    description: Private key for SSH.
    type: path
    required: true
  known_hosts:
    description: File with the server's recorded host key.
    type: path
    required: true
  host_key:
    description:
      - Public SSH host key that the server has at whatever address, as one line. A server that was just made at a new address is in no file yet.
    type: str
  database:
    description: Host or address of the database. Not looked at when not given.
    type: str
  database_port:
    description: Port of the database.
    type: int
    default: 5432
  supabase_url:
    description: Address of the Supabase project, which tells when it is paused.
    type: str
  mount:
    description: Where the volume is mounted on the server.
    type: path
    default: /srv/platform
  tried:
    description: Actions that did not help.
    type: list
    elements: str
    default: []
  done:
    description: Those of O(tried) that Hetzner reports as done.
    type: list
    elements: str
    default: []
  failed:
    description: Those of O(tried) that Hetzner reports as failed.
    type: list
    elements: str
    default: []
  images:
    description:
      - Container images that a fresh server pulls. Before an action that loses the disk of a server that exists, their registry is asked for them,
        and the decision is C(stop) where one cannot be pulled.
    type: list
    elements: str
    default: []
  registry:
    description: Login for the images of one registry, as in C(platform_registry).
    type: dict
    default: {}
    suboptions:
      host:
        description: The registry. Images of others are asked for without a login.
        type: str
        default: ""
      username:
        description: Who logs in; empty for a registry that wants no login.
        type: str
        default: ""
      password:
        description: The password or token.
        type: str
        default: ""
      ca_certificate:
        description: Certificate (PEM) of the authority behind the registry's certificate, if no public one is.
        type: str
  registry_address:
    description: Address to connect to instead of asking the DNS for the registry's host.
    type: str
  told:
    description: An action that the owner insists on, also when the server is healthy and without any proof.
    type: str
    choices: [power_on, reset, rebuild, recreate, relocate]
  elsewhere:
    description: Whether there is another location to go to when nothing helps at the present one.
    type: bool
    default: false
  wait:
    description: Seconds to go on looking until the server works, for example after an action.
    type: float
    default: 0
  pause:
    description: Seconds between two looks.
    type: float
    default: 2
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: What is wrong
  quetrex.platform.platform_diagnosis:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    domain: example.com
    user: ops
    key_file: ~/.ssh/id_ed25519
    known_hosts: /var/lib/quetrex/known_hosts
  register: diagnosis
"""

RETURN = r"""
line:
  description: What was observed, in one line.
  returned: success
  type: str
timeline_say:
  description: What was observed and what is chosen, in one line for the callback P(quetrex.platform.timeline#callback).
  returned: success
  type: str
action:
  description:
    - C(none), C(converge), C(power_on), C(reset), C(rebuild), C(recreate), C(relocate), C(wait), or C(stop) when a person has to look.
  returned: success
  type: str
reason:
  description: Why it is this one.
  returned: success
  type: str
proofs:
  description: What proves that the server is dead, each with its C(source) (V(vendor), V(edge), V(inside) or V(outcome)) and what it C(says).
  returned: success
  type: list
  elements: dict
situation:
  description: What was observed, as data.
  returned: success
  type: dict
address:
  description: The server's IPv4, or the one kept for it.
  returned: success
  type: str
location:
  description: Where the server is, or the address kept for it; empty when there is neither.
  returned: success
  type: str
looks:
  description: How often it was looked.
  returned: success
  type: int
"""

import datetime
import tempfile
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import ENDPOINT, Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.server import Wanted, find
from ansible_collections.quetrex.platform.plugins.module_utils.recovery.decision import DISK_LOSING, LADDER, MISSING, Decision, History, Situation, decide, line
from ansible_collections.quetrex.platform.plugins.module_utils.recovery.observation import Target, look, observe_until
from ansible_collections.quetrex.platform.plugins.module_utils.registry import Login, problems
from ansible_collections.quetrex.platform.plugins.module_utils.writing import Inexpressible, ssh_files

REGISTRY: dict[str, t.Any] = {
    "host": {"type": "str", "default": ""},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "ca_certificate": {"type": "str"},
}
API_PATIENCE = 10.0
TIMEOUT = 5.0
WAITING_TIMEOUT = 2.0
"""What comes back is noticed sooner by many short looks than by few long ones."""
FIRST_BOOT = datetime.timedelta(minutes=4)


class Known(t.NamedTuple):
    """What the API says: ok or why not, the server's status, an address, where they are, whether the server was made a moment ago, and what guards it."""

    api: str
    server: t.Optional[str]
    address: t.Optional[str]
    location: str = ""
    young: bool = False
    firewalls: tuple[int, ...] = ()


class Images:
    """The images that a fresh server pulls, asked for once."""

    def __init__(self, given: dict[str, t.Any], authority: Path) -> None:
        login, self.wanted, self._state = given["registry"], given["images"], ""
        if login.get("ca_certificate"):
            authority.write_text(login["ca_certificate"], encoding="utf-8")
        self.login = Login(
            login.get("host", ""), login.get("username", ""), login.get("password", ""),
            str(authority) if login.get("ca_certificate") else None, given["registry_address"],
        )  # fmt: skip

    def state(self) -> str:
        """Return ok, or why they cannot be pulled."""
        self._state = self._state or "; ".join(problems(self.wanted, self.login)) or "ok"
        return self._state


def known(params: dict[str, t.Any]) -> Known:
    """Ask the API; its failure is part of the diagnosis."""
    labels = {str(key): str(value) for key, value in params["labels"].items()}
    try:
        client = connected(params)
        server = find(client, Wanted(params["name"], labels, tuple(labels), (), "", ""))
        if server:
            age, net = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(server["created"]), server["public_net"]
            guards = tuple(int(one["id"]) for one in net.get("firewalls") or [])
            return Known("ok", str(server["status"]), (net["ipv4"] or {}).get("ip"), server["location"]["name"], age < FIRST_BOOT, guards)
        kept = client.all("/primary_ips", "primary_ips", [("name", params["name"])])
    except Failure as error:
        return Known(str(error.code), None, None)
    return Known("ok", None, kept[0]["ip"], kept[0]["location"]["name"]) if kept else Known("ok", None, None)


def connected(params: dict[str, t.Any]) -> Client:
    """Return a client that gives up soon. Raises Failure."""
    return Client(params["api_token"] or "", params["api_endpoint"] or ENDPOINT, timeout=API_PATIENCE, retry_budget=API_PATIENCE)


def shut(params: dict[str, t.Any], firewalls: t.Sequence[int]) -> bool:
    """Whether Hetzner's firewalls of the server let nobody in where visitors come. What cannot be asked is taken for open."""
    try:
        client = connected(params)
        rules = [rule for number in firewalls for rule in client.get(f"/firewalls/{number}")["firewall"]["rules"]]
    except Failure:
        return False
    return bool(firewalls) and not any(admits(rule) for rule in rules)


def admits(rule: dict[str, t.Any]) -> bool:
    """Whether a rule lets somebody in by HTTPS."""
    first, _dash, last = str(rule.get("port") or "").partition("-")
    covers = first == "any" or (first.isdecimal() and int(first) <= 443 <= int(last or first))
    return rule["direction"] == "in" and rule["protocol"] == "tcp" and covers and bool(rule.get("source_ips"))


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "domain": {"type": "str", "required": True},
        "path": {"type": "str", "default": "/"},
        "edge": {"type": "str"},
        "ca_path": {"type": "path"},
        "user": {"type": "str", "required": True},
        "key_file": {"type": "path", "required": True, "no_log": False},
        "known_hosts": {"type": "path", "required": True},
        "host_key": {"type": "str", "no_log": False},
        "database": {"type": "str"},
        "database_port": {"type": "int", "default": 5432},
        "supabase_url": {"type": "str"},
        "mount": {"type": "path", "default": "/srv/platform"},
        **{name: {"type": "list", "elements": "str", "default": []} for name in ("tried", "done", "failed", "images")},
        "registry": {"type": "dict", "default": {}, "options": REGISTRY},
        "registry_address": {"type": "str"},
        "told": {"type": "str", "choices": list(LADDER)},
        "elsewhere": {"type": "bool", "default": False},
        "wait": {"type": "float", "default": 0},
        "pause": {"type": "float", "default": 2},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = module.params
    try:
        ssh_files(given["known_hosts"])
    except Inexpressible as error:
        module.fail_json(msg=f"known_hosts, which is in platform_state_dir, {error}: use another folder. Nothing was looked at.")
    history = History(tuple(given["tried"]), tuple(given["done"]), tuple(given["failed"]))
    known_now: list[Known] = []
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as folder:
        expected = Path(folder, "known_hosts")
        images = Images(given, Path(folder, "registry.pem"))
        target = Target(
            given["domain"], given["path"], given["edge"], given["ca_path"], given["user"], given["key_file"], (given["known_hosts"], str(expected)),
            given["database"], given["database_port"], given["supabase_url"], WAITING_TIMEOUT if given["wait"] else TIMEOUT, given["mount"],
        )  # fmt: skip

        def see(patient: bool) -> tuple[Situation, Decision]:
            facts = known(given)
            known_now.append(facts)
            expected.write_text(f"{facts.address} {given['host_key']}\n" if facts.address and given["host_key"] else "", encoding="utf-8")
            observed = look(module.run_command, facts.api, facts.server, facts.address, target, facts.young, patient)
            # The rest is asked only where it decides.
            if observed.origin_down and observed.login != "ok":
                observed = observed._replace(shut=shut(given, facts.firewalls))
            decision = decide(observed, history, given["told"] or "", given["elsewhere"])
            if patient and decision.action in DISK_LOSING and observed.server not in MISSING and images.wanted:
                observed = observed._replace(images=images.state())
                decision = decide(observed, history, given["told"] or "", given["elsewhere"])
            return observed, decision

        observed, decision, looks = observe_until(see, given["wait"], given["pause"], time.monotonic, time.sleep)
    said = f"DIAGNOSIS: {line(observed)} => {decision.action.upper()}: {decision.reason}"
    found = {
        "timeline_say": said, "line": line(observed), "action": decision.action, "reason": decision.reason,
        "proofs": [one._asdict() for one in decision.proofs],
        "situation": observed._asdict(), "looks": looks,
    }  # fmt: skip
    module.exit_json(changed=False, address=known_now[-1].address or "", location=known_now[-1].location, **found)


if __name__ == "__main__":
    main()

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand option files and label sets nobody wrote by hand: an inventory or one clear message, never a traceback."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lab.api.hetzner.testing import HetznerApi, hetzner_api

pytestmark = pytest.mark.play

PLUGIN = "quetrex.platform.hcloud"
TEXT = st.text(max_size=12)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), TEXT, st.lists(TEXT, max_size=3), st.dictionaries(TEXT, TEXT, max_size=2)
)
"""Values that are sometimes of the right type and mostly not."""
LABEL = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
TEMPLATE = st.one_of(
    TEXT, st.sampled_from(["{{ hcloud_name }}", "{{ nonsense }}", "{{ hcloud_labels.role }}", "{{ 1 / 0 }}", "{{", "{% if %}", "hcloud_location"])
)
GOOD: dict[str, Any] = {
    "label_selector": st.one_of(TEXT, st.builds("{}={}".format, LABEL, LABEL), st.sampled_from(["role in (a,b)", "!role", "role!=a", "role in ("])),
    "status": st.lists(st.sampled_from(["running", "off", "nonsense"]), max_size=2),
    "locations": st.lists(st.sampled_from(["ash", "moon"]), max_size=2),
    "types": st.lists(TEXT, max_size=2),
    "images": st.lists(TEXT, max_size=2),
    "network": TEXT,
    "connect_with": st.sampled_from(["public_ipv4", "public_ipv6", "hostname", "ipv4_dns_ptr", "private_ipv4", "telepathy"]),
    "group": TEXT,
    "hostvars_prefix": TEXT,
    "hostvars_suffix": TEXT,
    "hostname": TEMPLATE,
    "group_by": st.lists(st.sampled_from(["label", "location", "type", "status", "role", "mood"]), max_size=3),
    "keyed_groups": st.lists(st.fixed_dictionaries({}, optional={"key": TEMPLATE, "prefix": TEXT, "separator": TEXT, "default_value": TEXT}), max_size=2),
    "groups": st.dictionaries(TEXT, TEMPLATE, max_size=2),
    "compose": st.dictionaries(TEXT, TEMPLATE, max_size=2),
    "strict": st.booleans(),
    "allow_stale_cache": st.integers(-5, 5),
    "retry_budget": st.floats(0, 0.2),
    "projects": st.lists(st.one_of(TEXT, st.fixed_dictionaries({}, optional={"name": TEXT, "api_token": TEXT, "api_endpoint": TEXT, "x": TEXT})), max_size=2),
}
OPTIONS = st.fixed_dictionaries({}, optional={name: st.one_of(good, ODD) if name != "retry_budget" else good for name, good in GOOD.items()})
RAW = st.one_of(TEXT, st.builds(json.dumps, ODD), st.builds("plugin: quetrex.platform.hcloud\n{}".format, TEXT))


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with tempfile.TemporaryDirectory() as folder, hetzner_api(Path(folder)) as made:
        yield made


def read(api: HetznerApi, text: str) -> InventoryData:
    """Read one option file as Ansible does."""
    path = api.root / "hcloud.yml"
    path.write_text(text, encoding="utf-8")
    data = InventoryData()
    loaded = inventory_loader.get(PLUGIN)
    loaded.parse(data, DataLoader(), str(path), cache=True)
    data.reconcile_inventory()
    return data


def refusal(api: HetznerApi, text: str) -> str:
    """Return the message for a file; empty when it is understood. Anything but Ansible's own error is a traceback for the user."""
    try:
        data = read(api, text)
    except AnsibleError as error:
        return str(error)
    assert len(data.hosts) <= 1
    return ""


def clear(words: str) -> bool:
    """One message of a few words, not the name of an exception or a stack."""
    return not words or (len(words) > 15 and not any(bad in words for bad in ("Traceback", "object has no attribute", "unhashable", "NoneType")))


def server(api: HetznerApi, labels: dict[str, str]) -> None:
    """Have one server with labels."""
    from hcloud import Client

    if not api.servers():
        body = {"name": "a", "server_type": "cpx31", "image": "debian-13", "location": "ash"}
        Client(api.token, api_endpoint=api.url).request("POST", "/servers", json=body)
    api.servers()[0]["labels"] = labels


SETTINGS = settings(
    max_examples=int(os.environ.get("HCLOUD_EXAMPLES", "500")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],
)


@SETTINGS
@given(options=OPTIONS, labels=st.dictionaries(LABEL, st.one_of(st.just(""), LABEL), max_size=3))
def test_options_and_labels(api: HetznerApi, options: dict[str, Any], labels: dict[str, str]) -> None:
    server(api, labels)
    words = refusal(api, json.dumps({"plugin": PLUGIN, "api_endpoint": api.url, "api_token": api.token, "retry_budget": 0, **options}))
    assert clear(words), words


@SETTINGS
@given(labels=st.dictionaries(LABEL, st.one_of(st.just(""), LABEL), max_size=5), text=RAW)
def test_any_labels_make_groups_and_any_text_is_told(api: HetznerApi, labels: dict[str, str], text: str) -> None:
    server(api, labels)
    keyed = {"keyed_groups": [{"key": "hcloud_labels", "prefix": "l"}], "group_by": ["label", "role"]}
    data = read(api, json.dumps({"plugin": PLUGIN, "api_endpoint": api.url, "api_token": api.token, **keyed}))
    assert data.hosts["a"].vars["hcloud_labels"] == labels
    native = [f"hcloud_label_{key}_{value}" if value else f"hcloud_label_{key}" for key, value in labels.items()]
    assert {re.sub(r"[^A-Za-z0-9_]", "_", name) for name in native} <= set(data.groups)
    words = refusal(api, text)
    assert clear(words), words

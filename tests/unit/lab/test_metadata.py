# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's metadata service says to whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import config, metadata
from lab.config import Lab

SERVERS = {7: ["10.213.4.2", "fd51:1::1"], 8: ["10.213.4.3"]}


@pytest.fixture(name="lab")
def _lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(config, "CHECKOUT", tmp_path)
    lab = Lab("meta")
    for number, addresses in SERVERS.items():
        folder = lab.folder("servers", str(number))
        (folder / "server.json").write_text(json.dumps({"hostname": f"s{number}", "addresses": addresses, "ssh_keys": ["ssh-ed25519 AAAA"]}))
        (folder / "user-data").write_text(f"#cloud-config\n# {number}\n" if number == 7 else "")
    return lab


def test_a_server_is_known_by_its_address(lab: Lab) -> None:
    """And by its cable over IPv6, where every server has the same kind of address."""
    assert metadata.facts_of(lab, "10.213.4.3", 0) == lab.root / "servers/8"
    assert metadata.facts_of(lab, "fd51:1::1", 0) == lab.root / "servers/7"
    assert metadata.facts_of(lab, "10.213.3.9", 0) is None
    assert metadata.facts_of(lab, "fe80::1", 1) is None, "lo is no server's cable"


def test_answers(lab: Lab) -> None:
    """The paths that cloud-init and people ask for."""
    seven, eight = (lab.root / "servers" / str(number) for number in SERVERS)
    whole = json.loads(metadata.answer(lab, seven, "metadata") or b"")
    assert (whole["instance-id"], whole["hostname"], whole["public-keys"]) == (7, "s7", ["ssh-ed25519 AAAA"])
    assert whole["network-config"]["config"][0]["subnets"][1]["address"] == "fd51:1::1/64"
    assert metadata.answer(lab, seven, "metadata/instance-id") == b"7"
    assert metadata.answer(lab, seven, "metadata/public-ipv4") == b"10.213.4.2"
    assert metadata.answer(lab, seven, "metadata/private-networks") == b"[]"
    assert metadata.answer(lab, seven, "userdata") == b"#cloud-config\n# 7\n"
    assert metadata.answer(lab, eight, "userdata") == b""
    assert metadata.answer(lab, seven, "nothing") is None

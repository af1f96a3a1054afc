# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook names what is missing, wherever a secret comes from, and shows no value."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.play

ROOT = Path(__file__).resolve().parents[3]
VALUE = "hunter2-hunter2"


def check(inventory: Path, collection_tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a person would, with everything said."""
    (inventory / "ansible.cfg").write_text("[defaults]\n")
    paths = {
        "ANSIBLE_COLLECTIONS_PATH": str(collection_tree),
        "ANSIBLE_CONFIG": str(inventory / "ansible.cfg"),
        "ANSIBLE_HOME": str(inventory / "home"),
        "NO_COLOR": "1",
    }
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-vvv", "-i", str(inventory / "hosts.yml"), str(ROOT / "playbooks" / "secrets_check.yml")]
    return subprocess.run(words, env={**os.environ, **paths, **environment}, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(name="inventory")
def the_example_with_a_vault(tmp_path: Path) -> Path:
    """The production example: its settings, and a vault that is filled in."""
    variables = tmp_path / "group_vars" / "all"
    variables.mkdir(parents=True)
    (tmp_path / "hosts.yml").write_text((ROOT / "inventories" / "production" / "hosts.yml").read_text())
    key = tmp_path / "key"
    key.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{VALUE}\n")
    example = ROOT / "inventories" / "production" / "group_vars" / "all"
    (variables / "connection.yml").write_text((example / "connection.yml").read_text())
    (variables / "platform.yml").write_text((example / "platform.yml").read_text().replace("~/.ssh/id_ed25519\n", f"{key}\n"))
    names = yaml.safe_load((example / "vault.yml.example").read_text())
    (variables / "vault.yml").write_text(yaml.safe_dump(dict.fromkeys(names, VALUE)))
    for name in ("supabase-ca.pem", "authenticated_origin_pull_ca.pem"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\n")
    return tmp_path


def test_a_whole_inventory_passes_and_nothing_of_it_is_shown(inventory: Path, collection_tree: Path) -> None:
    done = check(inventory, collection_tree, HCLOUD_TOKEN=VALUE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "platform_supabase_database.password" in done.stdout
    assert VALUE not in done.stdout + done.stderr


def test_each_missing_one_is_named_with_what_it_is_for(inventory: Path, collection_tree: Path) -> None:
    vault = inventory / "group_vars" / "all" / "vault.yml"
    kept = {**yaml.safe_load(vault.read_text()), "vault_registry_password": "", "vault_stripe_secret_key": ""}
    del kept["vault_cloudflare_api_token"]
    vault.write_text(yaml.safe_dump(kept))
    done = check(inventory, collection_tree, HCLOUD_TOKEN="")
    assert done.returncode == 2
    failure = done.stdout.partition("Require every secret")[2]
    for words in (
        "platform_hetzner_api_token (server, volume, addresses, firewall and the inventory): is empty",
        "platform_cloudflare_api_token (names, zone settings, cache and the origin certificate): cannot be read",
        "platform_registry.password (pulling images): is empty",
        "platform_app_secrets.STRIPE_SECRET_KEY (read by the web application): is empty",
    ):
        assert words in " ".join(failure.split()), failure
    assert VALUE not in done.stdout + done.stderr


SEALED = "ENC[AES256_GCM,data:la/SRZ2A2Js+jxXOpmp1,iv:T/L3dQnLoS790jl7cv5w4XYNmDGlz0vwzoIDp+JiASI=,tag:NHqE9JfVZtbnZOJ7o3xwbw==,type:str]"
SOPS = {"ANSIBLE_VARS_ENABLED": "host_group_vars,community.sops.sops"}


@pytest.fixture(name="sops_file")
def the_vault_as_a_sops_file(inventory: Path) -> Path:
    """The same vault under the name that the guide gives a SOPS file, not sealed yet."""
    return (inventory / "group_vars" / "all" / "vault.yml").rename(inventory / "group_vars" / "all" / "vault.sops.yml")


def test_closed_sops_file(inventory: Path, sops_file: Path, collection_tree: Path) -> None:
    """A SOPS file that nobody opens is told from secrets that are there."""
    sops_file.write_text(yaml.safe_dump(dict.fromkeys(yaml.safe_load(sops_file.read_text()), SEALED)))
    done = check(inventory, collection_tree, HCLOUD_TOKEN=VALUE)
    assert done.returncode == 2
    failure = " ".join(done.stdout.partition("Require every secret")[2].split())
    for name in ("platform_cloudflare_api_token", "platform_registry.password", "platform_app_secrets.STRIPE_SECRET_KEY"):
        assert f"{name} (" in failure, failure
    assert "is still encrypted by SOPS; set ANSIBLE_VARS_ENABLED=host_group_vars,community.sops.sops" in failure


def test_without_sops_on_the_machine_the_run_says_so(inventory: Path, sops_file: Path, collection_tree: Path) -> None:
    """The words stand in the page of messages."""
    sops_file.write_text(yaml.safe_dump({"vault_example": SEALED, "sops": {"version": "3.9.0"}}))
    done = check(inventory, collection_tree, HCLOUD_TOKEN=VALUE, PATH="/usr/sbin:/sbin", **SOPS)
    assert done.returncode != 0
    assert "SOPS vars plugin: [Errno 2] No such file or directory: 'sops'" in done.stdout + done.stderr


@pytest.mark.skipif(
    not shutil.which("sops") or not shutil.which("gpg"),
    reason="no sops on this machine: no release of Debian has it, PyPI only the abandoned 1.18, which fails at sealing",
)
def test_a_sealed_file_is_opened_by_sops_itself(inventory: Path, sops_file: Path, collection_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = inventory / "gpg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))

    def gpg(*words: str) -> str:
        return subprocess.run(["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *words], capture_output=True, text=True, check=True).stdout

    try:
        gpg("--quick-gen-key", "owner@example.com", "default", "default", "never")
        key = next(line.split(":")[9] for line in gpg("--list-keys", "--with-colons").splitlines() if line.startswith("fpr"))
        subprocess.run(["sops", "--encrypt", "--in-place", "--pgp", key, str(sops_file)], capture_output=True, check=True)
        assert VALUE not in sops_file.read_text()
        done = check(inventory, collection_tree, HCLOUD_TOKEN=VALUE, **SOPS)
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All required secrets are present." in done.stdout
    assert VALUE not in done.stdout + done.stderr

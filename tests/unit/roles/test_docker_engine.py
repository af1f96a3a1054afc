# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine a server gets, on every system, with and without one that is already there: what the role derives from its one look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKER = {"docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"}
UBUNTU = {"docker.io", "docker-compose-v2"}
DEBIAN = {"docker.io", "docker-cli", "docker-compose"}
# name: (system, packages that are there, docker_engine_source, the engine, what is installed)
CASES: dict[str, tuple[str, list[str], str, str, set[str]]] = {
    "Debian 13": ("debian trixie", [], "auto", "distribution", DEBIAN),
    "Debian 12": ("debian bookworm", [], "auto", "docker", DOCKER),
    "Ubuntu 24.04": ("ubuntu noble", [], "auto", "distribution", UBUNTU),
    "Ubuntu 22.04": ("ubuntu jammy", [], "auto", "distribution", UBUNTU),
    "chosen": ("debian trixie", [], "docker", "docker", DOCKER),
    "working, other source": ("debian trixie", ["docker.io", "docker-cli", "docker-compose", "containerd"], "docker", "distribution", set()),
    "working, of Docker": ("ubuntu noble", [*DOCKER], "distribution", "docker", set()),
    "half": ("debian bookworm", ["docker-ce", "containerd.io"], "auto", "docker", DOCKER - {"docker-ce", "containerd.io"}),
}


pytestmark = pytest.mark.play


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory, collection_tree: Path) -> dict[str, Any]:
    """What the role's variables say in each case, from one play."""
    folder = tmp_path_factory.mktemp("docker_engine")
    role = ROOT / "roles" / "docker_engine"
    source = "{{ lookup('ansible.builtin.template', '" + str(role / "templates" / "docker.sources.j2") + "') }}"
    wanted = {"effective": "{{ __docker_engine_effective }}", "missing": "{{ __docker_engine_missing }}", "source": source}
    task = {
        "ansible.builtin.copy": {"dest": f"{folder}/{{{{ index }}}}.json", "mode": "0600", "content": "{{ wanted | to_json }}"},
        "loop": [[system, present, chosen] for system, present, chosen, _engine, _packages in CASES.values()],
        "loop_control": {"index_var": "index"},
        "vars": {
            "wanted": wanted,
            "docker_engine_source": "{{ item[2] }}",
            "__docker_engine_probe": {"stdout_lines": "{{ [item[0]] + (item[1] | map('regex_replace', '^', 'installed ') | list) }}"},
        },
    }
    files = [str(role / part / "main.yml") for part in ("defaults", "vars")]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": [task]}
    (folder / "play.yml").write_text(json.dumps([play]))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_COLLECTIONS_PATH": str(collection_tree)}
    words = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "play.yml"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return {name: json.loads((folder / f"{number}.json").read_text()) for number, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_engine_of_each_system(derived: dict[str, Any], name: str) -> None:
    """Each system gets the right engine and keeps a working one."""
    system, _present, _chosen, engine, packages = CASES[name]
    found = derived[name]
    assert (found["effective"], set(found["missing"])) == (engine, packages)
    distribution, suite = system.split()
    assert f"URIs: https://download.docker.com/linux/{distribution}\nSuites: {suite}\n" in found["source"]

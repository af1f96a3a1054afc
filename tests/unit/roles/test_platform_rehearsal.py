# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rehearsed, and what an image is made of, is what `site` does to a server, in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.api.cloudflare.testing import cloudflare_server

if TYPE_CHECKING:
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.testing"]

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
ROLES = PLAYBOOKS.parent / "roles"
# What looks after production and would mistake the rehearsal's server for it, or make it one of production's.
PRODUCTION = {"platform_backup", "docker_swarm", "pool_redis", "pool_node"}


def play(playbook: str, name: str) -> dict[str, Any]:
    """One play of a playbook."""
    found: dict[str, Any] = next(one for one in yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text()) if one.get("name") == name)
    return found


def imported(tasks: list[dict[str, Any]]) -> list[str]:
    """The roles that tasks import, in order, without those with other tasks than the main ones."""
    flat = [inner for task in tasks for inner in task.get("block", [task])]
    roles = [task["ansible.builtin.import_role"] for task in flat if "ansible.builtin.import_role" in task]
    return [role["name"].rpartition(".")[2] for role in roles if "tasks_from" not in role]


def of_site() -> list[str]:
    """The roles that `site` gives a server."""
    roles = play("stages/server", "Prepare the server")["roles"]
    return [role["role"].rpartition(".")[2] for role in roles if role["role"].rpartition(".")[2] not in PRODUCTION]


@pytest.mark.parametrize(("playbook", "name"), [("recover_rehearse", "Prepare the server"), ("image_build", "Prepare it like every other server")])
def test_the_same_roles_in_the_same_order(playbook: str, name: str) -> None:
    roles = imported(play(playbook, name)["tasks"])
    assert len(roles) >= 4
    assert roles == of_site()[: len(roles)]


def test_the_rehearsal_goes_to_the_end() -> None:
    assert imported(play("recover_rehearse", "Prepare the server")["tasks"]) == of_site()


def variables() -> dict[str, Any]:
    """What the rehearsal gives to the roles of `site`."""
    found: dict[str, Any] = play("recover_rehearse", "Prepare the server")["vars"]
    return found


def test_rehearses_production_release() -> None:
    """What production serves is rehearsed and no migration runs."""
    given = variables()
    assert (given["app_release_action"], given["app_release_migrate"]) == ("resume", [])
    # also where the inventory or a job says otherwise
    settings = yaml.safe_load((ROLES / "app_release/vars/main.yml").read_text())["__app_release_settings"]
    assert settings["migrate"] == "{{ [] if app_release_action == 'resume' else app_release_migrate }}"


def test_productions_record_is_read_under_its_own_name() -> None:
    given = variables()
    assert given["app_stack_record_read_only"] is True
    assert not {"app_stack_environment", "app_stack_platform_name"} & set(given), "a row of its own would be left"
    database = yaml.safe_load((ROLES / "app_stack/vars/main.yml").read_text())["__app_stack_release_database"]
    assert database["read_only"] == "{{ app_stack_record_read_only | bool }}"


def test_nothing_is_written_into_productions_state_folder() -> None:
    """Every default of the roles it uses that names this folder is another one in a rehearsal."""
    given = variables()
    main = yaml.safe_load((ROLES / "platform_rehearsal/tasks/main.yml").read_text())
    server = next(task for block in main for task in block.get("block", []) if task.get("name") == "Create the throw-away server")["vars"]
    found = 0
    for role, overridden in [(role, given) for role in of_site()] + [("hetzner_server", server)]:
        defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
        for name in (name for name, value in defaults.items() if "platform_state_dir" in str(value)):
            assert overridden[name].startswith(("{{ __rehearsal_folder }}", "{{ platform_rehearsal_folder }}")), (role, name)
            found += 1
    assert found == 3
    assert "__rehearsal_folder" in given["ansible_ssh_common_args"]
    (folder,) = (task for task in yaml.safe_load((ROLES / "platform_rehearsal/tasks/delete.yml").read_text()) if "ansible.builtin.file" in task)
    assert folder["ansible.builtin.file"] == {"path": "{{ platform_rehearsal_folder }}", "state": "absent"}


def test_ssh_arguments(playbook: RunPlaybook, tmp_path: Path) -> None:
    """A connection that never comes about says with which words ssh was called."""
    inventory = "-o UserKnownHostsFile={{ platform_state_dir }}/known_hosts -o User=inventory"
    (tmp_path / "hosts").write_text(f"h1 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_common_args='{inventory}'\n")
    given = {name: value for name, value in variables().items() if name in ("__rehearsal_folder", "ansible_ssh_common_args")}
    words = {"hosts": "h1", "gather_facts": False, "vars": given, "tasks": [{"ping": {}}]}
    (tmp_path / "play.yml").write_text(json.dumps([words]))
    done = playbook(tmp_path / "play.yml", "-i", str(tmp_path / "hosts"), "-e", json.dumps({"platform_state_dir": f"{tmp_path}/a b"}), "-vvv")
    (called, *_more) = [line for line in done.stdout.splitlines() if "SSH: EXEC" in line]
    own, productions = f'UserKnownHostsFile="{tmp_path}/a b/rehearsal/known_hosts"', f"UserKnownHostsFile={tmp_path}/a"
    assert 0 < called.index(own) < called.index(productions) < called.index("User=inventory")


def test_address_removed_in_time() -> None:
    """The address is taken out before nobody knows it any more."""
    tasks = yaml.safe_load((ROLES / "platform_rehearsal/tasks/delete.yml").read_text())
    names = [task["name"] for task in tasks]
    order = [
        next(place for place, name in enumerate(names) if name.startswith(f"delete | {begin}"))
        for begin in ("Read its addresses", "Remove it from the database's restrictions", "Delete the server")
    ]
    assert order == sorted(order)
    assert tasks[order[0]]["check_mode"] is True


def test_nothing_that_belongs_to_somebody_else_is_touched(playbook: RunPlaybook, tmp_path: Path) -> None:
    labels = {"platform": "quetrex", "environment": "test"}
    mistaken: list[dict[str, Any]] = [
        {"platform_rehearsal_host": "shop"},
        {"platform_rehearsal_host": "blog"},
        {"platform_rehearsal_labels": {**labels, "role": "app"}},
        {"platform_rehearsal_labels": {"role": "rehearsal"}},
        {"platform_rehearsal_name": "web1"},
        # its own, left by one that was killed; what would delete the server answers that it knows nothing
        {"platform_rehearsal_host": "rehearsal"},
    ]
    with cloudflare_server(tmp_path) as api:
        ours = yaml.safe_load((PLAYBOOKS.parent / "roles/platform_rehearsal/vars/main.yml").read_text())["__platform_rehearsal_comment"]
        for row in (
            {"name": "shop", "type": "A", "content": "192.0.2.9"},
            {"name": "blog", "type": "CNAME", "content": "blogs.example", "comment": "the blog"},
            {"name": "rehearsal", "type": "A", "content": "192.0.2.8", "proxied": True, "comment": ours},
        ):
            api.call("POST", "/zones/{zone}/dns_records", {**row, "name": f"{row['name']}.{api.zone['name']}"}).raise_for_status()
        account = {"platform_cloudflare_api_token": api.token, "platform_cloudflare_api_url": api.url, "platform_domain": api.zone["name"]}
        nowhere = {"platform_hetzner_api_token": "x" * 64, "platform_hetzner_api_url": f"{api.origin}/nowhere", "platform_state_dir": str(tmp_path)}
        server = {"add_host": {"name": "web1", "groups": ["platform_servers"]}, "changed_when": False}
        tasks: list[dict[str, Any]] = [server]
        for case in mistaken:
            role = {"include_role": {"name": "quetrex.platform.platform_rehearsal"}, "vars": case}
            tasks += [{"debug": {"msg": "NEXT ONE"}}, {"block": [role], "rescue": [{"debug": {"msg": "REFUSED"}}]}]
        named = {"platform_name": "quetrex", "platform_environment": "test"}
        play = [{"hosts": "localhost", "gather_facts": False, "vars": {**account, **nowhere, **named}, "tasks": tasks}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        api.forget()
        done = playbook(tmp_path / "play.yml")
        shop, blog, of_app, of_nobody, of_server, own = " ".join(done.stdout.split()).split("NEXT ONE")[1:]
        assert "Nothing was touched. platform_rehearsal_host is shop, which leads to 192.0.2.9" in shop, done.stdout
        assert "which leads to blogs.example" in blog
        for said in (of_app, of_nobody):
            assert "Nothing was touched. platform_rehearsal_labels have to say" in said, said
        assert "platform_rehearsal_name is web1, which is a server of the platform" in of_server
        assert all("REFUSED" in said for said in (shop, blog, of_app, of_nobody, of_server))
        assert "Nothing was touched" not in own, own
        # the first that is done to what is left is that its name goes
        assert [path.rpartition("/")[2] for path in api.writes()] == ["batch"]

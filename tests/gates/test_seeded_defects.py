# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every gate catches the kind of mistake it is there for; a gate that finds nothing may be one that looks at nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from contract import rules

from gates import kit
from gates.unchanged import PINS, inputs

# what a gate catches depends on the gate, on the tool's version and on the tool's settings
seeded = inputs("tests/gates", "tests/contract/rules.py", ".yamllint", ".config", "mypy.ini", "meta/runtime.yml", "changelogs/config.yaml", *PINS)
HEADER = rules.HEADER
BEGINS = "---\n- hosts: localhost\n  roles: [{role: quetrex.platform.platform_preflight}]\n"
MODULE = (
    "#!/usr/bin/python\n"
    + HEADER
    + '''from __future__ import annotations

DOCUMENTATION = r"""
module: seeded
short_description: Seeded
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Seeded.
attributes:
  check_mode:
    support: full
    description: Seeded.
  diff_mode:
    support: none
    description: Seeded.
  idempotent:
    support: full
    description: Seeded.
options:
  size:
    description: Seeded.
    type: int
"""

EXAMPLES = r"""
- name: Seed
  quetrex.platform.seeded:
    size: 1
"""

RETURN = r"""
size:
  description: Seeded.
  type: int
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule({"size": {"type": "int"}}, supports_check_mode=True)
    module.exit_json(changed=False, size=module.params["size"])


if __name__ == "__main__":
    main()
'''
)
PLAY = "---\n- name: Seed\n  hosts: localhost\n  gather_facts: false\n  tasks:\n    - name: Seed\n"
CHANGELOG = {"changelogs/changelog.yaml": "---\nancestor: null\nreleases: {}\n"}

# gate, files, and a part of what it has to say
COMMIT = "0" * 40
WORKFLOW = f"""---
"on": push
jobs:
  build:
    runs-on: ubuntu-24.04
    outputs:
      image: x
    steps:
      - uses: actions/checkout@{COMMIT} # v6.0.2
      - run: ls "$HOME"
  release:
    needs: build
    runs-on: ubuntu-24.04
    steps:
      - env:
          IMAGE: ${{{{ needs.build.outputs.image }}}}
        run: echo "$IMAGE"
"""
SOURCE_DEFECTS = [
    pytest.param(kit.ruff, {"tools/seeded.py": HEADER + "import os\n"}, "F401", id="ruff: unused import"),
    pytest.param(kit.ruff_format, {"tools/seeded.py": HEADER + "\nx = {'a':1}\n"}, "would be reformatted", id="ruff format"),
    pytest.param(kit.types, {"tools/seeded.py": HEADER + "\n\ndef f() -> int:\n    return 'text'\n"}, "return-value", id="mypy: wrong type in a tool"),
    pytest.param(
        kit.types,
        {"plugins/module_utils/seeded.py": HEADER + "\n\ndef f(x):\n    return x\n"},
        "no-untyped-def",
        id="mypy: untyped function in a plugin",
    ),
    pytest.param(kit.yamllint, {"tools/seeded.yml": "---\na: yes\n"}, "truthy", id="yamllint: a truth by another word"),
    pytest.param(kit.shellcheck, {"tools/seeded": "#!/usr/bin/env bash\nrm -rf $1/*\n"}, "SC2086", id="shellcheck: unquoted"),
    pytest.param(kit.workflows, {"examples/github/a.yml": WORKFLOW.replace("needs.build", "needs.bild")}, '"bild"', id="workflow: a job that is not there"),
    pytest.param(kit.workflows, {"examples/github/a.yml": WORKFLOW.replace(COMMIT, "v6")}, "not pinned", id="workflow: an action by its tag"),
    pytest.param(kit.workflows, {"examples/github/a.yml": WORKFLOW.replace('"$HOME"', "$1")}, "SC2086", id="workflow: unquoted"),
    pytest.param(
        kit.ansible_lint,
        {"plugins/modules/seeded.py": MODULE, "playbooks/seed.yml": PLAY + "      quetrex.platform.seeded:\n        sise: 1\n", **CHANGELOG},
        "args[module]",
        id="lint: misspelt option of our own module",
    ),
    pytest.param(
        kit.ansible_lint,
        {"playbooks/seed.yml": PLAY + "      ansible.builtin.command: date\n", **CHANGELOG},
        "no-changed-when",
        id="lint: command without changed_when",
    ),
    pytest.param(
        kit.docs,
        {"plugins/modules/seeded.py": MODULE.replace("  - Seeded.\n", "  - See O(missing).\n", 1)},
        "missing",
        id="docs: reference to an option that is not there",
    ),
    pytest.param(kit.changelog, {"changelogs/fragments/1-seeded.yml": "---\nnonsense:\n  - text\n"}, "nonsense", id="changelog: unknown section"),
]


@pytest.mark.gate
@seeded
@pytest.mark.parametrize(("gate", "files", "says"), SOURCE_DEFECTS)
def test_source_defect(gate: kit.Gate, files: dict[str, str], says: str, tmp_path: Path) -> None:
    found = gate(kit.empty_collection(tmp_path, files))
    assert says in found, found or "nothing found"


@pytest.mark.gate
def test_a_change_without_a_fragment(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=seeded", "-c", "user.email=seeded@quetrex.test", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    fragments = tmp_path / "changelogs" / "fragments"
    fragments.mkdir(parents=True)
    (tmp_path / "changelogs" / "changelog.yaml").write_text("---\n")
    role = tmp_path / "roles" / "seeded.yml"
    role.parent.mkdir()
    role.write_text("one")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Release")
    assert kit.untold(tmp_path) == ""
    role.write_text("two")
    assert "roles/seeded.yml" in kit.untold(tmp_path), "not committed yet"
    git("commit", "--quiet", "--all", "--message", "Change")
    assert "roles/seeded.yml" in kit.untold(tmp_path)
    (fragments / "seeded.yml").write_text("---\ntrivial:\n  - seeded\n")
    assert kit.untold(tmp_path) == ""


@pytest.mark.gate
@seeded
@pytest.mark.parametrize(
    ("test", "module", "says"),
    [
        ("validate-modules", MODULE.replace('{"size": {"type": "int"}}', '{"size": {"type": "str"}}'), "doc-type-does-not-match-spec"),
        ("import", MODULE.replace("from ansible.module_utils.basic", "import requests_of_nobody\nfrom ansible.module_utils.basic"), "requests_of_nobody"),
    ],
    ids=["specification against documentation", "unguarded import"],
)
def test_sanity_defect(test: str, module: str, says: str, tmp_path: Path) -> None:
    found = kit.sanity(kit.empty_collection(tmp_path, {"plugins/modules/seeded.py": module}), test)
    assert says in found, found or "nothing found"


@pytest.mark.gate
@seeded
def test_artifact_defect(tmp_path: Path) -> None:
    tree = kit.empty_collection(tmp_path, {"notes.txt": "mine\n", "scratch/left.yml": "---\n", "plugins/modules/seeded.pyc": "x", **CHANGELOG})
    assert set(kit.artifact_contents(kit.build(tree)).splitlines()) == {"notes.txt", "scratch/left.yml"}, "galaxy itself leaves .pyc out"


@pytest.mark.gate
@pytest.mark.long
@seeded
def test_importer_defect(tmp_path: Path) -> None:
    tree = kit.empty_collection(tmp_path, {"plugins/modules/seeded.py": MODULE.replace("from ansible", "import os\nfrom ansible"), **CHANGELOG})
    assert "F401" in kit.importer(tree, kit.build(tree))


SWITCH = "---\nargument_specs:\n  main:\n    options:\n      seeded_on:\n        type: bool\n"
AWX = """---
__awx_controller_catalogue: [{playbook: site}]
__awx_controller_no_template: []
__awx_controller_schedule_catalogue: {}
__awx_controller_steps: []
"""
ROLE = {
    "roles/seeded/README.md": "# seeded\n\nSomething is seeded.\n\n```yaml\n- hosts: all\n  roles: [quetrex.platform.seeded]\n```\n",
    "roles/seeded/defaults/main.yml": "---\nseeded_depth: 1\n",
    "roles/seeded/meta/argument_specs.yml": '---\nargument_specs: {main: {version_added: "1.0.0", options: {seeded_depth: {type: int}}}}\n',
    "roles/seeded/tasks/main.yml": "---\n- name: Seed\n  ansible.builtin.debug:\n    msg: '{{ seeded_depth }}'\n",
}


def test_a_good_role_and_module_pass(tmp_path: Path) -> None:
    files = {**ROLE, "plugins/modules/seeded.py": MODULE, "tests/unit/plugins/modules/test_seeded.py": HEADER + "def test_it() -> None: ...\n"}
    root = kit.empty_collection(tmp_path, files).root
    assert [rule(root / "roles/seeded") for rule in rules.ROLE_RULES] == [[]] * len(rules.ROLE_RULES)
    assert [rule(root / "plugins/modules/seeded.py") for rule in rules.MODULE_RULES] == [[]] * len(rules.MODULE_RULES)


@pytest.mark.parametrize(
    ("rule", "files", "says"),
    [
        (rules.readme_states_one_outcome, {"roles/seeded/README.md": "Seeded\n"}, "line 1"),
        (
            rules.readme_examples_are_complete,
            {
                "roles/seeded/README.md": "# seeded\n\nSomething is seeded.\n\n```yaml\n- hosts: all\n  roles: [quetrex.platform.seeded]\n```\n",
                "roles/seeded/defaults/main.yml": "---\nseeded_depth: '{{ platform_depth }}'\n",
            },
            "seeded_depth",
        ),
        (rules.vars_are_data, {"roles/seeded/vars/main.yml": "---\n__seeded_run: [{command: [ls], paths: []}]\n"}, "what is run"),
        (rules.vars_are_data, {"roles/seeded/vars/main.yml": "---\n__seeded_files: [{path: /etc/x, content: y}]\n"}, "the file /etc/x"),
        (rules.readme_has_an_example, {"roles/seeded/README.md": "# seeded\n\nSomething is seeded.\n"}, "no example"),
        (rules.results_are_documented, {"roles/seeded/vars/main.yml": "---\nseeded_size: 1\n"}, "seeded_size is set and is no result"),
        (
            rules.results_are_documented,
            {"roles/seeded/README.md": "# seeded\n\nSomething is seeded.\n\n| result | what |\n|---|---|\n| `seeded_size` | a size |\n"},
            "nothing sets seeded_size",
        ),
        (rules.spec_equals_defaults, {"roles/seeded/defaults/main.yml": "---\nseeded_depth: 1\nseeded_more: 2\n"}, "seeded_more"),
        (rules.spec_equals_defaults, {"roles/seeded/defaults/main.yml": "---\n{}\n"}, "seeded_depth"),
        (rules.names_carry_the_role, {"roles/seeded/defaults/main.yml": "---\ndepth: 1\n"}, "depth"),
        (rules.shared_settings_only_in_defaults, {"roles/seeded/tasks/main.yml": "---\n- debug: msg={{ platform_domain }}\n"}, "platform_domain"),
        (rules.spec_has_version, {"roles/seeded/meta/argument_specs.yml": "---\nargument_specs: {main: {options: {}}}\n"}, "version_added"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_role_defect(rule: rules.Rule, files: dict[str, str], says: str, tmp_path: Path) -> None:
    root = kit.empty_collection(tmp_path, {**ROLE, **files}).root
    assert says in "\n".join(rule(root / "roles/seeded"))


@pytest.mark.parametrize(
    ("rule", "module", "says"),
    [
        (rules.module_is_documented, MODULE.replace('version_added: "1.0.0"\n', ""), "version_added"),
        (rules.module_is_documented, MODULE.replace("  diff_mode:\n    support: none\n    description: Seeded.\n", ""), "diff_mode"),
        (rules.module_is_documented, MODULE.replace("RETURN", "RETURNED"), "RETURN"),
        (rules.module_has_tests, MODULE, "test_seeded.py"),
    ],
    ids=["version_added", "attributes", "return", "tests"],
)
def test_module_defect(rule: rules.Rule, module: str, says: str, tmp_path: Path) -> None:
    root = kit.empty_collection(tmp_path, {"plugins/modules/seeded.py": module}).root
    assert says in "\n".join(rule(root / "plugins/modules/seeded.py"))


@pytest.mark.parametrize(
    ("rule", "files", "says"),
    [
        (rules.inline_programs, {"roles/seeded/vars/main.yml": "---\n__seeded_list: [sh, -c, ls /]\n"}, "vars/main.yml: a program of a shell, 'ls /'"),
        (
            rules.private_names_of_others,
            {**ROLE, "playbooks/seed.yml": "---\n- hosts: all\n  tasks:\n    - ansible.builtin.debug: {var: __seeded_size}\n"},
            "playbooks/seed.yml: reads __seeded_size",
        ),
        (rules.origin_of_the_platform, {"roles/seeded/README.md": "# seeded\n\nAs the platform's\ndocument says.\n"}, "platform's document"),
        (rules.interface_managers, {"roles/seeded/vars/main.yml": "---\na: [systemctl, restart, networking.service]\n"}, "networking.service"),
        (rules.paths_not_expanded, {"roles/seeded/vars/main.yml": '---\na: "{{ 1 if platform_state_dir is file else 2 }}"\n'}, "vars/main.yml:2"),
        (
            rules.truths_of_words,
            {"roles/seeded/meta/argument_specs.yml": SWITCH, "roles/seeded/vars/main.yml": '---\na: "{{ 1 if seeded_on else 2 }}"\n'},
            "vars/main.yml: seeded_on without | bool",
        ),
        (
            rules.truths_of_words,
            {"roles/seeded/meta/argument_specs.yml": SWITCH, "roles/seeded/templates/a.j2": "{{ seeded_on | ternary(1, 2) }}\n"},
            "templates/a.j2: seeded_on without | bool",
        ),
        (
            rules.truths_of_words,
            {
                "roles/seeded/meta/argument_specs.yml": SWITCH.replace("bool", "int"),
                "roles/seeded/tasks/main.yml": "---\n- ansible.builtin.debug:\n  when: seeded_on | default(1) > 0\n",
            },
            "tasks/main.yml: seeded_on without | int in when",
        ),
        (
            rules.pasted_words,
            {"roles/seeded/vars/main.yml": '---\na: [sh, -c, "{{ b }}"]\nb: "rm -r {{ seeded_folder }}/x"\n'},
            "seeded_folder is pasted into the shell program",
        ),
        (
            rules.playbooks_that_take_any_value,
            {"playbooks/a.yml": "---\n- hosts: localhost\n  roles: [{role: quetrex.platform.awx_controller}]\n"},
            "a.yml: acts on values that nobody has looked at",
        ),
        (rules.pasted_values, {"roles/seeded/templates/a.service.j2": "[Service]\nExecStart=/bin/x {{ seeded_folder }}\n"}, "a.service.j2:2: seeded_folder"),
        (rules.pasted_values, {"roles/seeded/templates/a.j2": "{% for one in seeded_names %}\n{{ one }}\n{% endfor %}\n"}, "a.j2:2: one is pasted"),
        (rules.pasted_values, {"roles/seeded/templates/a.j2": "{% macro m(x) %}{{ x }}{% endmacro %}\n{{ m('a') }}{{ m(seeded_x) }}\n"}, "a.j2:1: x"),
        (
            rules.pasted_values,
            {"roles/seeded/vars/main.yml": '---\n__seeded_folder: "{{ seeded_folder }}/x"\n', "roles/seeded/templates/a.j2": "a {{ __seeded_folder }}\n"},
            "a.j2:1: __seeded_folder",
        ),
        (rules.unknown_roles, {"playbooks/a.yml": "---\n- hosts: all\n  roles: [quetrex.platform.nobody]\n"}, "nobody"),
        (
            rules.unknown_roles,
            {"roles/seeded/tasks/main.yml": "---\n- block:\n    - ansible.builtin.include_role: {name: quetrex.platform.nobody}\n"},
            "nobody",
        ),
        (rules.unknown_settings, {"inventories/a/group_vars/all/p.yml": "---\nplatform_domian: x\n"}, "platform_domian"),
        (rules.quoted_messages, {"docs/troubleshooting.md": "| it says | what it is |\n|---|---|\n| `nobody says this` | x |\n"}, "nobody says this"),
        (rules.documented_variables, {"docs/a.md": """run it with `-e '{"platform_backup": {"password": "x"}}'`\n"""}, "repository is missing"),
        (
            rules.check_mode_starts_nothing,
            {"roles/seeded/vars/main.yml": "---\n__seeded_a: [docker, --config, x]\n__seeded_b:\n  - validate: '{{ __seeded_a + [\"run\"] }}'\n"},
            "starts something",
        ),
        (
            rules.check_mode_starts_nothing,
            {"roles/seeded/tasks/main.yml": "---\n- ansible.builtin.command:\n    argv: [mount, /srv]\n  check_mode: false\n"},
            "mount /srv",
        ),
        (rules.documented_variables, {"docs/a.md": "run it with `-e seeded_depth=2`\n"}, "nothing reads seeded_depth"),
        (rules.awx_templates, {"roles/awx_controller/vars/main.yml": AWX, "playbooks/seeded.yml": "---\n[]\n"}, "no template for playbooks/seeded.yml"),
        (rules.awx_templates, {"roles/awx_controller/vars/main.yml": AWX}, "no playbook site"),
        (rules.bad_playbook_names, {"playbooks/re-cover.yml": "---\n[]\n"}, "re-cover"),
        (rules.playbooks_that_ask_nobody_whose, {"playbooks/a.yml": "---\n- hosts: '{{ platform_hosts }}'\n  name: A\n"}, "has to begin"),
        (rules.playbooks_that_ask_nobody_whose, {"playbooks/a.yml": BEGINS + "- hosts: platform_servers\n  name: Seeded\n"}, "the play 'Seeded' would do"),
        (rules.paths_outside_the_artifact, {"playbooks/a.yml": "---\n- vars_files: [../inventories/lab/x.yml]\n"}, "inventories/"),
        (rules.versions_agree, {"requirements.yml": "---\ncollections: []\n"}, "awx.awx"),
        (rules.versions_agree, {"docs/start.md": "pip install 'ansible-core>=2.17'\n", "meta/runtime.yml": '---\nrequires_ansible: ">=2.18.0"\n'}, "2.17"),
        (rules.secrets, {"tools/a": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + "b" * 70}, "tools/a"),
        (
            rules.avoided_words,
            {"CONTRIBUTING.md": "## Glossary\n\n| recreate | make again | `an` `ew` |\n".replace("` `", ""), "tools/a": "An" + "ew.\n"},
            "write recreate",
        ),
        (rules.machine_paths, {"tools/a": "cd " + "/home" + "/somebody/x\n"}, "tools/a"),
        (rules.missing_headers, {"tools/a.py": "x = 1\n"}, "tools/a.py"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tree_defect(rule: rules.Rule, files: dict[str, str], says: str, tmp_path: Path) -> None:
    assert says in "\n".join(rule(kit.empty_collection(tmp_path, files).root))


def test_package_host_defect(tmp_path: Path) -> None:
    root = kit.empty_collection(tmp_path, {"tools/a": "fetch from packages.example.internal\n"}).root
    assert rules.registry_hosts(root, "global.index-url='https://me@packages.example.internal:8080/simple'") == ["tools/a: packages.example.internal"]

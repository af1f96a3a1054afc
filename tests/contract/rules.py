# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no tool checks, as functions that list what is wrong; tests/gates seeds a defect for each."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from contract import expressions, templates

ROOT = Path(__file__).resolve().parents[2]

Rule = Callable[[Path], list[str]]


class _Loader(yaml.SafeLoader):
    """Ansible's own tags (!vault, !unsafe) are values like any other here."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(), _Loader) if path.exists() else None  # noqa: S506 - a SafeLoader


def roles(root: Path) -> list[Path]:
    return sorted(path for path in (root / "roles").glob("*") if path.is_dir())


def modules(root: Path) -> list[Path]:
    return sorted((root / "plugins" / "modules").glob("[a-z]*.py"))


# --- roles --------------------------------------------------------------------------------------


def readme_states_one_outcome(role: Path) -> list[str]:
    """A title, an empty line, and the outcome in one sentence."""
    readme = role / "README.md"
    if not readme.exists():
        return [f"{role.name}: README.md is missing"]
    lines = readme.read_text().splitlines()
    found = [] if lines and lines[0] == f"# {role.name}" else [f"{role.name}: line 1 of README.md has to be '# {role.name}'"]
    sentence = next((line for line in lines[1:] if line.strip()), "")
    if not re.fullmatch(r"[A-Z`].*[.]", sentence):
        found.append(f"{role.name}: README.md has to say the outcome in one sentence under its title")
    return found


def options(role: Path) -> dict[str, dict[str, Any]]:
    specs = (read_yaml(role / "meta" / "argument_specs.yml") or {}).get("argument_specs", {})
    return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}


def spec_equals_defaults(role: Path) -> list[str]:
    """Described and required, or described and with a default: nothing else."""
    defaults = set(read_yaml(role / "defaults" / "main.yml") or {})
    described = options(role)
    required = {name for name, option in described.items() if option.get("required")}
    return [
        *(f"{role.name}: {name} has a default and no description in argument_specs.yml" for name in sorted(defaults - set(described))),
        *(f"{role.name}: {name} is described, not required, and has no default" for name in sorted(set(described) - defaults - required)),
        *(f"{role.name}: {name} is required and has a default" for name in sorted(required & defaults)),
        *([] if (role / "meta" / "argument_specs.yml").exists() else [f"{role.name}: meta/argument_specs.yml is missing"]),
    ]


SHOWN_LATER = frozenset({"app_stack"})
"""Roles whose files and activations still stand in their variables."""


def vars_are_data(role: Path) -> list[str]:
    """What a role writes and runs stands in its tasks; its variables are values."""
    if role.name in SHOWN_LATER:
        return []
    found = set()
    for path in sorted((role / "vars").glob("*.yml")):
        for mapping in _mappings(read_yaml(path)):
            acts = {"command", "activate", "validate", "check"} & {str(key) for key in mapping if isinstance(mapping[key], (str, list))}
            found |= {f"{role.name}: vars/{path.name} has {', '.join(sorted(acts))}; what is run stands in the tasks"} if {"command"} & acts else set()
            if "path" in mapping and {"content", "settings"} & set(mapping):
                found.add(f"{role.name}: vars/{path.name} has the file {mapping['path']}; what is written stands in the tasks")
    return sorted(found)


def results(role: Path) -> set[str]:
    """Names that the README gives as results for plays and roles after this one."""
    readme = role / "README.md"
    table = re.search(r"^\| result \|.*\n\|[-|]+\n((?:\|.*\n?)+)", readme.read_text(), re.MULTILINE) if readme.exists() else None
    return set(re.findall(r"^\| `(\w+)`", table[1], re.MULTILINE)) if table else set()


def results_are_documented(role: Path) -> list[str]:
    """What a role leaves behind under a public name stands in its README, and what stands there is set."""
    made = set(read_yaml(role / "vars" / "main.yml") or {})
    for path in role.glob("tasks/*.yml"):
        for mapping in _mappings(read_yaml(path)):
            made |= {mapping["register"]} if isinstance(mapping.get("register"), str) else set()
            made |= set(mapping.get("ansible.builtin.set_fact") or {})
    public = {name for name in made if name.startswith(f"{role.name}_")} - set(options(role))
    found = [f"{role.name}: {name} is set and is no result in the README; document it, or begin it with __" for name in sorted(public - results(role))]
    return found + [f"{role.name}: nothing sets {name}, a result in the README" for name in sorted(results(role) - public)]


def names_carry_the_role(role: Path) -> list[str]:
    names = list(read_yaml(role / "defaults" / "main.yml") or {})
    internal = [name for name in read_yaml(role / "vars" / "main.yml") or {} if name not in results(role)]
    return [
        *(f"{role.name}: default {name} has to begin with {role.name}_" for name in names if not name.startswith(f"{role.name}_")),
        *(f"{role.name}: variable {name} has to begin with __{role.name}_" for name in internal if not name.startswith(f"__{role.name}_")),
    ]


def shared_settings_only_in_defaults(role: Path) -> list[str]:
    """`platform_*` stands in default values alone, so that a role can be used without the rest."""
    if role.name == "platform_preflight":  # looking at all of them is its outcome
        return []
    own = re.compile(rf"\bplatform_(?!{role.name.removeprefix('platform_')}_)[a-z_]+")
    found = []
    for path in sorted(role.rglob("*")):
        if path.is_file() and path.parts[len(role.parts)] in ("tasks", "handlers", "templates", "vars"):
            text = re.sub(r"(quetrex\.platform\.|role: |name: )\S+", "", path.read_text(errors="replace"))
            names = sorted(set(own.findall(text)))
            found += [f"{role.name}: {path.relative_to(role)} uses {name}; read it through a default of the role" for name in names]
    return found


def spec_has_version(role: Path) -> list[str]:
    specs = (read_yaml(role / "meta" / "argument_specs.yml") or {}).get("argument_specs", {})
    return [f"{role.name}: entry point {name} has no version_added" for name, spec in specs.items() if not spec.get("version_added")]


def readme_examples_are_complete(role: Path) -> list[str]:
    """A play in a README gives each value whose default is a shared setting without a default of its own.

    Roles named platform_* work on a whole inventory and are left out: their settings come from there.
    """
    readme, defaults = role / "README.md", read_yaml(role / "defaults" / "main.yml") or {}
    if role.name.startswith("platform_") or not readme.exists():
        return []
    found = []
    for block in re.findall(r"```ya?ml\n(.*?)```", readme.read_text(), re.DOTALL):
        plays = yaml.load(block, _Loader)  # noqa: S506 - a SafeLoader
        for play in plays if isinstance(plays, list) else []:
            if "roles" not in play:
                continue
            parts = [play.get("vars", {}), *(one.get("vars", {}) for one in play["roles"] if isinstance(one, dict))]
            given = {name for part in parts for name in part}
            found += [
                f"{role.name}: the example in README.md gives no {name}"
                for name, value in defaults.items()
                if name not in given and _wanting(str(value), given)
            ]
    return found


def readme_has_an_example(role: Path) -> list[str]:
    """A play that uses the role; tests/unit/test_examples.py has Ansible check its syntax."""
    readme = role / "README.md"
    used = rf"^```yaml\n- hosts:(?:(?!```)[\s\S])*(?:role: |roles: \[|name: )quetrex\.platform\.{role.name}\b"
    found = readme.exists() and re.search(used, readme.read_text(), re.MULTILINE)
    return [] if found else [f"{role.name}: README.md has no example, a play that uses the role"]


def _wanting(default: str, given: set[str]) -> set[str]:
    """Shared settings that a default cannot do without."""
    optional = set(re.findall(r"\b(platform_\w+)[\w.]*\s*(?:\|\s*default|is defined)", default))
    return set(re.findall(r"(?<!')\bplatform_\w+", default)) - optional - given


ROLE_RULES: list[Rule] = [
    readme_states_one_outcome,
    readme_examples_are_complete,
    spec_equals_defaults,
    names_carry_the_role,
    vars_are_data,
    results_are_documented,
    readme_has_an_example,
    shared_settings_only_in_defaults,
    spec_has_version,
]


# --- modules ------------------------------------------------------------------------------------


def constants(module: Path) -> dict[str, str]:
    tree = ast.parse(module.read_text())
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def module_is_documented(module: Path) -> list[str]:
    texts = constants(module)
    found = [f"{module.stem}: {name} is missing" for name in ("DOCUMENTATION", "EXAMPLES", "RETURN") if not texts.get(name, "").strip()]
    documentation = yaml.safe_load(texts.get("DOCUMENTATION", "")) or {}
    if not documentation.get("version_added"):
        found.append(f"{module.stem}: DOCUMENTATION has no version_added")
    attributes = documentation.get("attributes") or {}
    fragments = documentation.get("extends_documentation_fragment") or []
    if not any(str(one).rpartition(".")[2] == "attributes" for one in ([fragments] if isinstance(fragments, str) else fragments)):
        found += [f"{module.stem}: attributes lacks {name}" for name in ("check_mode", "diff_mode", "idempotent") if name not in attributes]
    return found


def module_has_tests(module: Path) -> list[str]:
    tests = module.parents[2] / "tests" / "unit" / "plugins" / "modules" / f"test_{module.stem}.py"
    return [] if tests.exists() and "def test_" in tests.read_text() else [f"{module.stem}: {tests.relative_to(module.parents[2])} is missing or empty"]


MODULE_RULES: list[Rule] = [module_is_documented, module_has_tests]


# --- names across files ---------------------------------------------------------------------------


def _mappings(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        for value in data.values():
            yield from _mappings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _mappings(value)


def task_files(root: Path) -> list[Path]:
    patterns = ("playbooks/**/*.yml", "roles/*/tasks/**/*.yml", "roles/*/handlers/**/*.yml", "molecule/**/*.yml", "examples/**/*.yml")
    return sorted({path for pattern in patterns for path in root.glob(pattern)})


def named_roles(data: Any) -> Iterator[str]:
    for mapping in _mappings(data):
        for key in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
            if isinstance(mapping.get(key), dict):
                yield str(mapping[key].get("name", ""))
        for role in mapping.get("roles") or [] if isinstance(mapping.get("roles"), list) and "hosts" in mapping else []:
            yield str(role.get("role") or role.get("name")) if isinstance(role, dict) else str(role)


def unknown_roles(root: Path) -> list[str]:
    """A role named by its full name that does not exist, and a role named by half a name."""
    known = {f"quetrex.platform.{role.name}" for role in roles(root)}
    found = []
    for path in task_files(root):
        names = [name for name in named_roles(read_yaml(path)) if "{{" not in name and name not in known]
        found += [f"{path.relative_to(root)}: no role {name}" for name in names if name.startswith("quetrex.platform.") or "." not in name]
    return found


def private_names_of_others(root: Path) -> list[str]:
    """`__<role>_*` belongs to that role alone; what others read is a result in its README."""
    names = sorted((role.name for role in roles(root)), key=len, reverse=True)
    private = re.compile(rf"(?<!\w)__({'|'.join(names) or '(?!)'})_\w+")
    patterns = ("roles/*/*/**/*.yml", "roles/*/*/**/*.j2", "playbooks/**/*.yml", "molecule/**/*.yml", "examples/**/*.yml")
    found = []
    for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
        where = path.relative_to(root)
        own = where.parts[1] if where.parts[0] == "roles" else ""
        used = {match[0] for match in private.finditer(path.read_text()) if match[1] != own}
        found += [f"{where}: reads {name}, which is private to its role" for name in sorted(used)]
    return found


def unknown_settings(root: Path) -> list[str]:
    """`platform_*` names in inventories, playbooks and defaults that preflight does not know."""
    from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import SETTINGS

    groups = {"platform_servers", "platform_runners"}  # inventory groups share the prefix
    own = tuple(f"{role.name}_" for role in roles(root) if role.name.startswith("platform_"))
    found = []
    for pattern in ("inventories/**/*.yml", "playbooks/**/*.yml", "roles/*/defaults/*.yml", "molecule/**/*.yml", "examples/**/*.yml"):
        for path in sorted(root.glob(pattern)):
            text = re.sub(r"#.*", "", path.read_text())
            names = set(re.findall(r"(?<![\w.-])platform_[a-z_]+", text)) - set(SETTINGS) - groups - {role.name for role in roles(root)}
            found += [f"{path.relative_to(root)}: {name} is not in plugins/plugin_utils/settings.py" for name in sorted(names) if not name.startswith(own)]
    return found


def playbooks(root: Path) -> list[Path]:
    return sorted((root / "playbooks").glob("*.yml"))


def bad_playbook_names(root: Path) -> list[str]:
    """A hyphen breaks quetrex.platform.<name>; another suffix is not found."""
    names = [path for path in (root / "playbooks").glob("*") if path.is_file()]
    return [f"playbooks/{path.name}: small letters and underscores, .yml" for path in names if not re.fullmatch(r"[a-z_]+\.yml", path.name)]


def plays_of(playbook: Path) -> list[dict[str, Any]]:
    """All plays in their order, those of imported playbooks included."""
    found: list[dict[str, Any]] = []
    for play in read_yaml(playbook) or []:
        imported = play.get("ansible.builtin.import_playbook")
        found += plays_of(playbook.parent / imported) if imported else [play]
    return found


def looks_whose_it_is(task: dict[str, Any]) -> str:
    """The entry point of platform_preflight that a task or a role of a play is; empty when it is something else."""
    role = task.get("ansible.builtin.import_role") or ({"name": task["role"]} if "role" in task else {})
    return str(role.get("tasks_from", "main")) if role.get("name") == "quetrex.platform.platform_preflight" else ""


def playbooks_that_ask_nobody_whose(root: Path) -> list[str]:
    """A playbook with plays on servers begins with platform_preflight, and before a play on the platform's group that group has been found not empty."""
    found = []
    for path in playbooks(root):
        begun = certain = False
        for play in plays_of(path):
            hosts, tasks = str(play["hosts"]), [task for key in ("pre_tasks", "roles", "tasks") for task in play.get(key) or []]
            if not begun and (hosts != "localhost" or any("ansible.builtin.assert" not in task for task in tasks)):
                first: dict[str, Any] = next((task for task in tasks if "ansible.builtin.assert" not in task), {})
                begun = hosts == "localhost" and bool(looks_whose_it_is(first))
                if not begun and any(one["hosts"] != "localhost" for one in plays_of(path)):
                    found.append(f"playbooks/{path.name}: has to begin with platform_preflight on localhost: whose servers are these?")
                    break
            certain = certain or (hosts == "localhost" and any(looks_whose_it_is(task).startswith("identity") for task in tasks))
            if re.search(r"platform_(hosts|servers)", hosts) and not certain:
                found.append(f"playbooks/{path.name}: the play '{play['name']}' would do nothing on an empty group; see platform_preflight's identity")
                break
    return found


LOOKS_ONLY = frozenset({"logs", "status", "first_day", "verify", "secrets_check"})
"""Playbooks that change nothing; the last one lists itself what is missing."""


def playbooks_that_take_any_value(root: Path) -> list[str]:
    """A playbook that acts has refused wrong values before it does: by platform_preflight's `main`, `identity` or `values`, on the controller."""
    found = []
    for path in playbooks(root):
        tasks = [(str(play["hosts"]), task) for play in plays_of(path) for key in ("pre_tasks", "roles", "tasks") for task in play.get(key) or []]
        acting = [(hosts, task) for hosts, task in tasks if "ansible.builtin.assert" not in task]
        hosts, first = acting[0] if acting else ("localhost", {})
        passive = re.search(r"platform_preflight_record: false", path.read_text())
        if path.stem not in LOOKS_ONLY and acting and (passive or hosts != "localhost" or looks_whose_it_is(first) not in ("main", "identity", "values")):
            found.append(f"playbooks/{path.name}: acts on values that nobody has looked at; begin with platform_preflight (main, identity or values)")
    return found


def paths_outside_the_artifact(root: Path) -> list[str]:
    """Roles and playbooks may not read what an installed collection does not have."""
    outside = re.compile(r"(inventories|tests|molecule|tools)/[a-z]")
    files = [path for folder in ("roles", "playbooks") for path in (root / folder).rglob("*") if path.is_file() and path.suffix in (".yml", ".j2")]
    return [
        f"{path.relative_to(root)}: {match.group(0)}…" for path in sorted(files) for match in [outside.search(re.sub(r"#.*", "", path.read_text()))] if match
    ]


def paths_not_expanded(root: Path) -> list[str]:
    """A file test of a path from the inventory, where a folder may begin with ~: Ansible's modules and lookups expand it, its tests do not."""
    asks = re.compile(r"(\|\s*expanduser\)?\s+)?\bis\s+(?:not\s+)?(?:file|exists|directory|link)\b")
    files = [path for pattern in ("playbooks/**/*.yml", "roles/*/*/*") for path in root.glob(pattern) if path.suffix in (".yml", ".j2")]
    found = []
    for path in sorted(files):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            jinja = "{" in line or re.match(r"\s*(- |when:|that:)", line)
            if jinja and any(not match[1] for match in asks.finditer(line)) and not re.match(r"\s*(#|(- )?name:|description:|- [A-Z])", line):
                found.append(f"{path.relative_to(root)}:{number}: without expanduser a path that begins with ~ is not there")
    return found


def truths_of_words(root: Path) -> list[str]:
    """Switches and numbers of roles and of the shared settings that are used as the words they may have come as."""
    from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import kinds

    return expressions.untyped(root, kinds() | {name: str(option.get("type", "str")) for role in roles(root) for name, option in options(role).items()})


INLINE = SHOWN_LATER | {"docker_engine"}
"""Other words in docker_engine's program would restart the engine of every server that runs."""


def inline_programs(root: Path) -> list[str]:
    """Shell programs of roles are files, which shellcheck reads."""
    return expressions.inline(root, INLINE)


def pasted_words(root: Path) -> list[str]:
    """Values in a shell's program that no writer has made words of."""
    return expressions.pasted(root)


def pasted_values(root: Path) -> list[str]:
    """Values in a role's templates that no writer has written, and that are of no harmless kind."""
    return templates.pasted(root)


_CORE = re.compile(r"ansible-core\s*>=\s*([0-9.]+)")


def versions_agree(root: Path) -> list[str]:
    """requirements.yml (people with Galaxy) names what galaxy.yml needs."""
    needed = (read_yaml(root / "galaxy.yml") or {}).get("dependencies") or {}
    named = {entry["name"]: str(entry.get("version", "*")) for entry in (read_yaml(root / "requirements.yml") or {}).get("collections", [])}
    different = sorted(name for name in set(needed) | set(named) if named.get(name) != str(needed.get(name)))
    return [f"requirements.yml and galaxy.yml disagree about {name}" for name in different] + _oldest_cores(root)


def _oldest_cores(root: Path) -> list[str]:
    """The oldest ansible-core is the same wherever one is named."""
    promised = re.sub(r"[^0-9.]", "", str((read_yaml(root / "meta" / "runtime.yml") or {}).get("requires_ansible", ""))).removesuffix(".0")
    metas = {path: str((read_yaml(path) or {})["galaxy_info"]["min_ansible_version"]) for path in root.glob("roles/*/meta/main.yml")}
    pages = {path: version for path in [root / "README.md", *root.glob("docs/*.md")] if path.exists() for version in _CORE.findall(path.read_text())}
    return [f"{path.relative_to(root)}: ansible-core {one}, meta/runtime.yml says {promised}" for path, one in (metas | pages).items() if one != promised]


def awx_templates(root: Path) -> list[str]:
    """AWX has a template for every playbook and for nothing else; schedules, steps and surveys name what there is."""
    data = read_yaml(root / "roles" / "awx_controller" / "vars" / "main.yml")
    if data is None:
        return []
    there, exempt = {path.stem for path in playbooks(root)}, set(data["__awx_controller_no_template"])
    templates = {one["playbook"]: one for one in data["__awx_controller_catalogue"]}
    found = [f"roles/awx_controller/vars/main.yml: no template for playbooks/{name}.yml" for name in sorted(there - set(templates) - exempt)]
    found += [f"roles/awx_controller/vars/main.yml: no playbook {name}" for name in sorted((set(templates) | exempt) - there)]
    named = [one["playbook"] for one in [*data["__awx_controller_schedule_catalogue"].values(), *data["__awx_controller_steps"]] if "playbook" in one]
    found += [f"roles/awx_controller/vars/main.yml: {name} has no template" for name in named if name not in templates]
    known = "".join(path.read_text() for pattern in ("playbooks/**/*.yml", "roles/*/defaults/main.yml") for path in root.glob(pattern))
    asked = [(name, question["variable"]) for name, one in templates.items() for question in one.get("questions", [])]
    return found + [f"roles/awx_controller/vars/main.yml: {name} asks for {variable}, which nothing reads" for name, variable in asked if variable not in known]


def quoted_messages(root: Path) -> list[str]:
    """What the page of messages quotes is really said: the words stand in the code, whatever line ends are between them."""
    page = root / "docs" / "troubleshooting.md"
    if not page.exists():
        return []
    files = [path for folder in ("plugins", "roles", "playbooks") for path in (root / folder).rglob("*") if path.suffix in (".py", ".yml", ".j2")]
    said = " ".join(re.sub(r"[\"']\s*\n\s*f?[\"']|\s+", " ", path.read_text(errors="replace")) for path in files)
    said = re.sub(r" +", " ", said)
    rows = [row for table in page.read_text().split("| it says |")[1:] for row in re.findall(r"^\| `([^`]+)` \|", table.split("\n\n")[0], re.MULTILINE)]
    return [f"docs/troubleshooting.md: nothing says {row!r}" for row in rows if row not in said] if rows else ["docs/troubleshooting.md: no table of messages"]


MANAGERS = re.compile(r"\b(?:ifup|ifdown|ifquery|networkd|netplan|NetworkManager|nmcli|resolvconf)\b|\bnetworking\.service\b|/etc/network/")


def interface_managers(root: Path) -> list[str]:
    """What sets up a server's interfaces is the vendor's image's business: no role, module or playbook relies on it, and the lab has another."""
    files = [path for folder in ("roles", "plugins", "playbooks") for path in (root / folder).rglob("*") if path.suffix in (".yml", ".py", ".j2", ".sh")]
    return [
        f"{path.relative_to(root)}: names {match[0]!r}"
        for path in sorted(files)
        for line in path.read_text(errors="replace").splitlines()
        if not line.startswith("-w ")  # what auditd watches need not be there
        for match in MANAGERS.finditer(line)
    ]


ORIGIN = re.compile(r"\b(?:the|platform'?s?)\s+document(?:'s)?\b", re.IGNORECASE)


def origin_of_the_platform(root: Path) -> list[str]:
    """What the platform was first specified by is one customer's business: roles, modules and guides speak for themselves. A vendor's document is another."""
    patterns = ("README.md", "roles/**/*", "playbooks/**/*.yml", "plugins/**/*.py", "inventories/**/*.yml", "examples/**/*", "docs/*.md")
    vendors = {"docs/contracts.md", "plugins/plugin_utils/contracts.py"}
    files = sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file() and path.suffix in (".md", ".yml", ".py", ".j2")})
    found = []
    for path in files:
        name = str(path.relative_to(root))
        if name not in vendors:
            found += [f"{name}: says {' '.join(match[0].split())!r}" for match in ORIGIN.finditer(path.read_text(errors="replace"))]
    return found


STARTS = re.compile(
    r"\bdocker\b(?!.*\bps\b).*\b(?:run|pull|create|start|restart|stop|exec|up|build|load)\b|\b(?:u?mount|modprobe|swapon|losetup|cryptsetup)\s"
    r"|\bsystemctl\b.*\b(?:start|stop|restart|reload|enable|disable|reload-or-restart)\b"
    r"|\b(?:apt-get|pip|curl|wget|tee|touch|mkdir|install|rm|mv|cp)\s|>\s*/(?!dev/null)"
)


def check_mode_starts_nothing(root: Path) -> list[str]:
    """What runs in check mode as well, and every night in `verify`, looks: judges of files, checks of activations, commands with check_mode: false."""
    found = []
    for role in roles(root):
        known = read_yaml(role / "vars" / "main.yml") or {}
        for path in sorted([role / "vars" / "main.yml", *role.glob("tasks/*.yml")]):
            for mapping in _mappings(read_yaml(path)):
                named = [mapping[key] for key in ("validate", "check") if key in mapping]
                named += [mapping[key] for key in mapping if mapping.get("check_mode") is False and key.endswith((".command", ".shell"))]
                words = [line for one in named if "if ansible_check_mode else" not in str(one) for line in _words(one, known)]
                found += [f"{path.relative_to(root)}: runs in check mode and starts something: {word}" for word in words if STARTS.search(word)]
    return found


def _words(command: Any, known: dict[str, Any]) -> list[str]:
    """A command as one line, with the variables of the role it is made of."""
    if isinstance(command, dict):
        return [line for key in ("argv", "cmd") if key in command for line in _words(command[key], known)]
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command)
    for name in re.findall(r"__\w+", text):
        if name in known and not isinstance(known[name], dict):
            text = text.replace(name, " ".join(_words(known[name], {key: value for key, value in known.items() if key != name})))
    return [" ".join(text.split())]


def documented_variables(root: Path) -> list[str]:
    """What a page or a comment says to give with -e: preflight accepts it, and something reads it. `<…>` and `…` stand for the reader's own."""
    import json
    import shlex

    from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import SETTINGS

    patterns = ("README.md", "docs/*.md", "roles/*/README.md", "playbooks/**/*.yml", "roles/awx_controller/vars/main.yml")
    pages = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    read = "".join(path.read_text() for pattern in ("playbooks/**/*.yml", "roles/*/defaults/main.yml", "roles/*/tasks/*.yml") for path in root.glob(pattern))
    found = []
    for page in pages:
        for match in re.finditer(r"-e ('[^']*'|\"[^\"]*\"|[^\s`'|]+)", page.read_text()):
            try:
                word = "".join(shlex.split(match[1]))
                given = json.loads(word) if word.startswith("{") else dict([word.split("=", 1)])
            except ValueError:
                given = {} if match[1].startswith("@") else {match[1]: None}
            for name, value in given.items():
                if name in SETTINGS:
                    problem = None if re.search("[<…]", str(value)) else SETTINGS[name].check(value)
                    found += [f"{page.relative_to(root)}: preflight refuses -e {match[1]}: {name} {problem}"] if problem else []
                elif not re.search(rf"(?<![\w.]){re.escape(name)}\b(?!=)", read):
                    found.append(f"{page.relative_to(root)}: nothing reads {name} of -e {match[1]}")
    return found


# --- what must stand in no tracked file -------------------------------------------------------------

SECRETS = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{40}"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{36}|sk_live_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}|whsec_[A-Za-z0-9]{24,})"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|farm|home/(?!\$|<|\{)[a-z]+|root/\.[a-z]+|opt/(?:pypi|wheels))/")


def text_files(root: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every file git would commit."""
    if (root / ".git").exists():
        output = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
        names = [name for name in output.split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*") if "__pycache__" not in path.parts]
    for name in sorted(names):
        path = root / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            data = path.read_bytes()
            if b"\0" not in data[:4096]:
                yield name, data.decode("utf-8", "replace")


def secrets(root: Path) -> list[str]:
    return [f"{name}: {match.group(0)[:12]}…" for name, text in text_files(root) if (match := SECRETS.search(text))]


def machine_paths(root: Path) -> list[str]:
    return [f"{name}: {match.group(0)}" for name, text in text_files(root) if (match := MACHINE_PATHS.search(text))]


def registry_hosts(root: Path, settings: str) -> list[str]:
    """Package hosts of this machine's own settings that stand in a file."""
    hosts = {host.rpartition("@")[2].partition(":")[0] for host in re.findall(r"https?://([^/\s\"']+)", settings)} - {"", "localhost"}
    return [f"{name}: {host}" for name, text in text_files(root) for host in sorted(hosts) if host in text]


def machine_settings() -> str:
    """Where this machine takes its packages from, as pip, npm and apt have it."""
    parts = []
    for command in (["pip", "config", "list"], ["npm", "config", "get", "registry"]):
        try:
            parts.append(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30, check=False).stdout)
        except FileNotFoundError:
            continue
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    parts += [path.read_text() for path in sources if path.is_file()]
    return "\n".join(parts)


HEADER = """\
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""


def missing_headers(root: Path) -> list[str]:
    return [name for name, text in text_files(root) if name.endswith(".py") and text and HEADER not in text[:400]]


GLOSSARY = "CONTRIBUTING.md"
# What was released is not rewritten: a migration's checksum is recorded in databases, and the changelog says what was.
AS_WRITTEN = ("CHANGELOG.md", "LICENSE", "changelogs/", "roles/supabase_database/files/profiles/", "tests/bench/results/")


def avoided_words(root: Path) -> list[str]:
    """Words of the glossary's last column, wherever else they stand."""
    if not (root / GLOSSARY).exists():
        return []
    rows = [line.split("|") for line in (root / GLOSSARY).read_text().partition("## Glossary")[2].splitlines() if line.count("|") == 4]
    avoided = {word: row[1].strip() for row in rows for word in re.findall(r"`([a-z ]+)`", row[3])}
    words = re.compile(rf"\b(?:{'|'.join(avoided)})\b", re.IGNORECASE) if avoided else None
    return [
        f"{name}: {match.group(0)} (write {avoided[match.group(0).lower()]})"
        for name, text in text_files(root)
        if words and name != GLOSSARY and not name.startswith(AS_WRITTEN)
        for match in words.finditer(text)
    ]


TREE_RULES: list[Rule] = [
    origin_of_the_platform,
    interface_managers,
    avoided_words,
    quoted_messages,
    documented_variables,
    check_mode_starts_nothing,
    awx_templates,
    unknown_roles,
    private_names_of_others,
    unknown_settings,
    bad_playbook_names,
    playbooks_that_ask_nobody_whose,
    playbooks_that_take_any_value,
    paths_outside_the_artifact,
    paths_not_expanded,
    truths_of_words,
    pasted_words,
    inline_programs,
    pasted_values,
    versions_agree,
    secrets,
    machine_paths,
    missing_headers,
]

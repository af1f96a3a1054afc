# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's gates as functions over a tree.

Every gate takes a `Tree` and returns what it found: an empty string is a pass. A tree is a copy of what git would commit, laid out as
ansible wants it, outside every checkout: ansible-test refuses links, and a build packs caches that happen to lie around.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
BIN = Path(sys.prefix) / "bin"

Gate = Callable[["Tree"], str]


@dataclass(frozen=True)
class Tree:
    """`base` holds ansible_collections/quetrex/platform and a home of its own for everything ansible writes."""

    base: Path

    @property
    def root(self) -> Path:
        return self.base / "ansible_collections" / "quetrex" / "platform"

    @property
    def home(self) -> Path:
        return self.base / "home"

    def environment(self) -> dict[str, str]:
        """The caller's environment without its ansible settings, and with homes and paths of this tree."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_", "PYTHONPATH", "PYTHONDONT"))}
        config, inventory = self.home / "ansible.cfg", self.home / "hosts.ini"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("[defaults]\ninject_facts_as_vars = False\n")
        inventory.write_text("localhost ansible_connection=local\n")
        return kept | {
            "PATH": os.pathsep.join([str(BIN), str(Path(sys.base_prefix) / "bin"), kept.get("PATH", ""), "/usr/sbin"]),
            "ANSIBLE_COLLECTIONS_PATH": f"{self.base}:{SITE_PACKAGES}",
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "ANSIBLE_INVENTORY": str(inventory),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            "HCLOUD_TOKEN": "dummy",  # ansible-lint's `args` loads modules that insist on one
            # compiled once and kept out of the tree: a gate starts ansible some twenty times
            "PYTHONPYCACHEPREFIX": str(self.home / "bytecode"),
        }

    def run(self, *argv: str | Path, cwd: Path | None = None, extra: dict[str, str] | None = None, timeout: int = 900) -> tuple[int, str]:
        """Exit code and everything printed."""
        done = subprocess.run(
            [str(part) for part in argv],
            cwd=cwd or self.root,
            env=self.environment() | (extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout

    def must(self, *argv: str | Path, **kwargs: object) -> str:
        """A gate that is one command: its output when it failed."""
        code, output = self.run(*argv, **kwargs)  # type: ignore[arg-type]  # passed through as they are
        return "" if code == 0 else f"{output}\n(exit {code})"


def tracked_files(checkout: Path = ROOT) -> list[str]:
    """What git would commit, deleted files left out; everything when this is already a copy without git."""
    if not (checkout / ".git").exists():
        return sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    output = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=checkout, check=True, stdout=subprocess.PIPE, text=True).stdout
    return sorted(name for name in output.split("\0") if name and (checkout / name).is_file())


def files(*patterns: str) -> list[str]:
    """What is there of these patterns, from the checkout's root; every pattern has to find something."""
    found = {pattern: sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)) for pattern in patterns}
    empty = [pattern for pattern, names in found.items() if not names]
    if empty:
        raise AssertionError(f"nothing is there of {', '.join(empty)}")
    return [name for names in found.values() for name in names]


def copy_of_checkout(base: Path) -> Tree:
    tree = Tree(base)
    for name in tracked_files():
        target = tree.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return tree


class Trees:
    """Copies of the checkout as it is now: one that everybody may read, and one for each that writes into it."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def shared(self) -> Tree:
        """Never write into it."""
        tree = Tree(self.base / "shared")
        return tree if tree.root.exists() else copy_of_checkout(tree.base)

    def own(self) -> Tree:
        """Made from the shared one, so that all look at the same moment."""
        self.shared()
        number = len(list(self.base.iterdir()))
        tree = Tree(self.base / f"own-{number}")
        shutil.copytree(self.base / "shared" / "ansible_collections", tree.base / "ansible_collections")
        return tree


def empty_collection(base: Path, files: dict[str, str]) -> Tree:
    """A collection of nothing but the shared settings and the given files: what seeded defects are put into."""
    tree = Tree(base)
    for name in ("galaxy.yml", "LICENSE", ".yamllint", ".config/ansible-lint.yml", "meta/runtime.yml", "mypy.ini", "pyproject.toml", "changelogs/config.yaml"):
        target = tree.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    for name, content in {"README.md": "# Seeded\n", **files}.items():
        target = tree.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return tree


# --- gates that read the source ---------------------------------------------------------------


def ruff(tree: Tree) -> str:
    return tree.must("ruff", "check", "--no-cache", ".")


def ruff_format(tree: Tree) -> str:
    return tree.must("ruff", "format", "--no-cache", "--check", "--output-format", "concise", ".")


def types(tree: Tree) -> str:
    """From the tree's base, so that modules are known as ansible_collections.quetrex.platform…; the lab by its own name."""
    # a cache folder of its own: the tree's is thrown away
    common = ("mypy", "--config-file", tree.root / "mypy.ini", "--cache-dir", ROOT / ".mypy_cache" / "gate", "--no-error-summary")
    search = f"{tree.root / 'tests'}:{tree.base}"
    found = ""
    plugins = [name for name in ("plugins", "tests/unit/plugins") if any((tree.root / name).rglob("*.py"))]
    if plugins:
        paths = [Path("ansible_collections/quetrex/platform") / name for name in plugins]
        found += tree.must(*common, *paths, cwd=tree.base, extra={"MYPYPATH": search})
    rest = [
        name
        for name in ("tests/lab", "tests/gates", "tests/contract", "tests/integration", "tests/bench", "tests/unit/lab", "tools")
        if any((tree.root / name).rglob("*.py"))
    ]
    if rest:
        found += tree.must(*common, *rest, extra={"MYPYPATH": search})
    program = tree.root / "roles/app_release/files"
    if program.is_dir():
        node = tree.root / "roles/pool_node/files"
        found += tree.must(*common, program / "quetrex_release", extra={"MYPYPATH": f"{program}:{node}"})
    return found


def ansible_lint(tree: Tree, *, syntax: bool = False) -> str:
    """`syntax` is what `make soak` asks for: the program as it is, with the syntax check of every playbook and role."""
    program = ["ansible-lint"] if syntax else [BIN / "python", Path(__file__).with_name("lint.py")]
    return tree.must(*program, "--profile", "production", "--strict", "--offline", "--nocolor", "-q")


def ansible_lint_with_syntax(tree: Tree) -> str:
    return ansible_lint(tree, syntax=True)


def yamllint(tree: Tree) -> str:
    return tree.must("yamllint", "--strict", ".")


def shellcheck(tree: Tree) -> str:
    scripts = [
        path
        for path in tree.root.rglob("*")
        if path.is_file() and not path.suffix and path.read_bytes()[:32].startswith((b"#!/usr/bin/env bash", b"#!/bin/sh", b"#!/bin/bash"))
    ]
    scripts += list(tree.root.rglob("*.sh"))
    return tree.must("shellcheck", *sorted(set(scripts))) if scripts else ""


# The newest actionlint that comes as a package is older than these: variables of a repository, and this image of GitHub's machines.
ACTIONLINT_DOES_NOT_KNOW = re.compile(r'undefined variable "vars"|label "ubuntu-24\.04" is unknown')
PINNED = re.compile(r"^\s*-?\s*uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d\S*$")


def workflows(tree: Tree) -> str:
    """Workflow files for GitHub: actionlint, shellcheck over their scripts, and every action pinned to a commit with its version beside it."""
    files = sorted({*tree.root.glob("examples/github/*.yml"), *tree.root.glob(".github/workflows/*.yml")})
    if not files:
        return ""
    program = ROOT / ".cache" / "actionlint"
    program.mkdir(parents=True, exist_ok=True)
    for source in (Path(__file__).parent / "actionlint").iterdir():
        shutil.copy(source, program / source.name)
    missing = tree.must("npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=program)
    if missing:
        return missing
    code, output = tree.run("node", "lint.mjs", *files, cwd=program)
    found = [line for line in output.splitlines() if not ACTIONLINT_DOES_NOT_KNOW.search(line)]
    found += [] if code == 0 else [f"actionlint: exit {code}"]
    for file in files:
        lines = file.read_text().splitlines()
        found += [f"{file.name}:{number}: not pinned: {line.strip()}" for number, line in enumerate(lines, 1) if "uses:" in line and not PINNED.match(line)]
        for number, script in enumerate(scripts(file)):
            place = tree.base / f"{file.stem}-{number}.sh"
            place.write_text("#!/usr/bin/env bash\nset -eo pipefail\n" + script)
            found.append(tree.must("shellcheck", place))
    return "\n".join(line for line in found if line)


def scripts(file: Path) -> list[str]:
    """The shell scripts of a workflow's steps, without GitHub's expressions, which none of them should hold."""
    steps = [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"] if "run" in step]
    return [step["run"] for step in steps]


def docs(tree: Tree, *, rst: bool = False) -> str:
    """`rst` is what `make soak` asks for: each page is also parsed as Sphinx would, more than half of the time."""
    return tree.must(
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--validate-collection-refs",
        "dependent",
        "--disallow-unknown-collection-refs",
        "--check-extra-docs-refs",
        *([] if rst else ["--skip-rstcheck"]),
        ".",
    )


def docs_with_rst(tree: Tree) -> str:
    return docs(tree, rst=True)


def docs_site(tree: Tree) -> str:
    """The whole site, guides and reference pages; Sphinx's warnings and links that lead nowhere fail it."""
    return tree.must(BIN / "python", "tools/docs/build.py", tree.home / "site", extra={"ANSIBLE_COLLECTIONS_PATH": str(tree.base)})


def changelog(tree: Tree) -> str:
    return tree.must("antsibull-changelog", "lint")


def unreleased(checkout: Path = ROOT) -> list[str]:
    """What users get and no release tells of: changed since the commit that wrote the changelog last, or not committed yet."""

    def git(*words: str) -> list[str]:
        return subprocess.run(["git", *words], cwd=checkout, check=True, stdout=subprocess.PIPE, text=True).stdout.split()

    if not (checkout / ".git").exists():
        return []
    (release,) = git("log", "-1", "--format=%H", "--", "changelogs/changelog.yaml") or ["HEAD"]
    return git("diff", "--name-only", release, "--", "plugins", "roles", "playbooks")


def untold(checkout: Path = ROOT) -> str:
    """Every change that users get is told in a fragment."""
    changed = unreleased(checkout)
    if not changed or any((checkout / "changelogs" / "fragments").glob("*.y*ml")):
        return ""
    return f"changelogs/fragments is empty, and {len(changed)} files that users get have changed since the last release: {', '.join(changed[:5])}"


# --- ansible-test -------------------------------------------------------------------------------


def prepare_get_pip(tree: Tree, home: Path) -> None:
    """ansible-test fetches get-pip from a host of its own; a stand-in beside the pip wheel from PyPI does the same."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    source = (SITE_PACKAGES / "ansible_test" / "_internal" / "python_requirements.py").read_text()
    stand_in = (Path(__file__).parent / "get_pip_stand_in.py").read_text()
    for version in set(re.findall(r"\bpip='([\d.]+)'", source)):
        if not (cache / f"pip-{version}-py3-none-any.whl").exists():
            tree.run(BIN / "python", "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", "--dest", cache, f"pip=={version}", cwd=cache)
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(stand_in.replace("@VERSION@", version))


def sanity(tree: Tree, *tests: str, without: Sequence[str] = (), python: str = "") -> str:
    """All sanity tests, all but some, or only the named ones. Runs share a home: ansible-test keeps its environments there."""
    home = ROOT / ".cache" / "ansible-test"
    prepare_get_pip(tree, home)
    chosen = [part for name in tests for part in ("--test", name)] + [part for name in without for part in ("--skip-test", name)]
    version = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    return tree.must("ansible-test", "sanity", "--local", "--python", version, "--color", "no", *chosen, extra={"HOME": str(home)})


# --- the second leg -----------------------------------------------------------------------------

OLDEST = "3.11"
"""The oldest Python that still has a supported core."""


def second_leg(*selection: str) -> str:
    """Tests under the oldest Python that still has a supported core; nothing is passed without having run."""
    done = subprocess.run([ROOT / "tools" / "bootstrap", "venv", OLDEST], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        return done.stdout
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COVERAGE_", "COV_"))}
    python = ROOT / f".venv-{OLDEST}" / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *selection],
        cwd=ROOT,
        env=clean | {"PATH": f"{python.parent}:{clean['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 and re.search(r"\d+ passed", done.stdout) else f"{done.stdout}\n(exit {done.returncode})"


# --- the artifact -------------------------------------------------------------------------------

ARTIFACT_FOLDERS = {"changelogs", "docs", "examples", "meta", "playbooks", "plugins", "roles"}
ARTIFACT_FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "bindep.txt",
    "requirements.txt",
    "requirements.yml",
}


def build(tree: Tree) -> Path:
    output = tree.base / "dist"
    code, text = tree.run("ansible-galaxy", "collection", "build", "--force", "--output-path", output)
    if code != 0:
        raise AssertionError(text)
    return next(output.glob("*.tar.gz"))


def artifact_contents(artifact: Path) -> str:
    """Names in the artifact that an installed collection has no use for."""
    with tarfile.open(artifact) as archive:
        names = [member.name for member in archive if member.isfile()]
    strange = [name for name in names if name.split("/")[0] not in (ARTIFACT_FOLDERS if "/" in name else ARTIFACT_FILES)]
    strange += [name for name in names if "/." in name or name.endswith((".pyc", ".orig", ".retry"))]
    return "\n".join(strange)


def install(tree: Tree, artifact: Path, target: Path) -> str:
    """Install and verify, from the file alone."""
    paths = {"ANSIBLE_COLLECTIONS_PATH": f"{target}:{SITE_PACKAGES}"}
    found = tree.must("ansible-galaxy", "collection", "install", "--force", "--offline", "--no-deps", "-p", target, artifact, cwd=tree.base, extra=paths)
    return found or tree.must("ansible-galaxy", "collection", "verify", "--offline", "-p", target, "quetrex.platform", cwd=tree.base, extra=paths)


# flake8 asks here for the opposite of what PEP 8 says today and of what `ruff format` writes
AGAINST_FORMATTER = re.compile(r"\b(W503|E203)\b")


def importer(tree: Tree, artifact: Path) -> str:
    """galaxy-importer exits 0 on lint, flake8 and changelog findings: any warning counts."""
    config = tree.home / "galaxy-importer.cfg"
    config.parent.mkdir(parents=True, exist_ok=True)
    # ansible-lint has a gate of its own, with a stricter profile
    settings = {"RUN_ANSIBLE_TEST": False, "RUN_ANSIBLE_LINT": False, "RUN_FLAKE8": True, "REQUIRE_V1_OR_GREATER": True, "CHECK_CHANGELOG": True}
    config.write_text("[galaxy-importer]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    code, output = tree.run(
        BIN / "python", "-m", "galaxy_importer.main", artifact, cwd=tree.home, extra={"GALAXY_IMPORTER_CONFIG": str(config), "HOME": str(tree.home)}
    )
    findings = [line for line in output.splitlines() if re.search(r"\b(WARNING|ERROR)\b", line) and not AGAINST_FORMATTER.search(line)]
    return "\n".join(findings) or ("" if code == 0 else output)


# --- the execution environment ------------------------------------------------------------------


def execution_environment(tree: Tree, artifact: Path, context: Path) -> str:
    """The build context of the image for AWX can be made, and what it installs from PyPI and Debian can be had."""
    dist = tree.root / "dist"
    dist.mkdir(exist_ok=True)
    shutil.copy2(artifact, dist)
    found = tree.must("ansible-builder", "create", "-f", "examples/awx/execution-environment.yml", "--context", context)
    shutil.rmtree(dist)
    if found:
        return found
    build = context / "_build"
    recipe = next(path for path in (context / "Dockerfile", context / "Containerfile") if path.exists()).read_text()
    missing = [name for name in ("requirements.yml", "requirements.txt", "bindep.txt", f"dist/{artifact.name}") if not (build / name).exists()]
    missing += [step for step in ("--no-deps --collections-path /usr/share/ansible/collections dist/",) if step not in recipe]
    if missing:
        return f"the build context lacks {', '.join(missing)}"
    packages = [line.split()[0] for line in (build / "bindep.txt").read_text().splitlines() if "dpkg" in line and not line.startswith("#")]
    found = tree.must("apt-get", "install", "--dry-run", "--quiet", "--no-install-recommends", *packages)
    return found or tree.must(BIN / "uv", "pip", "install", "--quiet", "--dry-run", "--no-cache", "-r", build / "requirements.txt", extra=uv_settings())


def uv_settings() -> dict[str, str]:
    """uv reads none of pip's settings: hand it this machine's index."""
    done = subprocess.run([BIN / "python", "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    index = re.findall(r"^(?:global|install|:env:)\.index-url='(.*)'$", done.stdout, re.MULTILINE)
    return {"VIRTUAL_ENV": sys.prefix, **({"UV_DEFAULT_INDEX": index[-1]} if index and "UV_DEFAULT_INDEX" not in os.environ else {})}

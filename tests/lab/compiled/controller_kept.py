# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what every run of ansible-playbook works out of files that have not changed, under a hash of what it is made of.

Each of the hundreds of runs in the tests would do this again:

- Ansible's own lists of settings and of moved plugins, ten thousand lines of YAML, are parsed at each start;
- the archive in which a module is sent is made the first time a run uses the module, from a hundred files that are parsed for what they import;
- every template is compiled by the process that is forked for a task, and forgotten with it.

`sitecustomize` loads this file in Ansible's programs alone, and each patch is applied when the module it concerns has been loaded.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import marshal
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

Patch = Callable[[Any], None]


class Patches:
    """A finder that lets others find a module, and patches what has been loaded."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self.waiting = dict(patches)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> Any:
        """As importlib asks."""
        patch = self.waiting.pop(name, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class Kept:
    """Files in a folder, each written once; one that cannot be read or written is done without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, *parts: bytes) -> Path:
        """Where something made of this is kept."""
        found = hashlib.sha256(sys.version.encode())
        for part in parts:
            found.update(hashlib.sha256(part).digest())
        return self.folder / found.hexdigest()[:40]

    def write(self, place: Path, content: bytes) -> None:
        """All of it or nothing."""
        scratch = place.with_name(f"{place.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch.write_bytes(content)
            scratch.replace(place)

    def parsed(self, parse: Callable[[bytes], Any], kind: str, text: bytes) -> Any:
        """What a text says, if it is made of plain values."""
        place = self.place(kind.encode(), text)
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
            return marshal.loads(place.read_bytes())  # noqa: S302 - written below, by this user
        found = parse(text)
        with contextlib.suppress(ValueError):  # a date, for instance
            self.write(place, marshal.dumps(found))
        return found


KEPT = Kept(Path("/var/cache/lab-compiled/controller"))


def routing(module: Any) -> None:
    """`ansible.utils.collection_loader._collection_meta`: where moved plugins are."""
    parse = module._meta_yml_to_dict

    def kept(text: bytes | str, content_id: object) -> Any:
        return KEPT.parsed(lambda content: parse(content, content_id), "routing", text if isinstance(text, bytes) else text.encode())

    module._meta_yml_to_dict = kept


def settings(module: Any) -> None:
    """`ansible.config.manager`: which settings there are."""
    parse = module.yaml_load
    module.yaml_load = lambda stream: KEPT.parsed(parse, "settings", stream.read())


OURS = "ansible_collections.quetrex.platform.plugins.modules."


def _version() -> str:
    from ansible.release import __version__

    return str(__version__)


def _hash(*folders: Path) -> str:
    """Of the Python files in folders."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            found.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


@functools.cache
def _filters() -> str:
    """A hash of this collection's filters: what they want to be given is written into the code of a template. Ansible's are as old as Ansible."""
    from ansible.utils.collection_loader import AnsibleCollectionConfig

    roots = [Path(path, "ansible_collections", "quetrex", "platform", "plugins", "filter") for path in AnsibleCollectionConfig.collection_paths]
    return _hash(*(root for root in roots if root.is_dir()))


def archives(module: Any) -> None:
    """`ansible.executor.module_common`: the archives of Ansible's own modules and of this collection's."""
    build = module._find_module_utils
    local = Path(module.C.DEFAULT_LOCAL_TMP) / "ansiballz_cache"

    def places(asked: dict[str, Any]) -> tuple[Path, Path] | None:
        """Where the run looks for a module's archive, and where that is kept."""
        try:
            name = module._get_ansible_module_fqn(asked["module_path"])
        except ValueError:
            return None
        extended = module._builder.ExtensionManager.create(task_vars=asked["task_vars"]).extension_names
        if extended or not name.startswith((OURS, "ansible.modules.")):
            return None
        here = local / "-".join((name, asked["module_compression"], "none"))
        if here.exists():
            return None
        brought = _hash(Path(asked["module_path"]).parents[1] / "module_utils") if name.startswith(OURS) else ""
        return here, KEPT.place(b"archive", _version().encode(), here.name.encode(), asked["b_module_data"], brought.encode())

    def kept(**asked: Any) -> Any:
        here, there = places(asked) or (None, None)
        if here and there and there.exists():
            here.parent.mkdir(exist_ok=True)
            # another process of this run may have been faster
            with contextlib.suppress(FileExistsError):
                here.symlink_to(there)
        built = build(**asked)
        if here and there and here.exists() and not here.is_symlink():
            KEPT.write(there, here.read_bytes())
        return built

    module._find_module_utils = kept


class Templates:
    """The code that Jinja makes of a template. Ansible has it leave constants to the time of use, so the code depends on the text and a few settings."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.environment = module.AnsibleEnvironment
        self.compile, self.compile_expression = self.environment.compile, self.environment.compile_expression
        self.known = dict[Path, CodeType]()

    def keeps(self, env: Any) -> bool:
        return type(env) is self.environment and not env.optimized and not env._debuggable_template_source

    def settings(self, env: Any) -> bytes:
        """All that the code depends on beside the text."""
        context = self.module._TemplateCompileContext.current(optional=True)
        fields = [getattr(env, name) for name in self.module._TEMPLATE_OVERRIDE_FIELD_NAMES]
        modes = [bool(context and context.escape_backslashes), self.module._TemplateConfig.allow_embedded_templates, sorted(env.extensions)]
        return repr([fields, modes, _version(), _filters()]).encode()

    def code(self, env: Any, kind: str, source: str, make: Callable[[], CodeType]) -> CodeType:
        """What was kept of this text, or what is made of it now."""
        place = KEPT.place(kind.encode(), source.encode(errors="surrogatepass"), self.settings(env))
        if place not in self.known:
            with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
                self.known[place] = marshal.loads(place.read_bytes())  # noqa: S302 - written below, by this user
        if place not in self.known:
            self.known[place] = make()
            KEPT.write(place, marshal.dumps(self.known[place]))
        return self.known[place]

    def of_text(self, env: Any, source: Any, name: Any = None, filename: Any = None, raw: bool = False, defer_init: bool = False) -> Any:
        """As `Environment.compile`."""

        def make() -> Any:
            return self.compile(env, source, name, filename, raw, defer_init)

        if not isinstance(source, str) or raw or not self.keeps(env):
            return make()
        return self.code(env, repr(("template", name, filename, defer_init)), source, make)

    def of_expression(self, env: Any, source: str, undefined_to_none: bool = True) -> Any:
        """As `Environment.compile_expression`, which hands what it has parsed to `compile`."""
        from jinja2 import TemplateSyntaxError
        from jinja2.environment import TemplateExpression

        code: CodeType | None = None
        if self.keeps(env):
            with contextlib.suppress(TemplateSyntaxError):
                code = self.code(env, "expression", source, lambda: self._expression(env, source))
        if code is None:
            return self.compile_expression(env, source, undefined_to_none)  # if it fails, with the place
        return TemplateExpression(env.template_class.from_code(env, code, env.make_globals(None), None), undefined_to_none)

    def _expression(self, env: Any, source: str) -> CodeType:
        from jinja2 import TemplateSyntaxError, nodes
        from jinja2.parser import Parser

        parser = Parser(env, source, state="variable")
        result = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("chunk after expression", parser.stream.current.lineno)
        result.set_environment(env)
        code: CodeType = self.compile(env, nodes.Template([nodes.Assign(nodes.Name("result", "store"), result, lineno=1)], lineno=1))
        return code


def templates(module: Any) -> None:
    """`ansible._internal._templating._jinja_bits`: the code of templates and conditions."""
    kept = Templates(module)

    def of_text(env: Any, *words: Any, **names: Any) -> Any:
        return kept.of_text(env, *words, **names)

    def of_expression(env: Any, *words: Any, **names: Any) -> Any:
        return kept.of_expression(env, *words, **names)

    module.AnsibleEnvironment.compile, module.AnsibleEnvironment.compile_expression = of_text, of_expression


PATCHES: dict[str, Patch] = {
    "ansible.utils.collection_loader._collection_meta": routing,
    "ansible.config.manager": settings,
    "ansible.executor.module_common": archives,
    "ansible._internal._templating._jinja_bits": templates,
}


TRIED = "2.21."
"""The versions of Ansible whose insides these patches were written for; others run as they are."""


def _tried(patch: Patch) -> Patch:
    def if_tried(module: Any) -> None:
        if _version().startswith(TRIED):
            patch(module)

    return if_tried


def install() -> None:
    """Before Ansible is imported."""
    if folder := os.environ.get("LAB_COMPILED"):
        KEPT.folder = Path(folder) / "controller"
    finder = Patches({name: _tried(patch) for name, patch in PATCHES.items()})
    sys.meta_path.insert(0, finder)

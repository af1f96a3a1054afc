# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory plugin hcloud: the servers of one or several Hetzner Cloud projects."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hcloud
short_description: Hetzner Cloud inventory that never hides a failure
version_added: "1.0.0"
description:
  - Reads servers from the Hetzner Cloud API. A file for Hetzner's own inventory plugin works unchanged but for the plugin's name.
  - A failure of the API is an error with its true reason, never an inventory without hosts, whatever C(any_unparsed_is_failed) says.
  - A valid cache is used without asking the API.
  - Pages are fetched in parallel, and the rate limit is waited for.
  - Options may be templates; variables of C(group_vars/all) beside the file, those given with C(-e), C(inventory_file) and C(inventory_dir) can
    be used in them.
  - The configuration file's name has to end with C(hcloud.yml) or C(hcloud.yaml).
author:
  - Quetrex (@quetrex)
requirements:
  - hcloud >= 2.8
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Marks the file as one of this plugin.
    required: true
    choices: [quetrex.platform.hcloud]
  api_token:
    description: Token of the project. Needed unless O(projects) is given.
    type: str
    aliases: [token]
    env:
      - name: HCLOUD_TOKEN
  api_endpoint:
    description: Address of the API.
    type: str
    default: https://api.hetzner.cloud/v1
    env:
      - name: HCLOUD_ENDPOINT
  projects:
    description:
      - Several projects in one file, each with C(api_token), and with C(name) and C(api_endpoint) where wanted.
      - The name becomes the host variable C(project) (with prefix and suffix as all others).
    type: list
    elements: dict
    default: []
  group:
    description: The group all servers are in.
    default: hcloud
    type: str
  connect_with:
    description:
      - What C(ansible_host) is set to. A server that has no such address gets none; O(compose) can choose another.
    default: public_ipv4
    type: str
    choices: [public_ipv4, public_ipv6, hostname, ipv4_dns_ptr, private_ipv4]
  locations:
    description: Only servers in these locations.
    default: []
    type: list
    elements: str
  types:
    description: Only servers of these types.
    default: []
    type: list
    elements: str
  images:
    description: Only servers whose image has one of these flavors, for example V(debian).
    default: []
    type: list
    elements: str
  label_selector:
    description:
      - Only servers with these labels, in Hetzner's notation, for example V(role=app).
      - Where the inventory says C(platform_name) and C(platform_environment), in C(group_vars/all) beside the file or with C(-e), only servers
        labelled with these are meant; a selector that says something else of the labels C(platform) and C(environment) is refused.
    default: ""
    type: str
  network:
    description: Only servers attached to this network (name or ID). Needed for O(connect_with=private_ipv4).
    default: ""
    type: str
  status:
    description: Only servers in one of these states.
    default: []
    type: list
    elements: str
  hostvars_prefix:
    description: Put before the names of host variables that come from Hetzner.
    default: hcloud_
    type: str
  hostvars_suffix:
    description: Put behind the names of host variables that come from Hetzner.
    type: str
  hostname:
    description: Template of the host's name. Without it the server's name is used.
    type: str
  group_by:
    description:
      - Makes groups without templates, much faster than O(keyed_groups) with many servers. V(label) gives C(hcloud_label_<key>_<value>), the others
        C(hcloud_<what>_<value>). V(role) is the label of that name.
    type: list
    elements: str
    choices: [label, location, type, status, role]
    default: []
  allow_stale_cache:
    description:
      - Seconds for which a cache that ran out may still be used when the API cannot be reached, with a warning.
      - Never used for a refusal by the API, such as a revoked token. V(0) means never.
    type: int
    default: 0
  retry_budget:
    description: Seconds for which a request is repeated while the API does not answer, has an error of its own, or limits the rate.
    type: float
    default: 60
"""

EXAMPLES = r"""
# The servers of one platform, found by platform_name and platform_environment of group_vars/all; the token is in the environment as HCLOUD_TOKEN.
plugin: quetrex.platform.hcloud
groups:
  platform_servers: hcloud_labels.role == 'app'

---
# Two projects, templated tokens, native groups, a cache of five minutes.
plugin: quetrex.platform.hcloud
projects:
  - name: shop
    api_token: "{{ shop_token }}"
  - name: blog
    api_token: "{{ blog_token }}"
group_by: [location, role]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-inventory
cache_timeout: 300
"""

import hashlib
import json
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import Group
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, get_cache_plugin
from ansible.plugins.loader import vars_loader

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.hosts import Selection, hosts_of, native_groups
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.options import SETTINGS, SelectorError, compose_selector, problem

SHAPE = 2
"""Part of the cache's key: raised when what is cached changes its shape."""
_KEYED = ("api_token", "api_endpoint", "projects", "label_selector", "status", "network", "locations", "types", "images", "connect_with")
_TEMPLATED = ("api_token", "api_endpoint", "projects", "label_selector", "network", "locations", "types", "images", "status", "group", "connect_with")

Hostvars = dict[str, t.Any]

if t.TYPE_CHECKING:
    from ansible_collections.quetrex.platform.plugins.plugin_utils.plain import Path, Test


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Configuration, cache and what Ansible is told; fetching and shaping is in module_utils."""

    NAME = "quetrex.platform.hcloud"
    _users_setting: t.ClassVar[list[t.Any]] = []

    def verify_file(self, path: str) -> bool:
        """Say whether the file may be one of ours."""
        # asked for every source: a failure of an earlier one says nothing about this one
        while self._users_setting:
            vars(constants)["INVENTORY_ANY_UNPARSED_IS_FAILED"] = self._users_setting.pop()
        return bool(super().verify_file(path)) and path.endswith(("hcloud.yaml", "hcloud.yml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add hosts, variables and groups."""
        super().parse(inventory, loader, path, cache)
        try:
            self._parse(path, cache=cache)
        except Exception:
            # The core makes a warning of it and goes on without hosts, exit status 0, unless it is told that this is an error.
            if not self._users_setting:
                self._users_setting.append(vars(constants)["INVENTORY_ANY_UNPARSED_IS_FAILED"])
            vars(constants)["INVENTORY_ANY_UNPARSED_IS_FAILED"] = True
            raise

    def _parse(self, path: str, *, cache: bool) -> None:
        try:
            self._read_config_data(path)
        except AttributeError:
            # the core takes for granted that the file is a mapping
            raise AnsibleParserError(f"{path}: has to have options, beginning with `plugin: {self.NAME}`") from None
        options = self._options_of(path)
        key = self._key(path, options)
        hosts = self._cached(key) if cache and self.get_option("cache") else None
        if hosts is None:
            hosts = self._fetched(key, options)
        self._populate(hosts, str(options["group"]))

    def _options_of(self, path: str) -> dict[str, t.Any]:
        """Return the options with templates resolved."""
        directory = path.rpartition("/")[0] or "."
        variables = {**self._shared(directory), **(self._vars or {}), "inventory_file": path, "inventory_dir": directory}
        self.templar.available_variables = variables
        options = {}
        for name in _TEMPLATED:
            value = self.get_option(name)
            options[name] = self.templar.template(value) if value else value
        options.update({name: self.get_option(name) or "" for name in ("hostvars_prefix", "hostvars_suffix")})
        options["projects"] = options["projects"] or [{"api_token": options["api_token"]}]
        wrong = problem(options)
        if wrong:
            raise AnsibleParserError(wrong)
        settings = {name: self.templar.template(variables[name]) for name in SETTINGS.values() if name in variables}
        try:
            options["label_selector"] = compose_selector(str(options["label_selector"] or ""), settings)
        except SelectorError as error:
            raise AnsibleParserError(f"{path}: {error}") from None
        return options

    def _shared(self, directory: str) -> dict[str, t.Any]:
        """Return what the inventory says of all hosts: in group_vars beside the file, and in sources that were read before it."""
        everybody = t.cast("t.Any", self.inventory).groups.get("all")
        found = vars_loader.get("host_group_vars").get_vars(self.loader, directory, [Group("all")])
        return {**(everybody.vars if everybody else {}), **found}

    def _key(self, path: str, options: dict[str, t.Any]) -> str:
        """Return the cache's key: whatever changes the answer is in it, tokens only as a hash."""
        facts = json.dumps([SHAPE, *(options[name] for name in _KEYED)], sort_keys=True, default=str)
        return f"{self.get_cache_key(path)}_{hashlib.sha256(facts.encode()).hexdigest()[:16]}"

    def _cached(self, key: str) -> list[Hostvars] | None:
        try:
            entry = self._cache[key]
        except KeyError:
            return None
        return t.cast("list[Hostvars]", entry["hosts"])

    def _fetched(self, key: str, options: dict[str, t.Any]) -> list[Hostvars]:
        try:
            hosts = self._fetch(options)
        except Failure as error:
            stale = self._stale(key) if error.code == "unreachable" or error.status >= 500 else None
            if stale is None:
                raise AnsibleError(f"Hetzner Cloud inventory: {error}") from None
            self.display.warning(f"Hetzner Cloud inventory: {error} An older cache is used, as allow_stale_cache permits.")
            return stale
        if self.get_option("cache"):
            self._cache[key] = {"hosts": hosts}
        return hosts

    def _stale(self, key: str) -> list[Hostvars] | None:
        """Return an older answer if that is allowed: the same cache, read with a longer life."""
        allowed = self.get_option("allow_stale_cache")
        if not allowed or not self.get_option("cache"):
            return None
        place = {"_uri": self.get_option("cache_connection"), "_prefix": self.get_option("cache_prefix")}
        older = get_cache_plugin(self.get_option("cache_plugin"), _timeout=self.get_option("cache_timeout") + allowed, **place)
        try:
            return t.cast("list[Hostvars]", older[key]["hosts"])
        except KeyError:
            return None

    def _fetch(self, options: dict[str, t.Any]) -> list[Hostvars]:
        """Ask all projects at once."""
        projects = options["projects"]
        selection = Selection(
            label_selector=options["label_selector"] or "",
            status=tuple(options["status"]),
            locations=tuple(options["locations"]),
            types=tuple(options["types"]),
            images=tuple(options["images"]),
            network=str(options["network"] or ""),
            connect_with=options["connect_with"],
        )

        def one(project: dict[str, t.Any]) -> list[Hostvars]:
            endpoint = str(project.get("api_endpoint") or options["api_endpoint"])
            client = Client(str(project["api_token"]), endpoint, retry_budget=self.get_option("retry_budget"))
            return hosts_of(client, selection, project.get("name"))

        if len(projects) == 1:
            return one(projects[0])
        with ThreadPoolExecutor(min(8, len(projects))) as pool:
            return [host for hosts in pool.map(one, projects) for host in hosts]

    def _populate(self, hosts: list[Hostvars], group: str) -> None:
        inventory: t.Any = self.inventory
        inventory.add_group(group)
        prefix, suffix = self.get_option("hostvars_prefix") or "", self.get_option("hostvars_suffix") or ""
        template, kinds = self.get_option("hostname"), self.get_option("group_by")
        construct = self._constructor()
        for server in hosts:
            hostvars = {name if name == "ansible_host" else f"{prefix}{name}{suffix}": value for name, value in server.items()}
            name = self._name(server, hostvars, template)
            if "ansible_host" in server:
                # AWX gives its jobs ANSIBLE_HOST_KEY_CHECKING=False, which puts StrictHostKeyChecking=no first; a variable of the host wins over it
                hostvars["ansible_host_key_checking"] = True
            known = name in inventory.hosts
            inventory.add_host(name, group=group)
            if known:
                for key, value in hostvars.items():
                    inventory.set_variable(name, key, value)
            else:
                # set_variable looks into each value for templates to trust, of which there are none, and takes longer than all the rest
                inventory.hosts[name].vars.update(hostvars)
            for own in native_groups(server, kinds):
                inventory.add_child(inventory.add_group(self._sanitize_group_name(own)), name)
            if construct:
                construct(name)

    def _name(self, server: Hostvars, hostvars: Hostvars, template: str | None) -> str:
        if not template:
            return str(server["name"])
        self.templar.available_variables = {**hostvars, **(self._vars or {})}
        name = self.templar.template(template)
        if not isinstance(name, str) or not name.strip():
            raise AnsibleParserError(f"hostname: gives {name!r} for the server {server['name']}, which is no name")
        return name

    # --- constructed

    def _constructor(self) -> t.Callable[[str], None] | None:
        """Return what adds the composed variables and groups of one host; None when there are none."""
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed):
            return None
        # a collection's modules are recompiled at each start, so only what is needed is imported
        from ansible_collections.quetrex.platform.plugins.plugin_utils import plain

        self._plain = plain
        inventory, strict = t.cast("t.Any", self.inventory), self.get_option("strict")
        self._read_plainly(compose, keyed)
        tests = {self._sanitize_group_name(name): (name, plain.test(condition)) for name, condition in (groups or {}).items()}

        def construct(name: str) -> None:
            self._host = inventory.get_host(name)
            # a copy: what is composed is not yet there for the next one
            self._set_composite_vars(compose, dict(self._host.vars), name, strict=strict)
            for group, (given, condition) in tests.items():
                met = self._met(condition, strict)
                if met:
                    inventory.add_child(inventory.add_group(group), name)
                elif met is None:
                    self._add_host_to_composed_groups({given: groups[given]}, {}, name, strict=strict)
            self._add_host_to_keyed_groups(keyed, self._host.vars, name, strict=strict, fetch_hostvars=False)

        return construct

    def _read_plainly(self, compose: t.Any, keyed: t.Any) -> None:
        """Remember which expressions need no template engine. What extra variables may replace does, and so does the key beside a template."""
        extra = set(self._vars or {}) if self.get_option("use_extra_vars") else set()
        keyed = [one for one in keyed or [] if isinstance(one, dict)]
        beside = {str(one.get("key")) for one in keyed if one.get("parent_group")}
        expressions = {str(one) for one in [*(compose or {}).values(), *(one.get("key") for one in keyed)]} - beside
        paths = {one: self._plain.path(one) for one in expressions}
        self._paths: dict[str, Path] = {one: path for one, path in paths.items() if path and path.name not in extra}

    def _met(self, condition: Test | None, strict: bool) -> bool | None:
        """Return the verdict on a condition for the current host; None when the template engine has to say it."""
        try:
            return condition.of(self._host.vars) if condition else None
        except self._plain.NotPlain:
            return None
        except KeyError:
            return None if strict else False

    def _compose(self, template: t.Any, variables: t.Any, *more: t.Any) -> t.Any:
        """Evaluate an expression for the current host, without the template engine where that gives the same."""
        path = self._paths.get(template) if isinstance(template, str) else None
        if path:
            try:
                return path.of(variables)
            except self._plain.NotPlain:
                pass
            except KeyError:
                if not self.get_option("strict"):
                    raise
        return super()._compose(template, {**variables, **self._host.get_magic_vars()}, *more)

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's own services are described in one place; what speaks of one of them elsewhere is derived, or is truly about that program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = re.compile(r"redis|runner|/_next|/api/health|node -e|\"node\"|'node'", re.IGNORECASE)
# Users' own servers, and Ansible's names of its callbacks, are called runners too.
OTHERS = re.compile(r"platform_runners|runner_(config|user_id|provision|destroy)|cloudflare_zone_runner|users' runners|A runner for one user|one user's runner")
WHOLE = (
    "plugins/module_utils/services/platform.py",  # the description itself
    "roles/app_release/",  # the release program's own exchange of Redis and nginx, and the words of its commands
    "roles/app_stack/",  # Redis's own files, the runner's workspace, and their options
    "roles/pool_redis/", "plugins/module_utils/services/swarm_redis.py", "plugins/filter/swarm_redis.py",  # Redis alone, on several servers
    "roles/platform_backup/files/platform-backup",  # copies Redis's append-only files that belong together
    "roles/supabase_database/", "roles/user_runner/", "plugins/module_utils/supabase/", "plugins/modules/supabase_",  # users' servers
)  # fmt: skip
ALLOWED = {
    # what Redis says of its own files, and that it writes to the volume
    "plugins/module_utils/recovery/observation.py": r"platform-redis|redis: |Redis |/redis \(",
    # a user's code may be too large for it at any time
    "plugins/module_utils/reporting/findings.py": r"-runner",
    # a person's own look at a server
    "plugins/module_utils/reporting/first_day.py": r"deploys and runners|DOMAIN/api/health|docker stop platform-redis|/_next/static/ file",
    # what `uses` may say, and examples in messages
    "plugins/module_utils/services/model.py": r"redis|runner",
    "plugins/module_utils/services/parse.py": r"redis|for example /_next/static",
    # names of settings and of secrets
    "plugins/filter/bearer_digest.py": r"app_stack_runner_token",
    "plugins/plugin_utils/checks.py": r" redis nginx ",
    "plugins/plugin_utils/secrets.py": r"[Rr]edis",
    "plugins/plugin_utils/settings.py": r"platform_(redis|runner)_image|REDIS_URL|--runner-|for example /api/health",
    "roles/awx_controller/vars/main.yml": r"\[redis, heartbeat|default: redis",
    "roles/host_baseline/templates/platform-volume-key.service.j2": r"platform-redis-repair",
    "roles/platform_rehearsal/vars/main.yml": r"image and runner|'runner'",
}  # fmt: skip


def texts(path: Path) -> Iterator[str]:
    """What a file does: of a module its strings but documentation, of any other file its lines but comments."""
    source = path.read_text()
    if path.suffix != ".py":
        yield from (line for line in source.splitlines() if not re.match(r"\s*(#|\{#)", line))
        return
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(name, ast.Name) and name.id in ("DOCUMENTATION", "EXAMPLES", "RETURN") for name in node.targets):
            told |= {id(one) for one in ast.walk(node)}
    yield from (str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told)


def files(root: Path) -> list[Path]:
    folders = ("defaults", "files", "handlers", "tasks", "templates", "vars")
    found = [*(root / "plugins").rglob("*.py"), *(path for folder in folders for path in (root / "roles").glob(f"*/{folder}/**/*") if path.is_file())]
    return sorted(path for path in found if path.suffix != ".pyc")


def test_services_are_described_once() -> None:
    """No fixed name, path or program of a service but in its description."""
    spoken: dict[str, list[str]] = {}
    for path in files(ROOT):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(WHOLE):
            left = (re.sub(ALLOWED.get(name, r"(?!)"), "", OTHERS.sub("", text)) for text in texts(path))
            spoken |= {name: [text.strip() for text in found]} if (found := [text for text in left if WORDS.search(text)]) else {}
    assert spoken == {}


def test_nothing_is_allowed_that_is_gone() -> None:
    """An allowance for words that nobody says any more would hide the next one."""
    for name, pattern in ALLOWED.items():
        assert any(re.search(pattern, text) for text in texts(ROOT / name)), name

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform whose volume is encrypted: it comes back by itself, on a new server and on a new volume, and the volume alone tells nobody anything."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import disks, offsite
from lab.config import CHECKOUT
from lab.machine import Machines
from lab.mortal import WORKSPACE, Mortal, api, faults, recover, redis_cli
from lab.platform import Run
from lab.shell import run

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]
WORDS, OTHER_WORDS = "the-words-that-only-the-vault-of-the-owner-has", "other-words-that-only-the-vault-of-the-owner-has"
NAME, CONTENT, CACHED = "plain-name", "plain-content", "plain-cached"


class Sealed(Mortal):
    """A platform with a key and copies elsewhere."""

    def give(self, **settings: str) -> None:
        """Has the inventory say these, and no others."""
        self.lab.path("offsite.json").write_text(json.dumps({"platform_backup": offsite.up(self.lab), **settings}))

    def done(self, playbook: str, *args: str) -> Run:
        """A run that has to work."""
        ended = self.play(playbook, *args)
        assert ended.code == 0, ended.explain()
        return ended

    @property
    def volume(self) -> Path:
        """The file behind the one volume."""
        (only,) = api(self).volumes.get_all()
        return disks.volume_file(self.lab, int(str(only.id)))

    def state(self) -> list[str]:
        """What was put into the workspace and into Redis."""
        return self.on_server(f"cat {WORKSPACE}/{NAME}; echo 'GET cached' | {' '.join(redis_cli(self))}").split()


@pytest.fixture(scope="module")
def made(new_lab: NewLab) -> Iterator[tuple[Sealed, Run]]:
    """A platform of its own that was made with the key and has something on its volume, and the run that made it."""
    with new_lab("enc") as lab:
        platform = Sealed(lab)
        platform.give(platform_volume_key=WORDS)
        built = platform.done("site", "--diff")
        platform.on_server(f"echo {CONTENT} > {WORKSPACE}/{NAME}; echo 'SET cached {CACHED}' | {' '.join(redis_cli(platform))}")
        yield platform, built


@pytest.fixture
def sealed(made: tuple[Sealed, Run]) -> Sealed:
    """That platform. Tests leave it serving, with the key it has in the inventory."""
    return made[0]


def holds(image: Path, words: str) -> bool:
    """Whether anything in a sparse file is these words."""
    with image.open("rb") as file:
        end, place = file.seek(0, os.SEEK_END), 0
        while place < end:
            try:
                begin = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:
                return False
            place = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            if words.encode() in os.pread(file.fileno(), place - begin, begin):
                return True
    return False


def test_first_and_second_run(made: tuple[Sealed, Run]) -> None:
    """It is made with the key and a second run changes nothing."""
    sealed, built = made
    assert WORDS not in built.output
    assert sealed.state() == [CONTENT, CACHED]
    again = sealed.done("site", "--diff")
    assert again.changed == 0, again.explain()


def test_power_loss(sealed: Sealed) -> None:
    """After a loss of power it is back by itself."""
    sealed.on_server("sync; sleep 1.1; sync")
    Machines(sealed.lab).lose_power(sealed.server)
    api(sealed).servers.get_by_id(sealed.server).power_on().wait_until_finished()
    assert sealed.eventually(lambda: sealed.status("/api/health") == 200, 90)
    assert sealed.state() == [CONTENT, CACHED]
    assert sealed.done("site", "--diff").changed == 0


def test_the_volume_alone_tells_nothing(sealed: Sealed, tmp_path: Path) -> None:
    """What is on the disk of somebody who got hold of it, journal and all."""
    sealed.on_server("sync")
    copy = disks.at_this_moment(sealed.volume)
    try:
        assert holds(copy, "lost+found"), "the root has no secret"
        assert [words for words in (NAME, CONTENT, CACHED, "appendonly", "releases") if holds(copy, words)] == []
        seen = run(
            "unshare", "--mount", "sh", "-euc", f"mount -o loop {copy} {tmp_path}; ls -A {tmp_path} {tmp_path}/state; cat {tmp_path}/state/* 2>&1 || true"
        )
    finally:
        copy.unlink()
    assert "state" in seen.split()
    assert len(seen.split("state:")[1].split()) > 4
    assert [words for words in ("redis", "workspace", NAME, "identity") if words in seen] == []
    assert "Required key not available" in seen


def test_missing_or_wrong_key(sealed: Sealed) -> None:
    """Without its key or with another nothing is touched."""
    for settings, words in (({}, "is encrypted and there is no key"), ({"platform_volume_key": OTHER_WORDS}, "is encrypted with another key")):
        sealed.give(**settings)
        refused = sealed.play("site")
        assert refused.code != 0
        assert words in " ".join(refused.output.split()), refused.explain()
        assert sealed.on_server("test -s /etc/platform/volume.key && systemctl cat docker.service | grep -c platform-volume-key").strip() == "2"
        assert (refused.changed, sealed.status("/api/health")) == (0, 200), refused.explain()
    sealed.give(platform_volume_key=WORDS)


def test_server_without_key(sealed: Sealed) -> None:
    """A server without its key starts no container on what it cannot read."""
    sealed.on_server("rm /etc/platform/volume.key")
    client = api(sealed).servers.get_by_id(sealed.server)
    client.power_off().wait_until_finished()
    client.power_on().wait_until_finished()
    assert sealed.eventually(lambda: "failed" in sealed.on_server("systemctl is-failed platform-volume-key.service || true"), 90)
    assert sealed.on_server("systemctl is-active docker.service || true").strip() != "active"
    assert "nothing is copied" in sealed.on_server("platform-backup backup 2>&1 || true"), "what cannot be read never becomes the last copy"
    recover(sealed)
    assert sealed.state() == [CONTENT, CACHED]


def test_image_without_key(sealed: Sealed) -> None:
    """An image holds no key and nothing that looks for one."""
    key = sealed.on_server("cat /etc/platform/volume.key").strip()
    assert len(key) == 128
    sealed.done("image_build")
    (image,) = api(sealed).images.get_all(type=["snapshot"])
    disk = sealed.lab.root / "images" / str(image.id)
    found = subprocess.run(["grep", "-rlaF", "-e", key, "-e", WORDS, str(disk)], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 1)
    assert [path for path in (disk / "upper/etc").rglob("*") if "volume-key" in path.name or "volume.key" in path.name] == []


def test_deleted_server(sealed: Sealed) -> None:
    """From that image."""
    server, volume = sealed.server, sealed.volume
    sealed.on_server("sync; sleep 1.1; sync")
    api(sealed).servers.get_by_id(server).delete().wait_until_finished()
    recover(sealed)
    assert (sealed.server != server, sealed.volume) == (True, volume)
    assert sealed.state() == [CONTENT, CACHED]


REPLACE = ("-e", "platform_tier=scale", "-e", "platform_scale_mode=replace")


def test_replace_checks_key_first(sealed: Sealed) -> None:
    """With one that does not open the volume, or none, neither server could mount it once the first had let go."""
    asked = len(sealed.exchanges("hetzner"))
    for settings, words in (({}, "is encrypted and there is no key"), ({"platform_volume_key": OTHER_WORDS}, "is encrypted with another key")):
        sealed.give(**settings)
        refused = sealed.play("scale", *REPLACE)
        assert refused.code != 0
        assert words in " ".join(refused.output.split()), refused.explain()
    sealed.give(platform_volume_key=WORDS)
    assert [one["method"] for one in sealed.exchanges("hetzner")[asked:] if one["method"] != "GET"] == []
    assert sealed.status("/api/health") == 200


def test_replace_failed_and_done(sealed: Sealed) -> None:
    """A second server gives it back when it cannot have it and takes it over when it can."""
    server, volume = sealed.server, sealed.volume
    no = {"status": 422, "body": {"error": {"code": "invalid_input", "message": "injected"}}}
    faults(sealed, "hetzner", {"match": {"method": "POST", "path": "/volumes/[0-9]+/actions/attach"}, "effect": no, "times": 1})
    failed = sealed.play("scale", *REPLACE)
    assert failed.code != 0
    assert "The former server serves again, with everything as it was" in " ".join(failed.output.split()), failed.explain()
    assert (sealed.server, sealed.status("/api/health"), sealed.state()) == (server, 200, [CONTENT, CACHED])
    taken = sealed.done("scale", *REPLACE, "--diff")
    assert WORDS not in failed.output + taken.output
    assert (sealed.server != server, sealed.volume) == (True, volume)
    assert (sealed.status("/api/health"), sealed.state()) == (200, [CONTENT, CACHED])
    sealed.done("scale", *REPLACE, "-e", "platform_scale_release=true")
    again = sealed.done("site", "--diff", *REPLACE[:2])
    assert again.changed == 0, again.explain()


def test_new_key_new_volume(sealed: Sealed) -> None:
    """As docs/secrets.md says it."""
    before = sealed.volume
    sealed.on_server("docker stop --time 30 $(docker ps --quiet) && platform-backup backup")
    sealed.done("destroy", "-e", "destroy_confirm=lab", "-e", '{"destroy_also": ["volumes"]}')
    sealed.give(platform_volume_key=OTHER_WORDS)
    sealed.done("site")
    assert sealed.volume != before
    assert sealed.state() == [CONTENT, CACHED]
    again = sealed.done("site", "--diff")
    assert again.changed == 0, again.explain()


def test_no_image_with_key(sealed: Sealed) -> None:
    """The last one: it leaves a server that nobody logs into."""
    clean = (CHECKOUT / "roles/golden_image/files/clean.sh").read_text()
    told = sealed.on_server(f"set +e\n( {clean}\n) 2>&1\necho ended with $?")
    assert "a volume's key is left in /etc/platform/volume.key" in told
    assert "ended with 1" in told

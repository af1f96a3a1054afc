# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module refuses, on files that stand for devices; nothing is mounted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import host_volume

TREE = Path(host_volume.__file__).parents[5]

pytestmark = pytest.mark.skipif(not shutil.which("mkfs.ext4") or not shutil.which("blkid"), reason="needs e2fsprogs and blkid")


def check(device: Path, folder: Path, capsys: pytest.CaptureFixture[str], **more: Any) -> dict[str, Any]:
    """Run the module in check mode."""
    with patch_module_args({"device": str(device), "path": str(folder), "_ansible_check_mode": True, **more}), pytest.raises(SystemExit):
        host_volume.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    path.write_bytes(b"\0" * 4 * 1024 * 1024)
    return path


def test_a_blank_device_would_be_formatted(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = check(device, tmp_path / "mount", capsys)
    assert result["changed"]
    assert result["formatted"]
    assert not any(device.read_bytes())


def test_a_filesystem_is_kept_and_entered_by_uuid(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-U", "0e1d8a3c-8b57-4f3e-9b0b-6c1f5f3f6a11", str(device)], check=True)
    result = check(device, tmp_path / "mount", capsys)
    assert not result["formatted"]
    assert "UUID=0e1d8a3c-8b57-4f3e-9b0b-6c1f5f3f6a11" in result["diff"][0]["after"]


@pytest.mark.parametrize("key", [None, "thirty-two characters or more, all mine"], ids=["no key", "key"])
def test_a_look_mounts_nothing(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Also where only the inside of the volume would tell whether its key is the right one; the result says so."""
    subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", str(device)], check=True)
    ran: list[list[str]] = []
    warned: list[str] = []
    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule.warn", lambda self, words: warned.append(words))
    monkeypatch.setattr(host_volume.Volume, "must", lambda self, argv: ran.append(argv))
    result = check(device, tmp_path / "mount", capsys, key=key, key_file=str(tmp_path / "volume.key"))
    assert ran == []
    assert "is not mounted" in warned[0]
    assert result["changed"], "it would be mounted"


def test_another_filesystem_is_refused(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mkfs.ext4", "-q", str(device)], check=True)
    assert check(device, tmp_path / "mount", capsys, fstype="xfs")["failure"]["code"] == "other_data"


def test_unknown_data_is_refused(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device.write_bytes(b"\0" * 4096 + b"precious" + b"\0" * 4096)
    assert check(device, tmp_path / "mount", capsys)["failure"]["code"] == "unknown_data"


def test_files_that_would_be_hidden_are_refused(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "releases.lock").touch()
    refused = check(device, tmp_path / "mount", capsys)
    assert refused["failure"]["code"] == "not_empty"
    assert "releases.lock" in refused["msg"], "a release while the volume was away"
    assert f"mv {tmp_path}/mount {tmp_path}/mount.aside" in refused["msg"]


def test_a_device_that_is_not_there_yet_is_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "later", tmp_path / "mount", capsys)["changed"]


def test_a_device_that_takes_seconds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As udev makes its name some time after the vendor has attached the volume."""
    now, later = [0.0], tmp_path / "later"

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] >= 3:
            later.touch()

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", sleep)
    assert (host_volume.appears(tmp_path / "never", 2), now[0]) == (False, 2)
    assert (host_volume.appears(later, 30), now[0]) == (True, 3)
    assert (host_volume.appears(later, 0), now[0]) == (True, 3)


@pytest.mark.parametrize("size", [256, 5000])
def test_a_filesystem_follows_its_device(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int) -> None:
    """In the lab's tests it is grown for real; here is whether the module sees it."""
    mebibyte = 1024 * 1024
    with device.open("r+b") as file:
        file.truncate(size * mebibyte)
    subprocess.run(["mkfs.ext4", "-q", "-O", "64bit", str(device)], check=True)
    assert not check(device, tmp_path / "mount", capsys)["grown"]
    with device.open("r+b") as file:
        file.truncate((size + 1024) * mebibyte)
    before = device.stat().st_mtime_ns
    assert check(device, tmp_path / "mount", capsys)["grown"]
    assert device.stat().st_mtime_ns == before
    subprocess.run(["resize2fs", str(device)], check=True, capture_output=True)
    assert not check(device, tmp_path / "mount", capsys)["grown"]


MODULE, STARTER = (
    f"{sys.executable} -m ansible_collections.quetrex.platform.plugins.{name}" for name in ("modules.host_volume", "module_utils.host.encryption")
)
WORDS = "thirty-two characters or more, all mine"
Steps = Callable[..., list[Any]]


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    """Runs a script in a mount namespace with an /etc of its own, on a loop device; there is no systemd to tell of it. Returns what it printed as JSON."""
    image, upper, work, programs = (tmp_path / name for name in ("volume", "upper", "work", "bin"))
    for folder in (upper, work, programs):
        folder.mkdir()
    (upper / "fstab").touch()
    (programs / "systemctl").symlink_to("/bin/true")
    devices: list[str] = []

    def run(script: str, mebibytes: int = 64) -> list[Any]:
        with image.open("wb") as file:
            file.truncate(mebibytes * 1024**2)
        devices.append(subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip())
        prepared = f"""
            mount --make-rshared /
            mount -t overlay overlay -o lowerdir=/etc,upperdir={upper},workdir={work} /etc
            volume() {{ {MODULE} "{{\\"ANSIBLE_MODULE_ARGS\\": {{\\"device\\": \\"{devices[0]}\\", \\"path\\": \\"{tmp_path}/mount\\", $1}}}}"; }}
            mine() {{ volume '"key": "{WORDS}"'; }}
            look() {{ volume '"key": "{WORDS}", "_ansible_check_mode": true'; }}
            other() {{ volume '"key": "{WORDS}!"'; }}
            none() {{ volume '"fstype": "ext4"'; }}
            start() {{ mount mount; {STARTER} /etc/platform/volume.key {tmp_path}/mount; }}
            quoted() {{ sed 's/.*/"&"/'; }}
            cd {tmp_path}
        """
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin", "PYTHONPATH": ":".join([str(TREE), *sys.path]), "DEVICE": devices[0]}
        done = subprocess.run(["unshare", "--mount", "/bin/sh", "-euc", prepared + script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    try:
        yield run
    finally:
        for device in devices:
            subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mkfs.xfs"), reason="needs root, xfsprogs and a kernel with XFS")
def test_an_xfs_is_made_mounted_and_grown(steps: Steps) -> None:
    made, before, same, grown, after, still = steps(
        """
        run() { volume '"fstype": "xfs"'; }
        size() { stat --file-system --format '"%b"' mount; }
        run; size; run; truncate --size 800M volume; losetup --set-capacity $DEVICE; run; size; run
        """,
        400,
    )
    assert [(one["changed"], one["formatted"], one["grown"]) for one in (made, same, grown, still)] == [
        (True, True, False), (False, False, False), (True, False, True), (False, False, False)
    ]  # fmt: skip
    assert int(after) > 1.8 * int(before)


encrypting = pytest.mark.skipif(os.geteuid() != 0 or not Path("/sys/fs/ext4/features/encryption").exists(), reason="needs root and a kernel that encrypts")


@encrypting
@pytest.mark.parametrize("made", ["mkfs.ext4 -q $DEVICE", ":"], ids=["by the vendor", "blank"])
def test_an_empty_volume_is_encrypted_for_good(steps: Steps, tmp_path: Path, made: str) -> None:
    looked, first, again, looked_again, started, missing, other, back, opened = steps(f"""
        {made}; look; mine; mkdir mount/plain-name; echo plain-content > mount/plain-name/file; sync; mine; look
        umount mount; start; quoted < mount/plain-name/file; umount mount
        none || true; other || true; ! mountpoint -q mount
        mine; umount mount; mkdir aside; mount -o ro $DEVICE aside; ls aside/state | quoted; umount aside
    """)
    assert [one["changed"] for one in (looked, first, again, looked_again)] == [True, True, False, False]
    assert (first["encrypted"], first["formatted"], started) == (True, made == ":", "plain-content")
    assert [one["failure"]["code"] for one in (missing, other)] == ["key_missing", "other_key"]
    assert back["changed"]
    assert "plain" not in opened
    stored = (tmp_path / "volume").read_bytes()
    assert b"plain-name" not in stored
    assert b"plain-content" not in stored
    key = tmp_path / "upper/platform/volume.key"
    assert (key.stat().st_mode & 0o777, key.stat().st_uid, WORDS in key.read_text()) == (0o600, 0, False)


@encrypting
def test_a_volume_in_use_is_not_encrypted_later(steps: Steps, tmp_path: Path) -> None:
    """Neither while it is mounted nor while it is not; without the key it goes on as before."""
    plain, refused, unmounted, again = steps("none; echo mine > mount/file; mine || true; umount mount; mine || true; none; umount mount; sync")
    assert not plain["encrypted"]
    assert [one["failure"]["code"] for one in (refused, unmounted)] == ["not_encrypted", "not_encrypted"]
    assert again["changed"], "it was mounted"
    assert b"mine\n" in (tmp_path / "volume").read_bytes()
    assert not (tmp_path / "upper/platform").exists()


@encrypting
def test_another_key_or_none_for_a_mounted_volume_is_refused(steps: Steps) -> None:
    _made, missing, other, same = steps("mine; none || true; other || true; mine")
    assert [one["failure"]["code"] for one in (missing, other)] == ["key_missing", "other_key"]
    assert not same["changed"], "fstab and the key on the disk are as they were"


@encrypting
def test_killed_anywhere_the_next_run_goes_on(steps: Steps) -> None:
    """After the feature, after the folder, during a look, after fstab, and in an operator's hands."""
    folder, looked, mounted, whole, refused, again, at_rest = steps("""
        umask 077; mkfs.ext4 -q $DEVICE; tune2fs -O encrypt $DEVICE >/dev/null; mkdir aside; mount $DEVICE aside; mkdir aside/state; umount aside
        mkdir -p /run/platform-volume; mount $DEVICE /run/platform-volume
        mine; stat --format '"%a"' mount; ! mountpoint -q /run/platform-volume
        umount mount; mount mount; look; mine
        umount mount; mount $DEVICE mount; mine || true; none || true
        umount mount; mine
    """)
    assert (folder["changed"], looked) == (True, "755")
    assert [(one["changed"], one["encrypted"]) for one in (mounted, whole)] == [(True, True), (True, True)], "the kernel has to be told the key again"
    assert refused["failure"]["code"] == again["failure"]["code"] == "root_mounted"
    assert at_rest["changed"]


@encrypting
def test_an_encrypted_volume_grows(steps: Steps) -> None:
    """Before it is mounted; while it is, the kernel wants CAP_SYS_RESOURCE, which a guest may not have."""
    made, before, grown, after, same, content = steps(
        """
        size() { stat --file-system --format '"%b"' mount; }
        mine; echo kept > mount/file; size; umount mount; truncate --size 400M volume; losetup --set-capacity $DEVICE
        mine; size; mine; quoted < mount/file
        """,
        200,
    )
    assert [(one["changed"], one["grown"]) for one in (made, grown, same)] == [(True, False), (True, True), (False, False)]
    assert int(after) > 1.8 * int(before)
    assert content == "kept"


@encrypting
def test_boot_opens_encrypted_folder_only(steps: Steps) -> None:
    """Exit status 1 keeps Docker from a volume that is mounted with its root, has another key, or has none here; 0 from a folder where nothing is mounted."""
    _made, *codes = steps("""
        code() { set +e; start 2>/dev/null; echo $?; set -e; }
        key=/etc/platform/volume.key
        mine; umount mount; code; umount mount
        mv $key kept; code; umount mount; echo 00 > $key; code; umount mount; mv kept $key
        sed -i s/,X-mount.subdir=state// /etc/fstab; code; umount mount; : > /etc/fstab; code
    """)
    assert codes == [0, 1, 1, 1, 0]


def test_xfs_is_not_encrypted(device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(device, tmp_path / "mount", capsys, fstype="xfs", key=WORDS)["failure"]["code"] == "no_encryption"

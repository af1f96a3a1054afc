# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are what their content is."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from lab.images import oci


def layer(folder: Path, key: str) -> oci.Layer:
    tar = folder / f"{key}.tar"
    oci.tar_files(tar, {"app/run": "#!/bin/sh\n", "app/data": "1"}, [("tmp", 0o1777, 0)])
    return oci.save_layer(folder / "layers", key, tar)


def test_the_same_content_has_the_same_name(tmp_path: Path) -> None:
    first, second = layer(tmp_path, "one"), layer(tmp_path, "two")
    assert (first.digest, first.diff_id) == (second.digest, second.diff_id)
    assert oci.load_layer(tmp_path / "layers", "one") == first
    assert oci.load_layer(tmp_path / "layers", "absent") is None


def test_scripts_can_be_run_and_owners_are_plain(tmp_path: Path) -> None:
    with tarfile.open(layer(tmp_path, "one").path) as tar:
        modes = {entry.name: entry.mode for entry in tar}
        assert {entry.mtime for entry in tar} == {0}
    assert modes == {"tmp": 0o1777, "app/run": 0o755, "app/data": 0o644}


def test_a_manifest_names_its_blobs(tmp_path: Path) -> None:
    base = layer(tmp_path, "one")
    image = oci.Image("web", "1", (base,), {"Env": ["APP_VERSION=1"]})
    manifest = json.loads(image.manifest())
    assert manifest["config"]["digest"] == oci.digest(image.config())
    assert manifest["layers"] == [{"mediaType": oci.LAYER, "digest": base.digest, "size": base.path.stat().st_size}]
    assert json.loads(image.config())["rootfs"]["diff_ids"] == [base.diff_id]
    assert oci.Image("web", "2", (base,), {"Env": ["APP_VERSION=2"]}).manifest() != image.manifest()

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI images as plain data: a layer is a compressed tar file, an image is two small JSON documents about layers.

Written out here, instead of run through an image builder, because the bytes then depend on the content alone: the same
sources give the same digest, and one more version of an image costs a millisecond.
Source: https://github.com/opencontainers/image-spec (config.md, manifest.md).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EPOCH = "1970-01-01T00:00:00Z"


def digest(data: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Layer:
    """A compressed tar file and its two names: of the compressed and of the plain bytes."""

    path: Path
    digest: str
    diff_id: str

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return self.path.stat().st_size

    def descriptor(self) -> dict[str, Any]:
        """How a manifest speaks of this layer."""
        return {"mediaType": LAYER, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Image:
    """What a registry needs: blobs by digest and the manifest that binds them."""

    repository: str
    tag: str
    layers: tuple[Layer, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> bytes:
        """The image's configuration document."""
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": dict(self.settings),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
            "history": [{"created": EPOCH, "created_by": "lab"} for _layer in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()

    def manifest(self) -> bytes:
        """The manifest; its digest is the image's name."""
        config = self.config()
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest(config), "size": len(config)},
            "layers": [layer.descriptor() for layer in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()


def save_layer(folder: Path, key: str, tar: Path) -> Layer:
    """Compresses a tar file into `folder` under `key`."""
    folder.mkdir(parents=True, exist_ok=True)
    packed, plain_sum = folder / f"{key}.tar.gz", hashlib.sha256()
    scratch = packed.with_suffix(".making")
    with tar.open("rb") as source, scratch.open("wb") as raw, gzip.GzipFile("", "wb", 5, raw, mtime=0) as target:
        while chunk := source.read(1 << 20):
            plain_sum.update(chunk)
            target.write(chunk)
    with scratch.open("rb") as made:
        names = {"digest": f"sha256:{hashlib.file_digest(made, 'sha256').hexdigest()}", "diff_id": f"sha256:{plain_sum.hexdigest()}"}
    scratch.rename(packed)
    # Last, because its presence says that the layer is complete.
    (folder / f"{key}.json").write_text(json.dumps(names))
    return Layer(packed, **names)


def load_layer(folder: Path, key: str) -> Layer | None:
    """A layer saved before, or None."""
    try:
        names = json.loads((folder / f"{key}.json").read_text())
    except FileNotFoundError:
        return None
    return Layer(folder / f"{key}.tar.gz", **names)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Takes out of a tar entry what differs from one run to the next."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def tar_files(target: Path, files: Mapping[str, str | bytes], folders: Iterable[tuple[str, int, int]] = ()) -> None:
    """A tar of text files (executable where a shebang says so) and of empty folders given as (path, mode, owner)."""
    with tarfile.open(target, "w") as tar:
        for path, mode, owner in folders:
            info = _plain(tarfile.TarInfo(path.lstrip("/")))
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
            tar.addfile(info)
        for path, content in sorted(files.items()):
            data = content.encode() if isinstance(content, str) else content
            info = _plain(tarfile.TarInfo(path.lstrip("/")))
            info.size, info.mode = len(data), 0o755 if data.startswith(b"#!") else 0o644
            tar.addfile(info, io.BytesIO(data))


def tar_tree(target: Path, trees: Mapping[str, Path]) -> None:
    """A tar of whole folders, each below the path it is given, in a stable order."""
    with tarfile.open(target, "w") as tar:
        for prefix, root in trees.items():
            for place, names, leaves in os.walk(root):
                names.sort()
                for name in sorted(leaves) + [name for name in names if Path(place, name).is_symlink()]:
                    path = Path(place, name)
                    tar.add(path, f"{prefix.strip('/')}/{path.relative_to(root)}", recursive=False, filter=_plain)


def copy_into(target: Path, *sources: Path) -> None:
    """Adds files to a folder by their own names."""
    for source in sources:
        shutil.copy(source, target / source.name)

# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds one HTTP exchange against a vendor's published OpenAPI document.

The documents lie outside the project (`CONTRACTS_DIR`, by default `../shared/contracts` beside the checkout).
Where they are absent, nothing is checked and `Contract.load` gives None, so that tests can report a skip.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CHECKOUT = Path(__file__).resolve().parents[3]


def contracts_dir() -> Path | None:
    """Return the folder of contracts, or None when there is none or CONTRACTS_DIR is set to nothing."""
    setting = os.environ.get("CONTRACTS_DIR")
    if setting == "":
        return None
    folder = Path(setting) if setting else CHECKOUT.parent / "shared" / "contracts"
    return folder if folder.is_dir() else None


@dataclass
class _Request:
    """A request in the shape openapi-core reads."""

    host_url: str
    path: str
    method: str
    content_type: str
    body: bytes | None
    parameters: Any


@dataclass
class _Response:
    """A response in the shape openapi-core reads."""

    status_code: int
    content_type: str
    headers: Mapping[str, str]
    data: bytes | None


@dataclass
class Verdict:
    """What the document says about one exchange: empty lists mean that it agrees."""

    request: list[str] = field(default_factory=list)
    response: list[str] = field(default_factory=list)


class Contract:
    """One vendor's document, parsed once; schemas are compiled when they are first needed (the first check costs some 10 ms)."""

    def __init__(self, path: Path) -> None:
        from openapi_core import Config, OpenAPI

        document = json.loads(path.read_text(encoding="utf-8"))
        server = urlsplit(document["servers"][0]["url"])
        self.origin = f"{server.scheme}://{server.netloc}"
        # The vendors' documents are published, not ours to lint: validating them would cost four seconds at each start.
        self._openapi = OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]

    @staticmethod
    def load(name: str | None) -> Contract | None:
        """Return the contract of that file name, or None when it is not there."""
        folder = contracts_dir()
        if name is None or folder is None or not (folder / name).is_file():
            return None
        return _load(folder / name)

    def check(
        self, method: str, path: str, query: str, request_headers: Mapping[str, str], body: bytes, status: int, response_headers: Mapping[str, str], data: bytes
    ) -> Verdict:
        """Return what the document objects to in this exchange. Header names are lower-case."""
        request = _request(self.origin, method, path, query, request_headers, body)
        response = _Response(status, response_headers.get("content-type", ""), response_headers, data or None)
        return Verdict(
            request=_messages(self._openapi.iter_request_errors(request)),
            response=_messages(self._openapi.iter_response_errors(request, response)),
        )


@functools.cache
def _load(path: Path) -> Contract:
    return Contract(path)


def _request(origin: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> _Request:
    from openapi_core.datatypes import RequestParameters
    from werkzeug.datastructures import Headers, ImmutableMultiDict

    parameters = RequestParameters(
        query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
        header=Headers(list(headers.items())),
        cookie=ImmutableMultiDict(),
    )
    return _Request(origin, path, method.lower(), headers.get("content-type", ""), body or None, parameters)


def _messages(errors: Iterable[Exception]) -> list[str]:
    """Flatten openapi-core's nested errors to lines a person can act on."""
    lines: list[str] = []
    for error in errors:
        schema_errors = getattr(error, "schema_errors", None) or getattr(error.__cause__, "schema_errors", None)
        if schema_errors:
            lines += [f"{_where(one)}: {str(one.message)[:300]}" for one in schema_errors]
        else:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            lines.append(f"{type(error).__name__}: {str(error)[:300]}{cause[:300]}")
    return lines


def _where(error: Any) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "body"

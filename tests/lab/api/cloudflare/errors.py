# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Cloudflare API says when it says no: the v4 envelope with the vendor's status and code for each cause."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

Json = dict[str, Any]


class ApiError(Exception):
    """A refusal: HTTP status, `(code, message)` pairs, and the `messages` list that carries the real reason of page-rule errors."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        messages: list[str] | None = None,
        chain: tuple[int, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"code": code, "message": message}
        if chain:
            self.error["error_chain"] = [{"code": chain[0], "message": chain[1]}]
        self.messages = [{"code": 1, "message": text, "type": None} for text in messages or []]
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """The refusal as the API sends it."""
        body = {"result": None, "success": False, "errors": [self.error], "messages": self.messages}
        return JSONResponse(body, self.status, headers=self.headers)


def envelope(result: Any, *, info: Json | None = None) -> JSONResponse:
    """A success; `info` is the paging block of a list."""
    body = {"result": result, "success": True, "errors": [], "messages": []}
    if info is not None:
        body["result_info"] = info
    return JSONResponse(body)


def paged(rows: list[Any], query: dict[str, str], *, default: int, minimum: int, maximum: int) -> JSONResponse:
    """One page of a list; a page size outside what the endpoint allows is refused, as the vendor does."""
    page, size = number(query, "page", 1, 1, 2**31), number(query, "per_page", default, minimum, maximum)
    part = rows[(page - 1) * size : page * size]
    pages = -(-len(rows) // size)
    return envelope(part, info={"page": page, "per_page": size, "count": len(part), "total_count": len(rows), "total_pages": pages})


def number(query: dict[str, str], name: str, default: int, minimum: int, maximum: int) -> int:
    """A whole number from the query string within its bounds."""
    try:
        value = int(float(query.get(name, default)))
    except ValueError as error:
        raise ApiError(400, 6003, "Invalid request headers", chain=(6111, f"Invalid value for {name}")) from error
    if not minimum <= value <= maximum:
        raise ApiError(400, 1001, f"Invalid list parameters: {name} must be between {minimum} and {maximum}")
    return value

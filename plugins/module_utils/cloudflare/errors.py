# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Cloudflare's refusals mean, and what to do about them."""

from __future__ import annotations

from typing import Any

from ..api.errors import Failure

# Only codes that mean the same wherever they come from: Cloudflare uses small ones once for each product.
HINTS: dict[int | str, str] = {
    1000: "Make a new token at dash.cloudflare.com, My Profile, API Tokens.",
    6003: "The token is not of the right form: it has 40 characters or more and no quotes.",
    9106: "No token arrived: give api_token, or set CLOUDFLARE_API_TOKEN.",
    9109: "The token cannot reach this: check its permissions and the zones it covers.",
    10000: "The token lacks the permission for this: add it at dash.cloudflare.com, My Profile, API Tokens.",
    1057: "The zone's plan does not include this setting.",
    81044: "The record was deleted by somebody else while this ran. Run again.",
    81053: "Another record has this name: somebody else made it while this ran. Run again.",
    81058: "Somebody else made the record while this ran. Run again.",
}


def refusal(what: str, status: int, body: dict[str, Any]) -> Failure:
    """The error for a refused call, with every reason the answer gives: `errors`, their chain, and `messages`."""
    errors = [item for item in body.get("errors") or [] if isinstance(item, dict)]
    chain = [link for item in errors for link in item.get("error_chain") or []]
    messages = [item for item in body.get("messages") or [] if isinstance(item, dict)]
    code = errors[0].get("code", status) if errors else status
    texts = [str(item.get("message", "")).strip() for item in [*errors, *chain, *messages]]
    reason = " ".join(text if text.endswith(".") else f"{text}." for text in texts if text) or "No reason was given."
    return Failure(f"{what} was refused ({status}, code {code}): {reason}{advice(code) if status < 500 else ''}", code, status=status, details=texts)


def advice(code: int | str) -> str:
    """What to do about a refusal, where Cloudflare's own words do not say it."""
    return f" {HINTS[code]}" if code in HINTS else ""

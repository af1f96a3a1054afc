# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between us and a Supabase database, in words that say what to do next."""

from __future__ import annotations

import re

from ..api.errors import Failure, redact

__all__ = ["Failure", "explain_connection", "explain_sql", "redact"]


# What the server, the poolers and libpq say -> code, what it means and what to do. The first match wins.
# Texts of Supavisor and of the platform's network restrictions as recorded from hosted projects (2026).
_CONNECTION: tuple[tuple[str, str, str], ...] = (
    (
        r"ECIRCUITBREAKER|new connections are temporarily blocked|circuit breaker",
        "blocked",
        (
            "The pooler lets nobody in from this address for two minutes, because there were too many wrong passwords (ten in two and a half minutes). "
            "Each further attempt with a wrong one counts: stop whatever still logs in with a former password, wait three minutes, then run again."
        ),
    ),
    (
        r"Tenant or user not found|ENOTFOUND|tenant/user .* not found|ENOIDENTIFIER",
        "tenant_not_found",
        (
            "The pooler does not know this user. Through a pooler the user is 'postgres.<project ref>' and the host has to be the project's own pooler "
            "(read it from the Management API or the dashboard's Connect dialog; regions have several). A paused project gives the same message: wake it first."
        ),
    ),
    (r"EBANNED|tenant is banned", "banned", "Supabase has closed the pooler to this project; its dashboard or Supabase's support says why."),
    (
        r"EADDRNOTALLOWED|Address not in tenant allow_list",
        "address_not_allowed",
        (
            "The project's network restrictions do not contain this machine's address. Add it (IPv4 and IPv6) under Database > Settings, or run from an "
            "allowed one. After a change the pooler needs up to a minute to hear of it."
        ),
    ),
    (
        r"EMAXCONNSESSION|MaxClientsInSessionMode|max clients reached in session mode",
        "too_many_connections",
        (
            "All sessions of the pooler are taken: in session mode (port 5432) it refuses one more instead of having it wait. Give the application a "
            "smaller pool, or raise the pool size under Database > Settings (a larger compute allows more)."
        ),
    ),
    (
        r"EMAXCONN|EMAXPOOLSREACHED|max client connections reached|max clients reached|remaining connection slots|too many clients|too many connections",
        "too_many_connections",
        "All connections are in use. Close some, or raise the pool's size.",
    ),
    (
        r"ECHECKOUT\w*|EPOOLCHECKOUT|unable to check out connection",
        "checkout_timeout",
        "The pooler found no free connection to the database: all are busy, or the database does not answer. Look for long queries, then try again.",
    ),
    (
        r"EAUTHQUERY|EAUTHSECRETS|Failed to retrieve database credentials",
        "auth_query",
        (
            "The pooler could not ask the database for this user's password: the database is starting, overloaded or out of connections, or has no such user. "
            "The password itself was not looked at. Try again in a minute."
        ),
    ),
    (
        r"EDBHANDLEREXITED|EPOOLTERMINATING|DbHandler exited|connection to database closed",
        "starting",
        "The pooler's connection to the database ended, as it does when the database restarts. Try again in a moment.",
    ),
    (r"EAUTHTIMEOUT|ESSLHANDSHAKE", "timeout", "The pooler gave up while the connection was being made. Try again; the way to it may be slow."),
    (r"ESSLREQUIRED|SSL connection is required", "tls_required", "The project enforces TLS. Use sslmode=verify-full with the project's CA certificate."),
    (
        r"certificate verify failed|self.signed certificate|unable to get local issuer",
        "certificate_untrusted",
        (
            "The server's certificate is not signed by the given CA. Supabase uses roots of its own: download the certificate from Database > Settings "
            "and pass it as ca_certificate (both roots when you use the pooler as well as the direct host)."
        ),
    ),
    (
        r"does not match host name|hostname mismatch|server certificate for",
        "certificate_name",
        "The certificate belongs to another host name. Use the name the certificate was issued for, not an address or an alias.",
    ),
    (r"root certificate file .* does not exist", "ca_missing", "The CA certificate file is not there, or not readable."),
    (
        r"server does not support SSL",
        "tls_unavailable",
        "The server offers no TLS. Is this really the database's port? For a socket or a local cluster use sslmode=disable.",
    ),
    (r"no pg_hba\.conf entry .*no encryption", "tls_required", "The server accepts this user with TLS only. Use sslmode=verify-full with the CA certificate."),
    (r"no pg_hba\.conf entry", "address_not_allowed", "The server's access list does not let this user in from this address."),
    (
        r"password authentication failed|SASL authentication failed|Wrong password|EWRONGPASSWORD",
        "password",
        (
            "The password is wrong. It is the database password, not an API key; it can be reset under Database > Settings. Try it sparingly: the direct host "
            "bans an address for half an hour after three wrong ones, the pooler blocks it for two minutes after ten."
        ),
    ),
    (r"no password supplied", "password", "The server wants a password and none was given."),
    (
        r"could not translate host name|Name or service not known|No address associated|Temporary failure in name resolution",
        "name_resolution",
        (
            "The host name does not resolve here. The direct host db.<ref>.supabase.co has only an IPv6 address without the IPv4 add-on; "
            "on an IPv4-only network use the session pooler (port 5432)."
        ),
    ),
    (
        r"Network is unreachable|No route to host",
        "unreachable",
        "There is no way to this address. The direct host is IPv6 only without the IPv4 add-on; on an IPv4-only network use the session pooler (port 5432).",
    ),
    (r"timeout expired|timed out", "timeout", "Nobody answered. Network restrictions drop packets silently, and a paused project does not answer either."),
    (
        r"Connection refused",
        "refused",
        (
            "Nothing listens there. Check host and port, and that the project is not paused. The direct host also answers so for half an hour to an address "
            "from which three wrong passwords came (Database > Settings > Network Bans lifts it)."
        ),
    ),
    (r"the database system is (starting up|shutting down|in recovery)", "starting", "The database is starting or stopping. Try again in a moment."),
    (r"database \".*\" does not exist", "no_database", "The server is there, the database is not."),
    (r"role \".*\" does not exist", "no_role", "The server does not know this user."),
)


def explain_connection(text: str) -> tuple[str, str]:
    """Code and advice for what a failed connection said."""
    for pattern, code, advice in _CONNECTION:
        if re.search(pattern, text, re.IGNORECASE):
            return code, advice
    return "connection", "The connection failed."


_SQLSTATE: dict[str, str] = {
    "55P03": "Somebody held a lock on a table this migration needs for longer than lock_timeout. Nothing was changed; run again when it is quieter.",
    "57014": "The migration ran longer than statement_timeout. Nothing of it was kept. Raise statement_timeout, or split the migration.",
    "42P07": "The object is already there. If somebody made it by hand, adopt this migration (state=adopted) instead of running it.",
    "42710": "The object is already there. If somebody made it by hand, adopt this migration (state=adopted) instead of running it.",
    "42701": "The column is already there. If somebody made it by hand, adopt this migration (state=adopted) instead of running it.",
    "42501": "The user may not do this. On Supabase, postgres is no superuser: it owns neither the schema auth nor what supabase_admin made.",
    "55P04": "A value added to an enum cannot be used in the transaction that adds it. Move its use into the next migration.",
    "25001": "This statement cannot run inside a transaction. Give it a migration of its own.",
    "2D000": "A procedure or DO block ended the transaction. A migration runs in one transaction that supabase_schema owns.",
    "25006": "The database is read-only. A Free project becomes read-only above 500 MB: free space or upgrade.",
    "53100": "The disk is full.",
    "40P01": "A deadlock with other work on the database. Nothing was changed; run again.",
}


def explain_sql(sqlstate: str | None) -> str:
    """Advice for an SQLSTATE, or nothing."""
    return _SQLSTATE.get(sqlstate or "", "")

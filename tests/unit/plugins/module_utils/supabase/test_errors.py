# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of servers, poolers and libpq, and what we make of them."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import explain_connection, explain_sql, redact


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FATAL:  Tenant or user not found", "tenant_not_found"),
        ("FATAL:  (EADDRNOTALLOWED) Address not in tenant allow_list: {203, 0, 113, 7}", "address_not_allowed"),
        ("FATAL:  SSL connection is required", "tls_required"),
        ('connection to server at "db.x.supabase.co", port 5432 failed: SSL error: certificate verify failed', "certificate_untrusted"),
        ('server certificate for "*.pooler.supabase.com" does not match host name "x"', "certificate_name"),
        ("server does not support SSL, but SSL was required", "tls_unavailable"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "postgres", database "postgres", no encryption', "tls_required"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "postgres", database "postgres", SSL encryption', "address_not_allowed"),
        ('FATAL:  password authentication failed for user "postgres"', "password"),
        ('could not translate host name "db.x.supabase.co" to address: Name or service not known', "name_resolution"),
        ("connection to server at 2001:db8::1 failed: Network is unreachable", "unreachable"),
        ("connection to server at x failed: timeout expired", "timeout"),
        ("connection to server at x failed: Connection refused", "refused"),
        ("MaxClientsInSessionMode: max clients reached", "too_many_connections"),
        ("FATAL:  (ENOTFOUND) tenant/user postgres.abcdefghijklmnopqrst not found", "tenant_not_found"),
        ("FATAL:  (ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)", "tenant_not_found"),
        ("FATAL:  (ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked", "blocked"),
        ("FATAL:  (EAUTHQUERY) authentication query failed: connection to database not available", "auth_query"),
        ("FATAL:  (EAUTHSECRETS) failed to retrieve authentication secrets: :timeout", "auth_query"),
        ("FATAL:  (ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms in session mode", "checkout_timeout"),
        ("FATAL:  (EDBHANDLEREXITED) DbHandler exited. Check logs for more information", "starting"),
        ("FATAL:  (EDBHANDLEREXITED) connection to database closed. Check logs for more information", "starting"),
        ("FATAL:  (EADDRNOTALLOWED) address not in tenant allow_list: {203, 0, 113, 7}", "address_not_allowed"),
        ("FATAL:  (ESSLREQUIRED) SSL connection is required for user: postgres", "tls_required"),
        ("FATAL:  (EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15", "too_many_connections"),
        ("FATAL:  (EMAXCONN) max client connections reached, limit: 200", "too_many_connections"),
        ("FATAL:  (EBANNED) tenant is banned: unpaid", "banned"),
        ("something else", "connection"),
    ],
)
def test_connection_errors(text: str, code: str) -> None:
    found, advice = explain_connection(text)
    assert found == code
    assert (advice == "The connection failed.") == (code == "connection")


def test_sql_errors_say_what_to_do() -> None:
    assert "lock_timeout" in explain_sql("55P03")
    assert explain_sql(None) == ""


def test_secrets_are_taken_out() -> None:
    assert redact("postgres://u:hunter2@h", None, "", "hunter2") == "postgres://u:********@h"

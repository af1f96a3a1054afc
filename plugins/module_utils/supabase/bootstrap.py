# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migrations written for Supabase take for granted, made on a plain PostgreSQL. It is no Auth and no API: those are services."""

from __future__ import annotations

from .database import Database

ROLES = {"anon": "NOLOGIN NOINHERIT", "authenticated": "NOLOGIN NOINHERIT", "service_role": "NOLOGIN NOINHERIT BYPASSRLS", "authenticator": "LOGIN NOINHERIT"}
_TABLES = {
    "auth.users": """CREATE TABLE auth.users (
      instance_id uuid, id uuid NOT NULL PRIMARY KEY, aud varchar(255), role varchar(255), email varchar(255), encrypted_password varchar(255),
      email_confirmed_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, created_at timestamptz,
      updated_at timestamptz, phone text UNIQUE, phone_confirmed_at timestamptz, banned_until timestamptz, is_sso_user boolean NOT NULL DEFAULT false,
      deleted_at timestamptz, is_anonymous boolean NOT NULL DEFAULT false);
      CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE is_sso_user = false""",
    "auth.identities": """CREATE TABLE auth.identities (
      id uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(), provider_id text NOT NULL, user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      identity_data jsonb NOT NULL, provider text NOT NULL, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
      UNIQUE (provider_id, provider));
      CREATE INDEX identities_user_id_idx ON auth.identities (user_id)""",
}
_CLAIM = """CREATE FUNCTION auth.{name}() RETURNS {type} LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('request.jwt.claim.{claim}', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> '{claim}')::{type} $$"""
_FUNCTIONS = {
    "auth.uid()": _CLAIM.format(name="uid", type="uuid", claim="sub"),
    "auth.role()": _CLAIM.format(name="role", type="text", claim="role"),
    "auth.email()": _CLAIM.format(name="email", type="text", claim="email"),
    "auth.jwt()": "CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb $$",
}
_EXTENSIONS = ("pgcrypto", "uuid-ossp")


def missing(database: Database) -> dict[str, str]:
    """What is not there -> the SQL that makes it, in order. On a Supabase project there is nothing missing."""
    there = {name for (name,) in database.run("SELECT rolname FROM pg_catalog.pg_roles")}
    wanted = {f"role {name}": f"CREATE ROLE {name} {options}" for name, options in ROLES.items() if name not in there}
    if "role authenticator" in wanted:
        wanted["membership of authenticator"] = "GRANT anon, authenticated, service_role TO authenticator"
    able = "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_catalog.pg_roles WHERE rolname = 'anon'"
    if "role anon" in wanted or not database.run(able)[0][0]:
        wanted["membership of the API roles"] = "GRANT anon, authenticated, service_role TO CURRENT_USER"
    for schema in ("auth", "extensions"):
        if not database.run("SELECT to_regnamespace(%s) IS NOT NULL", (schema,))[0][0]:
            wanted[f"schema {schema}"] = f"CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO anon, authenticated, service_role"
    usable = "SELECT count(*) FROM pg_roles r WHERE rolname IN ('anon', 'authenticated', 'service_role') AND has_schema_privilege(r.oid, 'public', 'USAGE')"
    if database.run(usable)[0][0] < 3:
        wanted["usage of schema public"] = "GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role"
    for table, sql in _TABLES.items():
        if not database.run("SELECT to_regclass(%s) IS NOT NULL", (table,))[0][0]:
            wanted[f"table {table}"] = sql
    for function, sql in _FUNCTIONS.items():
        if not database.run("SELECT to_regprocedure(%s) IS NOT NULL", (function,))[0][0]:
            wanted[f"function {function}"] = sql
    return wanted | _missing_publication(database) | _missing_extensions(database)


def _missing_publication(database: Database) -> dict[str, str]:
    there = database.run("SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = 'supabase_realtime')")[0][0]
    return {} if there else {"publication supabase_realtime": "CREATE PUBLICATION supabase_realtime"}


def _missing_extensions(database: Database) -> dict[str, str]:
    sql = "SELECT name FROM pg_catalog.pg_available_extensions WHERE name = ANY(%s) AND installed_version IS NULL ORDER BY name"
    return {f"extension {name}": f'CREATE EXTENSION "{name}" WITH SCHEMA extensions' for (name,) in database.run(sql, (list(_EXTENSIONS),))}


def make(database: Database, wanted: dict[str, str]) -> None:
    """All or nothing."""
    if wanted:
        database.run(f"BEGIN; {'; '.join(wanted.values())}; COMMIT")

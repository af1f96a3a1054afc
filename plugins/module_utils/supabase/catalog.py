# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database's catalogue says of its schema, one line per fact: the diff of a migration is the diff of these lines."""

from __future__ import annotations

from dataclasses import dataclass

from .database import Database

# Made and changed by Supabase itself. What migrations do there (triggers on auth.users) is listed all the same.
MANAGED = (
    "auth", "storage", "realtime", "_realtime", "vault", "graphql", "graphql_public", "extensions", "net", "cron", "pgsodium", "pgsodium_masks",
    "pgbouncer", "pgmq", "supabase_functions", "supabase_migrations", "_analytics", "_supavisor", "pgtle", "repack", "tiger", "tiger_data", "topology",
)  # fmt: skip

# The platform's own; see store.py.
PLATFORM = "quetrex_platform"


@dataclass(frozen=True)
class Scope:
    """Schemas left out of a snapshot, besides PostgreSQL's own."""

    excluded: tuple[str, ...] = ("supabase_migrations", PLATFORM)


# What belongs to the application alone, and is the same wherever its migrations ran.
APPLICATION = Scope((*MANAGED, PLATFORM))


_SNAPSHOT = r"""
WITH spaces AS (
  SELECT oid, nspname, nspacl, nspowner FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT nspname = ANY(%(excluded)s)
), relations AS (
  SELECT c.oid, c.relkind, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, format('%%I.%%I', s.nspname, c.relname) AS name
  FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype = 'e')
), routines AS (
  SELECT p.*, format('%%I.%%I(%%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
  FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
), grants AS (
  SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END || name AS object,
    (aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner)))).* FROM relations
  UNION ALL
  SELECT 'column ' || r.name || '.' || quote_ident(a.attname), (aclexplode(a.attacl)).* FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
  UNION ALL
  SELECT 'function ' || name, (aclexplode(coalesce(proacl, acldefault('f', proowner)))).* FROM routines
  UNION ALL
  SELECT 'schema ' || quote_ident(nspname), (aclexplode(coalesce(nspacl, acldefault('n', nspowner)))).* FROM spaces
  UNION ALL
  SELECT 'default of ' || d.defaclrole::regrole || coalesce(' in schema ' || quote_ident(n.nspname), '') || CASE d.defaclobjtype WHEN 'r' THEN ' tables'
    WHEN 'S' THEN ' sequences'
      WHEN 'f' THEN ' functions' WHEN 'T' THEN ' types' ELSE ' schemas' END, (aclexplode(d.defaclacl)).*
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
), lines AS (
  SELECT format('schema %%I owner %%s', nspname, nspowner::regrole) AS line FROM spaces
  UNION ALL SELECT format('extension %%I in schema %%s', extname, extnamespace::regnamespace) FROM pg_extension
  UNION ALL
  SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END
    || name
    || ' owner ' || relowner::regrole || CASE WHEN relkind IN ('r', 'p') THEN CASE
      WHEN relrowsecurity THEN ' row security on' ELSE ' row security OFF' END ELSE '' END
    || CASE WHEN relforcerowsecurity THEN ' forced' ELSE '' END || coalesce(' with ' || array_to_string(reloptions, ', '), '')
    || CASE WHEN relkind IN ('v', 'm') THEN ' as ' || pg_get_viewdef(oid) ELSE '' END FROM relations
  UNION ALL
  SELECT format('column %%s.%%I %%s', r.name, a.attname, format_type(a.atttypid, a.atttypmod)) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    || CASE a.attidentity WHEN '' THEN '' ELSE ' identity' END
    || coalesce(CASE WHEN a.attgenerated <> '' THEN ' generated ' ELSE ' default ' END || pg_get_expr(d.adbin, d.adrelid), '')
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid
    AND d.adnum = a.attnum
  WHERE r.relkind IN ('r', 'p', 'f')
  UNION ALL
  SELECT format('constraint %%s.%%I %%s', r.name, c.conname, pg_get_constraintdef(c.oid)) || CASE WHEN c.convalidated THEN '' ELSE ' (not validated)' END
  FROM pg_constraint c JOIN relations r ON r.oid = c.conrelid WHERE c.contype IN ('c', 'f', 'p', 'u', 'x')
  UNION ALL
  SELECT format('index %%s', pg_get_indexdef(i.indexrelid)) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END FROM pg_index i
    JOIN relations r ON r.oid = i.indrelid
  UNION ALL
  SELECT format('policy %%s.%%I %%s for %%s to %%s', r.name, p.polname, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
      CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
      (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', ' ORDER BY role) FROM unnest(p.polroles) AS role))
    || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '') || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
  FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
  UNION ALL
  SELECT format('trigger %%s.%%I.%%I %%s', n.nspname, c.relname, t.tgname, pg_get_triggerdef(t.oid)) || CASE t.tgenabled WHEN 'D' THEN ' DISABLED' ELSE '' END
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
  UNION ALL
  SELECT format('function %%s returns %%s language %%s%%s %%s%%s body %%s', p.name, pg_get_function_result(p.oid), l.lanname, CASE
    WHEN p.prosecdef THEN ' security definer' ELSE '' END,
      CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END, coalesce(' set ' || array_to_string(p.proconfig, ', '), ''),
      md5(coalesce(p.prosrc, '') || coalesce(pg_get_function_sqlbody(p.oid), '')))
  FROM routines p JOIN pg_language l ON l.oid = p.prolang
  UNION ALL
  SELECT format('type %%I.%%I enum (%%s)', s.nspname, t.typname, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
  FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY s.nspname, t.typname
  UNION ALL
  SELECT format('domain %%I.%%I as %%s', s.nspname, t.typname, format_type(t.typbasetype, t.typtypmod)) FROM pg_type t
    JOIN spaces s ON s.oid = t.typnamespace WHERE t.typtype = 'd'
  UNION ALL SELECT format('publication %%I%%s', pubname, CASE WHEN puballtables THEN ' for all tables' ELSE '' END) FROM pg_publication
  UNION ALL SELECT format('publication %%I table %%I.%%I', pubname, schemaname, tablename) FROM pg_publication_tables
  UNION ALL SELECT format('event trigger %%I on %%s', evtname, evtevent) FROM pg_event_trigger
  UNION ALL
  SELECT format('grant %%s to %%s: %%s', object, CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, string_agg(privilege_type,
    ', ' ORDER BY privilege_type))
  FROM grants GROUP BY object, grantee
)
SELECT line FROM lines ORDER BY line COLLATE "C"
"""


def snapshot(database: Database, scope: Scope) -> list[str]:
    """Every fact of the catalogue within scope, sorted. Names are qualified, whatever the session's search_path."""
    database.run("SET LOCAL search_path = pg_catalog")
    lines = [str(line) for (line,) in database.run(_SNAPSHOT, {"excluded": list(scope.excluded)})]
    database.run("SET LOCAL search_path TO DEFAULT")
    return lines


def difference(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """The lines only before has, and the lines only after has."""
    old, new = set(before), set(after)
    return sorted(old - new), sorted(new - old)

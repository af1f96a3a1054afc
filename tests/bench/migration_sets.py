# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - the texts are this file's own
"""Migration folders of the size of public projects' (1, 10, 50, 200 files) through supabase_schema, psql and the Supabase CLI. JSON to results/.

`python tests/bench/migration_sets.py [--sizes 1,10,50,200] [--runs 5] [--peers FOLDER]`; FOLDER as for supabase_schema.py, without it the CLI is left out.

The files hold what such projects' files hold: tables, enums, functions and triggers, policies, views, indexes, grants, a DO block, a seed. What each tool
made is compared with psql's catalogue, line for line. psql is one process that runs each file in a transaction with its ledger row. `ours` is the module's
code in a process of its own, and `start` what such a process takes that only imports what the module imports, which is no work on the database; psql's
own start is left in. `ratio` is (ours - start) to psql.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import supabase_schema as base  # type: ignore[import-not-found]  # a bench is no package

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import catalog
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from lab.supabase.cluster import Cluster

RESULT = Path(__file__).parent / "results" / "migration_sets.json"
START = """
import psycopg2, dataclasses, contextlib, re, pathlib, hashlib
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import database, schema
"""


class Set(base.Bench):  # type: ignore[misc]
    """One folder of migrations."""

    @staticmethod
    def _text(n: int) -> str:
        return f"""-- number {n}: what people write, don't they
CREATE TYPE public.state_{n} AS ENUM ('new', 'done; really', 'gone');
CREATE TABLE public.item_{n} (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
  state public.state_{n} NOT NULL DEFAULT 'new', title text NOT NULL CHECK (char_length(title) < 200), made_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX item_{n}_owner ON public.item_{n} (owner);
ALTER TABLE public.item_{n} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.item_{n} FOR ALL TO authenticated USING ((SELECT auth.uid()) = owner) WITH CHECK ((SELECT auth.uid()) = owner);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.item_{n} TO authenticated;
CREATE FUNCTION public.touch_{n}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $fn$
BEGIN
  IF new.title IS DISTINCT FROM old.title THEN new.made_at := now(); END IF;
  RETURN new;
END
$fn$;
CREATE TRIGGER touch BEFORE UPDATE ON public.item_{n} FOR EACH ROW EXECUTE FUNCTION public.touch_{n}();
CREATE VIEW public.open_{n} WITH (security_invoker = on) AS SELECT id, title FROM public.item_{n} WHERE state <> 'gone';
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nobody_{n}') THEN PERFORM 1; END IF;
END $$;
CREATE TABLE public.kind_{n} (id int PRIMARY KEY, name text);
ALTER TABLE public.kind_{n} ENABLE ROW LEVEL SECURITY;
INSERT INTO public.kind_{n} VALUES {", ".join(f"({row}, 'kind {row}; it''s')" for row in range(50))};
COMMENT ON TABLE public.item_{n} IS 'number {n}';
"""

    def lines(self, database: str) -> list[str]:
        """What is there, without the ledger."""
        with Database(Target(host="127.0.0.1", port=self.cluster.port, database=database, sslmode="disable")) as session, session.transaction() as inside:
            return catalog.snapshot(inside, catalog.Scope())

    def start(self) -> str:
        return str(self.run([sys.executable, "-c", START]))


def measure(one: Set, runs: int) -> dict[str, Any]:
    """Medians of seconds per tool, in turns, so that a busy moment meets all of them; and whether each made what psql made."""
    tools: dict[str, Callable[[str], object]] = {"psql": one.apply_psql, "ours": one.apply_ours}
    tools |= {f"supabase_cli_{version}": one.push(program) for version, program in one.clis.items()}
    seconds: dict[str, list[float]] = {name: [] for name in (*tools, "start")}
    same = dict.fromkeys(tools, True)
    for _run in range(runs):
        seconds["start"].append(base.seconds(one.start))
        made: dict[str, list[str]] = {}
        for name, apply in tools.items():
            database = one.database()
            seconds[name].append(base.seconds(lambda: apply(database)))  # noqa: B023 - called at once
            made[name] = one.lines(database)
            one.cluster.execute(f"DROP DATABASE {database}", user="supabase_admin", database="template1")
        same = {name: same[name] and made[name] == made["psql"] for name in tools}
    medians = {name: round(statistics.median(times), 3) for name, times in seconds.items()}
    ratio = (medians["ours"] - medians["start"]) / medians["psql"]
    return {"seconds": medians, "catalogue_lines": len(made["psql"]), "same_catalogue_as_psql": same, "ratio": round(ratio, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,10,50,200")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    result: dict[str, Any] = {"runs": given.runs, "cores": os.cpu_count(), "load": [round(item, 1) for item in os.getloadavg()], "sets": {}}
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        folder = Path(scratch)
        with Cluster(folder / "db", port=base.free_port(), listen="127.0.0.1", settings=base.certificate(folder)) as cluster:
            for size in (int(item) for item in given.sizes.split(",")):
                result["sets"][str(size)] = measure(Set(cluster, folder / str(size), size, given.peers), given.runs)
    result["median_ratio"] = round(statistics.median(item["ratio"] for item in result["sets"].values()), 3)
    text = json.dumps(result, indent=2)
    print(text)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()

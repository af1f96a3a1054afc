# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - the texts are this file's own
"""Migration folders of the size of public projects' (1, 10, 50, 200 files) through supabase_schema, psql and the Supabase CLI. JSON to results/.

`python tests/bench/migration_sets.py [--sizes 1,10,50,200] [--rounds 7] [--no-cli]`

The files hold what such projects' files hold: tables, enums, functions and triggers, policies, views, indexes, grants, a DO block, a seed. What each tool
made is compared with psql's catalogue, line for line. psql is one process that runs each file in a transaction with its ledger row.

A round measures every tool, each on databases of its own, in another order each time, so that a busy moment meets all of them; a small set is applied
several times per measurement. `wall` is seconds, `cpu` seconds of processor time of client and server together, which other work on the machine changes
little. `work` is what the module does, from before it connects to its end, and `process` the whole process, of which the start of Python and of what the
module imports is most; `psql` and the CLI are whole processes. `ratio` is to psql in the same round; all figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import supabase_schema as base  # type: ignore[import-not-found]  # a bench is no package

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import catalog
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from lab.process import until
from lab.supabase import cli
from lab.supabase.cluster import Cluster

RESULT = Path(__file__).parent / "results" / "migration_sets.json"
# Files in one measurement of the smallest sets: processor time is counted in hundredths of a second.
ENOUGH = 8
OURS = f"""
import json, time
{base.OURS.strip().replace("report = Report()", "began = time.perf_counter(), time.process_time(); report = Report()")}
print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1], time.process_time()]))
"""


@dataclass(frozen=True)
class Cost:
    """Seconds: on the clock, and of processors."""

    wall: float
    cpu: float


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

    def server(self) -> float:
        """Processor time of the server and of all sessions that have ended."""
        fields = Path(f"/proc/{self.postmaster}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    @property
    def postmaster(self) -> int:
        return int((self.cluster.path / "postmaster.pid").read_text().split()[0])

    def sessions(self) -> set[str]:
        return set(Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text().split())

    def cost(self, apply: Callable[[str], object], databases: list[str]) -> tuple[Cost, list[str]]:
        """What one application costs, and what the applications said."""
        idle = self.sessions()
        server, client, began = self.server(), _children(), time.perf_counter()
        said = [str(apply(database)) for database in databases]
        wall, client = time.perf_counter() - began, _children() - client
        if not until(lambda: self.sessions() <= idle, 30, step=0.01):
            raise RuntimeError("a session has not ended")
        number = len(databases)
        return Cost(wall / number, (client + self.server() - server) / number), said

    def work(self, whole: Cost, said: list[str]) -> Cost:
        """Of a whole process of ours, what it does itself says that it took; the server's part is the same."""
        inside = [json.loads(text.strip().splitlines()[-1]) for text in said]
        wall, cpu = (statistics.mean(item[at] for item in inside) for at in (0, 1))
        return Cost(wall, cpu + whole.cpu - self.client_cpu(said))

    @staticmethod
    def client_cpu(said: list[str]) -> float:
        return float(statistics.mean(json.loads(text.strip().splitlines()[-1])[2] for text in said))

    def apply_measured(self, database: str) -> str:
        return str(self.run([sys.executable, "-c", OURS, str(self.cluster.port), database, str(self.ours), "applied"]))


def _children() -> float:
    """Processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(one: Set, rounds: int, clis: dict[str, Path]) -> dict[str, Any]:
    """Medians per tool, ratios to psql, and whether each made what psql made."""
    tools: dict[str, Callable[[str], object]] = {"psql": one.apply_psql, "process": one.apply_measured}
    tools |= {f"supabase_cli_{version}": one.push(program) for version, program in clis.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in (*tools, "work")}
    same = dict.fromkeys(tools, True)
    lines = 0
    for number in range(rounds):
        names = list(tools)
        made: dict[str, list[str]] = {}
        for name in names[number % len(names) :] + names[: number % len(names)]:
            databases = [one.database() for _time in range(max(1, ENOUGH // one.count) if not name.startswith("supabase") else 1)]
            cost, said = one.cost(tools[name], databases)
            costs[name].append(cost)
            if name == "process":
                costs["work"].append(one.work(cost, said))
            made[name] = one.lines(databases[-1])
            for database in databases:
                one.cluster.execute(f"DROP DATABASE {database}", user="supabase_admin", database="template1")
        same = {name: same[name] and made[name] == made["psql"] for name in tools}
        lines = len(made["psql"])
    medians = {name: {kind: round(statistics.median(getattr(cost, kind) for cost in found), 3) for kind in ("wall", "cpu")} for name, found in costs.items()}
    ratios = {
        name: {
            kind: round(statistics.median(getattr(ours, kind) / getattr(psql, kind) for ours, psql in zip(found, costs["psql"], strict=True)), 3)
            for kind in ("wall", "cpu")
        }
        for name, found in costs.items()
        if name != "psql"
    }
    return {"seconds": medians, "ratio": ratios, "catalogue_lines": lines, "same_catalogue_as_psql": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,10,50,200")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-cli", action="store_true")
    given = parser.parse_args()
    clis = {} if given.no_cli else {version: cli.install(version) for version in cli.VERSIONS}
    result: dict[str, Any] = {"rounds": given.rounds, "cores": os.cpu_count(), "load": [round(item, 1) for item in os.getloadavg()], "sets": {}}
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        folder = Path(scratch)
        settings = {"autovacuum": "off", **base.certificate(folder)}
        with Cluster(folder / "db", port=base.free_port(), listen="127.0.0.1", settings=settings) as cluster:
            for size in (int(item) for item in given.sizes.split(",")):
                result["sets"][str(size)] = measure(Set(cluster, folder / str(size), size, None), given.rounds, clis)
    result["largest_ratio_of_work"] = {kind: max(item["ratio"]["work"][kind] for item in result["sets"].values()) for kind in ("wall", "cpu")}
    result["load_at_the_end"] = [round(item, 1) for item in os.getloadavg()]
    text = json.dumps(result, indent=2)
    print(text)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()

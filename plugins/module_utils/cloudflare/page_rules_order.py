# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which page rules are written. Pure.

Each write is in force at once. A rule that keeps something out of the cache is therefore never missing, or below one that caches,
between two states in which it is not: nobody's answer may be cached because a run is half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Pairs = set[tuple[str, str]]
# Where a harmless order exists it is mostly the first one tried; where none does, this ends the search.
LOOKS = 5000


def bypasses(rule: Json) -> bool:
    """Whether a rule keeps answers out of the cache."""
    return bool(rule["status"] == "active" and rule["actions"].get("cache_level") == "bypass")


def caches(rule: Json) -> bool:
    """Whether a rule puts answers into the cache that would not be there without it."""
    wide = rule["actions"].get("cache_level") == "cache_everything" or "edge_cache_ttl" in rule["actions"]
    return bool(rule["status"] == "active" and wide and not bypasses(rule))


def exposed(rules: list[Json], protected: set[str]) -> Pairs:
    """Protected targets with each caching rule that could reach them: it stands above the bypass, or there is none."""
    found: Pairs = set()
    above: set[str] = set()
    left = set(protected)
    for rule in rules:
        if caches(rule):
            above.add(rule["target"])
        elif bypasses(rule) and rule["target"] in left:
            left.remove(rule["target"])
            found |= {(rule["target"], other) for other in above}
    return found | {(target, other) for target in left for other in above}


def options(rules: list[Json], job: Json, placed: list[Json], done: set[str]) -> Iterator[tuple[list[Json], int]]:
    """The states one write can lead to, with the priority that does it: right above what is settled below it, or right below what is above."""
    rest = [rule for rule in rules if rule["key"] != job["key"]]
    at = [rule["key"] for rule in placed].index(job["key"])
    where = {rule["key"]: index for index, rule in enumerate(rest)}
    lower = next((where[rule["key"]] for rule in placed[at + 1 :] if rule["key"] in done), len(rest))
    higher = next((where[rule["key"]] + 1 for rule in reversed(placed[:at]) if rule["key"] in done), 0)
    for index in dict.fromkeys((lower, higher)):
        yield [*rest[:index], job, *rest[index:]], len(rest) + 1 - index


def arrange(current: list[Json], placed: list[Json], obsolete: list[Json], fixed: set[str]) -> list[tuple[Json, int]]:
    """Rules to write with their priority, and rules to delete with 0, in a harmless order; where there is none, the least writes all the same."""
    state = [{**rule, "key": rule["id"]} for rule in current]
    goal = [{**rule, "key": rule["id"] or f"new-{index}"} for index, rule in enumerate(placed)]
    jobs = Jobs(state, goal, {rule["id"] for rule in obsolete})
    left = [*(rule for rule in state if rule["key"] in jobs.doomed), *(rule for rule in reversed(goal) if rule["key"] not in fixed)]
    return jobs.harmless(state, left, set(fixed)) or jobs.any(state, left, set(fixed))


class Jobs:
    """What is to be done to page rules, one write after another."""

    def __init__(self, state: list[Json], goal: list[Json], doomed: set[str]) -> None:
        """Remember where it starts, where it leads, and which identifiers go."""
        self.goal, self.doomed = goal, doomed
        self.protected = {rule["target"] for rule in [*state, *goal] if bypasses(rule)}
        self.allowed = exposed(state, self.protected) | exposed(goal, self.protected)
        self.looks = LOOKS
        self.dead: set[tuple[str, ...]] = set()

    def moves(self, state: list[Json], job: Json, done: set[str]) -> list[tuple[list[Json], int]]:
        """What one job can lead to."""
        if job["key"] in self.doomed:
            return [([rule for rule in state if rule["key"] != job["key"]], 0)]
        return list(options(state, job, self.goal, done))

    def harmless(self, state: list[Json], jobs: list[Json], done: set[str]) -> list[tuple[Json, int]] | None:
        """An order in which nothing is exposed on the way; None when there is none, or none was found in `LOOKS` looks."""
        if not jobs:
            return []
        known = (*(rule["key"] for rule in state), "", *sorted(done))
        if known in self.dead:
            return None
        for job in jobs:
            for after, priority in self.moves(state, job, done):
                self.looks -= 1
                if self.looks < 0 or not exposed(after, self.protected) <= self.allowed:
                    continue
                rest = self.harmless(after, [other for other in jobs if other is not job], done | {job["key"]})
                if rest is not None:
                    return [(job, priority), *rest]
        self.dead.add(known)
        return None

    def any(self, state: list[Json], jobs: list[Json], done: set[str]) -> list[tuple[Json, int]]:
        """One write per job, whatever is exposed on the way."""
        steps: list[tuple[Json, int]] = []
        for job in jobs:
            state, priority = self.moves(state, job, done)[0]
            steps.append((job, priority))
            done = done | {job["key"]}
        return steps

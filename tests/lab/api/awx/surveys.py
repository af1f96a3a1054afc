# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surveys: what AWX refuses of their questions, and which variables a launch makes of their answers."""

from __future__ import annotations

from typing import Any

from .rules import Refusal

Question = dict[str, Any]
TYPES: dict[str, Any] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": (str, list),
    "integer": int,
    "float": (float, int),
}
TEXTS = ("text", "textarea", "password")
CHOSEN = ("multiplechoice", "multiselect")


def check(spec: dict[str, Any]) -> None:
    """AWX's checks of a survey, in its order; raises on the first objection."""
    for name, wanted, label in (("name", str, "string"), ("description", str, "string"), ("spec", list, "list of items")):
        if name not in spec:
            raise Refusal({"error": f"Field '{name}' is missing from survey spec."})
        if not isinstance(spec[name], wanted):
            raise Refusal({"error": f"Expected {label} for field '{name}', received {type(spec[name]).__name__} type."})
    if not spec["spec"]:
        raise Refusal({"error": "'spec' doesn't contain any items."})
    seen: set[str] = set()
    for position, question in enumerate(spec["spec"]):
        _question(question, position, seen)
        seen.add(question["variable"])


def _question(question: Any, position: int, seen: set[str]) -> None:
    if not isinstance(question, dict):
        raise Refusal({"error": f"Survey question {position} is not a json object."})
    for name in ("type", "question_name", "variable", "required"):
        if name not in question:
            raise Refusal({"error": f"'{name}' missing from survey question {position}"})
        wanted, label = (bool, "boolean") if name == "required" else (str, "string")
        if not isinstance(question[name], wanted):
            raise Refusal({"error": f"'{name}' in survey question {position} expected to be {label}."})
    if question["variable"] in seen:
        raise Refusal({"error": f"'variable' '{question['variable']}' duplicated in survey question {position}."})
    if question["type"] not in TYPES:
        raise Refusal({"error": f"'{question['type']}' in survey question {position} is not one of '{', '.join(TYPES)}' allowed question types."})
    _default(question, position)
    for bound in ("min", "max"):
        if question.get(bound) is not None and not isinstance(question[bound], int):
            raise Refusal({"error": f"The {bound} limit in survey question {position} expected to be integer."})
    if question["type"] in CHOSEN:
        _choices(question, position)


def _default(question: Question, position: int) -> None:
    default = question.get("default", "")
    if default != "" and not isinstance(default, TYPES[question["type"]]):
        label = question["type"] if question["type"] in ("integer", "float") else "string"
        raise Refusal({"error": f"Default value {default} in survey question {position} expected to be {label}."})


def _choices(question: Question, position: int) -> None:
    """Choices that are an empty list or text are accepted."""
    if "choices" not in question:
        raise Refusal({"error": f"Survey question {position} of type {question['type']} must specify choices."})
    default = question.get("default", "")
    defaults = [one for one in default.splitlines() if one.strip()] if isinstance(default, str) else default
    if question["type"] == "multiplechoice" and len(defaults) > 1:
        raise Refusal({"error": "Multiple Choice (Single Select) can only have one default value."})
    if any(one not in question["choices"] for one in defaults):
        raise Refusal({"error": "Default choice must be answered from the choices listed."})


def defaults(questions: list[Question]) -> dict[str, Any]:
    """What a job gets without answers: every default that is not null, an empty one too."""
    return {one["variable"]: one["default"] for one in questions if one.get("default") is not None}


def objections(questions: list[Question], answers: dict[str, Any]) -> list[str]:
    """What is wrong with the answers to a survey."""
    return [found for one in questions for found in _answer(one, answers)]


def _answer(question: Question, answers: dict[str, Any]) -> list[str]:
    variable = question["variable"]
    if variable not in answers:
        return [f"'{variable}' value missing"] if question["required"] else []
    value, kind = answers[variable], question["type"]
    if kind in TEXTS:
        if not isinstance(value, str):
            return [f"Value {value} for '{variable}' expected to be a string."]
        return _bounds(question, value, len(value), text=True)
    if kind in ("integer", "float"):
        if isinstance(value, bool) or not isinstance(value, TYPES[kind]):
            return [f"Value {value} for '{variable}' expected to be {'an integer' if kind == 'integer' else 'a numeric type'}."]
        return _bounds(question, value, value, text=False)
    choices = question["choices"].splitlines() if isinstance(question["choices"], str) else list(question["choices"])
    if kind == "multiselect" and not isinstance(value, list):
        return [f"'{variable}' value is expected to be a list."]
    chosen = value if kind == "multiselect" else [value]
    return [f"Value {one} for '{variable}' expected to be one of {choices}." for one in chosen if one not in choices]


def _bounds(question: Question, value: Any, size: float, *, text: bool) -> list[str]:
    least, most, variable = question.get("min"), question.get("max"), question["variable"]
    if least not in ("", None) and size < int(least):
        reason = f"length is {size} must be at least {least}" if text else f"must be at least {least}"
        return [f"'{variable}' value {value} is too small ({reason})."]
    if most not in ("", None) and size > int(most):
        return [f"'{variable}' value {value} is too large (must be no more than {most})."]
    return []

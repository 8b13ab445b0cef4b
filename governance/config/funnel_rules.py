"""What a funnel may not say, though each of its keys is right on its own."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from difflib import get_close_matches

from governance.config.kinds import Broken
from governance.config.model import FUNNEL_FIELDS, Exclusion, Feature, Funnel, Step
from governance.config.source_text import Path_

# The names end up in JSON paths of SQL: no quotes, no control characters.
PROPERTY = re.compile(r"properties(?:\.[^\s.'\"\\]+(?: [^\s.'\"\\]+)*)+")
WHOLE = "all"  # the segment set of everybody
LONGEST = timedelta(days=3660)


def funnel_rules(path: Path_, funnel: Funnel, dimensions: Collection[str]) -> Broken:
    """Every rule the funnel at ``path`` breaks; ``dimensions``: the configured ones' names."""
    if funnel.window > LONGEST:
        yield (*path, "window"), "is longer than ten years.", "Write at most 3660d."
    yield from _exclusions(path, funnel)
    yield from _breakdowns(path, funnel)
    yield from _fields(path, funnel, dimensions)


def _exclusions(path: Path_, funnel: Funnel) -> Broken:
    steps = len(funnel.steps)
    for j, exclusion in enumerate(funnel.exclusions):
        here = (*path, "exclusions", j)
        for key, number in (("after", exclusion.after), ("before", exclusion.before)):
            if number > steps:
                yield (*here, key), f"there is no step {number}.", f"The funnel has {steps} steps."
        if exclusion.after >= exclusion.before:
            yield (*here, "before"), "must be a later step than after.", "Steps are counted from 1."
        elif (number := _excluded_step(funnel, exclusion)) is not None:
            what = f"{exclusion.event!r} is what step {number} between them asks for."
            yield here, what, "Every entry would be void: exclude another event, or narrow where."


def _excluded_step(funnel: Funnel, exclusion: Exclusion) -> int | None:
    """The step between the two whose every event is excluded; in mode any steps have no place."""
    if funnel.mode == "any":
        return None
    between = enumerate(funnel.steps[exclusion.after : exclusion.before - 1], exclusion.after + 1)
    return next((number for number, step in between if _covers(exclusion, step)), None)


def _covers(exclusion: Exclusion, step: Step) -> bool:
    """Whether each event of the step is one of the exclusion."""
    return exclusion.event == step.event and exclusion.where.items() <= step.where.items()


def _breakdowns(path: Path_, funnel: Funnel) -> Broken:
    for j, name in enumerate(funnel.breakdowns):
        if name in funnel.breakdowns[:j]:
            yield (*path, "breakdowns", j), f"{name!r} is named twice.", "Name it once."


def _fields(path: Path_, funnel: Funnel, dimensions: Collection[str]) -> Broken:
    named: Named = [((*path, "breakdowns", j), name) for j, name in enumerate(funnel.breakdowns)]
    for section, parts in (("steps", funnel.steps), ("exclusions", funnel.exclusions)):
        for j, part in enumerate(parts):
            named += filtered((*path, section, j), part)
    yield from unknown_fields(named, dimensions)


Named = list[tuple[Path_, str]]


def filtered(path: Path_, part: Step | Exclusion | Feature) -> Named:
    """The fields the filter at ``path`` names, each at its place."""
    return [((*path, "where", name), name) for name in part.where]


def unknown_fields(named: Named, dimensions: Collection[str]) -> Broken:
    """Every field a filter or a breakdown names must exist, or dbt would stop with an SQL error."""
    for here, name in named:
        if name not in FUNNEL_FIELDS and name not in dimensions and not PROPERTY.fullmatch(name):
            yield here, f"{name!r} is not a field of events.", _hint(name, dimensions)


def _hint(name: str, dimensions: Collection[str]) -> str:
    if name.startswith("properties."):
        return "The names of properties here are without quotes and backslashes."
    close = get_close_matches(name, [*FUNNEL_FIELDS, *dimensions], 1)
    return f"Did you mean {close[0]!r}?" if close else f"For a property write properties.{name}."

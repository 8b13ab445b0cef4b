"""The rules between keys, checked once each key is right on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from governance.config.model import FUNNEL_FIELDS, Config, Funnel, is_address
from governance.config.source_text import Document, Fault, Path_, dotted


def broken_rules(config: Config, document: Document, root: Path) -> list[Fault]:
    """Every rule the configuration of the home at ``root`` breaks, each at its line."""
    found = [*_sources(config, root), *_funnels(config), *_references(config)]
    return [Fault(document.line(path), dotted(path), what, fix) for path, what, fix in found]


_Broken = Iterator[tuple[Path_, str, str]]

# The names end up in JSON paths of SQL: no quotes, no control characters.
_PROPERTY = re.compile(r"properties(?:\.[^\s.'\"\\]+(?: [^\s.'\"\\]+)*)+")


def _sources(config: Config, root: Path) -> _Broken:
    yield from _repeated("sources", [source.name for source in config.sources])
    for i, source in enumerate(config.sources):
        if _escapes(source.path):
            yield ("sources", i, "path"), *_ESCAPES
        begin, end = source.occurred_from, source.occurred_until
        if begin and end and begin >= end:
            why = "Nothing could have occurred in between."
            yield ("sources", i, "occurred_until"), "is not after occurred_from.", why
        for other in config.sources[:i]:
            if _overlap(_resolved(source.path, root), _resolved(other.path, root)):
                what = f"reads the same files as source {other.name!r}."
                yield ("sources", i, "path"), what, "Every event would count twice: part them."


def _funnels(config: Config) -> _Broken:
    yield from _repeated("funnels", [funnel.name for funnel in config.funnels])
    for i, funnel in enumerate(config.funnels):
        yield from _exclusions(("funnels", i), funnel)
        yield from _fields(("funnels", i), funnel)


def _exclusions(path: Path_, funnel: Funnel) -> _Broken:
    steps = len(funnel.steps)
    for j, exclusion in enumerate(funnel.exclusions):
        here = (*path, "exclusions", j)
        for key, number in (("after", exclusion.after), ("before", exclusion.before)):
            if number > steps:
                yield (*here, key), f"there is no step {number}.", f"The funnel has {steps} steps."
        if exclusion.after >= exclusion.before:
            yield (*here, "before"), "must be a later step than after.", "Steps are counted from 1."


def _fields(path: Path_, funnel: Funnel) -> _Broken:
    """Every field a filter or a breakdown names must exist, or dbt would stop with an SQL error."""
    named = [((*path, "breakdowns", j), name) for j, name in enumerate(funnel.breakdowns)]
    for section, parts in (("steps", funnel.steps), ("exclusions", funnel.exclusions)):
        named += [
            ((*path, section, j, "where", name), name)
            for j, part in enumerate(parts)
            for name in part.where
        ]
    for here, name in named:
        if name not in FUNNEL_FIELDS and not _PROPERTY.fullmatch(name):
            yield here, f"{name!r} is not a field of events.", _field_hint(name)


def _field_hint(name: str) -> str:
    if name.startswith("properties."):
        return "The names of properties here are without quotes and backslashes."
    close = get_close_matches(name, FUNNEL_FIELDS, 1)
    return f"Did you mean {close[0]!r}?" if close else f"For a property write properties.{name}."


def _references(config: Config) -> _Broken:
    names = [source.name for source in config.sources]
    if config.revenue and config.revenue.source not in names:
        close = get_close_matches(config.revenue.source, names, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Sources are: {', '.join(names)}."
        yield ("revenue", "source"), f"{config.revenue.source!r} is not a source.", hint
    if config.exchange_rates and _escapes(config.exchange_rates):
        yield ("exchange_rates",), *_ESCAPES


_ESCAPES = (
    "leaves the home.",
    "Write a path below the home, an absolute path or an address such as s3://…",
)


def _escapes(path: str) -> bool:
    if is_address(path) or path.startswith("/"):
        return False
    depth = 0
    for part in PurePosixPath(path).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _resolved(path: str, root: Path) -> PurePosixPath:
    """Where a path leads, whatever way it is written."""
    return PurePosixPath(path if is_address(path) else (root / path).resolve().as_posix())


def _overlap(one: PurePosixPath, two: PurePosixPath) -> bool:
    """Whether one folder is the other or lies in it."""
    return one == two or one in two.parents or two in one.parents


def _repeated(section: str, names: list[str]) -> _Broken:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (section, i, "name"), f"{name!r} is used twice.", "Give each its own name."

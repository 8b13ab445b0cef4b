"""The rules between keys, checked once each key is right on its own."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from governance.config.funnel_rules import (
    LONGEST,
    PROPERTY,
    WHOLE,
    filtered,
    funnel_rules,
    unknown_fields,
)
from governance.config.kinds import Broken, kind_rules
from governance.config.model import FUNNEL_FIELDS, Config, Source, is_address
from governance.config.source_text import Document, Fault, Path_, dotted


def broken_rules(config: Config, document: Document, root: Path) -> list[Fault]:
    """Every rule the configuration of the home at ``root`` breaks, each at its line."""
    found = [
        *_sources(config, root),
        *_sessions(config),
        *_dimensions(config),
        *_funnels(config),
        *_features(config),
        *_references(config),
    ]
    return [Fault(document.line(path), dotted(path), what, fix) for path, what, fix in found]


def _sources(config: Config, root: Path) -> Broken:
    yield from _repeated("sources", [source.name for source in config.sources])
    for i, source in enumerate(config.sources):
        if source.path and _escapes(source.path):
            yield ("sources", i, "path"), *_ESCAPES
        yield from kind_rules(("sources", i), source)
        begin, end = source.occurred_from, source.occurred_until
        if begin and end and begin >= end:
            why = "Nothing could have occurred in between."
            yield ("sources", i, "occurred_until"), "is not after occurred_from.", why
        for other in config.sources[:i]:
            if _overlap(_resolved(source.folder, root), _resolved(other.folder, root)):
                what = f"reads the same files as source {other.name!r}."
                yield ("sources", i, "path"), what, "Every event would count twice: part them."


def _sessions(config: Config) -> Broken:
    sessions = config.sessions
    if sessions.timeout > LONGEST:
        yield ("sessions", "timeout"), "is longer than ten years.", "Most write 30m."
    if sessions.max_length is not None and sessions.max_length < sessions.timeout:
        what = "is shorter than the time-out: people who only read would be cut in two."
        yield ("sessions", "max_length"), what, "Write at least the time-out, or leave it out."


def _dimensions(config: Config) -> Broken:
    yield from _repeated("dimensions", [dimension.name for dimension in config.dimensions])
    for i, dimension in enumerate(config.dimensions):
        if dimension.name in (*FUNNEL_FIELDS, WHOLE):
            what = f"{dimension.name!r} stands for something else already."
            yield ("dimensions", i, "name"), what, "Choose another name."
        if not PROPERTY.fullmatch(dimension.from_):
            what = f"{dimension.from_!r} is not a property."
            yield ("dimensions", i, "from"), what, "Write properties.<name>."


def _funnels(config: Config) -> Broken:
    yield from _repeated("funnels", [funnel.name for funnel in config.funnels])
    dimensions = {dimension.name for dimension in config.dimensions}
    for i, funnel in enumerate(config.funnels):
        yield from funnel_rules(("funnels", i), funnel, dimensions)


def _features(config: Config) -> Broken:
    yield from _repeated("features", [feature.name for feature in config.features])
    dimensions = {dimension.name for dimension in config.dimensions}
    for i, feature in enumerate(config.features):
        here: Path_ = ("features", i)
        named = filtered(here, feature)
        if eligible := feature.eligible:
            named += filtered((*here, "eligible"), eligible)
            if (eligible.event, eligible.where) == (feature.event, feature.where):
                yield (
                    (*here, "eligible"),
                    "is the use itself: everybody would adopt the feature at once.",
                    "Name the event that makes the feature available, or leave eligible out.",
                )
        yield from unknown_fields(named, dimensions)


def _references(config: Config) -> Broken:
    names = [source.name for source in config.sources]
    if config.revenue:
        yield from _revenue(config, names)
    if config.exchange_rates and _escapes(config.exchange_rates):
        yield ("exchange_rates",), *_ESCAPES


def _revenue(config: Config, names: list[str]) -> Broken:
    revenue = config.revenue
    assert revenue is not None
    if (revenue.source is None) == (not revenue.sources):
        yield ("revenue",), "names one source, or several.", "Write {source: NAME}."
    for j, name in enumerate(revenue.names):
        here: Path_ = ("revenue", "sources", j) if revenue.sources else ("revenue", "source")
        if name in names:
            for other in revenue.names[:j]:
                if name != other and not _apart(config.source(name), config.source(other)):
                    yield (
                        here,
                        f"{name!r} and {other!r} would both count the same sales.",
                        "Part them in time: occurred_until on the older one, occurred_from on"
                        " the newer.",
                    )
            continue
        close = get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Sources are: {', '.join(names)}."
        yield here, f"{name!r} is not a source.", hint


def _apart(one: Source, two: Source) -> bool:
    """Whether no moment belongs to both."""
    return any(
        a.occurred_until is not None
        and b.occurred_from is not None
        and a.occurred_until <= b.occurred_from
        for a, b in ((one, two), (two, one))
    )


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


def _repeated(section: str, names: list[str]) -> Broken:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (section, i, "name"), f"{name!r} is used twice.", "Give each its own name."

"""The rules between keys, checked once each key is right on its own."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath

from governance.config.model import Config, Funnel
from governance.config.source_text import Document, Fault, Path_, dotted


def broken_rules(config: Config, document: Document) -> list[Fault]:
    """Every rule the configuration breaks, each at its line."""
    found = [*_sources(config), *_funnels(config), *_references(config)]
    return [Fault(document.line(path), dotted(path), what, fix) for path, what, fix in found]


def is_address(path: str) -> bool:
    """Whether a path is an fsspec address (``s3://…``) and not a folder of this machine."""
    return "://" in path


_Broken = Iterator[tuple[Path_, str, str]]


def _sources(config: Config) -> _Broken:
    yield from _repeated("sources", [source.name for source in config.sources])
    for i, source in enumerate(config.sources):
        if _escapes(source.path):
            yield ("sources", i, "path"), *_ESCAPES
        if source.occurred_from and source.occurred_until:
            if source.occurred_from >= source.occurred_until:
                yield (
                    ("sources", i, "occurred_until"),
                    "is not after occurred_from.",
                    "Nothing could have occurred in between.",
                )


def _funnels(config: Config) -> _Broken:
    yield from _repeated("funnels", [funnel.name for funnel in config.funnels])
    for i, funnel in enumerate(config.funnels):
        yield from _exclusions(("funnels", i), funnel)


def _exclusions(path: Path_, funnel: Funnel) -> _Broken:
    steps = len(funnel.steps)
    for j, exclusion in enumerate(funnel.exclusions):
        here = (*path, "exclusions", j)
        for key, number in (("after", exclusion.after), ("before", exclusion.before)):
            if number > steps:
                yield (*here, key), f"there is no step {number}.", f"The funnel has {steps} steps."
        if exclusion.after >= exclusion.before:
            yield (*here, "before"), "must be a later step than after.", "Steps are counted from 1."


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


def _repeated(section: str, names: list[str]) -> _Broken:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (section, i, "name"), f"{name!r} is used twice.", "Give each its own name."

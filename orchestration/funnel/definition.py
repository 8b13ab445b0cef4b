"""From a name, a text or options to one checked definition."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from governance.config import Config, Funnel, parse_funnel
from governance.config.source_text import read_yaml
from governance.errors import UsageError

_WHERE = re.compile(r"\s+where\s+", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_EXAMPLE = 'throughline funnel --step sign_up --step "paid where properties.plan=pro" --window 7d'


@dataclass(frozen=True, slots=True)
class Typed:
    """A definition by options; None and empty say nothing."""

    steps: Sequence[str] = ()
    window: str | None = None
    mode: str | None = None
    exclusions: Sequence[str] = ()


def declared(config: Config, name: str) -> Funnel:
    """The funnel of that name in ``throughline.yml``.

    Raises:
        UsageError: there is none.
    """
    names = [funnel.name for funnel in config.funnels]
    if name in names:
        return config.funnels[names.index(name)]
    close = get_close_matches(name, names, 1)
    raise UsageError(
        f"There is no funnel {name!r} in throughline.yml.",
        why=f"It declares: {', '.join(names)}." if names else "It declares none.",
        fix=f"throughline funnel {close[0]}" if close else _EXAMPLE,
    )


def from_text(text: str, file: str, config: Config) -> Funnel:
    """A definition as it would stand in ``throughline.yml``; ``file``: what messages call it.

    Raises:
        ConfigError: it is wrong; the message lists file, line, key, what and fix of every fault.
    """
    return parse_funnel(text, file, config)


def from_options(typed: Typed, config: Config) -> Funnel:
    """A definition by options: steps ``EVENT [where FIELD=VALUE [and …]]``, exclusions ``… @ 1-2``.

    Raises:
        UsageError: an option can not be read.
        ConfigError: as ``from_text``.
    """
    exclusions = [_exclusion(text) for text in typed.exclusions]
    given: dict[str, object] = {"steps": [_part(text) for text in typed.steps]}
    if typed.window is not None:
        given["window"] = typed.window
    if typed.mode is not None:
        given["mode"] = typed.mode
    if exclusions:
        given["exclusions"] = exclusions
    return parse_funnel(json.dumps(given), "the options", config)


def _part(text: str) -> dict[str, object]:
    event, *filters = _WHERE.split(text.strip(), maxsplit=1)
    where: dict[str, object] = {}
    for each in _AND.split(filters[0]) if filters else ():
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(
                f"{text!r} can not be read.",
                why=f"{each!r} is not FIELD=VALUE.",
                fix=_EXAMPLE,
            )
        where[name.strip()] = read_yaml(value.strip()).value
    return {"event": event, **({"where": where} if where else {})}


def _exclusion(text: str) -> dict[str, object]:
    what, _, place = text.rpartition("@")
    numbers = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", place)
    if not what or numbers is None:
        raise UsageError(
            f"{text!r} does not say between which steps it excludes.",
            fix='--exclude "cart_emptied @ 2-4" excludes it between steps 2 and 4.',
        )
    return {**_part(what), "after": int(numbers[1]), "before": int(numbers[2])}

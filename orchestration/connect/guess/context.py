"""Where a row was made: page, country and locale; and what else it says, as properties."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.connect import words as w
from orchestration.connect.guess.matching import Matcher
from orchestration.connect.guess.predicates import is_harmless, is_text

MAX_PROPERTIES = 12


def map_place(matcher: Matcher) -> None:
    """The country and the language."""
    matcher.take("country", lambda c: w.has(c.words, w.COUNTRY))
    matcher.take("locale", lambda c: w.has(c.words, w.LOCALE))


def map_page(matcher: Matcher) -> None:
    """The page, where its visitor came from, and the browser."""
    matcher.take("page_url", lambda c: w.has(c.words, w.URL) and is_text(c))
    matcher.take("referrer", lambda c: w.has(c.words, w.REFERRER) and is_text(c))
    matcher.take("user_agent", lambda c: w.has(c.words, w.USER_AGENT) and is_text(c))


def map_properties(matcher: Matcher, besides: Sequence[str]) -> None:
    """What is left and names nobody, as properties: nothing is copied that nobody chose."""
    found: dict[str, str] = {}
    for column in matcher.columns:
        if column.name in matcher.used or column.name in besides or not is_harmless(column):
            continue
        name = "_".join(column.words[-2:] if "." in column.name else column.words)
        found.setdefault(name, column.name)
        if len(found) == MAX_PROPERTIES:
            break
    if found:
        matcher.guess.mapping["properties"] = found

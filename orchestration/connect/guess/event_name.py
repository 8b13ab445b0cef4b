"""How events are called: by a column, or all alike."""

from __future__ import annotations

import re

from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.matching import Matcher
from orchestration.connect.guess.predicates import is_text


def map_event_name(matcher: Matcher, constant: str | None) -> None:
    """The column that names the event, or the name all records share."""

    def text(c: Column) -> bool:
        return w.has(c.words, w.EVENT_NAME) and is_text(c)

    def exact(c: Column) -> bool:
        return text(c) and w.has(c.words, w.EVENT)

    if constant == "identify":
        matcher.guess.mapping["event_name"] = {"value": constant}
    elif not matcher.take("event_name", exact, text) and constant is not None:
        matcher.guess.mapping["event_name"] = {"value": constant}
        note = "no column names the event: choose the name of what a record is"
        matcher.guess.notes["event_name"] = note


def constant_name(matcher: Matcher, name: str) -> str:
    """How records without a name are called: sales, else after the file."""
    order = matcher.guess.mapping.get("order_id")
    if "amount" in matcher.guess.mapping and isinstance(order, str):
        unique = any(c.name == order and c.is_unique for c in matcher.columns)
        return "order_completed" if unique else "order_line"
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "event"

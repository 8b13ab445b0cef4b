"""What a column may hold, by the words of its name and its first values."""

from __future__ import annotations

import re

from orchestration.connect import words as w
from orchestration.connect.columns import Column

EMAIL_SHAPE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


def is_id(column: Column, entity: frozenset[str]) -> bool:
    """``kunden_nr`` of (kunden, nr), or the entity alone where its values are single words."""
    names = column.words
    if not w.has(names, entity) or column.kind in ("time", "boolean", "other"):
        return False
    return w.has(names, w.ID) or (set(names) <= entity and is_word(column))


def is_bare_id(column: Column) -> bool:
    """``id``, ``nr``: an id that does not say of what."""
    return bool(column.words) and set(column.words) <= w.ID


def is_event_id(column: Column) -> bool:
    """An id whose values name the records themselves."""
    bare = is_bare_id(column) or (set(column.words) <= w.ID | w.EVENT_ID | {"body"})
    return bare and w.has(column.words, w.ID) and column.is_unique


def is_word(column: Column) -> bool:
    """Whether no value has a blank in it, as ids have none."""
    return column.kind in ("number", "text", "unknown") and not any(
        " " in str(value).strip() for value in column.samples
    )


def is_text(column: Column) -> bool:
    """Whether its values are texts, or there are none to tell."""
    return column.kind in ("text", "unknown")


def is_mail(column: Column) -> bool:
    """By its values, most of which are addresses; by its name when there are none."""
    if w.has(column.words, w.VERIFIED) or column.kind not in ("text", "unknown"):
        return False
    shaped = [bool(EMAIL_SHAPE.fullmatch(str(value).strip())) for value in column.samples]
    if not shaped:
        return w.has(column.words, w.EMAIL)
    return sum(shaped) > len(shaped) / 2


def is_amount(column: Column) -> bool:
    """Whether it is called an amount of money and holds numbers."""
    shaped = column.kind in ("number", "unknown") or column.has_decimal_comma
    return w.has(column.words, w.AMOUNT) and shaped


def is_currency(column: Column) -> bool:
    """Whether it is called a currency and holds codes of three letters."""
    shaped = all(_CURRENCY.fullmatch(str(value).strip()) for value in column.samples)
    return w.has(column.words, w.CURRENCY) and shaped


def is_harmless(column: Column) -> bool:
    """Whether neither its name nor its values speak of a person."""
    if w.has(column.words, w.PRIVATE | w.EMAIL | w.PHONE) or column.kind in ("other", "unknown"):
        return False
    return not any("@" in str(value) for value in column.samples)

"""Columns of an unknown table: their names, and what the first values say about their kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from orchestration.connect.words import pieces

Kind = Literal["time", "number", "boolean", "text", "other", "unknown"]

_SAMPLES = 200
_DEEPEST = 4
_FORMATS = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y%m%d",
)
# Numbers that are times of this century, by their size.
_EPOCHS = (("s", 8e8, 5e9), ("ms", 8e11, 5e12), ("us", 8e14, 5e15))
_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a dotted path into JSON objects, with its first values (none of them empty)."""

    name: str
    samples: tuple[Any, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return pieces(self.name)

    @property
    def kind(self) -> Kind:
        """What its values are; unknown when there are none."""
        found: set[Kind] = {_kind_of(value) for value in self.samples}
        if not found:
            return "unknown"
        if len(found) == 1:
            return next(iter(found))
        return "text" if found <= {"text", "number", "time", "boolean"} else "other"

    @property
    def texts(self) -> frozenset[str]:
        """Its distinct values as a mapping's ``map`` names them."""
        return frozenset(
            ("true" if value else "false") if isinstance(value, bool) else str(value)
            for value in self.samples
        )

    @property
    def has_decimal_comma(self) -> bool:
        """Whether its values are numbers as much of Europe writes them: ``12,50``."""
        if self.kind not in ("text", "number"):
            return False
        texts = [str(value).strip() for value in self.samples]
        return any("," in text for text in texts) and all(map(_COMMA.fullmatch, texts))

    @property
    def is_unique(self) -> bool:
        """Whether no value stands there twice."""
        return len(self.samples) > 1 and len(set(map(str, self.samples))) == len(self.samples)

    @property
    def time_unit(self) -> str | None:
        """``s``, ``ms`` or ``us`` of numbers that can be times of this century."""
        if self.kind != "number":
            return None
        numbers = [float(value) for value in self.samples]
        for unit, least, most in _EPOCHS:
            if all(least <= number <= most for number in numbers):
                return unit
        return None

    @property
    def time_formats(self) -> tuple[str, ...]:
        """The forms in which all its texts are times; of two, the day may be the month."""
        if self.kind != "text":
            return ()
        return tuple(form for form in _FORMATS if all(_fits(v, form) for v in self.samples))

    @property
    def is_time(self) -> bool:
        """Whether its values can be read as times."""
        if self.kind in ("time", "unknown"):
            return True
        return self.time_unit is not None or bool(self.time_formats)

    @property
    def is_naive(self) -> bool:
        """Whether some of its times name no zone."""
        return any(_is_naive(value) for value in self.samples) and self.time_unit is None


def columns_of(records: Iterable[Mapping[str, Any]], *, nested: bool) -> list[Column]:
    """The columns of the first records in the order they appear.

    Args:
        records: as they are read.
        nested: whether objects in them are taken apart into dotted paths.
    """
    found: dict[str, list[Any]] = {}
    for number, record in enumerate(records):
        if number >= _SAMPLES:
            break
        for name, value in _flat(record, "") if nested else record.items():
            values = found.setdefault(name, [])
            if value is not None and value != "":
                values.append(value)
    return [Column(name, tuple(values)) for name, values in found.items()]


def _flat(record: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path.count(".") < _DEEPEST:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _kind_of(value: object) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, date):
        return "time"
    if not isinstance(value, str):
        return "other"
    text = value.strip()
    if _ISO.match(text):
        with suppress(ValueError):
            datetime.fromisoformat(text)
            return "time"
    if text.lower() in ("true", "false"):
        return "boolean"
    with suppress(InvalidOperation):
        return "number" if Decimal(text).is_finite() else "text"
    return "text"


def _fits(value: object, form: str) -> bool:
    with suppress(ValueError):
        datetime.strptime(str(value).strip(), form)  # noqa: DTZ007 - only its form matters
        return True
    return False


def _is_naive(value: object) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is None
    if isinstance(value, str):
        with suppress(ValueError):
            return datetime.fromisoformat(value.strip()).tzinfo is None
        return True
    return isinstance(value, date)

"""Reading one field of a producer's record as its ``FieldSpec`` says. Nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from governance.config import FieldSpec
from ingestion.money import amount as read_amount
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal

Read = Callable[[JsonObject], object]
Digest = Callable[[bytes], str]

_WITH_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?", re.ASCII)
_PLACE = re.compile(r"\{([^{}]+)\}")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_800  # seconds; the year 10000
# ISO 4217 amounts in minor units are hundredths, except for these.
_NO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG")  # noqa: RUF005 - two lines
    + ("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def paths_of(spec: FieldSpec) -> Iterator[str]:
    """The paths a field names: what must exist in a table."""
    yield from (path for path in spec.sources if path != "*")
    if spec.template:
        yield from _PLACE.findall(spec.template)
    if spec.times:
        yield spec.times


def at(record: object, path: str) -> object:
    """What lies at a dotted path; a column may have dots in its name. None where nothing is."""
    if isinstance(record, dict) and path in record:
        return record[path]
    value = record
    for piece in path.split("."):
        if isinstance(value, dict):
            value = value.get(piece)
        elif isinstance(value, list) and piece.isdecimal() and int(piece) < len(value):
            value = value[int(piece)]
        else:
            return None
    return value


def reader(spec: FieldSpec, digest: Digest) -> Read:
    """The function that reads a field as plain value, before its kind is looked at."""
    read = _origin(spec)
    if spec.map is not None:
        read = _looked_up(read, spec)
    elif spec.default is not None:
        read = _or_default(read, spec.default)
    if spec.hash:
        read = _hashed(read, digest)
    return read


def text(value: object) -> object:
    """Numbers and truth values as text: columns have types of their own. Objects stay."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime | date):
        return plain(value)
    return value


def plain(value: object) -> object:
    """A value as JSON holds it: times as ISO 8601 in UTC, floats with their shortest digits."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, datetime):
        return _stamp(value if value.tzinfo is None else value.astimezone(UTC))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value


def moment(spec: FieldSpec, value: object, pointer: str) -> str | None:
    """A time as ISO 8601 text in UTC.

    Raises:
        Refusal: neither a time, nor a number with a unit, nor text of the form that was declared.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _written(spec, value, pointer)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | date):
        raise Refusal(Reason.INVALID_TIME, pointer, "not a time")
    if isinstance(value, int | float | Decimal):
        return _counted(spec, Decimal(str(value)), pointer)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(spec.time_zone) if spec.time_zone else UTC)
    return _stamp(value.astimezone(UTC))


def money(
    spec: FieldSpec, record: JsonObject, value: object, currency: object, pointer: str
) -> Decimal | None:
    """An amount: times its quantity, from minor units, with its sign.

    Raises:
        Refusal: no amount.
    """
    if value is None or value == "":
        return None
    if isinstance(value, float):
        value = Decimal(repr(value))
    if spec.decimal == "," and isinstance(value, str):
        value = _with_point(value.strip(), pointer)
    found = read_amount(value, pointer)
    if spec.times:
        count = at(record, spec.times)
        count = Decimal(repr(count)) if isinstance(count, float) else count
        if count is None or count == "":
            return None
        found = read_amount(found * read_amount(count, pointer), pointer)
    if spec.unit == "minor":
        code = str(currency or "").upper()
        found = found.scaleb(0 if code in _NO_DECIMALS else -3 if code in _THREE_DECIMALS else -2)
    return -found if spec.negate else found


def _with_point(written: str, pointer: str) -> str:
    """An amount with a comma before its cents, where points only part thousands: 1.234,50."""
    if not _WITH_COMMA.fullmatch(written):
        raise Refusal(Reason.INVALID_FIELD, pointer, "must be an amount such as 1.234,50")
    return written.replace(".", "").replace(",", ".")


def _origin(spec: FieldSpec) -> Read:
    if spec.template:
        return _filled(spec.template)
    if not spec.sources:
        value = spec.value
        return lambda _record: value
    if len(spec.sources) == 1 and "." not in spec.sources[0]:
        column = spec.sources[0]
        return lambda record: record.get(column)
    paths = spec.sources

    def first(record: JsonObject) -> object:
        for path in paths:
            value = at(record, path)
            if value is not None and value != "":
                return value
        return None

    return first


def _filled(template: str) -> Read:
    names = _PLACE.findall(template)

    def fill(record: JsonObject) -> object:
        values = {}
        for name in names:
            value = text(at(record, name))
            if not isinstance(value, str) or not value:
                return None
            values[name] = value
        return _PLACE.sub(lambda place: values[place.group(1)], template)

    return fill


def _looked_up(read: Read, spec: FieldSpec) -> Read:
    meanings, default = spec.map or {}, spec.default

    def look_up(record: JsonObject) -> object:
        value = text(read(record))
        return meanings.get(value, default) if isinstance(value, str) else default

    return look_up


def _or_default(read: Read, default: object) -> Read:
    def choose(record: JsonObject) -> object:
        value = read(record)
        return default if value is None or value == "" else value

    return choose


def _hashed(read: Read, digest: Digest) -> Read:
    def hashed(record: JsonObject) -> object:
        value = text(read(record))
        if not isinstance(value, str) or not value:
            return None
        return digest(value.encode("utf-8", "surrogateescape"))

    return hashed


def _written(spec: FieldSpec, value: str, pointer: str) -> object:
    """A time written as text: by the declared form, as a number with a unit, else ISO 8601."""
    stripped = value.strip()
    try:
        if spec.time_format:
            return datetime.strptime(stripped, spec.time_format)  # noqa: DTZ007 - zoned by the caller
        if spec.unit in _PER_SECOND:
            return Decimal(stripped)
        return datetime.fromisoformat(stripped)
    except (ValueError, ArithmeticError):
        form = f"of the form {spec.time_format}" if spec.time_format else "in ISO 8601"
        raise Refusal(Reason.INVALID_TIME, pointer, f"not a time {form}") from None


def _counted(spec: FieldSpec, number: Decimal, pointer: str) -> str:
    if spec.unit not in _PER_SECOND:
        raise Refusal(
            Reason.INVALID_TIME, pointer, "a number: say unit: s, ms or us in the mapping"
        )
    if not number.is_finite() or abs(number) / _PER_SECOND[spec.unit] >= _LATEST:
        raise Refusal(Reason.INVALID_TIME, pointer, "a number of seconds no calendar has")
    microseconds = int(number * 10**6 / _PER_SECOND[spec.unit])
    try:
        found = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise Refusal(Reason.INVALID_TIME, pointer, "a time no calendar has") from None
    return _stamp(found)


def _stamp(utc: datetime) -> str:
    """ISO 8601; a tenth of the time ``strftime`` takes."""
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

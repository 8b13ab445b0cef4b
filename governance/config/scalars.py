"""The written forms of single values: durations, sizes, secrets, time zones, schedules.

Error messages never repeat what was given for a secret.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, GetPydanticSchema, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from governance.errors import UserError
from governance.home import Home
from governance.keys import refuse_open_mode

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+[smhdw])+")
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?B|)", re.IGNORECASE)
_MOST_VALUES = 100  # of one filter
_CRON_FIELD = re.compile(r"(?:\*|\d+(?:-\d+)?|[a-z]{3}(?:-[a-z]{3})?)(?:/\d+)?", re.IGNORECASE)


def fault(what: str, fix: str = "") -> PydanticCustomError:
    """A validation error in our words: what is wrong and how to write it."""
    return PydanticCustomError("throughline", "{what}", {"what": what, "fix": fix})


def parse_duration(value: object) -> timedelta:
    """``30m``, ``7d``, ``1h30m`` (s, m, h, d, w) as a time span; zero is refused."""
    if isinstance(value, timedelta):
        span = value
    elif isinstance(value, str) and _DURATION.fullmatch(value.strip()):
        parts = re.findall(r"(\d+)([smhdw])", value)
        try:
            span = timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts))
        except OverflowError:
            raise fault(f"{value!r} is too long.") from None
    else:
        raise fault(f"{value!r} is not a duration.", "Write a number and a unit: 30m, 24h, 7d.")
    if span <= timedelta(0):
        raise fault(f"{value!r} is not longer than nothing.", "Write a positive duration: 30m, 7d.")
    return span


def format_duration(span: timedelta) -> str:
    """A time span as it is written in the configuration, in its largest whole unit."""
    seconds = int(span.total_seconds())
    unit = next(u for u in reversed(_UNITS) if seconds % _UNITS[u] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def parse_scalar(value: object) -> object:
    """What a filter compares with: a text, a number, true, false or null."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise fault(
        "must be a single value, or a list of them.", "Write a text, a number, true, false or null."
    )


def parse_wanted(value: object) -> object:
    """What a filter compares with: one scalar, or a list of which any will do."""
    if not isinstance(value, list | tuple):
        return parse_scalar(value)
    if not 1 <= len(value) <= _MOST_VALUES:
        raise fault(f"needs between 1 and {_MOST_VALUES} values.", "Write them as [pro, team].")
    return tuple(parse_scalar(each) for each in value)


def parse_size(value: object) -> int:
    """Bytes, or text such as ``1 MiB`` or ``50GB``; zero is refused."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = int(float(match[1]) * _SIZES[match[2].upper()])
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise fault(f"{value!r} is not a size.", "Write bytes, or a number and a unit: 1MiB, 50GB.")
    if size <= 0:
        raise fault(f"{value!r} is not a size above zero.", "Write a positive size: 1MiB, 50GB.")
    return size


def parse_time_zone(value: object) -> str:
    """The name of a time zone of the IANA database."""
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise fault(
            f"{value!r} is not a known time zone.", "Write a name such as UTC or Europe/Berlin."
        ) from None


def parse_moment(value: object) -> datetime:
    """An ISO 8601 date or time; without an offset it is UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value.strip())
    if not isinstance(value, datetime):
        raise fault(
            f"{value!r} is not a date or time.", "Write it as 2026-04-13 or 2026-04-13T10:00:00Z."
        )
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def parse_schedule(value: object) -> str:
    """A cron expression of five fields."""
    fields = value.split() if isinstance(value, str) else []
    parts = [part for field in fields for part in field.split(",")]
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(part) for part in parts):
        raise fault(f"{value!r} is not a schedule.", "Write five cron fields, such as '0 * * * *'.")
    return " ".join(fields)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is; never the secret. Written ``env:NAME`` or ``file:PATH``."""

    place: Literal["env", "file", "plain"]
    name: str

    def __str__(self) -> str:
        return self.name if self.place == "plain" else f"{self.place}:{self.name}"

    def resolve(self, home: Home) -> str:
        """The secret: from the environment, else the home's .env; or from a private file.

        Raises:
            UserError: it is not there, empty, or other users can read the file it is in.
        """
        if self.place == "plain":
            return self.name
        secret = self._from_environment(home) if self.place == "env" else self._from_file(home)
        if not secret:
            raise UserError(
                f"The secret {self} is not set.",
                why="throughline.yml names it; its value is kept elsewhere.",
                fix=f"Set {self.name} in the environment or in {home.env}"
                if self.place == "env"
                else f"Write it to {home.root / self.name} and: chmod 600 {home.root / self.name}",
            )
        return secret

    def _from_environment(self, home: Home) -> str:
        if self.name in os.environ or not home.env.exists():
            return os.environ.get(self.name, "")
        refuse_open_mode(home.env)
        return read_env_file(home.env).get(self.name, "")

    def _from_file(self, home: Home) -> str:
        path = home.root / Path(self.name).expanduser()
        if not path.is_file():
            return ""
        refuse_open_mode(path)
        return path.read_text(encoding="utf-8").strip()


def read_env_file(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of an .env file; quotes around a value are taken off."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
    return found


def parse_secret(value: object) -> SecretRef:
    """``env:NAME`` or ``file:PATH``. The message of a refusal does not repeat what was given."""
    if isinstance(value, SecretRef):
        return value
    place, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if place == "env" and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        return SecretRef("env", name)
    if place == "file" and name:
        return SecretRef("file", name)
    raise fault(
        "a secret must not stand in this file.",
        "Write env:NAME and set NAME in .env, or file:PATH of a file with mode 0600.",
    )


def parse_database_url(value: object) -> SecretRef:
    """As ``parse_secret``; the path of an SQLite file holds no secret and may be written out."""
    if isinstance(value, str) and re.fullmatch(r"sqlite:///[^\s?#]+", value):
        return SecretRef("plain", value)
    return parse_secret(value)


def _database(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        parse_database_url, serialization=core_schema.to_string_ser_schema()
    )


def _plain(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        parse_secret, serialization=core_schema.to_string_ser_schema()
    )


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _text(r"^(\d+[smhdw])+$", "30m"),
]
Scalar = Annotated[str | bool | int | float | None, BeforeValidator(parse_scalar)]
Wanted = Annotated[
    str | bool | int | float | tuple[str | bool | int | float | None, ...] | None,
    BeforeValidator(parse_wanted),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["1MiB"]}),
]
TimeZone = Annotated[str, BeforeValidator(parse_time_zone), _text(".+", "Europe/Berlin")]
Moment = Annotated[
    datetime, BeforeValidator(parse_moment), _text(r"^\d{4}-\d{2}-\d{2}", "2026-04-13")
]
Schedule = Annotated[str, BeforeValidator(parse_schedule), _text(r"^\S+( \S+){4}$", "0 * * * *")]
DatabaseUrl = Annotated[
    SecretRef,
    GetPydanticSchema(_database),
    _text("^(env|file):.+$|^sqlite:///.+$", "env:SHOP_DB_URL"),
]
Secret = Annotated[
    SecretRef, GetPydanticSchema(_plain), _text("^(env|file):.+$", "env:ALERT_WEBHOOK")
]

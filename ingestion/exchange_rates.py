"""Exchange rates of a home: ``date,currency,rate``, in reporting currency for one unit."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal, InvalidOperation

import fsspec
import pyarrow as pa

from governance.config import Config, is_address
from governance.errors import UserError
from governance.home import Home
from ingestion.raw_schema import EXCHANGE_RATES

_HEADER = ["date", "currency", "rate"]


def read_exchange_rates(home: Home, config: Config) -> pa.Table:
    """The table of rates; empty when the configuration names none.

    Raises:
        UserError: the file is missing or a line of it is wrong.
    """
    if config.exchange_rates is None:
        return EXCHANGE_RATES.empty_table()
    named = config.exchange_rates
    path = named if is_address(named) else str(home.root / named)
    try:
        with fsspec.open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")  # pyright: ignore[reportAttributeAccessIssue]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The exchange rates cannot be read: {path}",
            why=str(error),
            fix="Write UTF-8 CSV with the columns date,currency,rate, or remove exchange_rates.",
        ) from None
    rows = csv.reader(io.StringIO(text))
    if next(rows, None) != _HEADER:
        raise _wrong(path, 1, "the columns must be date,currency,rate")
    dates, currencies, rates, seen = [], [], [], set()
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        day, currency, rate = _read(path, number, row)
        if (day, currency) in seen:
            raise _wrong(path, number, "a second rate for the same day and currency")
        seen.add((day, currency))
        dates.append(day)
        currencies.append(currency)
        rates.append(rate)
    return pa.table([dates, currencies, rates], schema=EXCHANGE_RATES)


def _read(path: str, number: int, row: list[str]) -> tuple[date, str, Decimal]:
    if len(row) != len(_HEADER):
        raise _wrong(path, number, "must have three values")
    try:
        day, rate = date.fromisoformat(row[0].strip()), Decimal(row[2].strip())
    except (ValueError, InvalidOperation):
        raise _wrong(path, number, "must be a date (2026-04-13), a currency and a number") from None
    currency = row[1].strip()
    if not (rate.is_finite() and 0 < rate < Decimal(10) ** 10):
        raise _wrong(path, number, "the rate must be above zero and below ten billion")
    if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
        raise _wrong(path, number, "the currency must be three capital letters")
    return day, currency, rate.quantize(Decimal("0.00000001"))


def _wrong(path: str, line: int, what: str) -> UserError:
    return UserError(f"{path}, line {line}: {what}.", fix="Mend the line and load again.")

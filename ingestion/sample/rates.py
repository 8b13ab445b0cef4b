"""Exchange rates of the sample: euros for one unit of another currency, one row a day.

A fixed table, the same for every seed: the demo commits it as ``exchange_rates.csv``. SEK lacks a
rate on some days on purpose, so that a missing rate is seen as flagged and counted instead of as
zero.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from ingestion.sample.clock import moment

REPORTING_CURRENCY = "EUR"
REPORTING_ZONE = ZoneInfo("Europe/Berlin")
FIRST_DAY = date(2025, 12, 1)
LAST_DAY = date(2026, 7, 31)

_MIDDLE = {"CHF": 10640, "GBP": 11830, "SEK": 911, "USD": 9160}  # ten-thousandths of a euro
_SWING = {"CHF": 60, "GBP": 90, "SEK": 9, "USD": 110}
_SEK_CLOSED = frozenset({3, 4, 5, 6, 17, 24})  # days of the month without a fixing


def _rate(day: date, currency: str) -> Decimal:
    """A triangle wave around the middle: four decimals, so that cents times rate is exact."""
    phase = (day.toordinal() * (3 + len(currency)) + ord(currency[0])) % 40
    wave = abs(phase - 20) - 10
    return Decimal(_MIDDLE[currency] + _SWING[currency] * wave // 10).scaleb(-4)


@cache
def table() -> dict[tuple[date, str], Decimal]:
    """Every known rate by day and currency."""
    days = [FIRST_DAY + timedelta(n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    return {
        (day, currency): _rate(day, currency)
        for day in days
        for currency in sorted(_MIDDLE)
        if not (currency == "SEK" and day.day in _SEK_CLOSED)
    }


def rate_at(at: int, currency: str) -> Decimal | None:
    """The rate of the day ``at`` (ms) falls on in the reporting time zone, if there is one."""
    if currency == REPORTING_CURRENCY:
        return Decimal(1)
    return table().get((moment(at).astimezone(REPORTING_ZONE).date(), currency))


def as_csv() -> str:
    """The committed ``exchange_rates.csv``."""
    rows = [f"{day.isoformat()},{currency},{rate}" for (day, currency), rate in table().items()]
    return "\n".join(["date,currency,rate", *rows]) + "\n"

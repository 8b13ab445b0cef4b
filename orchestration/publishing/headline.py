"""The numbers people quote: where the published reports show them, and what each person adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A daily number of a ``rpt_`` table: its column of days, the sum that gives it, and a filter.

    ``shares``: SQL of (who, metric_date, share) over ``{events}`` and ``{sessions}``, whose sum
    over everybody is the number, for those that are restated; who is the person, or of an event
    that is nobody's its key.
    """

    table: str
    day: str
    value: str
    where: str = "true"
    shares: str = ""
    is_money: bool = False

    def query(self, marts: str, name: str) -> str:
        """SQL of (metric_date, metric, value, rows) over the schema ``marts``."""
        return (
            f"select {self.day} as metric_date, '{name}' as metric,"
            f" cast({self.value} as decimal(28, 2)) as value, count(*) as rows"
            f" from {marts}.{self.table} where {self.where} group by {self.day}"
        )


_WHO = "coalesce(person_id, event_key) as who"
_PEOPLE = "not is_bot and not is_internal"
_ACTIVE = f"{_PEOPLE} and is_interactive and person_id is not null"
_REPORT = "rpt_metrics_daily"

HEADLINE: Mapping[str, Metric] = {
    "sessions": Metric(
        _REPORT,
        "metric_date",
        "sum(sessions)",
        shares="select person_id as who, started_date as metric_date, count(*) as share"
        f" from {{sessions}} where {_PEOPLE} group by all",
    ),
    "new_persons": Metric(
        _REPORT,
        "metric_date",
        "sum(new_persons)",
        shares="select person_id as who, min(occurred_date) as metric_date, 1 as share"
        f" from {{events}} where {_ACTIVE} group by person_id",
    ),
    "conversions": Metric(
        _REPORT,
        "metric_date",
        "sum(conversions)",
        shares=f"select {_WHO}, occurred_date as metric_date, count(*) as share"
        f" from {{events}} where is_key_event and {_PEOPLE} group by all",
    ),
    "revenue": Metric(
        _REPORT,
        "metric_date",
        "sum(revenue_reporting)",
        shares=f"select {_WHO}, occurred_date as metric_date, sum(revenue_reporting) as share"
        " from {events} where revenue_reporting is not null group by all",
        is_money=True,
    ),
    "active_persons": Metric(
        "rpt_active_daily",
        "active_date",
        "max(dau)",
        "segment_set = 'all'",
        shares="select distinct person_id as who, occurred_date as metric_date, 1 as share"
        f" from {{events}} where {_ACTIVE}",
    ),
}

# What a kept version can be asked for besides.
METRICS: Mapping[str, Metric] = {
    **HEADLINE,
    **{
        name: Metric(_REPORT, "metric_date", f"sum({name})")
        for name in ("events", "orders", "refunds", "bounces", "engaged_sessions")
    },
    **{
        f"active_persons_{days}_days": Metric(
            "rpt_active_daily", "active_date", f"max({column})", "segment_set = 'all'"
        )
        for days, column in ((7, "wau"), (28, "mau"))
    },
}

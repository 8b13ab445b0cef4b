"""The question and its answer, by the SQL of the models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import duckdb

from governance.config import Config, Funnel, dbt_vars, funnel_var
from governance.errors import UserError
from orchestration.funnel.reading import Data
from orchestration.model_sql import ModelSql

# in the order of building; rpt_funnel_daily stands for the same entries counted by day
_MODELS = (
    "int_funnels",
    "int_funnel_exclusions",
    "int_funnel_events",
    "int_funnel_ordered_attempts",
    "int_funnel_walked_attempts",
    "int_funnel_unordered_attempts",
    "fct_funnel_entries",
)
_REPORT = "{{ funnel_report(of_days=false) }}"
_OTHER, _NONE = "(other)", "(none)"


@dataclass(frozen=True, slots=True)
class Question:
    """``since``, ``until``: first and last local day of the entries; ``seconds``: most it takes."""

    funnel: Funnel
    since: date | None = None
    until: date | None = None
    seconds: float = 300


@dataclass(frozen=True, slots=True)
class StepCounts:
    """One step; persons are distinct in the range. Rates are over closed windows, times seconds.

    ``entered`` and ``converted`` count all entries, ``closed_*`` those whose window is closed.
    """

    step: int
    event: str
    entered: int
    converted: int
    closed_entered: int
    closed_converted: int
    step_rate: float | None
    drop_off_rate: float | None
    total_rate: float | None
    p50_seconds: float | None
    p90_seconds: float | None
    p95_seconds: float | None
    censored_share: float | None
    void_entries: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A value of a breakdown with its steps, the most entered first; ``all`` is everybody."""

    segment_set: str
    segment: str
    steps: tuple[StepCounts, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """``values``: breakdown -> how many values it has; those beyond ``top`` stand as (other)."""

    funnel: str
    version: str
    definition: dict[str, Any]
    source: Literal["published", "warehouse"]
    published_version: str | None
    entries: int
    first_day: date | None
    last_day: date | None
    data_until: datetime | None
    steps: tuple[StepCounts, ...]
    segments: tuple[Segment, ...] = ()
    values: dict[str, int] = field(default_factory=dict)
    top: int = 20


def ask(data: Data, question: Question, config: Config) -> Answer:
    """The numbers of a funnel over ``data``, with the models' own SQL.

    Raises:
        UserError: it takes longer than the question allows, or more memory than there is.
    """
    funnel = question.funnel
    variables = {**dbt_vars(config), "tl_funnels": [funnel_var(funnel, config)]}
    sql = ModelSql(variables)
    with _bounded(data.connection, question.seconds):
        _narrow(data.connection, question)
        for model in _MODELS:
            query = sql.of(model)
            data.connection.execute(f"create temp table {model} as\n{query}")
            if model == "fct_funnel_entries":
                _keep_range(data.connection, question)
        rows = _rows(data.connection, sql.rendered(_REPORT))
        return _answer(data, question, variables["tl_funnels"][0]["version"], rows)


def _narrow(connection: duckdb.DuckDBPyConnection, question: Question) -> None:
    """Leave out the events no entry of the range can need: those before, and after its windows."""
    last = None if question.until is None else question.until + timedelta(days=1)
    conditions = []
    if question.since is not None:
        conditions.append(f"occurred_date >= date '{question.since}'")
    if last is not None:
        # a day's end in UTC is at most a day away from that of the same date there
        until = datetime.combine(last, datetime.min.time()) + question.funnel.window
        conditions.append(f"occurred_at <= timestamp '{until}' + interval 2 day")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    connection.execute(
        f"create temp view int_person_events as select * from every_person_event{where}"
    )


def _keep_range(connection: duckdb.DuckDBPyConnection, question: Question) -> None:
    for comparison, day in (("<", question.since), (">", question.until)):
        if day is not None:
            connection.execute(
                f"delete from fct_funnel_entries where entry_date {comparison} date '{day}'"
            )


def _answer(data: Data, question: Question, version: str, rows: list[dict[str, Any]]) -> Answer:
    entries, first, last = data.connection.execute(
        "select count(*), min(entry_date), max(entry_date) from fct_funnel_entries"
    ).fetchall()[0]
    until = data.connection.execute(
        "select case when count(*) = count(data_until) then min(data_until) end"
        " from int_data_until where is_live"
    ).fetchall()[0][0]
    segments = _segments(question.funnel, rows)
    whole = next((s.steps for s in segments if s.segment_set == "all"), ())
    return Answer(
        funnel=question.funnel.name,
        version=version,
        definition=question.funnel.model_dump(mode="json", exclude={"name"}),
        source=data.kind,
        published_version=data.version,
        entries=entries,
        first_day=first,
        last_day=last,
        data_until=until,
        steps=whole or _nobody(question.funnel),
        segments=tuple(s for s in segments if s.segment_set != "all"),
        values=_values(data.connection, question.funnel),
        top=question.funnel.top_breakdowns,
    )


def _segments(funnel: Funnel, rows: list[dict[str, Any]]) -> list[Segment]:
    """In the order of the breakdowns; in each the most entered first, (other) and (none) last."""
    steps: dict[tuple[str, str], list[StepCounts]] = {}
    for row in sorted(rows, key=lambda row: row["step"]):
        place = row.pop("segment_set"), row.pop("segment")
        del row["funnel"], row["version"]
        steps.setdefault(place, []).append(StepCounts(event=row.pop("step_event"), **row))
    sets = ("all", *funnel.breakdowns)

    def order(place: tuple[str, str]) -> tuple[object, ...]:
        segment_set, segment = place
        tail = {_OTHER: 1, _NONE: 2}.get(segment, 0)
        return sets.index(segment_set), tail, -steps[place][0].entered, segment

    return [Segment(*place, tuple(steps[place])) for place in sorted(steps, key=order)]


def _nobody(funnel: Funnel) -> tuple[StepCounts, ...]:
    nothing = (0, 0, 0, 0, None, None, None, None, None, None, None, 0)
    return tuple(
        StepCounts(number, step.event, *nothing) for number, step in enumerate(funnel.steps, 1)
    )


def _values(connection: duckdb.DuckDBPyConnection, funnel: Funnel) -> dict[str, int]:
    counts = [
        f"count(distinct breakdown_{n}) filter (not is_void and breakdown_{n} <> '{_NONE}')"
        for n in range(1, len(funnel.breakdowns) + 1)
    ]
    if not counts:
        return {}
    query = f"select {', '.join(counts)} from fct_funnel_entries"
    return dict(zip(funnel.breakdowns, connection.execute(query).fetchall()[0], strict=True))


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    relation = connection.sql(query)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Within a time; what DuckDB lacks is said in our words."""
    watch = threading.Timer(seconds, connection.interrupt)
    watch.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise UserError(
            f"The question took more than {seconds:.0f} seconds.",
            why="It was stopped; nothing was changed.",
            fix="Ask for fewer days (--since, --until), or for more time (--timeout).",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise UserError(
            "The question needs more memory than there is.",
            why=str(error).splitlines()[0],
            fix="Ask for fewer days (--since, --until), or raise storage.memory_limit.",
        ) from error
    finally:
        watch.cancel()

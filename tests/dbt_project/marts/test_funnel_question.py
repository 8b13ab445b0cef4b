"""A funnel that is asked has the numbers of one that is declared: the same SQL, the same rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import duckdb
import pytest

from governance.config import parse_config, parse_funnel
from governance.config.model import Config
from orchestration.funnel import Question, ask
from orchestration.funnel.reading import Data
from orchestration.model_sql import ModelSql

SCHEMAS = {"fct_": "marts", "rpt_": "marts"}
CONFIG = """\
company: acme
time_zone: Europe/Berlin
sources:
  - {name: web, surface: web, trust: public, lawful_basis: consent}
dimensions:
  - {name: tier, from: properties.plan}
  - {name: voucher, from: properties.coupon}
"""
COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
MODELS = (
    "int_funnels",
    "int_funnel_exclusions",
    "int_funnel_events",
    "int_funnel_ordered_attempts",
    "int_funnel_walked_attempts",
    "int_funnel_unordered_attempts",
    "fct_funnel_entries",
    "rpt_funnel_daily",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return parse_config(CONFIG, tmp_path_factory.mktemp("config") / "throughline.yml")


@pytest.fixture
def data(world) -> Iterator[Data]:
    with duckdb.connect(str(world.warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, view in (
            ("int_person_events", "every_person_event"),
            ("int_events", "int_events"),
            ("int_data_until", "int_data_until"),
        ):
            connection.execute(f"create temp view {view} as select * from intermediate.{name}")
        yield Data(connection, "warehouse")


@pytest.mark.parametrize("model", MODELS)
def test_the_sql_is_what_dbt_compiles(world, model: str) -> None:
    folder = world.warehouse.parent / "target" / "compiled"
    (path,) = folder.rglob(f"{model}.sql")

    def relation(name: str) -> str:
        return f'"warehouse"."{SCHEMAS.get(name[:4], "intermediate")}"."{name}"'

    ours = ModelSql(world.variables, relation).of(model)
    assert plain(ours) == plain(path.read_text())


def plain(sql: str) -> str:
    return " ".join(COMMENT.sub(" ", sql).split())


def definition(funnel: dict) -> dict:
    """As it would stand in throughline.yml."""
    given = {
        key: value for key, value in funnel.items() if key not in ("version", "window_seconds")
    }
    return given | {"window": f"{funnel['window_seconds']}s"}


def of_name(world, name: str) -> dict:
    return next(each for each in world.variables["tl_funnels"] if each["name"] == name)


def asked(data: Data, config: Config, funnel: dict, **range_) -> tuple:
    wanted = parse_funnel(json.dumps(definition(funnel)), "a test", config)
    return ask(data, Question(wanted, **range_), config)


FUNNELS = [
    f"{mode}_{shape}" for mode in ("ordered", "strict", "any") for shape in ("ab", "abc", "half")
]


@pytest.mark.parametrize("name", FUNNELS)
def test_a_funnel_that_is_asked_has_the_entries_of_one_that_is_declared(
    world, data: Data, config: Config, name: str
) -> None:
    funnel = of_name(world, name)
    answer = asked(data, config, funnel)
    both = [
        data.connection.execute(
            f"select * exclude (version) from {table} where funnel = ? order by all", [name]
        ).fetchall()
        for table in ("fct_funnel_entries", "marts.fct_funnel_entries")
    ]
    assert both[0] == both[1]
    assert answer.entries == len(both[0]) > 300


def test_one_day_of_a_question_is_that_day_of_the_report(world, data, config) -> None:
    funnel = of_name(world, "ordered_aba")
    days = data.connection.execute(
        "select distinct entry_date from marts.rpt_funnel_daily"
        " where funnel = 'ordered_aba' order by 1"
    ).fetchall()
    (day,) = days[1]
    answer = asked(data, config, funnel, since=day, until=day)
    expected = data.connection.execute(
        "select step, step_event, entered, converted, closed_entered, closed_converted, step_rate,"
        " drop_off_rate, total_rate, p50_seconds, p90_seconds, p95_seconds, censored_share,"
        " void_entries"
        " from marts.rpt_funnel_daily where funnel = 'ordered_aba' and segment_set = 'all'"
        " and entry_date = ? order by step",
        [day],
    ).fetchall()
    names = type(answer.steps[0]).__slots__
    assert [tuple(getattr(each, name) for name in names) for each in answer.steps] == expected
    assert (answer.first_day, answer.last_day) == (day, day)
    assert len(days) > 3


def test_a_person_of_two_days_counts_once_in_the_range(world, data, config) -> None:
    funnel = of_name(world, "ordered_ab")
    answer = asked(data, config, funnel)
    persons, entries = data.connection.execute(
        "select count(distinct person_id), count(*) from marts.fct_funnel_entries"
        " where funnel = 'ordered_ab' and not is_void"
    ).fetchall()[0]
    assert answer.steps[0].entered == persons < entries
    for path in funnel["breakdowns"]:
        parts = [s.steps[0].entered for s in answer.segments if s.segment_set == path]
        assert sum(parts) >= persons
    assert answer.values["surface"] == 3
    assert [s.segment for s in answer.segments if s.segment_set == "surface"][-1] == "(other)"


def test_a_question_leaves_the_warehouse_as_it_was(world, data, config) -> None:
    before = data.connection.execute(
        "select count(*) from duckdb_tables() where not temporary"
    ).fetchall()
    asked(data, config, world.variables["tl_funnels"][0])
    after = data.connection.execute(
        "select count(*) from duckdb_tables() where not temporary"
    ).fetchall()
    assert before == after

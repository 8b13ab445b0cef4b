"""Versions of rows and the consent ledger, from raw records through the ledger of dispositions."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import duckdb
import pytest

from tests.properties.warehouse import build, make_home, write_raw

DAY = timedelta(days=1)
START = datetime(2026, 4, 1)
SOURCES = [
    {"name": "web", "surface": "web", "trust": "public", "lawful_basis": "consent", "live": True},
    {
        "name": "shop",
        "surface": "backend",
        "trust": "server",
        "lawful_basis": "contract",
        "live": True,
    },
    {
        "name": "crm",
        "surface": "backend",
        "trust": "server",
        "lawful_basis": "not_personal",
        "live": True,
    },
]


def rows() -> list[dict]:
    number = itertools.count()

    def record(source: str, key: str, day: float, **more: object) -> dict:
        at = START + day * DAY
        return {
            "source": source,
            "position": next(number),
            "dedupe_key": key,
            "event_id": key,
            "surface": "web" if source == "web" else "backend",
            "is_interactive": source == "web",
            "occurred_at": at,
            "received_at": at,
            **more,
        }

    def version(key: str, day: float, **more: object) -> dict:
        row = record("shop", key, 0, record_kind="order", content_digest=f"{key}{day}", **more)
        seen = START + day * DAY
        return row | {"version_at": seen, "received_at": seen}

    def entry(day: float, analytics: bool | None, **who: object) -> dict:
        key = f"ledger{day}{who}"
        more = {"record_kind": "consent", "event_name": "consent_updated", "event_type": "system"}
        return record("crm", key, day, consent_analytics=analytics, **more, **who)

    looks = {"consent_analytics": True}
    return [
        version("kept", 1, order_id="1", revenue=10, currency="EUR", user_id="u_buyer"),
        version("kept", 3, order_id="1", revenue=30, currency="EUR", user_id="u_buyer"),
        version("kept", 2, order_id="1", revenue=20, currency="EUR", user_id="u_buyer"),
        version("gone", 1, order_id="2", revenue=99, currency="EUR", user_id="u_buyer"),
        version("gone", 2, is_deleted=True),
        entry(2, False, user_id="u_no"),
        entry(4, True, user_id="u_no"),
        entry(2, False, anonymous_id="a_no"),
        record("web", "early", 1, user_id="u_no", **looks),
        record("web", "denied", 3, user_id="u_no", **looks),
        record("web", "denied", 3.1, user_id="u_no", **looks),
        record("web", "again", 5, user_id="u_no", **looks),
        record("web", "device", 3, user_id="u_other", anonymous_id="a_no", **looks),
        record("web", "other", 3, user_id="u_other", **looks),
        # what a contract allows needs nobody's consent
        record("shop", "books", 3, user_id="u_no"),
    ]


@pytest.fixture(scope="module")
def marts(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    home = make_home(root / "home")
    write_raw(home, rows())
    build(
        home,
        {"tl_sources": SOURCES},
        *("build", "--exclude-resource-type", "unit_test", "-s"),
        *("+fct_events", "+rpt_pipeline", "+rpt_consent", "+dim_persons", "+bridge_identities"),
        target=root / "target",
    )
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        yield con


def test_the_latest_version_is_the_event_and_a_row_that_is_gone_is_none(marts):
    found = marts.sql(
        "select event_id, revenue::int from marts.fct_events where source = 'shop' order by all"
    ).fetchall()
    assert found == [("books", None), ("kept", 30)]


def test_the_ledger_withholds_what_it_denies_as_of_the_moment_it_happened(marts):
    found = marts.sql("select event_id from marts.fct_events where source = 'web'").fetchall()
    assert {event for (event,) in found} == {"early", "again", "other"}


def test_every_record_has_its_disposition(marts):
    found = marts.sql(
        "select source, received, accepted, stripped, duplicate, conflicts, consent_denied"
        " from marts.rpt_pipeline order by source"
    ).fetchall()
    assert found == [
        ("crm", 3, 3, 0, 0, 0, 0),
        # a row that is gone is counted; its older versions are duplicates and no conflict
        ("shop", 6, 3, 0, 3, 0, 0),
        ("web", 6, 3, 2, 1, 0, 2),
    ]


def test_the_consent_report_tells_the_ledger_apart(marts):
    found = marts.sql(
        "select source, sum(events)::int, sum(denied_by_ledger)::int, sum(ledger_entries)::int"
        " from marts.rpt_consent group by source order by source"
    ).fetchall()
    assert found == [("crm", 0, 0, 3), ("shop", 2, 0, 0), ("web", 5, 2, 0)]
    word = marts.sql(
        "select person.consent_analytics from marts.dim_persons as person"
        " join marts.bridge_identities as bridge using (person_id) where value = 'u_no'"
    )
    assert word.fetchall() == [(True,)]

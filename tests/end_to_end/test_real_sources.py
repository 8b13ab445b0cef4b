"""Own sources on real input: a shop as a dump and as a database, webhook payloads, an access log.

By configuration alone, from the raw files to the published marts.

The material is no part of the repository (see ``tests/conftest.py``).
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from tests.end_to_end.real_shop import LINE, SOURCE, assert_equals_reference, published, shop

pytestmark = pytest.mark.material


@pytest.fixture(scope="module")
def reference(material) -> dict:
    return json.loads((material / "online_retail" / "reference_numbers.json").read_text())


@pytest.mark.long
def test_a_real_shop_as_a_dump_equals_its_reference_numbers(
    make_home, throughline, material, reference
):
    """The very file it was published as: 5,268 lines equal another one and none may be lost."""
    dump = {"kind": "event_dumps", "path": "dumps/", "row_identity": "position"}
    home = make_home(shop("history", dump | {"mapping": LINE}))
    original = material / "online_retail" / "online_retail.parquet"
    shutil.copy(original, home.root / "dumps" / "online_retail.parquet")

    throughline(home, "run", "hourly")

    assert_equals_reference(home, reference)


@pytest.mark.long
def test_every_payload_of_githubs_webhooks_is_found_once(make_home, throughline, material):
    home = make_home(
        {
            "company": "forge",
            "sources": [
                {"name": "github", "kind": "webhook_logs", "format": "github"}
                | {"path": "landing/github/"}
                | SOURCE
            ],
        }
    )
    payloads = sorted((material / "github_webhooks" / "payload-examples").rglob("*.json"))
    payloads = [path for path in payloads if path.name != "package.json"]
    assert len(payloads) > 490
    began = datetime(2026, 3, 1, tzinfo=UTC)
    lines = []
    for number, path in enumerate(payloads):
        headers = {
            "X-GitHub-Delivery": f"72d3162e-cc78-11e3-81ab-{number:012d}",
            "X-GitHub-Event": path.parent.name,
        }
        received = (began + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
        body = json.loads(path.read_text())
        line = {"body": body if number % 2 else json.dumps(body), "headers": headers}
        lines.append(json.dumps(line | {"received_at": received}))
    # GitHub delivers again what was not answered in time: the same delivery id
    lines += lines[:25]
    (home.landing / "github" / "2026-03-01.jsonl").write_text("\n".join(lines) + "\n")

    throughline(home, "run", "hourly")

    with published(home) as con:
        ledger = con.execute(
            "select sum(received), sum(accepted), sum(duplicate), sum(quarantined)"
            " from marts.rpt_pipeline"
        ).fetchone()
        names = {
            name
            for (name,) in con.execute(
                "select distinct event_name from marts.fct_events"
            ).fetchall()
        }
        senders = con.execute(
            "select count(distinct person_id), count(*) filter (person_id is null)"
            " from marts.fct_events where external_ids like '%github%'"
        ).fetchone()
        octocat = con.execute(
            "select count(distinct person_id) from marts.fct_events"
            """ where external_ids = '{"github":"21031067"}'"""
        ).fetchone()
    assert tuple(map(int, ledger)) == (len(lines), len(payloads), 25, 0)
    assert {"push", "issues.opened", "pull_request.opened", "star.created"} <= names
    assert senders[0] > 1
    assert senders[1] == 0
    assert octocat == (1,)


@pytest.mark.long
def test_an_access_log_becomes_visitors_and_page_views(make_home, throughline, material):
    home = make_home(
        {
            "company": "blog",
            "sources": [
                {"name": "log", "kind": "event_dumps", "format": "combined_log", "path": "dumps/"}
                | SOURCE
                | {"surface": "web", "lawful_basis": "legitimate_interests"}
            ],
        }
    )
    shutil.copy(material / "web_logs" / "apache_logs", home.root / "dumps" / "apache_logs")

    throughline(home, "run", "hourly")

    with published(home) as con:
        ledger = con.execute(
            "select sum(received), sum(accepted) + sum(quarantined) from marts.rpt_pipeline"
        ).fetchone()
        events = con.execute(
            "select count(*), count(distinct person_id), count(*) filter (is_bot),"
            " min(occurred_at), max(occurred_at) from marts.fct_events"
        ).fetchone()
        everything = " ".join(
            str(row)
            for row in con.execute("select columns(*)::varchar from marts.fct_events").fetchall()
        )
        sessions = con.execute("select count(*) from marts.fct_sessions").fetchone()
    assert tuple(map(int, ledger)) == (10_000, 10_000)
    assert events[0] > 9_900
    assert 1_753 <= events[1] < 2_500  # an address and a program: some share one address
    assert events[2] > 500
    assert events[3] >= datetime(2015, 5, 17)
    assert sessions[0] > 500
    assert "83.149.9.216" not in everything

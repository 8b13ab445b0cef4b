"""Real data through the whole main job, from landing to the published file.

Every call that real Segment and RudderStack SDKs made. The material is no part of the repository
(see ``tests/conftest.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import duckdb
import pytest

pytestmark = pytest.mark.material

# capture -> surface and trust of the feed it stands for
SDKS = {
    "py_segment": "backend",
    "py_segment_gz": "backend",
    "py_rudder": "backend",
    "py_rudder_gz": "backend",
    "js_segnode": "backend",
    "js_rudnode": "backend",
    "js_rudnode_gz": "backend",
    "js_segweb": "web",
    "js_segweb_batch": "web",
}
CALLS = Counter(["identify", "Order Completed", "page", "screen", "group", "alias"])


def _source(name: str, surface: str, form: str) -> dict:
    return {
        "name": name,
        "kind": "landing",
        "format": form,
        "path": f"landing/{name}/",
        "surface": surface,
        "trust": "public" if surface == "web" else "server",
        "lawful_basis": "contract",
    }


def _published(home) -> duckdb.DuckDBPyConnection:
    file = home.published / "analyst" / "current" / "analytics.duckdb"
    return duckdb.connect(str(file), read_only=True)


@pytest.mark.long
def test_every_call_of_the_segment_and_rudderstack_sdks_is_found_once_for_its_person(
    make_home, throughline, material
):
    home = make_home(
        {
            "company": "captures",
            "currency": "USD",
            "sources": [_source(name, surface, "segment") for name, surface in SDKS.items()],
            "revenue": {"source": "py_segment"},
        }
    )
    for number, name in enumerate(SDKS):
        lines = []
        for capture in (material / "sdk_captures" / f"{name}.jsonl").read_text().splitlines():
            request = json.loads(capture)
            assert request["method"] == "POST"
            # a collector keeps the body as text or as an object: both must do
            body = json.dumps(request["body"]) if number % 2 else request["body"]
            stamp = datetime.fromtimestamp(request["t"], UTC).isoformat().replace("+00:00", "Z")
            lines.append(
                {
                    "receipt_id": f"{name}-{len(lines)}",
                    "received_at": stamp,
                    "source": name,
                    "headers": request["headers"],
                    "path": request["path"],
                    "body": body,
                }
            )
        # the browser's retry after a lost answer: delivered twice, counted once
        lines.append(lines[0])
        landing = home.root / "landing" / name / "0001.jsonl"
        landing.write_text("".join(json.dumps(line) + "\n" for line in lines))

    throughline(home, "run", "hourly")

    with _published(home) as con:
        rows = con.execute(
            "select source, event_name, person_id, user_id, account_id, page_title, screen,"
            " revenue, utm_source, occurred_at, received_at, event_type from marts.fct_events"
        ).fetchall()
        pipeline = con.execute(
            "select sum(received), sum(accepted), sum(duplicate), sum(quarantined) from"
            " marts.rpt_pipeline"
        ).fetchone()
        shared = con.execute(
            "select person_id from marts.bridge_identities where kind = 'user_id' and value = 'u1'"
        ).fetchall()
        everything = " ".join(
            str(row)
            for row in con.execute("select columns(*)::varchar from marts.fct_events").fetchall()
        )

    for name in SDKS:
        assert Counter(row[1] for row in rows if row[0] == name) == CALLS, name
    assert len(rows) == len(CALLS) * len(SDKS)
    assert len(shared) == 1
    assert {row[2] for row in rows} == {shared[0][0]}  # also the browser's calls before log-in
    assert {row[4] for row in rows if row[1] == "group"} == {"org-1"}
    assert {row[5] for row in rows if row[1] == "page"} == {"Quickstart"}
    assert {row[6] for row in rows if row[1] == "screen"} == {"Home"}
    assert {float(row[7]) for row in rows if row[1] == "Order Completed"} == {12.5}
    assert {row[8] for row in rows if row[0].startswith("js_segweb")} == {"news"}
    # RudderStack's server SDKs set originalTimestamp to the time of the call: `timestamp` counts
    ten = datetime(2026, 11, 22, 10)
    assert {row[9] for row in rows if SDKS[row[0]] == "backend"} == {ten}
    received, accepted, duplicate, quarantined = map(int, pipeline)
    assert (accepted, quarantined) == (len(rows), 0)
    assert received == accepted + duplicate
    assert duplicate >= len(SDKS)
    assert "u1@example.com" not in everything
    assert "203.0.113.9" not in everything

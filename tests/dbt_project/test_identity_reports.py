"""What a home tells about its identities: the log of changes, days, devices, and the alarm.

One home, built after each of four loads, as it would be from hour to hour.
"""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta

import duckdb
import pytest

from tests.properties.warehouse import MODELS, add_raw, build, make_home, write_raw

START = datetime(2026, 4, 1, 9)
VARIABLES = {
    "tl_identity": {
        "handover_gap_seconds": 1800,
        "hub_limit": 3,
        "kiosk_limit": 1,
        "largest_share": 0.6,
    },
    "tl_sources": [
        {
            "name": name,
            "surface": surface,
            "trust": trust,
            "lawful_basis": "contract",
            "live": True,
        }
        for name, surface, trust in (("app", "mobile", "signed"), ("web", "web", "public"))
    ],
}
MARTS = ("+ops_identity_changes", "+rpt_identity", "+dim_devices", "+bridge_identity_evidence")
_number = itertools.count()


def seen(minutes: int, source: str = "app", **names: object) -> dict:
    at, key = START + timedelta(minutes=minutes), f"k{next(_number)}"
    return {
        "source": source,
        "surface": "mobile" if source == "app" else "web",
        "platform": "ios" if source == "app" else "web",
        "position": int(key[1:]),
        "dedupe_key": key,
        "event_id": key,
        "is_interactive": True,
        "occurred_at": at,
        "received_at": at,
    } | names


def said(action: str, a: str, b: str) -> dict:
    return {
        "action": action,
        "a_kind": "user_id",
        "a_value": a,
        "b_kind": "user_id",
        "b_value": b,
        "stated_at": START,
    }


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    root = tmp_path_factory.mktemp("reports")
    home, target = make_home(root / "home"), root / "target"

    def built() -> None:
        build(home, VARIABLES, *MODELS, "-s", *MARTS, target=target)

    write_raw(
        home,
        [
            seen(0, anonymous_id="a1"),
            seen(1, user_id="ann", anonymous_id="a1", email_token="e", email_verified=True),
            seen(2, user_id="bob", anonymous_id="a1"),
            seen(24 * 60, source="web", anonymous_id="w1"),
            seen(24 * 60 + 1, user_id="old"),
        ],
    )
    built()
    built()  # nothing new: nothing to log
    alias = seen(2 * 24 * 60, user_id="ann", event_type="alias", previous_id="old")
    add_raw(home, [alias, seen(2 * 24 * 60, user_id="bob", email_token="e", email_verified=True)])
    built()
    add_raw(home, [], overrides=[said("unlink", "ann", "old")])
    built()
    return home, target


def test_every_change_is_logged_once_with_its_cause_and_evidence(history) -> None:
    home, _ = history
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        log = con.execute(
            "select build_id, kind, value, cause, old_person_id is null, new_person_id is null,"
            " rule, evidence from marts.ops_identity_changes order by change_number"
        ).fetchall()
    builds = list(dict.fromkeys(row[0] for row in log))
    assert len(builds) == 3
    first, second, third = ([row[1:] for row in log if row[0] == each] for each in builds)
    assert [(kind, value, cause) for kind, value, cause, *_ in first] == [
        ("anonymous_id", "a1", "first_seen"),
        ("anonymous_id", "w1", "first_seen"),
        ("email", "e", "first_seen"),
        ("user_id", "ann", "first_seen"),
        ("user_id", "bob", "first_seen"),
        ("user_id", "old", "first_seen"),
    ]
    assert [(*row[:5], row[5]) for row in second] == [
        ("email", "e", "set_aside", False, True, "conflict"),
        ("user_id", "old", "merged", False, False, "alias"),
    ]
    assert json.loads(second[1][6]) == {
        "higher": "user_id:ann",
        "lower": "user_id:old",
        "evidence": "event",
        "source": "app",
        "is_used": True,
        "set_aside_reason": None,
        "event_key": "k5",
    }
    assert [row[:3] for row in third] == [("user_id", "old", "split")]


def test_days_and_devices_add_up(history) -> None:
    home, _ = history
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        days = con.execute(
            "select identity_date, persons, known_persons, anonymous_share, new_identifiers,"
            " merges, conflicts, devices, kiosks from marts.rpt_identity order by 1"
        ).fetchall()
        devices = con.execute(
            "select events, anonymous_ids, persons, is_kiosk, last_rule, platform"
            " from marts.dim_devices order by events desc"
        ).fetchall()
    first = date(2026, 4, 1)
    # the shared device has two people, more than the limit; its first event stays its own
    assert days == [
        (first, 3, 2, pytest.approx(1 / 3), 4, 0, 1, 1, 1),
        (first + timedelta(1), 2, 1, 0.5, 2, 0, 0, 1, 0),
        (first + timedelta(2), 2, 2, 0, 0, 0, 0, 0, 0),
    ]
    assert devices == [
        (3, 1, 2, True, "direct", "ios"),
        (1, 1, 0, False, "anonymous", "web"),
    ]


def test_a_constant_that_swallows_everybody_stops_the_build_by_name(history) -> None:
    home, target = history
    browsers = [
        seen(4000 + n, source="web", anonymous_id=f"b{n}", device_id="same") for n in range(9)
    ]
    add_raw(home, browsers)
    build(home, VARIABLES, *MODELS, "-s", *MARTS, target=target)
    check = ("test", "-s", "assert_nobody_swallows_the_others")
    with pytest.raises(AssertionError) as stopped:
        build(home, VARIABLES, *check, target=target)
    message = " ".join(str(stopped.value).split())
    assert "holds 10 identifiers" in message
    assert "9 of them hang on device_id:same" in message
    assert "event of web between anonymous_id:b8 and device_id:same" in message
    higher = VARIABLES["tl_identity"] | {"largest_share": 0.95}
    build(home, VARIABLES | {"tl_identity": higher}, *check, target=target)
    listed = VARIABLES | {"tl_identity": VARIABLES["tl_identity"] | {"nobody": ["Same"]}}
    build(home, listed, *MODELS, "-s", *MARTS, target=target)
    build(home, listed, *check, target=target)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rules = con.execute(
            "select rule, count(*), count(distinct person_id) from intermediate.int_identity_nodes"
            " where value = 'same' or value like 'b_' group by all"
        ).fetchall()
        assert sorted(rules) == [("device", 9, 9), ("null_like", 1, 0)]

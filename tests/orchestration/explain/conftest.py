"""A published copy written by SQL: a small town whose identities show every case once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from governance.home import Home
from governance.keys import Keys, load_keys
from governance.starter import init_home
from orchestration.explain.reading import Published, open_published

VERSION = "20260501T000000Z-00000000"
ANNA, BEN, CARA, DORA, ZOE = (f"p_{digit * 32}" for digit in "abcd9")
SHARED = "tok_email_" + "5" * 32

_TABLES = """
create schema marts;
create table marts.bridge_identities (
    kind text, value text, person_id text, rule text, valid_from timestamp, valid_to timestamp,
    confidence double, events bigint, device_key text);
create table marts.bridge_identity_evidence (
    higher_kind text, higher_value text, lower_kind text, lower_value text, evidence text,
    source text, is_trusted boolean, first_seen_at timestamp, last_seen_at timestamp,
    events bigint, example_event_key text, is_used boolean, set_aside_reason text);
create table marts.dim_devices (
    device_key text, first_seen_at timestamp, last_seen_at timestamp, events bigint,
    anonymous_ids integer, device_ids integer, persons integer, is_kiosk boolean,
    last_person_id text, last_rule text, surface text, platform text, app_version text,
    device_class text);
create table marts.fct_events (
    event_key text, event_id text, event_name text, occurred_at timestamp, source text,
    person_id text, identity_rule text, user_id text, external_ids text, email_token text,
    phone_token text, anonymous_id text, device_id text);
create table marts.rpt_pipeline (stripped bigint, quarantined bigint);
insert into marts.rpt_pipeline values (1200, 3), (34, null);
"""


class Town:
    """Writes the marts row by row; times are hours of one day."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute(_TABLES)

    def stands(
        self,
        text: str,
        person: str | None,
        rule: str,
        since: int = 8,
        until: int | None = None,
        *,
        events: int = 1,
        device: str | None = None,
    ) -> None:
        row = (*_split(text), person, rule, _at(since), _at(until), 1.0, events, device)
        self._insert("bridge_identities", *row)

    def seen(
        self,
        higher: str,
        lower: str,
        reason: str | None = None,
        *,
        evidence: str = "event",
        source: str = "backend",
        hour: int = 8,
        events: int = 1,
    ) -> None:
        self._insert(
            "bridge_identity_evidence",
            *_split(higher),
            *_split(lower),
            evidence,
            source,
            source != "web",
            _at(hour),
            _at(hour + 1),
            events,
            None if evidence in ("link", "unlink") else f"key_{hour}",
            reason is None,
            reason,
        )

    def device(self, key: str, *, persons: int, is_kiosk: bool) -> None:
        row = (key, _at(8), _at(18), 9, 1, 0, persons, is_kiosk, None, None, "web", "web")
        self._insert("dim_devices", *row, None, None)

    def happened(
        self, key: str, hour: int, person: str, rule: str, device: str, user: str | None = None
    ) -> None:
        row = (key, f"id_{key}", "page_view", _at(hour), "web", person, rule)
        self._insert("fct_events", *row, user, None, None, None, device, None)

    def _insert(self, table: str, *values: object) -> None:
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"insert into marts.{table} values ({marks})", values)


def _at(hour: int | None) -> str | None:
    return None if hour is None else f"2026-04-13 {hour:02}:00:00"


def _split(text: str) -> list[str]:
    kind, _, value = text.rpartition(":")
    return [kind, value]


def _people(town: Town) -> None:
    """Anna has two ids and a customer number with a phone; Ben shares her mailbox."""
    town.stands("user_id:anna", ANNA, "user")
    town.stands("user_id:anna2", ANNA, "alias", 9)
    town.stands("external:shop:c1", ANNA, "joined", 10)
    town.stands("phone:tok_phone_" + "7" * 32, ANNA, "joined", 11)
    town.stands("user_id:ben", BEN, "user")
    town.stands(f"email:{SHARED}", None, "conflict")
    town.seen("user_id:anna", "user_id:anna2", hour=9, events=3)
    town.seen("user_id:anna2", "external:shop:c1", source="shop", evidence="row", hour=10)
    town.seen("external:shop:c1", "phone:tok_phone_" + "7" * 32, hour=11)
    for who in ("anna", "ben"):
        town.seen(f"user_id:{who}", f"email:{SHARED}", "conflict", hour=12)


def _strangers(town: Town) -> None:
    """Cara and Dora were parted by somebody; Zoe was never seen with anybody."""
    town.stands("user_id:cara", CARA, "user")
    town.stands("user_id:dora", DORA, "user")
    town.stands("user_id:zoe", ZOE, "user")
    town.stands("external:crm:ben", ZOE, "own")
    town.stands("user_id:undefined", None, "null_like")
    town.stands("email:tok_email_" + "8" * 32, None, "hub")
    town.seen("user_id:cara", "user_id:dora", "never_link", hour=13)
    town.seen(
        "user_id:cara", "user_id:dora", "never_link", evidence="unlink", source="Ada", events=0
    )
    town.seen("user_id:cara", "user_id:zoe", "untrusted", source="web", hour=14)
    town.seen("user_id:cara", "user_id:undefined", "null_like", hour=14)
    for who in ("cara", "dora"):
        town.seen(f"user_id:{who}", "email:tok_email_" + "8" * 32, "hub", hour=15)


def _devices(town: Town) -> None:
    """Anna's family shares a tablet; the kiosk is nobody's."""
    tablet = "p_" + "1" * 32
    for identifier in ("anonymous_id:tablet", "device_id:tab-1"):
        town.stands(identifier, ANNA, "backfill", 8, 8, device=tablet)
        town.stands(identifier, ANNA, "carry", 9, 11, events=3, device=tablet)
        town.stands(identifier, BEN, "logout_to_next", 12, 12, device=tablet)
        town.stands(identifier, BEN, "carry", 13, 14, events=2, device=tablet)
        town.stands(identifier, tablet, "anonymous", 16, 17, events=2, device=tablet)
    town.seen("anonymous_id:tablet", "device_id:tab-1", source="web", hour=8, events=9)
    town.seen("user_id:anna", "anonymous_id:tablet", "interval", source="web", hour=9, events=2)
    town.seen("user_id:ben", "anonymous_id:tablet", "interval", source="web", hour=13)
    town.device(tablet, persons=2, is_kiosk=False)
    town.happened("e1", 8, ANNA, "backfill", "tablet")
    town.happened("e2", 9, ANNA, "direct", "tablet", "anna")
    town.happened("e3", 10, ANNA, "carry", "tablet")
    town.happened("e4", 11, ANNA, "direct", "tablet", "anna")
    town.happened("e5", 12, BEN, "logout_to_next", "tablet")
    town.happened("e6", 13, BEN, "direct", "tablet", "ben")
    town.happened("e7", 14, BEN, "carry", "tablet")
    town.happened("e8", 16, tablet, "anonymous", "tablet")
    town.happened("e9", 17, tablet, "anonymous", "tablet")
    kiosk = "p_" + "2" * 32
    town.stands("anonymous_id:kiosk", kiosk, "kiosk", 8, 18, events=2, device=kiosk)
    town.device(kiosk, persons=40, is_kiosk=True)
    town.happened("k1", 8, kiosk, "kiosk", "kiosk")
    town.happened("k2", 18, kiosk, "kiosk", "kiosk")


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the town published, and one thing said about it."""
    home = init_home(tmp_path_factory.mktemp("explain") / "acme")
    home.identity_overrides.write_text(
        '{"action": "unlink", "identifiers": ["user_id:cara", "user_id:dora"], "author": "Ada",'
        ' "reason": "twins", "at": "2026-04-14T00:00:00Z"}\n'
        '{"action": "link", "identifiers": ["user_id:ben", "user_id:zoe"], "author": "Ada",'
        ' "reason": "he told us", "at": "2026-04-15T00:00:00Z"}\n'
    )
    with published_file(home) as connection:
        town = Town(connection)
        _people(town)
        _strangers(town)
        _devices(town)
    return home


def published_file(home: Home) -> duckdb.DuckDBPyConnection:
    """An empty published version, current from now on."""
    folder = home.published / "analyst" / VERSION
    folder.mkdir(parents=True)
    (folder.parent / "current").symlink_to(folder.name)
    return duckdb.connect(str(folder / "analytics.duckdb"))


@pytest.fixture
def home(built_home: Home) -> Home:
    return built_home


@pytest.fixture
def keys(home: Home) -> Keys:
    return load_keys(home)


@pytest.fixture
def published(home: Home) -> Iterator[Published]:
    with open_published(home) as opened:
        yield opened


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    """Nothing was published here yet."""
    return init_home(tmp_path / "new")

"""Dumps, webhook logs and databases through the load: what becomes of their records in raw."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from governance.errors import UserError
from tests.ingestion.house import LEDGER, House

COMMON = "surface: backend, trust: server, lawful_basis: contract"
MAPPING = "mapping: {event_name: name, occurred_at: at, user_id: who, properties: {n: n}}"
DUMPS = f"{{name: dumps, kind: event_dumps, path: dumps/, {COMMON}, {MAPPING}}}"
HOOKS = (
    f"{{name: hooks, kind: webhook_logs, path: hooks/, {COMMON}, mapping:"
    " {event_id: headers.x-id, event_name: body.type, occurred_at: {from: body.t, unit: s},"
    " user_id: body.user}}"
)
SHOP = (
    f"{{name: shop, kind: app_database, url: 'sqlite:///shop.sqlite', {COMMON}, tables: ["
    "{table: people, as: persons, cursor: changed, mapping: {user_id: id, email: mail}},"
    "{table: sales, as: orders, mapping: {order_id: id, user_id: who, occurred_at: at, amount: sum,"
    " refunded_amount: back, refunded_at: back_at}}]}"
)
ROWS = [
    {"name": "seen", "at": f"2026-04-0{n}T10:00:00Z", "who": f"u{n}", "n": n} for n in (1, 2, 3)
]


def _house(root: Path, source: str) -> House:
    return House(root, source)


def _csv(rows: list[dict]) -> str:
    lines = [",".join(rows[0])] + [",".join(map(str, row.values())) for row in rows]
    return "\n".join(lines) + "\n"


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_the_same_rows_in_every_container_are_the_same_events(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS)
    folder = house.home.root / "dumps"
    text = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    _write(folder / "a.jsonl", text)
    _write(folder / "b.CSV.GZ", gzip.compress(_csv(ROWS).encode()))
    _parquet(folder / "c.parquet", ROWS)
    with zipfile.ZipFile(folder / "d.zip", "w") as archive:
        archive.writestr("x/1.csv", _csv(ROWS))
        archive.writestr("x/2.jsonl.gz", gzip.compress(text))
    _write(folder / "readme.md", b"not data")
    report = house.load()
    (source,) = report.sources
    assert (source.accepted, source.records) == (15, 15)
    assert [file.segment for file in source.ignored] == ["readme.md"]
    found = house.rows(
        "select segment, event_name, occurred_at::varchar, user_id,"
        " json_extract_string(properties_unreviewed, '$.n') from raw.events order by all"
    )
    per_segment: dict[str, set] = {}
    for segment, *rest in found:
        per_segment.setdefault(segment, set()).add(tuple(rest))
    assert sorted(per_segment) == [
        "a.jsonl",
        "b.CSV.GZ",
        "c.parquet",
        "d.zip!/x/1.csv",
        "d.zip!/x/2.jsonl.gz",
    ]
    assert len({frozenset(rows) for rows in per_segment.values()}) == 1
    assert house.rows(LEDGER) == []
    assert house.load().records == 0


def test_a_file_delivered_again_under_another_name_is_known_by_its_content(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS.replace("kind:", "row_identity: position, kind:"))
    twice = [ROWS[0], ROWS[0], ROWS[1]]  # two equal lines are two events
    folder = house.home.root / "dumps"
    _write(folder / "a.csv", _csv(twice).encode())
    _write(folder / "again.csv.gz", gzip.compress(_csv(twice).encode()))
    house.load()
    rows = house.rows("select count(*), count(distinct dedupe_key) from raw.events")
    assert rows == [(6, 3)]


def test_a_dump_that_was_changed_is_a_problem_and_not_read_twice(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS)
    path = _write(house.home.root / "dumps" / "a.csv", _csv(ROWS).encode())
    house.load()
    path.write_text(_csv(ROWS[:2]))
    with pytest.raises(UserError, match="holds other bytes than when it was loaded") as refused:
        house.load()
    assert "load dumps --again" in refused.value.fix
    assert house.rows("select count(*) from raw.events") == [(3,)]
    house.load(again=True)
    current = "select count(*) from raw.events where generation = 2"
    assert house.rows(current) == [(2,)]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        (
            "a.csv.gz",
            gzip.compress(_csv(ROWS).encode() * 200, mtime=0)[:-20],
            "not a whole gzip file",
        ),
        ("a.parquet", b"PAR1 and then nothing", "not a whole Parquet file"),
        ("a.zip", b"PK nothing", "not a whole zip archive"),
        ("a.csv", _csv(ROWS).replace(",", ";").encode(), None),
        ("a.csv", _csv(ROWS).replace("who", "whom").encode(), "has no column 'who'"),
    ],
)
def test_a_file_nobody_can_read_is_named_and_the_others_are_loaded(
    tmp_path: Path, name: str, data: bytes, what: str | None
) -> None:
    house = _house(tmp_path, DUMPS)
    folder = house.home.root / "dumps"
    _write(folder / name, data)
    _write(folder / "good.jsonl", json.dumps(ROWS[0]).encode())
    if what is None:  # another delimiter is found out
        assert house.load().sources[0].accepted == 4
        return
    with pytest.raises(UserError, match=what) as refused:
        house.load()
    assert refused.value.fix
    assert house.rows("select segment from raw.events") == [("good.jsonl",)]
    assert house.rows(LEDGER) == []


def test_a_dump_replaced_by_one_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS)
    long = [ROWS[n % 3] | {"n": n + 1000} for n in range(500)]
    path = _write(house.home.root / "dumps" / "a.csv", _csv(long).encode())
    house.load()
    path.touch()
    assert house.load().records == 0  # its time alone says nothing
    path.write_text(_csv(long).replace("1499", "1498"))
    with pytest.raises(UserError, match="holds other bytes"):
        house.load()


def test_an_archive_that_would_leave_its_folder_is_refused_whole(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS)
    path = house.home.root / "dumps" / "evil.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.csv", _csv(ROWS))
        archive.writestr("../../evil.csv", _csv(ROWS))
    with pytest.raises(UserError, match=r"evil\.csv.*outside"):
        house.load()
    assert house.rows("select count(*) from raw.events") == [(0,)]


def test_a_backfill_is_loaded_in_parts_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    house = _house(tmp_path, DUMPS)
    house.configure(DUMPS, more="limits: {load_bytes: 200}\n")
    for n in range(4):
        _write(house.home.root / "dumps" / f"{n}.csv", _csv(ROWS).encode())
    seen: list[str] = []
    report = house.load(progress=lambda label, done, total=None: seen.append(label))
    assert (report.sources[0].accepted, report.sources[0].segments) == (12, 4)
    assert report.postponed == 0
    loads = "select count(distinct _dlt_load_id) from raw.segments"
    assert house.rows(loads)[0][0] >= 2
    assert house.rows(LEDGER) == []


def test_a_delivery_is_mapped_with_its_headers_and_receipt(tmp_path: Path) -> None:
    house = _house(tmp_path, HOOKS)
    body = {"type": "paid", "t": 1775037600, "user": "u1"}
    line = {"received_at": "2026-04-01T10:00:05Z", "headers": {"X-Id": "d-1"}, "body": body}
    again = line | {"body": json.dumps(body), "received_at": "2026-04-01T11:00:00Z"}
    broken = line | {"body": "not json"}
    text = "".join(json.dumps(each) + "\n" for each in (line, again, broken))
    _write(house.home.root / "hooks" / "a.jsonl", text.encode())
    (source,) = house.load().sources
    assert (source.accepted, source.quarantined) == (2, {"malformed_json": 1})
    rows = house.rows(
        "select event_id, event_name, occurred_at::varchar, received_at::varchar, user_id,"
        " count(*) over (partition by dedupe_key) from raw.events order by received_at"
    )
    assert rows[0] == ("d-1", "paid", "2026-04-01 10:00:00", "2026-04-01 10:00:05", "u1", 2)
    assert house.rows(LEDGER) == []


def test_the_body_of_a_delivery_counts_whatever_else_the_line_says(tmp_path: Path) -> None:
    house = _house(tmp_path, HOOKS)
    body = {"type": "paid", "t": 1775037600, "user": "u1"}
    line = {"type": "delivery", "headers": {"X-Id": "d-1"}, "body": body}
    _write(house.home.root / "hooks" / "a.jsonl", json.dumps(line).encode() + b"\n")
    house.load()
    assert house.rows("select event_name from raw.events") == [("paid",)]
    assert house.rows(LEDGER) == []


def test_a_reject_of_a_delivery_points_into_the_line_it_keeps(tmp_path: Path) -> None:
    house = _house(tmp_path, HOOKS)
    late = {"headers": {"X-Id": "d-1"}, "body": {"type": "paid", "t": "soon", "user": "u1"}}
    nobody = {"headers": {}, "body": {"t": 1775037600, "user": ["u1"], "type": "paid"}}
    text = json.dumps(late) + "\n" + json.dumps(nobody) + "\n"
    _write(house.home.root / "hooks" / "a.jsonl", text.encode())
    house.load()
    found = house.rows("select reason, pointer from raw.rejects order by all")
    assert found == [("invalid_field", "/body/user"), ("invalid_time", "/body/t")]


def test_an_agreement_nobody_can_read_is_a_denial(tmp_path: Path) -> None:
    mapping = "{user_id: id, occurred_at: at, consent: {analytics: ok}}"
    table = f"{{table: consents, as: consents, key: [id], mapping: {mapping}}}"
    source = (
        f"{{name: db, kind: app_database, url: 'sqlite:///c.sqlite', {COMMON}, tables: [{table}]}}"
    )
    house = _house(tmp_path, source)
    with sqlite3.connect(house.home.root / "c.sqlite") as database:
        database.execute("create table consents(id integer, at text, ok)")
        rows = [(1, 1), (2, "yes"), (3, None)]  # SQLite has no true: 1 is unreadable unless mapped
        database.executemany("insert into consents values (?, '2026-04-01 00:00:00', ?)", rows)
    house.load()
    found = house.rows("select user_id, consent_analytics, disposition from raw.events order by 1")
    assert found == [("1", False, "accepted"), ("2", False, "accepted"), ("3", None, "accepted")]


@pytest.fixture
def shop(tmp_path: Path) -> House:
    house = _house(tmp_path, SHOP)
    with sqlite3.connect(house.home.root / "shop.sqlite") as database:
        database.executescript("""
            create table people(id integer primary key, mail text, secret text, changed text);
            create table sales(id integer primary key, who int, at text, sum numeric, back numeric,
                back_at text);
            insert into people values (1, 'a@example.com', 's', '2026-04-01 10:00:00');
            insert into sales values (7, 1, '2026-04-02 10:00:00', 12.5, null, null);
        """)
    return house


def _change(house: House, statement: str) -> None:
    with sqlite3.connect(house.home.root / "shop.sqlite") as database:
        database.execute(statement)


def test_every_version_of_a_row_is_kept_and_none_is_read_twice(shop: House) -> None:
    assert shop.load().records == 3  # a person, a sale and the refund there is not
    assert shop.load().records == 0
    _change(shop, "update people set mail = 'b@example.com', changed = '2026-04-03 10:00:00'")
    _change(shop, "update sales set back = 2.5, back_at = '2026-04-04 10:00:00'")
    assert shop.load().records == 3
    _change(shop, "delete from sales")
    assert shop.load().records == 2
    people = shop.rows(
        "select count(*), count(distinct dedupe_key), count(distinct email_token)"
        " from raw.events where record_kind = 'person'"
    )
    assert people == [(2, 2, 2)]
    latest = shop.rows(
        "select event_name, is_deleted, revenue::varchar from raw.events"
        " where record_kind = 'order' order by version_at, event_name"
    )
    assert latest == [
        ("order_completed", False, "12.500000"),
        ("order_refunded", True, None),
        ("order_completed", False, "12.500000"),
        ("order_refunded", False, "-2.500000"),
        ("order_completed", True, None),
        ("order_refunded", True, None),
    ]
    assert shop.rows(
        "select count(distinct dedupe_key) from raw.events where record_kind = 'order'"
    ) == [(2,)]
    assert shop.rows(LEDGER) == []


def test_a_row_deleted_after_the_cut_over_is_gone_all_the_same(shop: House) -> None:
    shop.configure(SHOP.replace("tables:", "occurred_until: 2026-05-01, tables:", 1))
    shop.load()
    _change(shop, "delete from sales")
    (source,) = shop.load().sources
    assert (source.accepted, source.quarantined) == (2, {})


def test_spool_files_that_were_taken_away_are_read_again(shop: House) -> None:
    shop.load()
    for path in (shop.home.landing / "shop").glob("*/*.parquet"):
        path.unlink()
    assert shop.load().records == 3


def test_rows_of_customers_are_for_their_owner_alone(shop: House) -> None:
    shop.load()
    for path in (shop.home.landing / "shop").rglob("*.parquet"):
        assert path.stat().st_mode & 0o077 == 0
    for path in (shop.home.landing / "shop").rglob(".state"):
        assert path.stat().st_mode & 0o077 == 0


def test_kept_rows_are_judged_again_without_asking_the_database(shop: House) -> None:
    shop.load()
    (shop.home.root / "shop.sqlite").unlink()
    with pytest.raises(UserError, match="names a file that does not exist"):
        shop.load(again=True)
    rows = shop.rows("select generation, count(*) from raw.events group by all order by all")
    assert rows == [(1, 3), (2, 3)]


def test_rows_kept_before_a_column_was_mapped_are_judged_again_without_it(shop: House) -> None:
    shop.load()
    shop.configure(SHOP.replace("email: mail}", "email: mail, phone: tel}"))
    _change(shop, "alter table people add column tel text")
    _change(shop, "update people set tel = '+493012345678'")
    shop.load(again=True)
    people = shop.rows(
        "select phone_token is not null from raw.events where record_kind = 'person'"
        " and generation = (select max(generation) from raw.segments as s"
        " where s.segment = events.segment) order by all"
    )
    assert people == [(False,), (True,)]


def test_a_column_that_was_renamed_stops_its_table_alone(shop: House) -> None:
    shop.load()
    _change(shop, "alter table people rename column mail to email")
    _change(shop, "insert into sales values (8, 1, '2026-04-05 10:00:00', 3, null, null)")
    with pytest.raises(UserError, match="mail") as refused:
        shop.load()
    assert "email" in str(refused.value)
    assert shop.rows("select count(*) from raw.events where order_id = '8' and not is_deleted") == [
        (1,)
    ]
    assert shop.rows(LEDGER) == []


def test_how_far_a_database_was_read_is_known_even_where_nothing_changed(shop: House) -> None:
    shop.load()
    before = shop.rows("select max(max_received_at) from raw.segments")[0][0]
    _change(shop, "insert into sales values (8, 1, '2026-04-05 10:00:00', 3, null, null)")
    shop.load()
    assert shop.rows("select max(max_received_at) from raw.segments")[0][0] > before

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time

import dlt
import fsspec
import pytest
import zstandard

from governance.errors import UserError
from ingestion.batches import SpanReader
from ingestion.raw_schema import TABLES
from ingestion.rejects import read_reject
from tests.ingestion.house import LEDGER, NATIVE, event


def test_what_was_landed_is_loaded_once_and_every_record_has_one_disposition(house):
    house.land(
        event(1), event(2), b"junk", b"", event(3, occurred_at=None), {"batch": [event(4), 5]}
    )
    report = house.load().sources[0]
    assert (report.lines, report.accepted, report.records) == (5, 3, 6)
    assert report.quarantined == {"malformed_json": 1, "missing_time": 1, "not_an_object": 1}
    assert house.load().records == 0
    assert house.rows("select count(*), count(distinct dedupe_key) from raw.events") == [(3, 3)]
    assert house.rows(LEDGER) == []


def test_all_raw_tables_exist_after_a_load_of_nothing(house):
    house.load()
    for table in TABLES:
        assert house.rows(f"select count(*) from raw.{table}") == [(0,)]
    types = dict(
        house.rows(
            "select column_name, data_type from information_schema.columns"
            " where table_name = 'events'"
        )
    )
    assert types["occurred_at"] == "TIMESTAMP"
    assert types["revenue"] == "DECIMAL(18,6)"


def test_appended_lines_are_read_from_where_the_last_load_ended(house):
    house.land(event(1))
    house.load()
    house.land(event(2), event(3))
    house.load()
    assert house.rows("select event_id from raw.events order by 1") == [("e1",), ("e2",), ("e3",)]
    assert house.rows("select count(*) from raw.segments") == [(2,)]


def test_a_last_line_without_a_line_feed_counts_when_it_parses_and_waits_when_it_does_not(house):
    path = house.land(event(1))
    with path.open("ab") as file:
        file.write(json.dumps(event(2)).encode())
    assert house.load().records == 2
    with path.open("ab") as file:
        file.write(b'\n{"event_id": "e3"')
    report = house.load().sources[0]
    assert report.accepted == 0
    assert report.waiting[0].bytes == len(b'{"event_id": "e3"')
    os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert house.load().sources[0].quarantined == {"malformed_json": 1}
    assert house.rows(LEDGER) == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_segments_load_once_they_are_whole(house, suffix):
    lines = b"".join(json.dumps(event(i)).encode() + b"\n" for i in range(2000))
    packed = gzip.compress(lines) if suffix == ".gz" else zstandard.compress(lines)
    path = house.home.landing / "app" / f"a.jsonl{suffix}"
    path.write_bytes(packed[:-20])
    house.land(event(9999))
    with pytest.raises(UserError, match="is not a whole"):
        house.load()
    assert house.rows("select count(*) from raw.events") == [(1,)]  # the others were loaded
    path.write_bytes(packed)
    assert house.load().records == 2000
    assert house.load().records == 0
    assert house.rows(LEDGER) == []


def test_a_replaced_or_shortened_segment_is_named_and_nothing_of_it_is_read(house):
    path = house.land(event(1), event(2))
    house.load()
    path.write_bytes(json.dumps(event(7)).encode() + b"\n")
    with pytest.raises(UserError, match=r"app/a\.jsonl is shorter"):
        house.load()
    path.write_bytes(path.read_bytes() * 5)
    with pytest.raises(UserError, match="begins with other bytes"):
        house.load()
    assert house.rows("select count(*) from raw.events") == [(2,)]
    house.load(again=True)
    assert house.rows("select generation, count(*) from raw.events group by 1 order by 1") == [
        (1, 2),
        (2, 5),
    ]


def test_a_missing_folder_is_a_mistake_with_a_fix(house):
    (house.home.landing / "app").rmdir()
    with pytest.raises(UserError) as caught:
        house.load()
    assert "mkdir -p" in caught.value.fix


def test_an_unknown_source_is_named(house):
    with pytest.raises(UserError, match="'nope'"):
        house.load(sources=["nope"])


def test_a_line_longer_than_the_limit_is_kept_in_part_and_the_next_is_read(house):
    house.configure(NATIVE, more="limits: {line_bytes: 500}\n")
    house.land(b'{"x":"' + b"a" * 200_000 + b'"}', event(1))
    assert house.load().sources[0].quarantined == {"too_large": 1}
    [(length, detail)] = house.rows("select bytes_length, detail from raw.rejects")
    assert length == 65536
    assert "200008 bytes" in detail
    assert house.rows(LEDGER) == []


def test_the_bytes_of_a_reject_are_encrypted_and_come_back(house):
    line = b'{"event_name":"anna@example.com","occurred_at":5}'
    house.land(line)
    house.load()
    [place] = house.rows("select stored_in, stored_at, bytes_length from raw.rejects")
    stored = house.home.rejects / place[0]
    assert b"anna" not in stored.read_bytes()
    assert stored.stat().st_mode & 0o777 == 0o600
    assert read_reject(house.home, house.keys, *place) == line
    assert house.rows("select event_name, pointer from raw.rejects") == [
        ("[email]", "/occurred_at")
    ]


def test_again_supersedes_with_a_new_generation(house):
    house.land(event(1), b"junk")
    house.load()
    house.load(again=True)
    assert house.rows(
        "select generation, sum(accepted), sum(quarantined) from raw.segments group by 1 order by 1"
    ) == [(1, 1, 1), (2, 1, 1)]
    assert house.rows("select count(distinct dedupe_key) from raw.events") == [(1,)]


def test_a_loader_that_drops_a_row_and_its_counter_is_caught_by_the_receipts(house, monkeypatch):
    honest = SpanReader._flush

    def thief(reader, tally):
        reader._events.pop()  # before anything is counted: the loader's own numbers agree
        return honest(reader, tally)

    monkeypatch.setattr(SpanReader, "_flush", thief)
    house.land(event(1), event(2))
    report = house.load().sources[0]
    assert report.accepted == 1
    assert house.rows("select sum(accepted) from raw.segments") == [(1,)]
    assert [row[3:] for row in house.rows(LEDGER)] == [(2, 1)]


@pytest.mark.parametrize("step", ["extract", "normalize", "load"])
def test_a_fault_between_the_steps_of_dlt_leaves_nothing_behind(house, monkeypatch, step):
    house.load()
    house.land(*(event(i) for i in range(20)), b"junk")
    with monkeypatch.context() as broken:
        broken.setattr(dlt.Pipeline, step, _full_disk)
        with pytest.raises(UserError, match="is full"):
            house.load()
    house.load()
    assert house.rows("select count(*), count(distinct dedupe_key) from raw.events") == [(20, 20)]
    assert len(list(house.home.rejects.glob("*/*.bin"))) == 1
    assert house.rows(LEDGER) == []


def _full_disk(*_args, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


KILLED = """
import os, signal, sys
from pathlib import Path
import dlt
from ingestion.sources import landing
from dlt.load.load import Load

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[1]
if point == "batch":
    from ingestion.batches import SpanReader
    SpanReader._flush = die
elif point == "commit":  # rows are in the tables, the load is not committed
    Load.complete_package = die
else:
    setattr(dlt.Pipeline, point, die)
sys.exit(landing.main(["--home", sys.argv[2]]))
"""


@pytest.mark.parametrize("point", ["batch", "normalize", "load", "commit"])
def test_a_load_killed_at_any_point_ends_the_next_time_as_if_nothing_had_happened(house, point):
    house.land(*(event(i) for i in range(20)), b"junk")
    run = [sys.executable, "-W", "ignore", "-c", KILLED, point, str(house.home.root)]
    assert subprocess.run(run, check=False, capture_output=True).returncode == -signal.SIGKILL
    house.load()
    assert house.rows("select count(*), count(distinct dedupe_key) from raw.events") == [(20, 20)]
    assert house.rows("select count(*), sum(quarantined) from raw.segments") == [(1, 1)]
    assert house.rows(LEDGER) == []


def test_the_source_runs_alone_and_says_what_it_did(house):
    house.land(event(1), b"junk")
    run = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "ingestion.sources.landing",
        "--home",
        str(house.home.root),
    ]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert (
        "app: 1 segments, 2 lines, 1 accepted, 0 stripped, quarantined: 1 malformed_json"
        in done.stdout
    )
    failed = subprocess.run([*run, "nope"], check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr


def test_an_address_of_fsspec_is_a_landing_folder_too(make_house):
    house = make_house(NATIVE.replace("landing/app/", "'memory://landing-test'"))
    with fsspec.open("memory://landing-test/a.jsonl", "wb") as file:
        file.write(json.dumps(event(1)).encode() + b"\n")
    assert house.load().records == 1
    assert house.load().records == 0

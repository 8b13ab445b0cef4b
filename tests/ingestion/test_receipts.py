import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.batches import split_lines
from ingestion.delivery import unwrap
from ingestion.parser import WHITESPACE, parse
from ingestion.receipts import Receipt, Receipts
from ingestion.refusals import Refusal
from ingestion.times import HOUR, microseconds

TEN = microseconds("2026-04-13T10:00:00Z")
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def receipts():
    counter = Receipts()
    yield counter
    counter.close()


@pytest.mark.parametrize(
    ("line", "hour", "records"),
    [
        (b'{"received_at":"2026-04-13T10:59:59.9999999Z"}', TEN, 1),
        (b'{"receivedAt":"2026-04-13T12:30:00+02:00","batch":[1,2,3]}', TEN, 3),
        (b'{"received_at":null,"receivedAt":"2026-04-13 10:00"}', TEN, 1),
        (b'{"received_at":"2026-04-13T10:00:00+0200"}', TEN - 2 * HOUR, 1),
        (b'{"received_at":"2026-02-30T10:00:00Z"}', None, 1),
        (b'{"received_at":"yesterday","receivedAt":"2026-04-13T10:00:00Z"}', None, 1),
        (b'{"body":{"batch":[1,2,3,4]}}', None, 4),
        (b'{"body":"{\\"batch\\":[1,2]}"}', None, 2),
        (b'{"body":"{\\"batch\\":[1,2]"}', None, 1),
        (b'{"event_name":"x","body":{"batch":[1,2]}}', None, 1),
        (b'{"\\u0062atch":[1,2]}', None, 2),
        (b'{"batch":[]}', None, 1),
        (b"junk", None, 1),
        (b"\xff\xfe", None, 1),
    ],
)
def test_a_line_weighs_what_it_holds(receipts, line, hour, records):
    assert receipts.weigh([line], line_bytes=LIMIT) == [Receipt(hour, records)]
    assert receipts.count([line], line_bytes=LIMIT) == [Receipt(hour, records)]


def test_blank_lines_are_nothing(receipts):
    assert receipts.count([b"\n \t\r\n\n"], line_bytes=LIMIT) == []


def test_a_line_beyond_the_limit_is_one_record_without_an_hour_however_it_arrives(receipts):
    line = b'{"received_at":"2026-04-13T10:00:00Z","batch":[' + b"1," * 100 + b"1]}"
    for step in (7, 50, 1000):
        data = line + b"\n{}\n"
        blocks = [data[i : i + step] for i in range(0, len(data), step)]
        assert receipts.count(blocks, line_bytes=100) == [Receipt(None, 2)]


STAMP = st.sampled_from(["2026-04-13T10:00:00Z", "2026-04-13T10:00", "nonsense", None, 5])
BATCH = st.lists(st.just({"x": 1}), max_size=3) | st.just("text") | st.none()
BODY = st.fixed_dictionaries({}, optional={"batch": BATCH, "x": st.text(max_size=4)})
LINE = st.fixed_dictionaries(
    {},
    optional={
        "received_at": STAMP,
        "receivedAt": STAMP,
        "batch": BATCH,
        "body": BODY | BODY.map(json.dumps) | st.none() | st.just("{"),
        "type": st.just("track"),
    },
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=200, deadline=None)
@given(LINE)
def test_loader_and_receipts_agree_about_every_line_the_loader_can_use(line):
    try:
        delivery = unwrap(parse(line, depth=32), depth=32, batch_events=1000)
    except Refusal:
        return
    hour = delivery.received_at and delivery.received_at - delivery.received_at % HOUR
    records = 1 if delivery.records is None else len(delivery.records)
    counter = Receipts()
    try:
        assert counter.weigh([line], line_bytes=LIMIT) == [Receipt(hour, records)]
    finally:
        counter.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=6).map(b"\n".join), st.integers(1, 9))
def test_both_splitters_see_the_same_lines_in_any_blocks(data, step):
    blocks = [data[i : i + step] for i in range(0, len(data), step)]
    lines = [line for lines in split_lines(blocks, 0, 20) for line in lines]
    for line in lines:
        assert data[line.offset :].startswith(line.data)
    used = [line for line in lines if line.digest or line.data.strip(WHITESPACE)]
    counter = Receipts()
    try:
        assert sum(r.records for r in counter.count(blocks, line_bytes=20)) == len(used)
    finally:
        counter.close()

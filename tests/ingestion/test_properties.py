"""Whatever bytes arrive: nothing crashes or is lost, and the cut into files does not matter."""

import json
import secrets
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.config import Limits, Source
from governance.contracts import Contracts
from governance.home import Home
from governance.keys import make_keys
from governance.masking import mask_text
from ingestion.batches import SpanReader, Tally
from ingestion.formats import format_of
from ingestion.identifiers import Identifiers
from ingestion.receipts import Receipts
from ingestion.rejects import RejectFile
from ingestion.segments import Segment, Span
from tests.ingestion.house import event

SOURCES = {
    form: Source.model_validate(
        {
            "name": "app",
            "format": form,
            "path": "landing/app/",
            "surface": "web",
            "trust": "public",
            "lawful_basis": "legitimate_interests",
        }
    )
    for form in ("native", "segment")
}
LIMITS = Limits(line_bytes=4096)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    keys = make_keys(home)
    receipts = Receipts()

    def run(data: bytes, form: str, step: int = 1 << 20, name: str = "a.jsonl"):
        rejects = RejectFile(home, keys, "app", secrets.token_hex(8))
        reader = SpanReader(
            SOURCES[form],
            limits=LIMITS,
            keys=keys,
            contracts=Contracts({}),
            receipts=receipts,
            rejects=rejects,
            load_began=datetime.now(UTC),
            remember=lambda identifiers: identifiers.drain(),
        )
        span = Span(Segment("app", name, name, len(data), 0.0, None), 1, 0, len(data), "")
        tally = Tally()
        blocks = [data[i : i + step] for i in range(0, len(data), step)]
        events = []
        for batch in reader.read(span, format_of(SOURCES[form], keys.digest), blocks, tally):
            events += batch.events.to_pylist() if batch.events else []
        rejects.close()
        received = sum(r.records for r in receipts.count([data], line_bytes=LIMITS.line_bytes))
        return events, tally, received

    yield run
    receipts.close()


@pytest.fixture(scope="module")
def identifiers(tmp_path_factory):
    return Identifiers(make_keys(Home(tmp_path_factory.mktemp("keys"))))


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = [*event(), "event_type", "sent_at", "consent", "context", "revenue", "properties"]
CALLS = ["type", "event", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp"]
CALLS += ["sentAt", "receivedAt", "context", "traits", "properties", "groupId", "previousId"]
CALLS += ["name", "batch", "body"]
STAMP = st.sampled_from(
    ["2026-04-13T10:00:00Z", "2026-04-13T10:00:00.5+02:00", "2036-01-01T00:00:00Z"]
)
RECORD = st.dictionaries(st.sampled_from(NAMES + CALLS), VALUE | STAMP, max_size=8)
NEAR = st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=2).map(
    lambda changes: event(1) | changes
)
CALL = st.dictionaries(st.sampled_from(CALLS), VALUE, max_size=2).map(
    lambda changes: {"type": "track", "event": "x", "timestamp": "2026-04-13T10:00:00Z"} | changes
)
LINE = st.binary(max_size=40) | (RECORD | NEAR | CALL | VALUE).map(lambda v: json.dumps(v).encode())
DATA = st.lists(LINE, max_size=5).map(b"\n".join)


@pytest.mark.parametrize("form", ["native", "segment"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=DATA, step=st.integers(1, 64))
def test_whatever_arrives_every_record_received_has_exactly_one_disposition(read, form, data, step):
    _, tally, received = read(data, form, step)
    assert tally.accepted + tally.stripped + tally.quarantined == received


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, 9), max_size=12), cut=st.integers(0, 12))
def test_the_same_lines_in_any_split_of_files_give_the_same_keys_and_contents(read, numbers, cut):
    lines = [json.dumps(event(number)).encode() + b"\n" for number in numbers]

    def keys(*files):
        return [
            (row["dedupe_key"], row["content_digest"], row["occurred_at"])
            for number, file in enumerate(files)
            for row in read(b"".join(file), "native", name=f"{number}.jsonl")[0]
        ]

    assert keys(lines) == keys(lines[:cut], lines[cut:])


DIRECT = st.sampled_from(
    [
        "john@example.com",
        "john%40example.com",
        "john%252540example.com",
        "+4930901820",
        "%2B49 30 901820",
        "4111111111111111",
        "203.0.113.9",
        "555-123-4567",
    ]
)
AROUND = st.sampled_from(["", "mailto:", "tel:", "John <", "for ", "id%20", "u="]) | st.text(
    max_size=5
)


@settings(max_examples=200)
@given(before=AROUND, direct=DIRECT | st.text(max_size=20), after=st.sampled_from(["", ">", " x"]))
def test_no_stored_identifier_holds_a_direct_one(identifiers, before, direct, after):
    stored = identifiers.identifier(before + direct + after, "/subject/user_id")
    if stored is not None:
        assert mask_text(stored)[1] == 0
        assert mask_text(unquote(stored))[1] == 0

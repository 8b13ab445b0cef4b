"""Lines of text: positions are byte offsets, long lines are not held, the count agrees."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.containers import text_files
from ingestion.containers.rows import Row
from ingestion.refusals import Reason, Refusal
from tests.ingestion.containers.test_csv import Trickle


def parse(line: bytes) -> dict[str, str]:
    if line.startswith(b"bad"):
        raise Refusal(Reason.MALFORMED_ROW, "", "bad")
    return {"text": line.decode()}


def read(data: bytes, *, limit: int = 1 << 20) -> list[Row]:
    groups = text_files.rows(io.BytesIO(data), parse, line_bytes=limit)
    return [row for group in groups for row in group]


def test_positions_are_offsets_and_blank_lines_are_nothing():
    found = read(b"one\r\n\n \t\r\ntwo\nbad\nlast")
    assert [(row.position, row.data) for row in found] == [
        (0, b"one\r"),
        (10, b"two"),
        (14, b"bad"),
        (18, b"last"),
    ]
    assert found[2].refusal
    assert found[3].record == {"text": "last"}


def test_a_line_beyond_the_limit_is_refused():
    found = read(b"aa\nbbbbbb\ncc", limit=5)
    assert [row.refusal and row.refusal.reason for row in found] == [None, Reason.TOO_LARGE, None]
    assert found[2].position == 10


LINES = st.text(st.sampled_from(list("ab \t\r\n")), max_size=60).map(str.encode)


@given(data=LINES, limit=st.integers(1, 12), seed=st.integers(0, 1000))
def test_the_count_agrees_with_the_lines(data: bytes, limit: int, seed: int):
    groups = text_files.rows(Trickle(data, seed), parse, line_bytes=limit)
    found = [row for group in groups for row in group]
    assert text_files.count(Trickle(data, seed + 1)) == len(found)
    assert [row.position for row in found] == [row.position for row in read(data, limit=limit)]
    for row in found:
        assert data[row.position :].startswith(row.data)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_groups_are_bounded(size: int):
    data = b"x\n" * 5000
    assert [len(group) for group in text_files.rows(io.BytesIO(data), parse, line_bytes=size)] == [
        2000,
        2000,
        1000,
    ]

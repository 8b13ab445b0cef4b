"""CSV as others write it: every dialect gives the same rows, and the count always agrees."""

import csv
import io
import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governance.config import Csv
from ingestion.containers import csv_files
from ingestion.containers.rows import FileProblem, Row

LIMIT = 1 << 20


def read(data: bytes, spec: Csv | None = None, *, limit: int = LIMIT, **options) -> list[Row]:
    groups = csv_files.rows(io.BytesIO(data), spec or Csv(), line_bytes=limit, **options)
    return [row for group in groups for row in group]


def count(data: bytes, spec: Csv | None = None, *, limit: int = LIMIT) -> int:
    return csv_files.count(io.BytesIO(data), spec or Csv(), line_bytes=limit)


def records(data: bytes, spec: Csv | None = None, **options) -> list:
    found = read(data, spec, **options)
    assert count(data, spec) == len(found)
    assert [row.position for row in found] == list(range(len(found)))
    return [row.refusal.reason.value if row.refusal else row.record for row in found]


def test_a_header_names_the_columns_and_empty_fields_are_none():
    assert records(b"a,b\n1,x\n2,\n") == [{"a": "1", "b": "x"}, {"a": "2", "b": None}]


def test_only_the_columns_that_are_asked_for_are_in_the_record():
    assert records(b"a,b,c\n1,2,3\n", wanted=["c", "a", "z"]) == [{"a": "1", "c": "3"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter: str):
    lines = [["id", "text", "amount"], ["1", "a, b; c", "1,50"], ["2", "x|y", "2,75"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(lines)
    assert records(text.getvalue().encode()) == [
        dict(zip(lines[0], line, strict=True)) for line in lines[1:]
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_end_of_line_counts_and_a_blank_line_is_nothing(end: bytes):
    data = end.join([b"a,b", b"", b"1,2", b"3,4", b"", b""])
    assert records(data) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_quotes_hold_delimiters_line_breaks_and_quotes():
    data = b'a,b\n"x,y","line\r\nbreak"\n"say ""hi""",2\n'
    assert records(data) == [{"a": "x,y", "b": "line\r\nbreak"}, {"a": 'say "hi"', "b": "2"}]


def test_a_quote_within_a_field_is_a_sign_like_others():
    assert records(b'a,b\n5" pipe,1\n6",2\n') == [{"a": '5" pipe', "b": "1"}, {"a": '6"', "b": "2"}]


def test_rows_of_another_length_are_refused_with_their_bytes():
    found = read(b"a,b\n1\n1,2\n1,2,3\n")
    assert [row.refusal and row.refusal.reason.value for row in found] == [
        "malformed_row",
        None,
        "malformed_row",
    ]
    assert found[2].data == b"1,2,3"
    assert found[2].refusal
    assert found[2].refusal.detail == "3 fields, where there are 2 columns"


def test_a_quote_that_is_never_closed_costs_its_own_line_alone():
    data = b'a,b\n1,2\n"open,3\n4,5\n6,7\n'
    assert records(data) == [
        {"a": "1", "b": "2"},
        "malformed_row",
        {"a": "4", "b": "5"},
        {"a": "6", "b": "7"},
    ]


def test_a_quote_closed_beyond_the_limit_costs_its_own_line_alone():
    data = b'a,b\n"open,3\n' + b"4,5\n" * 50 + b'",6\n'
    found = read(data, limit=100)
    assert count(data, limit=100) == len(found) == 52
    assert found[0].refusal
    assert found[1].record == {"a": "4", "b": "5"}


@pytest.mark.parametrize(("limit", "rows"), [(9, 1), (8, 2)])
def test_the_limit_is_that_of_the_record_without_its_end(limit: int, rows: int):
    data = b'a,b\n"xx\nyy",1\n'
    assert len(read(data, limit=limit)) == count(data, limit=limit) == rows


def test_a_line_beyond_the_limit_is_refused_and_not_held():
    class Endless(io.RawIOBase):
        """300 MB of one line between two good ones."""

        left = 300

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if self.left == 299:
                return b"a,b\n1,2\n3,"
            if self.left > 0:
                return b"x" * min(size, 1 << 20)
            return b"\n5,6\n" if self.left == 0 else b""

    groups = csv_files.rows(Endless(), Csv(), line_bytes=LIMIT)  # pyright: ignore
    found = [row for group in groups for row in group]
    assert [row.refusal and row.refusal.reason.value for row in found] == [None, "too_large", None]
    assert found[1].position == 1
    assert len(found[1].data) == 1 << 16
    assert csv_files.count(Endless(), Csv(), line_bytes=LIMIT) == 3  # pyright: ignore


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_encodings(encoding: str):
    text = "größe,ort\n1,Zürich\n2,Köln\n"
    spec = Csv(encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    assert records(text.encode(encoding), spec) == [
        {"größe": "1", "ort": "Zürich"},
        {"größe": "2", "ort": "Köln"},
    ]


def problem(data: bytes, spec: Csv | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as raised:
        count(data, spec)
    with pytest.raises(FileProblem):
        read(data, spec)
    return raised.value


def test_another_encoding_is_a_problem_of_the_file_with_the_yaml_that_mends_it():
    found = problem("id;ort\n1;Zürich\n2;Köln\n".encode("latin-1"))
    assert found.what == "is not written in utf-8: 2 of its lines cannot be decoded"
    assert 'csv: {delimiter: ";", encoding: latin-1}' in found.fix


def test_utf_16_is_recognised():
    assert "csv: {encoding: utf-16}" in problem("a,b\n1,2\n".encode("utf-16")).fix
    assert "csv: {encoding: utf-16-le}" in problem("a,b\n1,2\n".encode("utf-16-le")).fix


def test_another_encoding_far_down_is_seen_by_the_count():
    data = b"id,ort\n" + b"1,Bern\n" * 50_000 + b"2,Z\xfcrich\n" * 600
    with pytest.raises(FileProblem, match="is not written in utf-8: 600"):
        count(data)


def test_a_broken_row_among_good_ones_is_refused_alone():
    data = b"id,ort\n" + "1,Zürich\n".encode() * 20 + b"2,K\xf6ln\n"
    assert records(data)[-1] == "bad_unicode"
    assert records(data)[0] == {"id": "1", "ort": "Zürich"}


@pytest.mark.parametrize(
    ("data", "spec", "what", "fix"),
    [
        (b"", None, "has no header", "columns: [...]"),
        (b"\n\n", None, "has no header", "columns: [...]"),
        (b"a,b,a\n1,2,3\n", None, "has two columns called 'a'", "columns: [...]"),
        (
            b"a;b\n1;2\n",
            Csv(delimiter=","),
            "has one column at the delimiter ','",
            'csv: {delimiter: ";", encoding: utf-8}',
        ),
        (
            b"a,b\n1,2,\n3,4,\n",
            None,
            "has 2 columns, but its rows have 3 fields at the delimiter ','",
            "columns: [...]",
        ),
        (b"a,b\n1,2\n", Csv(encoding="klingon"), "'klingon' is no encoding", "utf-8"),
        (b"a,b\n1,2\n", Csv(delimiter="x"), "csv.delimiter must be", ""),
        (b"a,b\n1,2\n", Csv(delimiter='"'), "are the same sign", ""),
        (b"a" * 70_000, None, "has a first line of more than", "Is it CSV?"),
    ],
)
def test_problems_of_a_whole_file(data: bytes, spec: Csv | None, what: str, fix: str):
    found = problem(data, spec)
    assert what in found.what
    assert fix in found.fix


def test_columns_can_be_named_where_there_is_no_header():
    spec = Csv(columns=("a", "b"))
    assert records(b"1,2\n3,4\n", spec) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert csv_files.columns(io.BytesIO(b"1,2\n"), spec) == ("a", "b")


def test_the_index_that_pandas_leaves_without_a_name_gets_one():
    assert csv_files.columns(io.BytesIO(b",a\n0,x\n"), Csv()) == ("column_1", "a")


FIELDS = st.text(st.sampled_from(list('ab,;\t|"\r\n é\u2028\x0b\x00ß')), max_size=8)


@given(
    rows=st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_what_the_csv_module_writes_is_read_back(rows, delimiter, quoting, end, encoding):
    if quoting == csv.QUOTE_MINIMAL:  # before Python 3.13 it leaves a carriage return bare
        rows = [[field.replace("\r", "") for field in row] for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(["x", "y", "z"])
    writer.writerows(rows)
    spec = Csv(delimiter=delimiter, encoding=encoding)
    expected = [
        dict(zip(("x", "y", "z"), [field or None for field in row], strict=True)) for row in rows
    ]
    assert records(text.getvalue().encode(encoding), spec) == expected


def told(rows: list[Row]) -> list:
    return [(row.position, row.record, row.refusal and row.refusal.reason) for row in rows]


NASTY = st.text(st.sampled_from(list('ab,"\r\n')), max_size=60).map(str.encode)


class Trickle(io.BytesIO):
    """Gives few bytes at a time: every boundary between blocks is met."""

    def __init__(self, data: bytes, seed: int) -> None:
        super().__init__(data)
        self._chance = random.Random(seed)

    def read(self, size: int = -1) -> bytes:  # pyright: ignore
        return super().read(self._chance.randint(1, 5))


@given(data=NASTY, limit=st.integers(3, 30), seed=st.integers(0, 1000))
@example(data=b'"\n\n,"a', limit=3, seed=0)
@example(data=b"aaaa\r\n", limit=3, seed=1)
def test_the_count_agrees_with_the_rows_whatever_is_in_the_file(data, limit, seed):
    spec = Csv(columns=("a", "b"), delimiter=",")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.containers.csv_shape._check_lengths", lambda *_, **__: None)
        patch.setattr("ingestion.containers.csv_shape._HEAD_BYTES", 8)
        try:
            groups = csv_files.rows(Trickle(data, seed), spec, line_bytes=limit)
            rows = [row for group in groups for row in group]
        except FileProblem:  # a first line longer than the head
            return
        patch.setattr("ingestion.containers.csv_shape._HEAD_BYTES", 1 << 16)
        assert csv_files.count(Trickle(data, seed), spec, line_bytes=limit) == len(rows)
        assert csv_files.count(Trickle(data, seed + 1), spec, line_bytes=limit) == len(rows)
        assert told(read(data, spec, limit=limit)) == told(rows)
    if all(row.refusal is None or row.refusal.reason.value != "too_large" for row in rows):
        kept = b"".join(row.data for row in rows)
        assert re.sub(rb"[\r\n]", b"", kept) == re.sub(rb"[\r\n]", b"", data)

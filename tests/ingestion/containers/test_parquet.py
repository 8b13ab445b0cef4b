"""Parquet: typed columns as plain values, rows counted by another reader."""

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.containers import parquet_files
from ingestion.containers.rows import FileProblem

UTC = dt.UTC
MOMENT = dt.datetime(2026, 4, 13, 10, 0, 0, 123456)


def written(table: pa.Table, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    file.seek(0)
    return file


def values(array: pa.Array) -> list[Any]:
    file = written(pa.table({"x": array}))
    rows = [row for group in parquet_files.rows(file) for row in group]
    assert parquet_files.count(file) == len(rows)
    return [row.record["x"] for row in rows if row.record is not None]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", None, ""]), ["a", None, ""]),
        (pa.array([1, None], pa.int64()), [1, None]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.array([True, None]), [True, None]),
        (pa.array([1.5, None, float("nan"), float("inf")]), [1.5, None, None, None]),
        (pa.array([1.5], pa.float32()), [1.5]),
        (
            pa.array([Decimal("12.50"), None], pa.decimal128(18, 2)),
            [Decimal("12.50"), None],
        ),
        (pa.array([MOMENT, None], pa.timestamp("us")), [MOMENT, None]),
        (
            pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")),
            [MOMENT.replace(tzinfo=UTC)],
        ),
        (pa.array([1_700_000_000_123_456_789], pa.int64()).view(pa.timestamp("ns")),
         [dt.datetime(2023, 11, 14, 22, 13, 20, 123456)]),
        (pa.array([dt.date(2026, 4, 13), None]), [dt.datetime(2026, 4, 13), None]),
        (pa.array([b"\x00\xff", None]), ["00ff", None]),
        (pa.array([["a", None], None]), [["a", None], None]),
        (pa.array([{"a": 1.0, "b": {"c": "x"}}]), [{"a": 1.0, "b": {"c": "x"}}]),
        (pa.array([{"a": float("nan")}]), [{"a": None}]),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [{"k": 1}]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([dt.time(1, 2, 3)]), ["01:02:03"]),
        (pa.array([None, None], pa.null()), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_values_are_plain(array: pa.Array, expected: list[Any]):
    found = values(array)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_time_no_calendar_has_is_text_that_is_no_time():
    far = pa.array([2**62], pa.int64()).view(pa.timestamp("us"))
    assert values(far) == [str(2**62)]


def test_rows_are_numbered_over_row_groups_and_only_wanted_columns_are_read():
    table = pa.table({"a": list(range(5000)), "b": ["x"] * 5000})
    file = written(table, row_group_size=700)
    rows = [row for group in parquet_files.rows(file, wanted=["a", "z"]) for row in group]
    assert [row.position for row in rows] == list(range(5000))
    assert rows[4321].record == {"a": 4321}
    assert parquet_files.count(file) == 5000


def test_rows_count_when_no_wanted_column_is_there():
    file = written(pa.table({"a": [1, 2, 3]}))
    rows = [row for group in parquet_files.rows(file, wanted=["z"]) for row in group]
    assert [row.record for row in rows] == [{}, {}, {}]


def test_an_empty_table_has_no_rows():
    file = written(pa.table({"a": pa.array([], pa.int64())}))
    assert list(parquet_files.rows(file)) == []
    assert parquet_files.count(file) == 0
    assert parquet_files.columns(file) == ("a",)


@pytest.mark.parametrize("cut", [0, 3, 100, -20, -1])
def test_a_truncated_file_is_a_problem_of_the_file(cut: int):
    whole = written(pa.table({"a": list(range(1000))})).getvalue()
    for look in (parquet_files.columns, parquet_files.count, lambda f: list(parquet_files.rows(f))):
        with pytest.raises(FileProblem, match="is not a whole Parquet file"):
            look(io.BytesIO(whole[:cut]))


def test_a_file_that_is_something_else_is_a_problem_of_the_file():
    with pytest.raises(FileProblem, match="is not a whole Parquet file"):
        parquet_files.count(io.BytesIO(b"a,b\n1,2\n" * 10))


def test_damage_within_is_a_problem_of_the_file():
    table = pa.table({"a": [f"{i * 7919 % 1000003}" for i in range(50_000)]})
    data = bytearray(written(table, compression="zstd").getvalue())
    data[1000:1200] = bytes(200)
    with pytest.raises(FileProblem, match="is damaged"):
        list(parquet_files.rows(io.BytesIO(bytes(data))))


@pytest.mark.material
def test_the_online_retail_table(material: Path):
    path = material / "online_retail" / "online_retail.parquet"
    with path.open("rb") as file:
        assert parquet_files.count(file) == 541_909
        first = next(parquet_files.rows(file))
    assert len(first) == 2000
    assert first[0].record
    assert first[0].record["InvoiceNo"]

"""The published file opened by what people have: an older DuckDB, pandas, both SQLAlchemy.

The older clients live in ``.tools`` (``make clients``), each in an interpreter of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
# One table and one view over parquet: the two ways a mart is published.
MARTS = ["fct_sessions", "fct_events", "rpt_metrics_daily"]

OLD_DUCKDB = """
import duckdb, json, sys
assert duckdb.__version__.startswith("1.1."), duckdb.__version__
connection = duckdb.connect(sys.argv[1], read_only=True)
count = lambda mart: connection.execute(f"select count(*) from marts.{mart}").fetchone()[0]
counts = {mart: count(mart) for mart in sys.argv[2:]}
print(json.dumps(counts))
"""

OLD_SQLALCHEMY = """
import json, sqlalchemy as sa, sys
assert sa.__version__.startswith("1.4."), sa.__version__
engine = sa.create_engine(f"duckdb:///{sys.argv[1]}", connect_args={"read_only": True})
with engine.connect() as connection:
    count = lambda mart: connection.execute(sa.text(f"select count(*) from marts.{mart}")).scalar()
    counts = {mart: count(mart) for mart in sys.argv[2:]}
print(json.dumps(counts))
"""


@pytest.fixture(scope="module")
def rows(published: Path) -> dict[str, int]:
    """How many rows each mart has, according to the DuckDB that wrote it."""
    with duckdb.connect(str(published), read_only=True) as connection:
        counted = {
            m: connection.sql(f"select count(*) from marts.{m}").fetchall()[0][0] for m in MARTS
        }
    assert all(counted.values()), counted
    return counted


def counted_by(
    program: str, published: Path, *, python: Path, path: Path | None = None
) -> dict[str, int]:
    """Run ``program`` in another interpreter; it prints the rows of each mart as JSON."""
    if not (TOOLS / ".installed").exists():
        reason = "the older clients are not installed (make clients)"
        if os.environ.get("REQUIRE_CLIENTS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    environment = {**os.environ, "PYTHONPATH": str(path) if path else ""}
    command = [str(python), "-c", program, str(published), *MARTS]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_older_duckdb_reads_the_published_file(published: Path, rows: dict[str, int]):
    counted = counted_by(
        OLD_DUCKDB, published, python=Path(sys.executable), path=TOOLS / "duckdb-old"
    )
    assert counted == rows


def test_duckdb_engine_on_sqlalchemy_1_reads_the_published_file(
    published: Path, rows: dict[str, int]
):
    counted = counted_by(
        OLD_SQLALCHEMY, published, python=TOOLS / "sqlalchemy-old" / "bin" / "python"
    )
    assert counted == rows


def test_duckdb_sqlalchemy_on_sqlalchemy_2_reads_the_published_file(
    published: Path, rows: dict[str, int]
):
    engine = sa.create_engine(
        f"duckdb:///{published}", connect_args={"read_only": True}, poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        counted = {
            m: connection.execute(sa.text(f"select count(*) from marts.{m}")).scalar()
            for m in MARTS
        }
    assert counted == rows
    assert set(MARTS) <= {
        *sa.inspect(engine).get_table_names("marts"),
        *sa.inspect(engine).get_view_names("marts"),
    }


def test_pandas_reads_the_parquet_of_every_mart(published: Path, rows: dict[str, int]):
    parquet = published.parent / "parquet"
    counted = {
        mart: len(pd.read_parquet(found[0]))
        for mart in MARTS
        if (found := [*parquet.glob(f"{mart}.parquet"), *parquet.glob(mart)])
    }
    assert counted == rows


def test_pandas_reads_the_published_file(published: Path, rows: dict[str, int]):
    with duckdb.connect(str(published), read_only=True) as connection:
        frame = connection.sql("select * from marts.fct_sessions").df()
    assert len(frame) == rows["fct_sessions"]
    assert str(frame["started_at"].dtype).startswith("datetime64"), frame["started_at"].dtype

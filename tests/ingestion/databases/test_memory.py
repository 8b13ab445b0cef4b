"""Memory does not grow with the table: each read is a process of its own, and says what it took."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

from .conftest import Shop

SMALL, LARGE = 60_000, 260_000
GROWTH_BYTES = 110_000_000
"""Of 200,000 rows of 1 kB more, which are 200 MB at least. The smaller table fills the blocks of
the reader and of Parquet; DuckDB's share of keys and digests grows until its limit."""

_READ = """
import json, resource, sys
from pathlib import Path
from governance.config import Source
from governance.home import Home
from ingestion.databases import extract
done = extract(Home(Path(sys.argv[1])), Source.model_validate_json(sys.argv[2]))
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps([done.tables[0].rows_new, peak]))
"""


def peak_bytes(shop: Shop, rows: int) -> int:
    given: dict[str, Any] = {
        **json.loads(shop.source.model_dump_json(exclude_unset=True, by_alias=True)),
        "path": f"landing/{rows}/",
    }
    command = [sys.executable, "-c", _READ, str(shop.home.root), json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found, peak = json.loads(done.stdout.splitlines()[-1])
    assert found == rows
    return peak


@pytest.mark.long
@pytest.mark.parametrize("kind", ["on_postgres", "on_mariadb", "sqlite"])
def test_memory_does_not_grow_with_the_table(kind: str, request: pytest.FixtureRequest) -> None:
    shop = request.getfixturevalue(kind)
    shop.run("create table t (id integer primary key, body varchar(1200))")
    shop.table("t")
    filler = "hex(zeroblob(500))" if kind == "sqlite" else "repeat('x', 1000)"
    if kind == "on_mariadb":
        shop.run("set global max_recursive_iterations = 1000000")
    peaks = []
    for first, last in ((1, SMALL), (SMALL + 1, LARGE)):
        numbers = f"n(i) as (select {first} union all select i + 1 from n where i < {last})"
        shop.run(f"insert into t with recursive {numbers} select i, {filler} from n")
        peaks.append(peak_bytes(shop, last))
    small, large = peaks
    assert large - small < GROWTH_BYTES, peaks

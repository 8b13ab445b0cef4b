"""What is known of a table: of each key the digest of its last version, and whether it lives.

Kept beside the spool files it follows from, in a DuckDB file that can be lost: it remembers the
last file it has seen, and reads those behind it (all of them, when it is new).
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion.databases.digests import quoted
from ingestion.databases.files import Facts, facts_of, spool_files
from ingestion.spool import DELETED, HASH, KEY, VERSION_AT

MEMORY = "250MB"
"""Beside blocks of rows and the database's driver, so that a load stays below 1 GB."""

_BATCH = 50_000
_log = logging.getLogger(__name__)

_KEY_DIGEST = "md5_number(sha256({}))"
"""128 bits of a number: half the room of text. Of the SHA, so that nobody can make two meet."""


class Known:
    """The state of one table, open for one load."""

    def __init__(self, folder: Path) -> None:
        self._spool = folder
        self._folder = folder / ".state"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)  # keys of rows in clear, whatever the umask
        self.remove_leftovers()
        self.connection = self._open()
        self._catch_up()

    def close(self) -> None:
        """Free the file; what was not committed is forgotten."""
        self.connection.close()
        shutil.rmtree(self._folder / "temporary", ignore_errors=True)

    @property
    def scratch(self) -> Path:
        """Where files are written before they are whole; emptied at the next run."""
        return self._folder

    @property
    def facts(self) -> Facts | None:
        """What was said about the last read."""
        told = self._meta("facts")
        return None if told is None else Facts.of(told)

    @property
    def last_file(self) -> str | None:
        """The name of the last spool file."""
        return self._meta("last_file")

    @property
    def alive(self) -> int:
        """Rows that are known to be there."""
        return self._count("known where alive")

    def begin(self) -> None:
        """Forget what a try before this one has read."""
        for sql in (
            "create or replace temp table reading"
            " (n bigint, kd uhugeint, rd uhugeint, version_at bigint, key varchar)",
            "create or replace temp table present (kd uhugeint)",
        ):
            self.connection.execute(sql)
        self._read = 0

    def add(self, rows: pa.Table) -> None:
        """Take note of rows that were read, dressed with our columns."""
        end = self._read + rows.num_rows
        numbers = pa.array(range(self._read, end), pa.int64())
        self._insert(
            rows.select([KEY, HASH, VERSION_AT]).append_column("n", numbers),
            f"insert into reading select n, {_KEY_DIGEST.format(KEY)}, md5_number({HASH}),"
            f" epoch_us({VERSION_AT}), {KEY} from block",
        )
        self._read = end

    def add_present(self, keys: pa.Table) -> None:
        """Take note of keys that are there, whether their rows were read or not."""
        self._insert(keys, f"insert into present select {_KEY_DIGEST.format('key')} from block")

    def repeated(self) -> int:
        """How many keys stand for several of the rows that were read."""
        return self._scalar(
            "select count(*) from (select kd from reading group by kd having count(*) > 1)"
        )

    def overlooked(self) -> int:
        """Keys that are there, but neither known nor among the rows read: committed too late."""
        return self._scalar(
            "select count(*) from present anti join reading using (kd)"
            " anti join (select kd from known where alive) using (kd)"
        )

    def compare(self, *, full: bool, reconcile: bool) -> tuple[int, int, int]:
        """Find out what is new, changed and gone.

        Args:
            full: all rows were read, so they are all keys there are.
            reconcile: whether rows that are not there any more are looked for.

        Returns:
            rows that are new, that changed, that vanished.
        """
        self.connection.execute(
            "create or replace temp table changed as"
            " select r.n, r.kd, r.rd, k.kd is null or not k.alive as is_new, r.key,"
            " greatest(r.version_at, coalesce(k.version_at + 1, r.version_at)) as version_at,"
            " coalesce(k.version_at >= r.version_at, false) as is_late"
            " from reading r left join known k on k.kd = r.kd"
            " where k.kd is null or not k.alive or k.rd != r.rd"
        )
        there = "reading" if full else "present"
        gone = f"anti join {there} using (kd) where alive" if reconcile else "where false"
        self.connection.execute(
            f"create or replace temp table vanished as select kd, key, version_at from known {gone}"
        )
        new = self._count("changed where is_new")
        return new, self._count("changed") - new, self._count("vanished")

    def spare(self) -> None:
        """Leave the rows alone that seem to have vanished."""
        self.connection.execute("delete from vanished")

    @property
    def all_as_read(self) -> bool:
        """Whether every row read is a new version, under the version it came with."""
        return self._count("changed where not is_late") == self._count("reading")

    def changes(self, begin: int, end: int) -> tuple[pa.Array, pa.Array]:
        """Row numbers in a range that changed, and their versions in microseconds."""
        found = self.connection.execute(
            "select n, version_at from changed where n >= ? and n < ? order by n", [begin, end]
        ).to_arrow_table()
        return found.column("n").combine_chunks(), found.column("version_at").combine_chunks()

    def vanished(self, observed: int, key: Sequence[str]) -> Iterator[pa.Table]:
        """Keys that are gone in batches: ``key``, ``version_at`` and ``part_<n>`` of the key.

        The version is the time of reading, or right behind the last version of a row that claims to
        be from the future.
        """
        parts = "".join(
            f", json_extract_string(key, '$[{n}]') as part_{n}" for n in range(len(key))
        )
        reader = self.connection.execute(
            f"select key, greatest({observed}, version_at + 1) as version_at{parts} from vanished"
            " order by key"
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            yield pa.Table.from_batches([batch])

    def commit(self, file: str | None, facts: Facts, observed: int) -> None:
        """Remember what a file holds, once it is in its place; None when nothing changed."""
        run = self.connection.execute
        run("begin")
        run("delete from known where kd in (select kd from changed)")
        run("insert into known select kd, rd, version_at, true, key from changed")
        run(
            "update known set alive = false, version_at = greatest(?, version_at + 1)"
            " where kd in (select kd from vanished)",
            [observed],
        )
        self._remember(file or self.last_file, facts)
        run("commit")

    def _open(self) -> duckdb.DuckDBPyConnection:
        path = self._folder / "known.duckdb"
        settings = {
            "memory_limit": MEMORY,
            "threads": 2,
            "temp_directory": str(self._folder / "temporary"),
        }
        try:
            connection = duckdb.connect(str(path), config=settings)
        except (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException) as error:
            if "Could not set lock" in str(error):
                raise
            _log.warning("%s cannot be read and is made again from the spool.", path)
            path.unlink(missing_ok=True)
            path.with_suffix(".duckdb.wal").unlink(missing_ok=True)
            connection = duckdb.connect(str(path), config=settings)
        for sql in (
            "create table if not exists known"
            " (kd uhugeint, rd uhugeint, version_at bigint, alive boolean, key varchar)",
            "create table if not exists meta (name varchar, value varchar)",
        ):
            connection.execute(sql)
        return connection

    def _catch_up(self) -> None:
        """Read the spool files this state has not seen: all, or those before a crash."""
        last = self.last_file or ""
        if last and not (self._spool / last).exists():
            # The files were taken away, or come from a backup: what they held must be read again.
            _log.warning(
                "The spool in %s lacks its last file: all rows are read again.", self._spool
            )
            self.connection.execute("delete from known")
            self.connection.execute("delete from meta")
            last = ""
        for path in spool_files(self._spool):
            if path.name > last:
                self._replay(path)

    def _replay(self, path: Path) -> None:
        run = self.connection.execute
        file = "read_parquet('" + str(path).replace("'", "''") + "')"
        digest = _KEY_DIGEST.format(quoted(KEY))
        run("begin")
        run(f"delete from known where kd in (select {digest} from {file})")
        run(
            f"insert into known select {digest}, coalesce(md5_number({HASH}), 0::uhugeint),"
            f" epoch_us({VERSION_AT}), not {DELETED}, {KEY} from {file}"
        )
        self._remember(path.name, facts_of(path))
        run("commit")

    def _remember(self, file: str | None, facts: Facts) -> None:
        self.connection.execute("delete from meta")
        self.connection.execute(
            "insert into meta values ('last_file', ?), ('facts', ?)",
            [file, json.dumps(asdict(facts))],
        )

    def remove_leftovers(self) -> None:
        """Remove files that were not finished."""
        for path in self._folder.glob("reading-*"):
            path.unlink(missing_ok=True)

    def _insert(self, block: pa.Table, sql: str) -> None:
        self.connection.register("block", block)
        try:
            self.connection.execute(sql)
        finally:
            self.connection.unregister("block")

    def _meta(self, name: str) -> str | None:
        found = self.connection.execute("select value from meta where name = ?", [name]).fetchone()
        return found[0] if found else None

    def _count(self, what: str) -> int:
        return self._scalar(f"select count(*) from {what}")

    def _scalar(self, sql: str) -> int:
        found = self.connection.execute(sql).fetchone()
        assert found is not None
        return found[0]

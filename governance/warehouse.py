"""The one way to the warehouse file: a lock in the home, then a connection.

DuckDB lets one process write and no other read meanwhile. So whoever wants the warehouse takes the
lock first and waits politely; readers use the published copy. The lock is the kernel's (flock): it
ends with its holder, however that dies, and a child that inherited it (dbt) keeps it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from governance.config import Storage, load_config
from governance.errors import UserError, WarehouseBusyError
from governance.home import Home
from governance.keys import Keys
from governance.process import Process, this_process

# Of the tables in the file, and of what their numbers mean. Whoever raises one registers the step
# that brings an older file there in orchestration.upgrade.
SCHEMA_VERSION = 3
SEMANTICS_VERSION = 1
OLDEST_SCHEMA_VERSION = 1  # that the registered steps start from

_POLL_SECONDS = 0.2
_MEMORY_CAP_BYTES = 1_200_000_000
_FOREIGN_LOCK = re.compile(
    r"Could not set lock on file \"(?P<file>[^\"]*)\".*?\(PID (?P<pid>\d+)\)", re.DOTALL
)

_DISK_FULL = (
    "No space left",
    "Disk quota exceeded",
    "File too large",
    "max_temp_directory_size",  # the temporary folder defaults to what is free on the disk
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a home's warehouse lock; maybe one of another container."""

    pid: int
    purpose: str
    since: str  # ISO 8601, UTC
    host: str = ""
    boot: str = ""
    started: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; when not, a child that inherited the lock keeps it."""
        return self._process.is_alive is not False

    @property
    def _process(self) -> Process:
        return Process(self.pid, self.host, self.boot, self.started)

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        elsewhere = f" on {self.host}" if self._process.is_alive is None else ""
        who = f"process {self.pid}{elsewhere} ({self.purpose}, since {self.since})"
        return who if self.is_alive else f"a child left by {who}"


_UNKNOWN = Holder(0, "unknown", "")


@dataclass(slots=True)
class _Held:
    descriptor: int
    depth: int


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


@contextmanager
def warehouse_lock(
    home: Home,
    purpose: str,
    *,
    wait_seconds: float | None = None,
    on_wait: Callable[[Holder], None] | None = None,
) -> Iterator[None]:
    """Hold the home's warehouse; re-entrant inside a process.

    Args:
        home: whose warehouse.
        purpose: shown to whoever waits, such as ``load``.
        wait_seconds: how long to wait for another holder; None waits for ever, 0 not at all.
        on_wait: called once, with the holder, when there is somebody to wait for; the default logs
        it.

    Raises:
        WarehouseBusyError: the time is over; names the holder and the published copy.
    """
    _acquire(home, purpose, wait_seconds, on_wait or _log_wait)
    try:
        yield
    finally:
        _release(home)


def lock_descriptor(home: Home) -> int | None:
    """What a child is passed (``pass_fds``) to keep the lock with; None when it is not held."""
    held = _held.get(home.lock)
    return held.descriptor if held else None


def lock_holder(home: Home) -> Holder | None:
    """Who holds the warehouse now; None when nobody does."""
    if not home.lock.exists():
        return None
    descriptor = os.open(home.lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(home)
    finally:
        os.close(descriptor)
    return None


def open_warehouse(
    home: Home, *, keys: Keys, storage: Storage | None = None, upgrading: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing; the lock must be held.

    Args:
        home: whose warehouse.
        keys: the home's keys; a warehouse made with others is refused.
        storage: limits of memory and threads; read from the home's configuration when not given.
        upgrading: an older file is opened as it is; only the upgrade asks for that.

    Raises:
        WarehouseBusyError: a program that does not know the lock has the file open.
        UserError: other keys, another version of the file, a damaged file.
    """
    if home.lock not in _held:
        raise RuntimeError("open_warehouse needs warehouse_lock: nobody opens the file without it")
    if storage is None:
        storage = load_config(home).storage if home.config.exists() else Storage()
    with translate_duckdb_errors(home):
        connection = duckdb.connect(str(home.warehouse))
        try:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"set memory_limit = '{storage.memory_limit or memory_default()}'")
            if storage.threads:
                connection.execute(f"set threads = {storage.threads}")
            _check_marker(connection, home, keys, upgrading=upgrading)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def translate_duckdb_errors(home: Home) -> Iterator[None]:
    """Turn the DuckDB errors a user can mend into ours: a foreign lock, a full disk, a bad file.

    Raises:
        WarehouseBusyError: another process has the file open.
        UserError: no space left; not a warehouse this version can read.
    """
    try:
        yield
    except duckdb.Error as error:
        ours = explain(str(error), home)
        if ours is None:
            raise
        raise ours from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise disk_full(home.root) from None


def explain(message: str, home: Home) -> UserError | None:
    """The user's error behind a DuckDB message; None when it is not one the user can mend."""
    if foreign := _FOREIGN_LOCK.search(message):
        return _busy(Path(foreign["file"]), home, f"process {foreign['pid']}")
    if any(sign in message for sign in _DISK_FULL):
        return disk_full(home.root)
    if "Out of Memory" in message:
        return UserError(
            "DuckDB ran out of the memory it may use.",
            why=message.splitlines()[0],
            fix="Raise storage.memory_limit or lower storage.threads in throughline.yml.",
        )
    if "database file with version number" in message or "not a valid DuckDB" in message:
        return UserError(
            f"{home.warehouse} is not a warehouse this version can read.",
            why=message.splitlines()[0],
            fix="Restore it from a backup, or move it away and run: throughline load --again",
        )
    return None


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind an error.

    Meeting a query it becomes a RuntimeError of DuckDB, meeting a load an error of dlt.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, KeyboardInterrupt):
            return True
        if isinstance(cause, RuntimeError) and str(cause) == "Query interrupted":
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def disk_full(folder: Path) -> UserError:
    """The error of a full disk, naming the folder and what is free."""
    free = shutil.disk_usage(folder).free
    return UserError(
        f"The disk of {folder} is full ({free:,} bytes free).",
        why="Nothing was lost: what was not finished is not counted and will be done again.",
        fix="Free some space, or lower publish.keep_hourly and keep_daily; then run it again.",
    )


def memory_default() -> str:
    """1.2 GB, or 60 % of the memory there is (the container's when it has a limit) if that is less.

    DuckDB keeps what it may: without the cap, building a million events held over 2 GB. What does
    not fit goes to the disk; homes of many millions of events set ``storage.memory_limit``.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    if text.isdigit():
        total = min(total, int(text))
    return f"{min(total * 6 // 10, _MEMORY_CAP_BYTES) // 1_000_000}MB"


def _acquire(
    home: Home, purpose: str, wait_seconds: float | None, on_wait: Callable[[Holder], None]
) -> None:
    deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
    waited = False
    while True:
        with _guard:
            held = _held.get(home.lock)
            if held:
                held.depth += 1
                return
            descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                os.set_inheritable(descriptor, True)
                _write_holder(descriptor, purpose)
                _held[home.lock] = _Held(descriptor, 1)
                return
        holder = _read_holder(home)
        if deadline is not None and time.monotonic() >= deadline:
            raise _busy(home.warehouse, home, str(holder))
        if not waited:
            on_wait(holder)
            waited = True
        time.sleep(_POLL_SECONDS)


def _release(home: Home) -> None:
    with _guard:
        held = _held[home.lock]
        held.depth -= 1
        if held.depth == 0:
            del _held[home.lock]
            os.ftruncate(held.descriptor, 0)
            # No LOCK_UN: it would end the lock for a child that inherited it as well.
            os.close(held.descriptor)


def _write_holder(descriptor: int, purpose: str) -> None:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    me = this_process()
    holder = Holder(me.pid, purpose, since, me.host, me.boot, me.started)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _read_holder(home: Home) -> Holder:
    try:
        return Holder(**json.loads(home.lock.read_text()))
    except (OSError, ValueError, TypeError):
        return _UNKNOWN  # between taking the lock and writing the name


def _log_wait(holder: Holder) -> None:
    _log.warning("Waiting for the warehouse: %s has it.", holder)


def _busy(file: Path, home: Home, who: str) -> WarehouseBusyError:
    return WarehouseBusyError(
        f"{file} is in use by {who}.",
        why="DuckDB lets one process write, and no other open the file meanwhile.",
        fix=(
            "Wait for it to end, or close that program. To read, use the published copy: "
            f"{home.published}/analyst/current/analytics.duckdb"
        ),
    )


@dataclass(frozen=True, slots=True)
class Marker:
    """What a warehouse file says of itself."""

    key_id: str
    schema_version: int
    semantics_version: int


def read_marker(connection: duckdb.DuckDBPyConnection) -> Marker | None:
    """The marker of an open warehouse; None when it has none."""
    try:
        found = connection.execute(
            "select key_id, schema_version, semantics_version from meta.warehouse"
        ).fetchone()
    except duckdb.CatalogException:
        return None
    return None if found is None else Marker(*found)


def settle(home: Home) -> Marker | None:
    """Write the log of the last writer into the file, so that it is whole by itself.

    For those who copy the file: no version or key is refused. The lock must be held.

    Raises:
        WarehouseBusyError: a program that does not know the lock has the file open.
        UserError: not a warehouse this version can read.
    """
    if home.lock not in _held:
        raise RuntimeError("settle needs warehouse_lock: nobody opens the file without it")
    with translate_duckdb_errors(home), duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("checkpoint")
        return read_marker(connection)


def marker_of(home: Home) -> Marker | None:
    """The marker of the home's warehouse, which is only read. The lock must be held.

    Raises:
        WarehouseBusyError: a program that does not know the lock has the file open.
        UserError: not a warehouse this version can read.
    """
    if home.lock not in _held:
        raise RuntimeError("marker_of needs warehouse_lock: nobody opens the file without it")
    with (
        translate_duckdb_errors(home),
        duckdb.connect(str(home.warehouse), read_only=True) as connection,
    ):
        return read_marker(connection)


def _check_marker(
    connection: duckdb.DuckDBPyConnection, home: Home, keys: Keys, *, upgrading: bool
) -> None:
    """Mark a new warehouse with key id and versions; refuse one that carries others."""
    connection.execute("create schema if not exists meta")
    connection.execute(
        "create table if not exists meta.warehouse"
        " (key_id varchar, schema_version integer, semantics_version integer)"
    )
    found = read_marker(connection)
    if found is None:
        connection.execute(
            "insert into meta.warehouse values (?, ?, ?)",
            [keys.key_id, SCHEMA_VERSION, SEMANTICS_VERSION],
        )
        return
    if found.key_id != keys.key_id:
        raise UserError(
            f"{home.warehouse} was made with other keys ({found.key_id}, not {keys.key_id}).",
            why="Tokens and person ids of two sets of keys never meet, so persons would split.",
            fix=f"Restore the {home.keys} it was made with, or move it away and load again.",
        )
    refuse_version(home, found, upgrading=upgrading)


def refuse_version(home: Home, found: Marker, *, upgrading: bool = False) -> None:
    """Refuse a warehouse of another version, with the command that helps.

    Raises:
        UserError: a newer program wrote it, or an older one and it was not upgraded.
    """
    versions = (found.schema_version, found.semantics_version)
    known = (SCHEMA_VERSION, SEMANTICS_VERSION)
    if versions == known:
        return
    why = f"Its versions of schema and semantics are {versions}; this program has {known}."
    if found.schema_version > SCHEMA_VERSION or found.semantics_version > SEMANTICS_VERSION:
        raise UserError(
            f"{home.warehouse} was written by a newer Throughline.",
            why=why,
            fix="Update the program: git pull && make install",
        )
    if found.schema_version < OLDEST_SCHEMA_VERSION:
        raise UserError(
            f"{home.warehouse} was written by a Throughline too old to upgrade from.",
            why=why,
            fix="Move it away and build it again from landing: throughline load --again",
        )
    if not upgrading:
        raise UserError(
            f"{home.warehouse} was written by an older Throughline.",
            why=why,
            fix=f"throughline --home {home.root} upgrade",
        )

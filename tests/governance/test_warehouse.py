import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from governance.config import Storage
from governance.errors import UserError, WarehouseBusyError
from governance.home import Home
from governance.keys import Keys, make_keys
from governance.warehouse import (
    OLDEST_SCHEMA_VERSION,
    SCHEMA_VERSION,
    SEMANTICS_VERSION,
    Holder,
    explain,
    lock_descriptor,
    lock_holder,
    memory_default,
    open_warehouse,
    translate_duckdb_errors,
    warehouse_lock,
    was_interrupted,
)

HOLD = """
import pathlib, sys, time
from governance.home import Home
from governance.warehouse import warehouse_lock
with warehouse_lock(Home(pathlib.Path(sys.argv[1])), "build"):
    print("held", flush=True)
    time.sleep(60)
"""
FOREIGN = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""
INTERRUPTED = """
import os, signal, threading
import duckdb
from governance.warehouse import was_interrupted
connection = duckdb.connect()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    connection.execute("select count(*) from range(100000000000) where random() < 0.5")
except KeyboardInterrupt:
    print("interrupted", flush=True)
except RuntimeError as error:
    print("interrupted" if was_interrupted(error) else repr(error), flush=True)
os._exit(0)
"""


@contextmanager
def other_process(script: str, argument: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", script, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_lock_is_free_before_and_after(home: Home) -> None:
    assert lock_holder(home) is None
    with warehouse_lock(home, "load"):
        holder = lock_holder(home)
        assert holder is not None
        assert (holder.pid, holder.purpose, holder.is_alive) == (os.getpid(), "load", True)
    assert lock_holder(home) is None


def test_the_lock_is_reentrant_in_a_process(home: Home) -> None:
    with warehouse_lock(home, "run"):
        with warehouse_lock(home, "load", wait_seconds=0):
            pass
        assert lock_holder(home) is not None
    assert lock_holder(home) is None


def test_the_lock_is_given_back_after_an_error(home: Home) -> None:
    with pytest.raises(ZeroDivisionError), warehouse_lock(home, "load"):
        raise ZeroDivisionError
    assert lock_holder(home) is None


def test_a_busy_warehouse_names_the_process_and_the_published_copy(home: Home) -> None:
    with other_process(HOLD, home.root) as other:
        with (
            pytest.raises(WarehouseBusyError) as caught,
            warehouse_lock(home, "load", wait_seconds=0),
        ):
            pass
        assert f"process {other.pid} (build" in caught.value.what
        assert "published/analyst/current/analytics.duckdb" in caught.value.fix
        holder = lock_holder(home)
        assert holder is not None
        assert holder.pid == other.pid


def test_waiting_ends_when_the_holder_dies_and_is_announced_once(home: Home) -> None:
    seen: list[Holder] = []
    with other_process(HOLD, home.root) as other:
        threading.Timer(0.7, other.kill).start()
        started = time.monotonic()
        with warehouse_lock(home, "load", wait_seconds=20, on_wait=seen.append):
            assert time.monotonic() - started > 0.4
    assert [holder.pid for holder in seen] == [other.pid]


def test_a_child_that_inherited_the_lock_keeps_it_when_its_parent_is_killed(home: Home) -> None:
    script = f"""
import os, pathlib, subprocess, sys, time
from governance.home import Home
from governance.warehouse import lock_descriptor, warehouse_lock
home = Home(pathlib.Path({str(home.root)!r}))
with warehouse_lock(home, "build"):
    command = ["sleep", "60"]
    child = subprocess.Popen(command, pass_fds=[lock_descriptor(home)], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    child = int(done.stdout)
    try:
        holder = lock_holder(home)
        assert holder is not None
        assert not holder.is_alive
        assert str(holder).startswith("a child left by process")
    finally:
        os.kill(child, signal.SIGKILL)
    with warehouse_lock(home, "load", wait_seconds=5):
        pass


def test_a_lock_file_with_nothing_in_it_is_still_a_lock(home: Home) -> None:
    with warehouse_lock(home, "load"):
        home.lock.write_text("")
        assert str(lock_holder(home)) == "another process"


def test_the_file_is_never_opened_without_the_lock(home: Home, keys: Keys) -> None:
    with pytest.raises(RuntimeError, match="warehouse_lock"):
        open_warehouse(home, keys=keys)


def test_a_warehouse_remembers_its_key_and_versions(home: Home, keys: Keys) -> None:
    with warehouse_lock(home, "load"):
        for _ in range(2):
            connection = open_warehouse(home, keys=keys)
            marker = (keys.key_id, SCHEMA_VERSION, SEMANTICS_VERSION)
            assert connection.execute("from meta.warehouse").fetchall() == [marker]
            connection.close()


def test_a_warehouse_refuses_another_key(home: Home, keys: Keys) -> None:
    with warehouse_lock(home, "load"):
        open_warehouse(home, keys=keys).close()
        home.keys.rename(home.root / "old")
        with pytest.raises(UserError, match="other keys") as caught:
            open_warehouse(home, keys=make_keys(home))
        assert keys.key_id in caught.value.what
        # and lets go of the file
        duckdb.connect(str(home.warehouse)).close()


@pytest.mark.parametrize(
    ("column", "version", "said", "fix"),
    [
        ("schema_version", SCHEMA_VERSION + 1, "a newer Throughline", "git pull && make install"),
        ("schema_version", SCHEMA_VERSION - 1, "an older Throughline", "upgrade"),
        ("schema_version", OLDEST_SCHEMA_VERSION - 1, "too old to upgrade", "load --again"),
        ("semantics_version", SEMANTICS_VERSION + 1, "a newer Throughline", "git pull"),
        ("semantics_version", SEMANTICS_VERSION - 1, "an older Throughline", "upgrade"),
    ],
)
def test_a_warehouse_of_another_version_is_refused_with_the_command(
    home: Home, keys: Keys, column: str, version: int, said: str, fix: str
) -> None:
    with warehouse_lock(home, "load"):
        connection = open_warehouse(home, keys=keys)
        connection.execute(f"update meta.warehouse set {column} = {version}")
        connection.close()
        with pytest.raises(UserError, match=said) as caught:
            open_warehouse(home, keys=keys)
        assert fix in caught.value.fix


def test_the_session_is_utc_and_within_its_limits(home: Home, keys: Keys) -> None:
    with warehouse_lock(home, "load"):
        storage = Storage(memory_limit="512MB", threads=1)
        connection = open_warehouse(home, keys=keys, storage=storage)
        found = connection.execute(
            "select current_setting('TimeZone'), current_setting('memory_limit'),"
            " current_setting('threads')"
        ).fetchone()
        connection.close()
    assert found == ("UTC", "488.2 MiB", 1)


def test_limits_come_from_the_configuration(home: Home, keys: Keys) -> None:
    home.config.write_text(
        "company: a\nstorage: {threads: 1}\nsources: [{name: w, path: landing/w, surface: web,"
        " trust: public, lawful_basis: consent}]\n"
    )
    with warehouse_lock(home, "load"):
        connection = open_warehouse(home, keys=keys)
        assert connection.execute("select current_setting('threads')").fetchone() == (1,)
        connection.close()


def test_a_program_that_ignores_the_lock_is_named(home: Home, keys: Keys) -> None:
    with (
        other_process(FOREIGN, home.warehouse) as other,
        warehouse_lock(home, "load"),
        pytest.raises(
            WarehouseBusyError, match=rf"warehouse\.duckdb is in use by process {other.pid}"
        ),
    ):
        open_warehouse(home, keys=keys)


def test_a_file_that_is_no_warehouse_is_named_and_left_alone(home: Home, keys: Keys) -> None:
    home.warehouse.write_bytes(b"not a database" * 1000)
    with warehouse_lock(home, "load"), pytest.raises(UserError, match="not a warehouse"):
        open_warehouse(home, keys=keys)
    assert home.warehouse.read_bytes().startswith(b"not a database")


def test_a_full_disk_names_the_folder_and_what_is_free(home: Home, keys: Keys) -> None:
    # A limit on the size of files stands in for a full disk; it needs no rights.
    script = f"""
import pathlib, resource, signal
from governance.errors import UserError
from governance.home import Home
from governance.keys import load_keys
from governance.warehouse import open_warehouse, translate_duckdb_errors, warehouse_lock
home = Home(pathlib.Path({str(home.root)!r}))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with warehouse_lock(home, "load"):
    connection = open_warehouse(home, keys=load_keys(home))
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
    try:
        with translate_duckdb_errors(home):
            connection.execute("create table t as select random() from range(2_000_000)")
    except UserError as error:
        print(error.what)
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    assert f"The disk of {home.root} is full (" in done.stdout.decode()


@pytest.mark.parametrize(
    "message",
    [
        'IO Error: Could not write file "a": No space left on device',
        "Out of Memory Error: failed to offload data block\nThis limit was set by the"
        " 'max_temp_directory_size' setting.",
    ],
)
def test_duckdbs_words_for_a_full_disk_are_known(home: Home, message: str) -> None:
    assert "bytes free" in str(explain(message, home))


def test_too_little_memory_names_the_setting(home: Home) -> None:
    error = explain("Out of Memory Error: could not allocate block of size 256.0 KiB", home)
    assert "storage.memory_limit" in str(error)


def test_python_meets_the_full_disk_too(home: Home) -> None:
    with pytest.raises(UserError, match="bytes free"), translate_duckdb_errors(home):
        raise OSError(28, os.strerror(28))


def test_errors_that_are_not_the_users_pass_unchanged(home: Home) -> None:
    with pytest.raises(duckdb.ParserException), translate_duckdb_errors(home):
        duckdb.connect().execute("selec 1")
    with pytest.raises(FileNotFoundError), translate_duckdb_errors(home):
        raise FileNotFoundError


def test_a_query_stopped_by_ctrl_c_is_told_from_a_failed_one() -> None:
    # in a process of its own that ends at once: DuckDB works an interrupted query off when its
    # connection is collected, for minutes
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "interrupted\n", done.stderr
    assert not was_interrupted(RuntimeError("Query failed"))


def test_an_interrupt_is_known_behind_the_error_of_a_library() -> None:
    def stopped() -> None:
        try:
            raise KeyboardInterrupt
        except BaseException as interrupt:  # as dlt does
            raise LookupError("the pipeline failed") from interrupt

    with pytest.raises(LookupError) as raised:
        stopped()
    assert was_interrupted(raised.value)


def test_the_default_memory_is_a_share_of_what_is_there() -> None:
    megabytes = int(memory_default().removesuffix("MB"))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < megabytes * 1_000_000 <= 0.6 * there


def test_the_holder_is_written_as_json(home: Home) -> None:
    with warehouse_lock(home, "load"):
        written = json.loads(home.lock.read_text())
        assert written.keys() == {"pid", "purpose", "since", "host", "boot", "started"}
        descriptor = lock_descriptor(home)
        assert descriptor is not None
        assert os.get_inheritable(descriptor)
    assert lock_descriptor(home) is None

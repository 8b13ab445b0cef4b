"""The address of a database as a secret: in ``.env``, and in this process before it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.config.scalars import read_env_file
from governance.errors import UserError
from governance.home import Home
from governance.keys import refuse_open_mode, write_private


@contextmanager
def in_environment(secret: tuple[str, str] | None) -> Iterator[None]:
    """The address, for this process, while it is not in ``.env`` yet."""
    if secret is None:
        yield
        return
    name, value = secret
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def refuse_taken_secret(home: Home, name: str, value: str) -> None:
    """Refuse a name that stands in ``.env`` with another value.

    Raises:
        UserError: it does; a secret is never overwritten.
    """
    if not home.env.exists():
        return
    refuse_open_mode(home.env)
    known = read_env_file(home.env).get(name)
    if known is not None and known != value:
        raise UserError(
            f"{name} stands in {home.env} already, with another value.",
            why="A secret is never overwritten.",
            fix=f"Use that one: --url env:{name}   or give the source another --name.",
        )


def keep_secret(home: Home, name: str, value: str) -> None:
    """Add a secret to ``.env`` (0600); one that stands there already is left alone."""
    if "\n" in value or "\r" in value:
        raise UserError("An address is one line.", fix="Take the line feed out of it.")
    if not home.env.exists():
        write_private(home.env, f"{name}={value}\n")
        return
    refuse_open_mode(home.env)
    if name in read_env_file(home.env):
        return
    before = home.env.read_text(encoding="utf-8")
    gap = "" if not before or before.endswith("\n") else "\n"
    with home.env.open("a", encoding="utf-8") as file:
        file.write(f"{gap}{name}={value}\n")


def put_back(path: Path, before: bytes | None) -> None:
    """Make a file what it was; None when there was none."""
    if before is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(before)

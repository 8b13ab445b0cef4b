"""The steps of ``throughline connect``, from what was said to a tried, written source.

Nothing is written before the proposal was parsed and tried; a fault anywhere leaves the home as it
was.
"""

from __future__ import annotations

from governance.config import load_config
from governance.errors import UsageError
from governance.home import Home
from governance.keys import Keys
from orchestration.connect.connection import Connection
from orchestration.connect.database_steps import DatabaseSteps, is_database_address
from orchestration.connect.file_steps import FileSteps
from orchestration.connect.questions import Dialogue, Given


def propose(home: Home, keys: Keys, given: Given, dialogue: Dialogue) -> Connection:
    """Look at a place, ask what cannot be seen, and try what would be written.

    Args:
        home: whose configuration gains a source.
        keys: its keys.
        given: what was said already.
        dialogue: answers the rest.

    Raises:
        UserError: nothing is there, cannot be read, or does not fit; with the fix.
        UsageError: nobody answered.
    """
    config = load_config(home)
    path, url = _place(given, dialogue)
    if url is not None:
        return DatabaseSteps(home, config, keys, given, dialogue, url).propose()
    assert path is not None
    return FileSteps(home, config, keys, given, dialogue, path).propose()


def _place(given: Given, dialogue: Dialogue) -> tuple[str | None, str | None]:
    """The folder, or the database."""
    if given.path and given.url:
        raise UsageError("--path and --url are two places.", fix="Connect one after the other.")
    if given.kind == "app_database" and given.path:
        raise UsageError("A database has no --path.", fix="--url env:NAME, its address in .env")
    if given.kind not in (None, "app_database") and given.url:
        raise UsageError(f"A source of kind {given.kind} has no --url.", fix="--path FOLDER")
    if given.path or given.url:
        return given.path, given.url
    if given.kind == "app_database":
        return None, dialogue.secret("--url", "Address of the database (env:NAME, or the address)?")
    where = dialogue.text(
        "--path", "Where is it? (a folder, s3://…, or env:NAME of a database's address)", None
    )
    is_database = where.startswith("env:") or is_database_address(where)
    return (None, where) if is_database else (where, None)

"""What goes wrong with a database, in words that name neither the password nor the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from governance.config import Source
from governance.errors import causes

Place = Literal["source", "table"]


class Trouble(Exception):  # noqa: N818 - becomes a Problem of the load, not an error of the program
    """A table, or a whole database, that cannot be read.

    Args:
        what: continues a sentence that begins with the name of the table or of the secret.
        fix: what to do, with the YAML or the command.
        place: whether other tables of the source may still be read.
        transient: whether another try may succeed.
    """

    def __init__(
        self, what: str, fix: str, *, place: Place = "table", transient: bool = False
    ) -> None:
        self.what = what
        self.fix = fix
        self.place: Place = place
        self.transient = transient
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class _Kind:
    what: str
    fix: str
    place: Place = "table"
    transient: bool = False


_REFUSED = _Kind("does not let this user in", "Check user and password in {secret}.", "source")
_NO_DATABASE = _Kind(
    "names a database that does not exist", "Correct its name in {secret}.", "source"
)
_UNREACHABLE = _Kind(
    "leads to no server that answers",
    "Check host and port in {secret}, that the server runs and that this machine may reach it.",
    "source",
    transient=True,
)
_LOST = _Kind(
    "was cut off while it was read",
    "Nothing of it was kept. Run again: throughline load {source}",
    transient=True,
)
_BUSY = _Kind("was locked for too long", "Run again: throughline load {source}", transient=True)
_DENIED = _Kind("may not be read by this user", "In the database: GRANT SELECT ON {table} TO …")
_SLOW = _Kind(
    "took longer than the time-out of a statement",
    "Index the cursor column, or read from a replica with less to do.",
)
_OTHER = _Kind("cannot be read", "Run again: throughline load {source}")

# Connection failures of PostgreSQL carry no SQLSTATE, only words.
_WORDS: tuple[tuple[str, _Kind], ...] = (
    ("password authentication failed", _REFUSED),
    ("no password supplied", _REFUSED),
    ("authentication failed", _REFUSED),
    ("no pg_hba.conf entry", _REFUSED),
    ("is not permitted to log in", _REFUSED),
    ("access denied for user", _REFUSED),
    ("unknown database", _NO_DATABASE),
    ("starting up", _LOST),
    ("shutting down", _LOST),
    ("too many connections", _LOST),
    ("too many clients", _LOST),
    ("database is locked", _BUSY),
    ("database table is locked", _BUSY),
    ("unable to open database file", _UNREACHABLE),
    ("file is not a database", _Kind("is no SQLite file", "Correct {secret}.", "source")),
)
_ROLE = re.compile(r'role "[^"]*" does not exist')
_DATABASE = re.compile(r'database "[^"]*" does not exist')
_STATES: dict[str, _Kind] = {
    "28": _REFUSED,
    "3D": _NO_DATABASE,
    "08": _LOST,
    "57P": _LOST,
    "53": _LOST,
    "40": _LOST,
    "57014": _SLOW,
    "55P03": _BUSY,
    "42501": _DENIED,
}
_MYSQL: dict[int, _Kind] = {
    1045: _REFUSED,
    1698: _REFUSED,
    1044: _REFUSED,
    1049: _NO_DATABASE,
    2003: _UNREACHABLE,
    2002: _UNREACHABLE,
    2005: _UNREACHABLE,
    2006: _LOST,
    2013: _LOST,
    2014: _LOST,
    2055: _LOST,
    1053: _LOST,
    1927: _LOST,
    1040: _LOST,
    1412: _LOST,  # the table was altered while it was read
    1205: _BUSY,
    1213: _BUSY,
    1142: _DENIED,
    1143: _DENIED,
    1969: _SLOW,
    3024: _SLOW,
}


@dataclass(frozen=True, slots=True)
class Explainer:
    """Turns errors of drivers into Trouble; knows the address, and never says it."""

    source: Source
    url: sa.URL

    def explain(self, error: BaseException, table: str = "") -> Trouble | None:
        """The trouble behind an error; None when it is none of a database."""
        for cause in causes(error):
            if isinstance(cause, Trouble):
                return cause
            if isinstance(cause, DBAPIError) and cause.orig is not None:
                return self._of_driver(cause, table)
            if isinstance(cause, SQLAlchemyError):
                return self._trouble(_OTHER, self.scrub(str(cause)), table)
        return None

    def scrub(self, text: str) -> str:
        """The first line of a driver's message without address, user and password."""
        line = next((line.strip() for line in text.splitlines() if line.strip()), "")
        password = self.url.password
        if password is not None and len(str(password)) < 4:
            return ""  # too short to be found reliably
        hidden = [self.url.render_as_string(hide_password=False)]
        if password is not None:
            hidden += [str(password), quote(str(password), safe=""), quote_plus(str(password))]
        for secret in hidden:
            line = line.replace(secret, "***") if secret else line
        return re.sub(r"://[^\s/@]*@", "://***@", line)[:300]

    def _of_driver(self, error: DBAPIError, table: str) -> Trouble:
        driver: Any = error.orig
        said = self.scrub(str(driver.args[-1]) if driver.args else str(driver))
        return self._trouble(_kind_of(driver, error, said.lower()), said, table)

    def _trouble(self, kind: _Kind, said: str, table: str) -> Trouble:
        names = {"secret": self.source.url, "source": self.source.name, "table": table}
        what = f"{kind.what} ({said})" if said else kind.what
        return Trouble(what, kind.fix.format(**names), place=kind.place, transient=kind.transient)


def _kind_of(driver: Any, error: DBAPIError, said: str) -> _Kind:
    code = driver.args[0] if driver.args and isinstance(driver.args[0], int) else None
    if code in _MYSQL:
        return _MYSQL[code]
    state = getattr(driver, "sqlstate", None) or ""
    for length in (5, 3, 2):
        if state and (known := _STATES.get(state[:length])):
            return known
    for words, kind in _WORDS:
        if words in said:
            return kind
    if _ROLE.search(said):
        return _REFUSED
    if _DATABASE.search(said):
        return _NO_DATABASE
    if error.connection_invalidated:
        return _LOST
    # psycopg says so in as many ways as there are networks; what it cannot do is connect.
    if "connection failed" in said or "connection is bad" in said or "failed to resolve" in said:
        return _UNREACHABLE
    if isinstance(error, OperationalError) and ("connection" in said or "timeout" in said):
        return _LOST
    return _OTHER

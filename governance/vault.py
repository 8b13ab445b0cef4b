"""The vault: token -> clear value, for the few destinations that may have it.

The file is an encrypted DuckDB database, and each value in it is sealed on its own with AES-256-GCM
(its token as associated data). The second layer is what confidentiality rests on: without the
OpenSSL of its httpfs extension DuckDB encrypts with a weaker source of nonces, and no extension is
downloaded at run time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys, derive, refuse_open_mode
from governance.warehouse import translate_duckdb_errors

_NONCE = 12  # bytes, as NIST SP 800-38D recommends


class Vault:
    """An open vault. Use ``open_vault``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seal_key: bytes) -> None:
        self._connection = connection
        self._cipher = AESGCM(seal_key)

    def __repr__(self) -> str:
        return "Vault()"

    def remember(self, pairs: Iterable[tuple[str, str, str]]) -> int:
        """Keep (token, kind, value) of tokens not yet known; returns how many were new.

        Idempotent: a load that is repeated adds nothing.
        """
        offered = {token: (kind, value) for token, kind, value in pairs}
        known = self._known(list(offered))
        new = [token for token in offered if token not in known]
        if new:
            rows = pa.table(
                {
                    "token": new,
                    "kind": [offered[token][0] for token in new],
                    "sealed": [self._seal(token, offered[token][1]) for token in new],
                }
            )
            self._connection.register("new_tokens", rows)
            self._connection.execute("insert into vault.tokens select * from new_tokens")
            self._connection.unregister("new_tokens")
        return len(new)

    def clear(self, token: str) -> str | None:
        """The clear value of a token; None when the vault never saw it."""
        found = self._connection.execute(
            "select sealed from vault.tokens where token = ?", [token]
        ).fetchone()
        return None if found is None else self._unseal(token, found[0])

    def _known(self, tokens: list[str]) -> set[str]:
        rows = self._connection.execute(
            "select token from vault.tokens where token in (select unnest(?::varchar[]))", [tokens]
        ).fetchall()
        return {token for (token,) in rows}

    def _seal(self, token: str, value: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        clear = value.encode("utf-8", "surrogatepass")
        return nonce + self._cipher.encrypt(nonce, clear, token.encode())

    def _unseal(self, token: str, sealed: bytes) -> str:
        try:
            clear = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], token.encode())
        except InvalidTag:
            raise _wrong_key("A value in the vault cannot be opened.") from None
        return clear.decode("utf-8", "surrogatepass")


@contextmanager
def open_vault(home: Home, *, keys: Keys) -> Iterator[Vault]:
    """Open the home's vault, making it on first use (mode 0600).

    Raises:
        UserError: the vault was made with another key, or other users can read the file.
    """
    if home.vault.exists():
        refuse_open_mode(home.vault)
    connection = duckdb.connect(":memory:")
    try:
        # Nothing is fetched from the network; see the module's docstring for what stands in.
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set force_mbedtls_unsafe = true")
        _attach(connection, home, derive(keys.vault_key, "vault file").hex())
        connection.execute(
            "create table if not exists vault.tokens (token varchar, kind varchar, sealed blob)"
        )
        yield Vault(connection, derive(keys.vault_key, "vault values"))
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, home: Home, file_key: str) -> None:
    try:
        # The key is bound, never written into the statement: statements end up in logs and errors.
        with translate_duckdb_errors(home):
            connection.execute(
                f"attach {_literal(home.vault)} as vault (encryption_key ?)", [file_key]
            )
        home.vault.chmod(0o600)
    except (duckdb.InvalidInputException, duckdb.CatalogException):
        raise _wrong_key(f"{home.vault} cannot be opened with this home's key.") from None


def _literal(path: Path) -> str:
    """A path as an SQL string: ATTACH binds its options but not its file."""
    return "'" + str(path).replace("'", "''") + "'"


def _wrong_key(what: str) -> UserError:
    return UserError(
        what,
        why="It was made with another vault key, or the file is damaged.",
        fix="Restore .keys/vault.key or the vault from the same backup.",
    )

import subprocess
import sys
import traceback

import duckdb
import pytest

from governance.errors import UserError, WarehouseBusyError
from governance.home import Home
from governance.keys import FILES, Keys, make_keys
from governance.vault import open_vault

ROWS = [("tok_email_1", "email", "john@example.com"), ("tok_phone_1", "phone", "+4915112345678")]


def test_a_token_gives_its_value_back_after_reopening(home: Home, keys: Keys) -> None:
    with open_vault(home, keys=keys) as vault:
        assert vault.remember(ROWS) == 2
    with open_vault(home, keys=keys) as vault:
        assert vault.clear("tok_email_1") == "john@example.com"
        assert vault.clear("tok_phone_1") == "+4915112345678"
        assert vault.clear("tok_email_2") is None


def test_remembering_again_adds_nothing(home: Home, keys: Keys) -> None:
    with open_vault(home, keys=keys) as vault:
        vault.remember(ROWS)
        assert vault.remember([*ROWS, *ROWS]) == 0
        assert vault.remember([*ROWS, ("tok_email_2", "email", "x@y.zz")]) == 1
        assert vault.remember([]) == 0


def test_no_clear_value_lies_in_the_file(home: Home, keys: Keys) -> None:
    with open_vault(home, keys=keys) as vault:
        vault.remember(ROWS * 100)
    stored = home.vault.read_bytes()
    assert b"john" not in stored
    assert b"tok_email" not in stored
    assert home.vault.stat().st_mode & 0o777 == 0o600
    with pytest.raises(duckdb.Error, match="without a key"):
        duckdb.connect(str(home.vault))


def test_another_key_is_refused_and_no_error_shows_a_key(home: Home, keys: Keys) -> None:
    with open_vault(home, keys=keys) as vault:
        vault.remember(ROWS)
    secrets = [(home.keys / name).read_text().strip() for name in FILES]
    home.keys.rename(home.root / "old")
    other = make_keys(home)
    secrets += [(home.keys / name).read_text().strip() for name in FILES]
    with pytest.raises(UserError, match=r"vault\.key") as caught, open_vault(home, keys=other):
        pass
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert not any(secret in shown for secret in secrets)


def test_the_vault_and_the_cipher_keys_are_not_the_stored_key(
    home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_vault(home, keys=keys) as vault:
        vault.remember(ROWS)
        assert keys.vault_key.hex() not in repr(vars(vault))
        assert repr(vault) == "Vault()"


def test_a_vault_open_to_others_is_refused(home: Home, keys: Keys) -> None:
    with open_vault(home, keys=keys):
        pass
    home.vault.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"), open_vault(home, keys=keys):
        pass


def test_what_was_remembered_survives_kill_9(home: Home, keys: Keys) -> None:
    script = f"""
import os, pathlib
from governance.home import Home
from governance.keys import load_keys
from governance.vault import open_vault
home = Home(pathlib.Path({str(home.root)!r}))
with open_vault(home, keys=load_keys(home)) as vault:
    vault.remember({ROWS!r})
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with open_vault(home, keys=keys) as vault:
        assert vault.clear("tok_email_1") == "john@example.com"


def test_a_vault_in_use_says_by_whom(home: Home, keys: Keys) -> None:
    script = f"""
import pathlib, time
from governance.home import Home
from governance.keys import load_keys
from governance.vault import open_vault
home = Home(pathlib.Path({str(home.root)!r}))
with open_vault(home, keys=load_keys(home)):
    print("open", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with (
                pytest.raises(WarehouseBusyError, match=f"vault.*process {other.pid}"),
                open_vault(home, keys=keys),
            ):
                pass
        finally:
            other.kill()


def test_a_home_with_a_quote_in_its_path_works(home: Home, keys: Keys) -> None:
    odd = home.root.rename(home.root.with_name("o'home"))
    with open_vault(Home(odd), keys=keys) as vault:
        assert vault.remember(ROWS) == 2

import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import UserError
from governance.home import Home
from governance.keys import FILES, Keys, load_keys, make_keys

FIXED = Keys(token_key=b"t" * 32, person_salt=b"p" * 32, vault_key=b"v" * 32, rejects_key=b"r" * 32)


def test_keys_are_made_private_and_read_back_the_same(home: Home) -> None:
    made = make_keys(home)
    assert home.keys.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in home.keys.iterdir()} == dict.fromkeys(
        FILES, 0o600
    )
    assert load_keys(home).key_id == made.key_id
    assert not list(home.root.glob(".keys.*"))


def test_keys_are_never_replaced(home: Home, keys: Keys) -> None:
    with pytest.raises(UserError, match=r"keys in .* already"):
        make_keys(home)
    assert load_keys(home).key_id == keys.key_id


def test_a_home_without_keys_says_how_to_get_them(home: Home) -> None:
    with pytest.raises(UserError, match="throughline init"):
        load_keys(home)


@pytest.mark.parametrize("name", FILES)
def test_a_key_open_to_others_is_refused_with_the_chmod(home: Home, keys: Keys, name: str) -> None:
    (home.keys / name).chmod(0o640)
    with pytest.raises(UserError, match=f"chmod 600 .*{name}"):
        load_keys(home)


def test_a_key_folder_open_to_others_is_refused(home: Home, keys: Keys) -> None:
    home.keys.chmod(0o755)
    with pytest.raises(UserError, match="chmod 700"):
        load_keys(home)


@pytest.mark.parametrize("damage", ["", "zz" * 32, "ab" * 31, "ab" * 33], ids=repr)
def test_a_damaged_key_is_refused_without_showing_it(home: Home, keys: Keys, damage: str) -> None:
    (home.keys / "vault.key").write_text(damage)
    with pytest.raises(UserError, match=r"vault\.key is damaged") as caught:
        load_keys(home)
    assert not damage or damage not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_key_names_its_file(home: Home, keys: Keys, name: str) -> None:
    (home.keys / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        load_keys(home)


def test_the_repr_of_keys_shows_no_key(home: Home, keys: Keys) -> None:
    secrets = [(home.keys / name).read_text().strip() for name in FILES]
    assert repr(keys) == f"Keys({keys.key_id})"
    assert not any(secret[:8] in repr(keys) for secret in secrets)


def test_keys_cannot_be_pickled_into_a_log_or_another_process() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(FIXED)


def test_every_key_changes_the_key_id() -> None:
    names = ("token_key", "person_salt", "vault_key", "rejects_key")
    base = dict.fromkeys(names, b"x" * 32)
    ids = {Keys(**{**base, name: b"y" * 32}).key_id for name in names} | {Keys(**base).key_id}
    assert len(ids) == 5


@given(kind=st.sampled_from(["email", "phone", "id"]), value=st.text())
def test_a_token_is_the_hmac_of_kind_and_value(kind: str, value: str) -> None:
    message = f"{kind}\x1f{value}".encode("utf-8", "surrogatepass")
    expected = hmac.new(b"t" * 32, message, hashlib.sha256).hexdigest()[:32]
    assert FIXED.token(kind, value) == f"tok_{kind}_{expected}"


@given(group=st.text(), one=st.text(), two=st.text())
def test_dedupe_keys_meet_exactly_when_group_and_id_do(group: str, one: str, two: str) -> None:
    assert (FIXED.dedupe_key(group, one) == FIXED.dedupe_key(group, two)) == (one == two)


def test_the_same_text_has_unrelated_hashes_for_each_purpose() -> None:
    hashes = {
        FIXED.token("email", "a")[-32:],
        FIXED.dedupe_key("email", "a"),
        FIXED.digest(b"email\x1fa"),
    }
    assert len(hashes) == 3

"""Publishing to an address: no reader ever sees half a version."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from governance.config import load_config
from orchestration.publishing import (
    TargetError,
    address_target,
    current_version,
    deliver,
    deliver_behind,
    rollback,
    target_named,
    target_states,
)
from tests.orchestration.conftest import Bucket


def configure(shop, *targets: str, extra: str = "") -> None:
    lines = "".join(f"    - {target}\n" for target in targets)
    text = shop.home.config.read_text().partition("\npublish:")[0]
    shop.home.config.write_text(f"{text}\npublish:\n{extra}  to:\n{lines}")
    shop.config = load_config(shop.home)


def send(shop):
    return deliver_behind(shop.home, shop.config, shop.keys)


def change(shop) -> None:
    shop.execute("update marts.rpt_daily set persons = persons + 1")
    shop.publish()


@pytest.fixture(params=["s3", "file"])
def out(request: pytest.FixtureRequest, shop, tmp_path: Path):
    """A configured target and a way to read it: names, and the JSON of one file."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        configure(shop, f"s3://{bucket.name}/bi")
        storage, root = bucket.storage(), f"{bucket.name}/bi"
    else:
        import fsspec

        root = str(tmp_path / "out")
        configure(shop, f"file://{root}")
        storage = fsspec.filesystem("file")

    class Out:
        def names(self) -> set[str]:
            return {path.removeprefix(root + "/") for path in storage.find(root)}

        def read(self, path: str) -> dict:
            return json.loads(storage.cat_file(f"{root}/{path}"))

        def bytes(self, path: str) -> bytes:
            return storage.cat_file(f"{root}/{path}")

    return Out()


def test_a_version_arrives_whole_and_is_pointed_at(shop, out, tmp_path: Path) -> None:
    shop.publish()
    (done,) = send(shop)
    assert (done.outcome, done.sent.files, done.sent.reused) == ("delivered", 5, 0)
    version = current_version(shop.home)
    assert out.read("current.json")["version"] == version
    manifest = out.read(f"{version}/manifest.json")
    listed = {f"{version}/{file['path']}" for file in manifest["files"]}
    assert out.names() == listed | {"current.json", f"{version}/manifest.json"}
    copy = tmp_path / "daily.parquet"
    copy.write_bytes(out.bytes(f"{version}/parquet/rpt_daily.parquet"))
    assert duckdb.sql(f"select sum(persons) from '{copy}'").fetchone() == (20,)
    assert send(shop) == ()


def test_an_unchanged_file_is_not_sent_again_and_a_rollback_moves_the_pointer(shop, out) -> None:
    first = shop.publish().version
    send(shop)
    change(shop)
    (done,) = send(shop)
    assert (done.sent.files, done.sent.reused) == (1, 4)
    rollback(shop.home, first, now=shop.now)
    (done,) = send(shop)
    assert (done.sent.files, done.sent.reused) == (0, 0)
    assert out.read("current.json")["version"] == first


def test_old_versions_and_the_leftovers_of_a_killed_upload_are_removed(
    shop, out, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(shop, shop.config.publish.to[0].address, extra="  keep_hourly: 2\n  keep_daily: 1\n")
    made = []
    for _ in range(4):
        change(shop)
        made.append(current_version(shop.home))
        send(shop)
    assert {name.partition("/")[0] for name in out.names()} == {*made[-2:], "current.json"}

    class KilledError(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise KilledError

    change(shop)
    with monkeypatch.context() as patch:
        patch.setattr(address_target, "_write", killed)
        with pytest.raises(KilledError):
            send(shop)
    half = current_version(shop.home)
    assert any(name.startswith(half) for name in out.names())
    assert out.read("current.json")["version"] == made[-1]
    change(shop)
    send(shop)
    assert not any(name.startswith(half) for name in out.names())
    assert out.read("current.json")["version"] == current_version(shop.home)


def test_a_target_that_fails_is_named_with_the_command_and_caught_up_later(
    shop, bucket: Bucket
) -> None:
    configure(shop, "s3://no-such-bucket-here/x", f"{{name: good, address: s3://{bucket.name}}}")
    published = shop.publish()
    bad, good = send(shop)
    assert (bad.outcome, good.outcome) == ("failed", "delivered")
    assert isinstance(bad.error, TargetError)
    assert "The target s3 (s3://no-such-bucket-here/x) did not get" in bad.error.what
    assert "throughline publish --to s3" in bad.error.fix
    assert current_version(shop.home) == published.version
    behind, there = target_states(shop.home, shop.config)
    assert behind.is_behind
    assert behind.error
    assert not there.is_behind
    bucket.storage().mkdir("no-such-bucket-here")
    (done,) = send(shop)
    assert (done.target, done.outcome) == ("s3", "delivered")
    assert [state.is_behind for state in target_states(shop.home, shop.config)] == [False, False]


def test_wrong_credentials_are_not_repeated(shop, bucket: Bucket, monkeypatch) -> None:
    configure(shop, f"s3://{bucket.name}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    shop.publish()
    (failed,) = send(shop)
    assert failed.outcome == "failed"
    assert "hush-hush" not in str(failed.error)
    assert "hush-hush" not in (shop.home.published / "targets.json").read_text()


def test_two_homes_do_not_share_an_address(shop, make_shop, tmp_path: Path) -> None:
    other = make_shop(tmp_path / "other")
    for one in (shop, other):
        configure(one, f"file://{tmp_path / 'out'}")
        one.publish()
    assert send(shop)[0].outcome == "delivered"
    (refused,) = send(other)
    assert "Another home publishes to" in str(refused.error)


def test_a_cut_off_file_is_noticed(shop, out, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.publish()
    short = shop.folder / "current" / "parquet" / "rpt_daily.parquet"
    short.chmod(0o644)
    short.write_bytes(short.read_bytes()[:-10])
    (failed,) = send(shop)
    assert "rpt_daily.parquet arrived with" in str(failed.error)
    assert "current.json" not in out.names()


def test_sending_by_name_asks_the_target_itself(shop, out) -> None:
    shop.publish()
    target = shop.config.publish.to[0]
    assert deliver(shop.home, target, shop.keys, shop.config).outcome == "delivered"
    assert deliver(shop.home, target, shop.keys, shop.config).outcome == "unchanged"
    with pytest.raises(Exception, match="There is no target 'nope'"):
        target_named(shop.config, "nope")

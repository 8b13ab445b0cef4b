import json
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from governance.home import Home
from governance.starter import init_home
from governance.warehouse import warehouse_lock
from orchestration import inputs
from orchestration.cli.entry import run
from orchestration.dbt import BuildReport, Failure, raise_failures
from orchestration.doctor import examine
from orchestration.status import LastBuild

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FAILED = Failure("test", "the_ledger_balances", "Got 3 results, expected 0", "target/ledger.sql")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init_home(tmp_path / "acme")


def call(home: Home, *arguments: str) -> int:
    return run(["--home", str(home.root), *arguments])


def answer(home: Home, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    call(home, "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def built(monkeypatch: pytest.MonkeyPatch, *failures: Failure) -> None:
    """As if the last build had ended so."""
    last = LastBuild(NOW, 3, 4, failures)
    for module in ("status", "doctor"):
        monkeypatch.setattr(f"orchestration.{module}.read_last_build", lambda home: last)


def test_init_makes_a_home_that_can_be_used_and_refuses_to_do_it_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    assert run(["init", str(folder)]) == 0
    assert run(["--home", str(folder), "config", "check"]) == 0
    capsys.readouterr()
    assert run(["init", str(folder)]) == 1
    assert "status" in capsys.readouterr().err


def test_init_makes_the_keys_of_a_home_that_came_from_git(tmp_path: Path) -> None:
    home = init_home(tmp_path / "cloned")
    home.keys.rename(tmp_path / "not in git")
    assert run(["init", str(home.root)]) == 0
    assert home.keys.is_dir()


def test_config_check_names_line_key_and_fix(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.config.write_text(home.config.read_text().replace("currency: EUR", "curency: EUR"))
    assert call(home, "config", "check") == 1
    shown = capsys.readouterr().out
    assert "curency" in shown
    assert "throughline.yml" in shown


def test_config_schema_is_json(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(home, "config", "schema") == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        (["build"], "throughline load"),
        (["publish"], "throughline build"),
        (["publish", "--rollback", "20260101T000000Z-00000000"], "publish --list"),
        (["load", "wed"], "throughline load web"),
    ],
)
def test_a_step_too_early_or_misspelt_names_the_command_to_run(
    home: Home, capsys: pytest.CaptureFixture[str], command: list[str], fix: str
) -> None:
    assert call(home, *command) in {1, 2}
    assert fix in capsys.readouterr().err


def test_missing_keys_beside_a_warehouse_are_refused(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.warehouse.write_bytes(b"something")
    home.keys.rename(home.root / "lost")
    for command in (["load"], ["build"], ["publish"], ["status"], ["demo"], ["run", "hourly"]):
        assert call(home, *command) == 1, command
        assert "Fix: " in capsys.readouterr().err
    assert run(["init", str(home.root)]) == 1
    assert not home.keys.exists()


def test_status_of_a_new_home_says_what_to_do_first(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(home, capsys, "status")
    assert found["published"] is None
    assert found["last_build"] is None
    assert found["lock_holder"] is None
    assert found["next_command"] == "throughline synth"


def test_status_counts_what_waits_in_landing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.landing / "web" / "a.jsonl").write_text("{}\n" * 10)
    (home.landing / "web" / ".hidden.jsonl").write_text("{}\n" * 10)
    found = answer(home, capsys, "status")
    (web,) = found["landing"]
    assert (web["files"], web["bytes"], web["pending_bytes"]) == (1, 30, 30)
    assert found["next_command"] == "throughline run hourly"


def test_status_names_a_missing_landing_folder(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.landing / "web").rmdir()
    found = answer(home, capsys, "status")
    assert found["landing"][0]["exists"] is False
    assert found["next_command"] == f"mkdir -p {home.landing / 'web'}"


def test_status_names_the_holder_and_does_not_wait(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f"""
        from pathlib import Path
        from governance.home import Home
        from governance.warehouse import warehouse_lock
        with warehouse_lock(Home(Path({str(home.root)!r})), "compaction"):
            print("held", flush=True)
            input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        found = answer(home, capsys, "status")
        holder.communicate("\n")
    assert found["lock_holder"]["pid"] == holder.pid
    assert found["lock_holder"]["purpose"] == "compaction"
    assert found["landing"][0]["pending_bytes"] is None


def test_status_and_doctor_name_failing_tests(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built(monkeypatch, FAILED)
    assert call(home, "status") == 0
    assert "the_ledger_balances: Got 3 results" in capsys.readouterr().out
    assert call(home, "doctor") == 1
    shown = capsys.readouterr().out
    assert "the_ledger_balances" in shown
    assert "Fix: Look at target/ledger.sql" in shown


def test_status_names_failing_checks_that_dbt_knows_nothing_of(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built(monkeypatch, FAILED)
    failing = [FAILED.name, "every_segment_could_be_read"]
    monkeypatch.setattr("orchestration.inputs.failures", lambda home: failing)
    found = answer(home, capsys, "status")
    assert found["failing_checks"] == ["every_segment_could_be_read"]
    assert found["next_command"] == "throughline build"
    built(monkeypatch)
    found = answer(home, capsys, "status")
    assert found["next_command"] == "throughline dev"
    assert call(home, "status") == 0
    assert "every_segment_could_be_read" in capsys.readouterr().out


def test_marts_whose_tests_failed_are_not_published_by_hand_either(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs.finish_build(home, None, [FAILED.name])
    monkeypatch.setattr("orchestration.pipeline.manifest_path", lambda home: home.config)
    home.warehouse.touch()
    assert call(home, "publish") == 3
    assert "the_ledger_balances" in capsys.readouterr().err


def test_marts_an_audit_refuted_are_not_published_whatever_was_built_since(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built(monkeypatch)
    inputs.raise_doubt(home, inputs.Doubt(seed=7, rows=3, persons=("p_1",)))
    inputs.begin_build(home)
    inputs.finish_build(home, "digest")
    monkeypatch.setattr("orchestration.pipeline.manifest_path", lambda home: home.config)
    assert answer(home, capsys, "status")["next_command"] == "throughline audit --seed 7"
    home.warehouse.touch()
    assert call(home, "publish") == 3
    assert "an audit found 3 rows" in capsys.readouterr().err
    inputs.settle_doubt(home)
    assert inputs.doubt(home) is None


def test_marts_of_a_build_that_was_cut_off_are_not_published(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs.begin_build(home)
    monkeypatch.setattr("orchestration.pipeline.manifest_path", lambda home: home.config)
    home.warehouse.touch()
    assert call(home, "publish") == 3


def test_doctor_finds_nothing_wrong_with_a_new_home(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(home, capsys, "doctor")
    assert found["ok"] is True
    names = {check["name"] for check in found["checks"]}
    assert {"python", "duckdb", "dbt-core", "keys", "disk", "configuration", ".env"} <= names


@pytest.mark.parametrize(
    ("damage", "name", "fix"),
    [
        (lambda home: home.env.chmod(0o644), ".env", "chmod 600"),
        (lambda home: (home.keys / "token.key").chmod(0o644), "keys", "chmod 600"),
        (lambda home: (home.keys / "person.salt").unlink(), "keys", "backup"),
        (lambda home: home.config.write_text("company: [\n"), "configuration", ""),
        (lambda home: (home.landing / "web").rmdir(), "configuration", "mkdir -p"),
    ],
    ids=["env mode", "key mode", "lost key", "broken yaml", "missing folder"],
)
def test_doctor_names_the_fix_of_what_is_wrong(home: Home, damage, name: str, fix: str) -> None:
    damage(home)
    found = [check for check in examine(home) if check.name == name]
    assert found[0].level in {"error", "warning"}
    assert fix in found[0].fix


def test_the_demo_leaves_a_real_company_alone(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with warehouse_lock(home, "test"):
        home.warehouse.write_bytes(b"precious")
    assert call(home, "demo") == 1
    assert "company of its own" in capsys.readouterr().err
    assert home.warehouse.read_bytes() == b"precious"


def test_the_ui_refuses_a_taken_port_with_another(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert call(home, "dev", "--port", str(port)) == 1
    assert f"--port {port + 1}" in capsys.readouterr().err


def test_failing_tests_block_and_failing_models_are_our_fault(home: Home) -> None:
    from governance.errors import ThroughlineError

    def report(*failures: Failure) -> BuildReport:
        return BuildReport(1, 1, 0, 0, failures, 1.0)

    raise_failures(report(), home)
    with pytest.raises(ThroughlineError, match="the_ledger_balances") as blocked:
        raise_failures(report(FAILED), home)
    assert blocked.value.exit_code == 3
    broken = Failure("model", "fct_events", "Binder Error", "models/marts/fct_events.sql")
    with pytest.raises(ThroughlineError, match="fct_events") as fault:
        raise_failures(report(FAILED, broken), home)
    assert fault.value.exit_code == 4

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from governance.errors import BlockedError, UserError
from governance.starter import init_home
from orchestration.cli.entry import hoisted, run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("THROUGHLINE_HOME", raising=False)
    return init_home(tmp_path / "acme")


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make the command `publish --list` fail with ``error``."""

    def failing(home: object) -> None:
        raise error

    monkeypatch.setattr("orchestration.publishing.versions", failing)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["status", "--json"], ["--json", "status"]),
        (["load", "web", "--home", "x"], ["--home", "x", "load", "web"]),
        (["load", "--home=x", "--again"], ["--home=x", "load", "--again"]),
        (["load", "--", "--json"], ["load", "--", "--json"]),
        (["status", "--home"], ["status", "--home"]),
    ],
)
def test_global_options_may_stand_after_the_command(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


def test_help_imports_nothing_heavy() -> None:
    script = """
        import sys
        from orchestration.cli.entry import run
        assert run(["--help"]) == 0
        heavy = {"dagster", "dlt", "dbt", "duckdb", "pandas", "pydantic", "rich.markdown", "yaml"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publisch"], "publisch"),
        (["load", "--agian"], "--agian"),
        (["run", "weekly"], "weekly"),
        (["synth", "--days", "many"], "--days"),
        (["publish", "--list", "--rollback", "x"], "separate commands"),
    ],
)
def test_a_wrong_call_exits_with_2_and_names_the_help(
    home, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["--home", str(home.root), *arguments]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_an_error_says_what_why_and_the_fix(
    home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, UserError("It broke.", why="It was old.", fix="Buy [a] new one."))
    assert run(["--home", str(home.root), "publish", "--list"]) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines() == ["It broke.", "It was old.", "Fix: Buy [a] new one."]
    assert shown.out == ""


def test_an_error_is_one_json_document_with_json(
    home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, BlockedError("Blocked.", fix="Look."))
    assert run(["publish", "--list", "--json", "--home", str(home.root)]) == 3
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "error": {"code": 3, "what": "Blocked.", "why": "", "fix": "Look."}
    }
    assert shown.err == ""


def test_our_fault_goes_to_a_private_log_and_one_line_names_it(
    home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, ZeroDivisionError("of all things"))
    assert run(["--home", str(home.root), "publish", "--list"]) == 4
    (log,) = home.logs.glob("throughline-*.log")
    shown = capsys.readouterr().err
    assert str(log) in shown
    assert "Traceback" not in shown
    assert "ZeroDivisionError: of all things" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y"),
        (
            duckdb.IOException('Could not set lock on file "w": Conflicting lock is held (PID 7)'),
            "process 7",
        ),
    ],
    ids=["full disk", "no right", "foreign lock"],
)
def test_what_the_system_refuses_is_the_users_to_mend(
    home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    fails_with(monkeypatch, error)
    assert run(["--home", str(home.root), "publish", "--list"]) == 1
    assert said in capsys.readouterr().err


def test_ctrl_c_says_that_nothing_half_done_is_visible(home) -> None:
    script = f"""
        import os, sys, time
        from pathlib import Path
        import orchestration.publishing as publishing
        def slow(home):
            print("working", file=sys.stderr, flush=True)
            time.sleep(60)
        publishing.versions = slow
        from orchestration.cli import main
        main(["--home", {str(home.root)!r}, "publish", "--list"])
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "working\n"
        child.send_signal(signal.SIGINT)
        shown = child.stderr.read()
    assert child.returncode == 130
    assert "Run the same command again" in shown
    assert "Traceback" not in shown


def test_a_missing_home_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(tmp_path / "none"), "status"]) == 1
    assert f"throughline init {tmp_path / 'none'}" in capsys.readouterr().err


def test_secrets_of_the_home_reach_the_environment_and_do_not_override_it(
    home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.env.write_text("FROM_FILE=one\nBOTH='file'\n")
    monkeypatch.setenv("BOTH", "set before")
    monkeypatch.setenv("FROM_FILE", "")
    monkeypatch.delenv("FROM_FILE")
    assert run(["--home", str(home.root), "publish", "--list"]) == 0
    assert os.environ["FROM_FILE"] == "one"
    assert os.environ["BOTH"] == "set before"


def test_an_env_file_others_can_read_is_refused(home, capsys: pytest.CaptureFixture[str]) -> None:
    home.env.chmod(0o644)
    assert run(["--home", str(home.root), "status"]) == 1
    assert f"chmod 600 {home.env}" in capsys.readouterr().err


def test_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("throughline 0.")


def test_progress_elsewhere_than_on_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.cli.output import Output

    clock = iter([0.0, 0.5, 2.5, 3.0, 9.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with Output().progress() as progress:
        for done in (0, 100, 5000, 6000):
            progress("reading", done, 10000)
        progress("reading", 10000, 10000)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 5,000 of 10,000",
        "reading: 10,000 of 10,000",
    ]


def test_work_that_is_quickly_done_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from orchestration.cli.output import Output

    with Output().progress() as progress:
        progress("reading", 0, 2)
        progress("reading", 2, 2)
    assert capsys.readouterr().err == ""

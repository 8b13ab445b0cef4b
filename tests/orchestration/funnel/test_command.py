"""``throughline funnel`` over a small published copy: its numbers, and what it refuses and why."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from governance.config.model import FUNNEL_FIELDS
from governance.home import Home
from governance.starter import init_home
from orchestration.cli.entry import run

VERSION = "20260501T000000Z-00000000"
START = datetime(2026, 4, 1, 10)
FUNNELS = """
funnels:
  - name: activation
    steps: [{event: sign_up}, {event: paid, where: {properties.plan: [pro, team]}}]
    window: 1d
    exclusions: [{event: cancelled, after: 1, before: 2}]
"""
FILE = FUNNELS.replace("name: activation", "name: preview")
DEFINED = {
    "declared": ["activation"],
    "options": [
        *("--step", "sign_up", "--step", "paid where properties.plan=[pro, team]"),
        *("--window", "24h", "--exclude", "cancelled @ 1-2"),
    ],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = init_home(tmp_path_factory.mktemp("funnel") / "acme")
    home.config.write_text(home.config.read_text().split("\nfunnels:")[0] + FUNNELS)
    folder = home.root / "published" / "analyst" / VERSION
    folder.mkdir(parents=True)
    (folder.parent / "current").symlink_to(VERSION)
    _write_manifest(folder, "2026-04-05T00:00:00Z")
    _write_marts(folder / "analytics.duckdb")
    return home


def _write_manifest(folder: Path, until: str) -> None:
    names = ("version", "role", "created_at", "run_id", "content_digest")
    content = dict.fromkeys(names, "x") | {"schema_version": "1", "semantics_version": "1"}
    content |= {"data_until": {"web": until}, "tables": [], "files": []}
    (folder / "manifest.json").write_text(json.dumps(content))


def _write_marts(path: Path) -> None:
    """4,000 people of as many countries sign up; every fourth pays, every eighth cancels before."""
    rows = []
    for number in range(4000):
        person, at = f"p_{number}", START + timedelta(hours=number % 90)
        plan = json.dumps({"plan": "team" if number % 8 else "pro"})
        rows.append((person, "sign_up", at, f"C{number}", None, '{"coupon":null}'))
        if number % 4 == 0:
            rows.append((person, "paid", at + timedelta(minutes=30), "DE", plan, None))
        if number % 16 == 0:
            rows.append((person, "cancelled", at + timedelta(minutes=5), "DE", None, None))
    flags = {"is_interactive", "is_key_event"}
    others = [f for f in FUNNEL_FIELDS if f not in ("country", "channel")]
    columns = ", ".join(f"{f} boolean" if f in flags else f"{f} varchar" for f in others)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema marts;"
            f" create table marts.fct_events (event_key varchar, person_id varchar, {columns},"
            " event_name varchar, occurred_at timestamp, occurred_date date, session_id varchar,"
            " is_bot boolean, is_internal boolean, country varchar, properties varchar,"
            " properties_unreviewed varchar);"
            " create table marts.fct_sessions (session_id varchar, channel varchar)"
        )
        connection.execute("create temp table rows (p varchar, e varchar, t timestamp, c varchar,"
                           " k varchar, u varchar)")  # fmt: skip
        connection.executemany("insert into rows values (?, ?, ?, ?, ?, ?)", rows)
        connection.execute(
            "insert into marts.fct_events by name select row_number() over (order by p, t)::varchar"
            " as event_key, p as person_id, e as event_name, t as occurred_at, t::date as"
            " occurred_date, true as is_interactive, false as is_bot, false as is_internal,"
            " c as country, k as properties, u as properties_unreviewed from rows"
        )


def call(home: Home, *arguments: str) -> int:
    return run(["--home", str(home.root), "funnel", *arguments])


def answer(home: Home, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run(["--home", str(home.root), "--json", "funnel", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("how", [*DEFINED, "file", "stdin"])
def test_one_definition_has_one_answer_however_it_is_given(
    home: Home,
    how: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "funnel.yml"
    file.write_text(FILE)
    monkeypatch.setattr("sys.stdin", io.StringIO(FILE))
    given = DEFINED | {"file": ["--preview", str(file)], "stdin": ["--preview", "-"]}
    found = answer(home, capsys, *given[how])
    first, last = found["steps"]
    open_persons = sum(n % 16 != 0 and n % 90 >= 62 for n in range(4000))
    payers = [n for n in range(4000) if n % 4 == 0 and n % 16]
    assert (first["entered"], first["void_entries"]) == (3750, 250)
    assert first["closed_entered"] == 3750 - open_persons
    assert last["converted"] == len(payers)
    assert last["closed_converted"] == sum(n % 90 < 62 for n in payers)
    assert last["total_rate"] == last["closed_converted"] / first["closed_entered"]
    assert (last["p50_seconds"], last["p95_seconds"]) == (1800, 1800)
    assert last["drop_off_rate"] == 1 - last["step_rate"]
    assert (found["source"], found["published_version"]) == ("published", VERSION)


def test_days_are_those_of_the_entries(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(home, capsys, "activation", "--since", "2026-04-02", "--until", "2026-04-02")
    entered = sum(n % 16 != 0 and 14 <= n % 90 < 38 for n in range(4000))
    assert (found["first_day"], found["last_day"]) == ("2026-04-02", "2026-04-02")
    assert found["steps"][0]["entered"] == entered


def test_three_thousand_values_are_capped_and_it_is_said(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(home, "activation", "--breakdown", "country", "--top", "3") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "country has 3,750 values; the 3 most frequent are shown, all others are (other)." in told
    )
    found = answer(home, capsys, "activation", "--breakdown", "country", "--top", "3")
    shown = [(s["segment"], s["steps"][0]["entered"]) for s in found["segments"]]
    assert shown == [("C1", 1), ("C10", 1), ("C100", 1), ("(other)", 3747)]


def test_the_table_says_what_was_entered_lost_and_left_out(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(home, "activation") == 0
    told = capsys.readouterr()
    assert "3,750 persons entered." in told.out
    assert "250 were left out: an excluded event came between." in told.out
    assert "Rates and times are of the" in told.out
    assert "30m 0s" in told.out
    assert f"Asked of the published version {VERSION}, data until 2026-04-05 00:00" in told.err


STEPS = ("--step", "sign_up", "--step", "paid")
REFUSED = {
    "an unknown event": (
        ["--step", "sing_up", "--step", "paid", "--window", "1d"],
        1,
        "'sing_up' is in no contract and was never seen; did you mean sign_up?",
    ),
    "an unknown property": (
        ["--step", "sign_up", "--step", "paid where properties.plam=pro", "--window", "1d"],
        1,
        "No event 'paid' ever had a property 'plam'. Did you mean properties.plan?",
    ),
    "a property whose values are not published": (
        [*STEPS, "--window", "1d", "--breakdown", "properties.coupon"],
        1,
        "does not hold the values of properties.coupon of 'sign_up'. .* --warehouse",
    ),
    "an unknown field": (
        [*STEPS, "--window", "1d", "--breakdown", "countryx"],
        1,
        r"breakdowns\[0\]: 'countryx' is not a field of events. Did you mean 'country'",
    ),
    "a window of nothing": ([*STEPS, "--window", "0m"], 1, "'0m' is not longer than nothing"),
    "a window below nothing": ([*STEPS, "--window=-5m"], 1, "'-5m' is not a duration"),
    "no window": ([*STEPS], 1, "window: is required. Write how long"),
    "one step": (["--step", "paid", "--window", "1d"], 1, "One step alone leads nowhere"),
    "eleven steps": (["--step", "paid"] * 11 + ["--window", "1d"], 1, "steps: has more than 10"),
    "an unknown mode": (
        [*STEPS, "--window", "1d", "--mode", "orderedx"],
        1,
        "'orderedx' is not allowed; .*Did you mean 'ordered'",
    ),
    "an exclusion of no steps": (
        [*STEPS, "--window", "1d", "--exclude", "cancelled"],
        2,
        "does not say between which steps",
    ),
    "an exclusion behind the last step": (
        [*STEPS, "--window", "1d", "--exclude", "cancelled @ 1-3"],
        1,
        "there is no step 3",
    ),
    "an exclusion the wrong way round": (
        [*STEPS, "--window", "1d", "--exclude", "cancelled @ 2-1"],
        1,
        "must be a later step than after",
    ),
    "a filter without a value": (
        ["--step", "sign_up", "--step", "paid where plan", "--window", "1d"],
        2,
        "'plan' is not FIELD=VALUE",
    ),
    "a thousand values": (
        ["activation", "--top", "1000"],
        1,
        "top_breakdowns: must be 100 or less",
    ),
    "a breakdown twice": (
        ["activation", *(["--breakdown", "surface"] * 2)],
        1,
        "'surface' is named twice",
    ),
    "a day that is none": (["activation", "--since", "yesterday"], 2, "is not a day"),
    "days the wrong way round": (
        ["activation", "--since", "2026-04-02", "--until", "2026-04-01"],
        2,
        "--since is after --until",
    ),
    "another name": (["activaton"], 2, "no funnel 'activaton'.*throughline funnel activation"),
    "nothing": ([], 2, "Which funnel\\?.*throughline funnel activation"),
    "two definitions": (["activation", *STEPS], 2, "Name one funnel, or give one definition"),
    "options of no definition": (["activation", "--mode", "any"], 2, "belong to a definition"),
    "a file that is not there": (["--preview", "gone.yml"], 1, "gone.yml can not be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_before_anything_runs(
    home: Home, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, said = REFUSED[case]
    assert call(home, *arguments) == code
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(said, told), told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [{event: a}, {evnt: b}]\nwindow: 1d\n", r"line 1: steps\[1\].event: is required"),
        (FILE + FILE.removeprefix("\nfunnels:"), "line 1: is not one funnel"),
        ("window: 1d\nwindow: 2d\nsteps: []\n", "line 2: window: .* second time"),
        ("just words\n", "line 1: is not one funnel. Write steps: and window:"),
    ],
)
def test_a_wrong_file_is_told_at_its_line(
    home: Home, tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.yml"
    file.write_text(text)
    assert call(home, "--preview", str(file)) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(said, told), told
    assert str(file) in told


def test_without_a_published_copy_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = init_home(tmp_path / "new")
    assert call(home, *STEPS, "--window", "1d") == 1
    told = capsys.readouterr().err
    assert "Nothing is published yet" in told
    assert "throughline run hourly" in told
    assert call(home, *STEPS, "--window", "1d", "--warehouse") == 1
    assert "The warehouse holds no models yet" in capsys.readouterr().err


def test_a_question_that_takes_too_long_is_stopped(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.funnel import asking

    monkeypatch.setattr(asking, "_REPORT", "select count(*) from range(1000000000000) a(funnel)")
    assert call(home, "activation", "--timeout", "1") == 1
    assert "took more than 1 seconds" in capsys.readouterr().err

"""The README's "Connect your data", word for word: its commands, its edits and what it promises.

Blocks of ``sh`` are typed into one shell, ``diff`` is done to ``throughline.yml``, each line of
``text`` must be in what the block of commands before it said, and ``yaml`` must stand in
``throughline.yml``. ``…`` stands for anything on its line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from governance.home import Home
from orchestration.dbt import target_folder
from tests.conftest import MATERIAL, ROOT
from tests.end_to_end.connected import (
    german_shop,
    write_amplitude_zip,
    write_captures,
    write_stripe_log,
)

MOST_STEPS = 30
PATIENCE_SECONDS = 60
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'?(\w+)'?$")


def blocks() -> list[tuple[str, str]]:
    """The fenced blocks of the section with their languages."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Connect your data\n", 1)[1].split("\n## ", 1)[0]
    return [(found[1], found[2]) for found in _BLOCK.finditer(section)]


def commands(block: str) -> list[str]:
    """What is typed, one command each; a here document belongs to its command."""
    found: list[str] = []
    lines = iter(block.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if begun := _HEREDOC.search(command):
            for inside in lines:
                command += "\n" + inside
                if inside == begun[1]:
                    break
        if command.strip() and not command.startswith("#"):
            found.append(command)
    return found


@dataclass
class Shell:
    """A person at a shell: an empty HOME of their own, and nothing of ours."""

    home: Path
    database: str
    steps: int = 0
    said: str = ""
    everything: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "SHOP_DATABASE": self.database,
            "DO_NOT_TRACK": "1",
        }
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> str:
        """Run one command to its end, which must be a good one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{command}\necho "the end: $?"\n')
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if ended := re.search(r"the end: (\d+)$", line):
                text = "".join(said) + line[: ended.start()]
                assert ended[1] == "0", f"{command}\nended with {ended[1]}:\n{text}"
                self.everything.append(text)
                return text
            said.append(line)
        raise AssertionError(f"the shell ended with {command}:\n{''.join(said)}")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)


def edited(text: str, diff: str) -> str:
    """``text`` after an edit; its old lines must stand there once, one below the other."""
    old = [line[1:] for line in diff.splitlines() if line[0] in " -"]
    lines = text.splitlines()
    at = [i for i in range(len(lines)) if _same(lines[i : i + len(old)], old)]
    assert len(at) == 1, f"{len(at)} places in throughline.yml are what the README edits:\n{diff}"
    there = iter(lines[at[0] : at[0] + len(old)])
    new: list[str] = []
    for line in diff.splitlines():
        if line[0] == "+":
            new.append(line[1:])
        else:
            kept = next(there)
            new += [kept] if line[0] == " " else []
    return "\n".join([*lines[: at[0]], *new, *lines[at[0] + len(old) :]]) + "\n"


def _same(lines: list[str], expected: list[str]) -> bool:
    return len(lines) == len(expected) and all(
        pattern(want).fullmatch(line) for line, want in zip(lines, expected, strict=True)
    )


def pattern(line: str) -> re.Pattern[str]:
    """A line of the README; ``…`` and the blanks around it stand for anything."""
    return re.compile(r".*?".join(map(re.escape, re.split(r" *… *", line))))


def one_line(text: str) -> str:
    """Words with one blank between them: terminals wrap where they please."""
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Shell]:
    """Everything the README says to do, done; what it promises is checked on the way."""
    root = tmp_path_factory.mktemp("person")
    home = Home(root / "acme")
    write_captures(root / "captures", MATERIAL)
    write_stripe_log(root / "stripe-log")
    write_amplitude_zip(root / "exports")
    with german_shop() as database:
        shell = Shell(root, database)
        try:
            for language, block in blocks():
                follow(shell, home, language, block)
        finally:
            shell.close()
            shutil.rmtree(target_folder(home), ignore_errors=True)
    return home, shell


def follow(shell: Shell, home: Home, language: str, block: str) -> None:
    """One block of the README."""
    if language == "sh":
        typed = commands(block)
        shell.steps += len(typed)
        shell.said = "".join(shell.type(command) for command in typed)
    elif language == "diff":
        shell.steps += 1
        home.config.write_text(edited(home.config.read_text(), block), encoding="utf-8")
    elif language == "text":
        for line in block.splitlines():
            found = pattern(one_line(line)).search(one_line(shell.said))
            assert found, f"the README promises {line!r}; this was said:\n{shell.said}"
    elif language == "yaml":
        assert block in home.config.read_text(), f"throughline.yml does not hold:\n{block}"
    else:
        raise AssertionError(f"the README has a block of {language}, which nobody follows")


def marts(home: Home, query: str) -> list[tuple]:
    file = home.published / "analyst" / "current" / "analytics.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_the_afternoon_takes_at_most_thirty_commands_and_edits(followed):
    _, shell = followed
    assert 10 <= shell.steps <= MOST_STEPS


def test_each_sale_counts_once_with_its_refund(followed):
    home, _ = followed
    rows = marts(home, "select order_id, source, net_reporting from marts.fct_orders order by 1")
    assert [(order, source, float(net)) for order, source, net in rows] == [
        ("B-1001", "shop", 49.90),
        ("B-1002", "shop", 15.00),
    ]
    [(total,)] = marts(home, "select sum(net_reporting) from marts.rpt_revenue_daily")
    assert float(total) == 64.90
    matched = marts(
        home,
        "select sum(orders), sum(matched), sum(amount_equal) from marts.rpt_revenue_matches"
        " where source = 'payments'",
    )
    assert [tuple(map(int, row)) for row in matched] == [(2, 2, 2)]


def test_the_webhooks_customer_is_the_shops_person_and_the_browsers(followed):
    home, _ = followed
    persons = marts(
        home,
        "select kind, value, person_id from marts.bridge_identities"
        " where value in ('u1', 'cus_1', 'd-1', 'anon-1')",
    )
    assert {(kind, value) for kind, value, _ in persons} >= {
        ("user_id", "u1"),
        ("external:stripe", "cus_1"),
        ("device_id", "d-1"),
        ("anonymous_id", "anon-1"),
    }
    [one] = {person for *_, person in persons}
    paid = marts(
        home,
        "select person_id from marts.fct_events where source = 'payments' and order_id = 'B-1001'",
    )
    assert paid == [(one,)]


def test_the_web_has_sessions_once_it_was_judged_again(followed):
    home, _ = followed
    [(events, known, persons)] = marts(
        home,
        "select count(*), count(person_id), count(distinct person_id) from marts.fct_events"
        " where source = 'web'",
    )
    assert events >= 3
    assert (known, persons) == (events, 1)
    [(sessions,)] = marts(home, "select count(*) from marts.fct_sessions")
    assert sessions >= 2  # the old app's, and the browser's
    ledger = marts(
        home,
        "select sum(stripped), sum(received) - sum(accepted) - sum(duplicate)"
        " from marts.rpt_pipeline",
    )
    assert [tuple(map(int, row)) for row in ledger] == [(0, 0)]


def test_the_address_of_the_database_is_in_env_alone(followed):
    home, shell = followed
    assert shell.database not in home.config.read_text()
    assert shell.database in home.env.read_text()
    assert home.env.stat().st_mode & 0o077 == 0
    assert not any(shell.database in said for said in shell.everything)


def test_an_edit_of_lines_that_are_not_there_fails():
    with pytest.raises(AssertionError, match="0 places"):
        edited("company: acme\n", "-company: other\n+company: third\n")


def test_a_promise_the_program_does_not_keep_fails(tmp_path):
    shell = Shell.__new__(Shell)
    shell.said = "Of the first 3 records: 3 accepted\n"
    home = Home(tmp_path)
    follow(shell, home, "text", "Of the first … records: … accepted\n")
    with pytest.raises(AssertionError, match="promises"):
        follow(shell, home, "text", "Of the first … records: … stripped\n")

"""A tiny company that nothing disturbs, and copies of it to do harm to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governance.home import Home
from orchestration.dbt import target_folder
from orchestration.publishing import current_file
from tests.conftest import sample_company

# What its owner and its producers gave; all else is made from it.
GIVEN = ("throughline.yml", "exchange_rates.csv", "contracts", ".keys", "landing", "sources")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The company after one hourly run. Read it; never write to it."""
    return sample_company(tmp_path_factory, "undisturbed", persons=40, days=4)


@pytest.fixture
def landed(undisturbed: Home, tmp_path: Path) -> Iterator[Home]:
    """The same company before its first load: the same keys and the same landing files."""
    home = Home(tmp_path / "landed")
    home.root.mkdir()
    for name in GIVEN:
        given = undisturbed.root / name
        copy = shutil.copytree if given.is_dir() else shutil.copy2
        copy(given, home.root / name)
    yield home
    shutil.rmtree(target_folder(home), ignore_errors=True)


@pytest.fixture
def twin(undisturbed: Home, tmp_path: Path) -> Iterator[Home]:
    """The same company after its first run, in another place."""
    home = Home(tmp_path / "twin")
    shutil.copytree(undisturbed.root, home.root, symlinks=True)
    shutil.copytree(target_folder(undisturbed), target_folder(home), dirs_exist_ok=True)
    yield home
    shutil.rmtree(target_folder(home), ignore_errors=True)


@pytest.fixture
def with_event(make_home: Callable[..., Home]) -> Home:
    """A home with one trusted source and one event in landing."""
    home = make_home()
    (home.landing / "web" / "a.jsonl").write_text(event_line("e1"))
    return home


def bytes_of(home: Home) -> dict[str, bytes]:
    """The current published version, byte for byte, and which one it is."""
    folder = current_file(home).parent.resolve()
    found = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


def event_line(event_id: str) -> str:
    """A native event as a producer writes it, with its line feed."""
    return (
        f'{{"event_id": "{event_id}", "event_name": "viewed",'
        ' "occurred_at": "2026-04-13T10:00:00Z", "received_at": "2026-04-13T10:00:01Z",'
        ' "subject": {"user_id": "u1"}}\n'
    )

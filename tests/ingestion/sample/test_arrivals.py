"""Half of the sample's files wait until the others are built."""

from __future__ import annotations

from pathlib import Path

from governance.home import Home
from ingestion.sample import give_back, hold_back


def landed(home: Home) -> dict[str, bytes]:
    files = [path for path in home.landing.rglob("*") if path.is_file()]
    return {str(path.relative_to(home.landing)): path.read_bytes() for path in files}


def company(root: Path) -> Home:
    home = Home(root)
    for source in ("web", "backend"):
        for day in range(10):
            file = home.landing / source / f"2026-04-{day:02}" / "00.jsonl"
            file.parent.mkdir(parents=True)
            file.write_text(f"{source} {day}")
    (home.landing / "shop").mkdir()
    (home.landing / "shop" / "rows.parquet").write_text("what was read of the database")
    return home


def test_half_of_the_files_wait_and_come_back_as_they_were(tmp_path: Path) -> None:
    home = company(tmp_path)
    before = landed(home)
    assert hold_back(home, seed=7) == 10
    first = landed(home)
    assert len(first) == 11
    assert first.items() < before.items()
    assert "shop/rows.parquet" in first
    # out of order: what waits is not simply what came last
    assert {name.split("/")[0] for name in before.keys() - first.keys()} == {"web", "backend"}
    assert min(before.keys() - first.keys()) < max(name for name in first if "shop" not in name)
    assert give_back(home) == 10
    assert landed(home) == before
    assert give_back(home) == 0


def test_the_seed_decides_which(tmp_path: Path) -> None:
    waiting = []
    for number, seed in enumerate((7, 7, 8)):
        home = company(tmp_path / str(number))
        hold_back(home, seed)
        waiting.append(sorted(landed(home)))
    assert waiting[0] == waiting[1] != waiting[2]

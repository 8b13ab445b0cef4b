"""The expectations hold on sound daily metrics and fail, with a fix, on impossible ones."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from orchestration import quality
from orchestration.defs.quality import explain
from orchestration.quality import render_data_docs, validate, validate_once


def metrics(**changes: object) -> pd.DataFrame:
    row = {
        "metric_date": date(2026, 4, 1),
        "surface": "web",
        "platform": "web",
        "channel": "direct",
        "country": "DE",
        "sessions": 10,
        "new_persons": 4,
        "conversions": 1,
        "bounces": 3,
        "engaged_sessions": 7,
        "session_seconds": 812.0,
    }
    return pd.DataFrame([row, {**row, "surface": "mobile", **changes}])


def test_sound_metrics_pass() -> None:
    verdict = validate(metrics())
    assert verdict.passed
    assert verdict.evaluated > 10


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"sessions": -1, "bounces": -2, "engaged_sessions": -2}, "sessions"),
        ({"bounces": 11}, "sessions, bounces"),
        ({"channel": None}, "channel"),
        ({"surface": "web"}, "metric_date, surface, platform, channel, country"),
    ],
    ids=["negative", "more bounces than sessions", "no channel", "a segment twice"],
)
def test_impossible_metrics_fail_and_say_what_to_do(changes: dict, subject: str) -> None:
    verdict = validate(metrics(**changes))
    assert subject in {broken.subject for broken in verdict.broken}
    assert "throughline run hourly" in explain(verdict)


def test_a_missing_column_is_a_failure_not_a_crash() -> None:
    verdict = validate(metrics().drop(columns="bounces"))
    assert any("bounces" in str(broken) for broken in verdict.broken)


def test_equal_metrics_are_judged_once_and_changed_ones_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []
    original = quality.validate
    monkeypatch.setattr(quality, "validate", lambda rows: judged.append(1) or original(rows))
    first = validate_once(metrics(bounces=11), tmp_path)
    assert validate_once(metrics(bounces=11), tmp_path) == first
    assert len(judged) == 1
    assert validate_once(metrics(), tmp_path).passed
    assert len(judged) == 2


def test_data_docs_are_a_site_that_replaces_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    render_data_docs(metrics(bounces=11), folder)
    (folder / "old").touch()
    first = render_data_docs(metrics(), folder)
    assert first == folder / "index.html"
    assert "daily_metrics" in first.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]
    assert not (folder / "old").exists()

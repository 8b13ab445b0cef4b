"""A hermetic home per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ingestion.house import NATIVE, House


@pytest.fixture
def make_house(tmp_path: Path) -> Callable[..., House]:
    return lambda *sources: House(tmp_path, *(sources or (NATIVE,)))


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()

"""Hermetic homes: every test has its own, below tmp_path."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.home import Home
from governance.keys import Keys, make_keys


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "home"
    root.mkdir()
    return Home(root)


@pytest.fixture
def keys(home: Home) -> Keys:
    return make_keys(home)

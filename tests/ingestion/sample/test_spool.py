"""Sorting through files on disk gives the same landing as sorting in memory."""

from __future__ import annotations

import pytest

from ingestion.sample import spool as module
from ingestion.sample.spool import Spool


@pytest.fixture
def lines():
    times = [1_775_000_000_000 + (n * 7_919_000) % 400_000_000 for n in range(500)]
    return [("web", at, b'{"n":%d}' % number) for number, at in enumerate(times)]


def test_spilling_to_disk_changes_no_byte(tmp_path, monkeypatch, lines):
    folders = [tmp_path / "memory", tmp_path / "disk"]
    written = []
    for folder in folders:
        folder.mkdir()
        spool = Spool(folder)
        for line in lines:
            spool.put(*line)
        spilled = any(folder.iterdir())
        assert spilled == (folder.name == "disk")
        written.append(list(spool.files()))
        assert not any(folder.iterdir())
        monkeypatch.setattr(module, "_BUFFER_BYTES", 600)
    assert written[0] == written[1]
    assert sum(file.lines for file in written[0]) == len(lines)

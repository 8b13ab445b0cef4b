"""Wire formats: each maps a producer's record to the native JSON form, and nothing else."""

from __future__ import annotations

from ingestion.formats import native, segment
from ingestion.formats.record import Format

FORMATS: dict[str, Format] = {"native": native.FORMAT, "segment": segment.FORMAT}

"""What a file is, told by the ending of its name."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["jsonl", "csv", "parquet", "lines", "zip"]
Compression = Literal["gzip", "zstd"] | None

ENDINGS = ".jsonl .ndjson .json .csv .tsv .log .txt, each also with .gz or .zst; .parquet; .zip"
"""For messages about a file whose ending is none of them."""

_KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".log": "lines",
    ".txt": "lines",
    ".parquet": "parquet",
    ".zip": "zip",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
_WHOLE: tuple[Kind, ...] = ("parquet", "zip")


class Container(NamedTuple):
    """How records lie in a file, and what has to be undone to read them."""

    kind: Kind
    compression: Compression


def container_of(name: str) -> Container | None:
    """What a file of that name holds; None where the ending says nothing we read.

    Endings count in any case. Parquet and zip compress on their own and are read from their end, so
    neither has a second ending.
    """
    stem, compression = name.lower(), None
    for ending, found in _COMPRESSIONS.items():
        if stem.endswith(ending):
            stem, compression = stem[: -len(ending)], found
    for ending, kind in _KINDS.items():
        if stem.endswith(ending):
            if compression and kind in _WHOLE:
                return None
            return Container(kind, compression)
    return None

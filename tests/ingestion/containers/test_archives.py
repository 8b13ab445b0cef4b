"""Zip archives: members are read as they are, and what was made to harm is refused."""

import gzip
import io
import stat
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.compression import DamagedError, decompressed, read_block
from ingestion.containers import archives, parquet_files
from ingestion.containers.rows import FileProblem


def archive(*files: tuple[str | zipfile.ZipInfo, bytes], **options) -> io.BytesIO:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, data in files:
            made.writestr(name, data)
    raw.seek(0)
    return raw


def refused(raw: io.BytesIO) -> FileProblem:
    with pytest.raises(FileProblem) as raised:
        archives.members(raw)
    return raised.value


def test_members_by_name_without_folders_and_clutter():
    raw = archive(
        ("b/2.csv", b"a\n1\n"),
        ("b/", b""),
        ("__MACOSX/b/._2.csv", b"x"),
        ("b/.DS_Store", b"x"),
        ("1.csv", b"a\n"),
    )
    assert archives.members(raw) == [archives.Member("1.csv", 2), archives.Member("b/2.csv", 4)]


def test_a_member_is_read_with_its_own_compression():
    line = b'{"event_type": "x"}\n'
    raw = archive(("187520/187520_2026-04-13_1#0.json.gz", gzip.compress(line * 3)))
    (member,) = archives.members(raw)
    with archives.member(raw, member.name) as stream, decompressed(stream, "gzip") as file:
        assert file.read() == line * 3


def test_parquet_in_an_archive_is_a_file_of_its_own():
    table = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), table)
    raw = archive(("x.parquet", table.getvalue()))
    with archives.member(raw, "x.parquet") as file:
        assert parquet_files.count(file) == 2
        assert [row.record for row in next(parquet_files.rows(file))] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "name", ["../evil.csv", "a/../../evil.csv", "/etc/passwd", "C:/evil.csv", "a\\..\\evil.csv"]
)
def test_names_that_leave_their_folder_are_refused(name: str):
    found = refused(archive(("good.csv", b"a\n"), (name, b"a\n")))
    assert repr(name) in found.what


def test_a_link_is_refused():
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "'link.csv' is a link" in refused(archive((link, b"/etc/passwd"))).what


def test_an_encrypted_member_is_refused():
    data = bytearray(archive(("secret.csv", b"a\n")).getvalue())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "'secret.csv' is encrypted" in refused(io.BytesIO(bytes(data))).what


def test_an_archive_in_an_archive_is_refused():
    assert "is an archive itself" in refused(archive(("Inner.ZIP", b"x"))).what


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "_SMALL", 1 << 20)
    found = refused(archive(("bomb.csv", bytes(1 << 22))))
    assert "unpacks to more than 250 times its size" in found.what


def test_too_much_in_all_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    assert "holds 12 bytes" in refused(archive(("a.csv", b"x" * 6), ("b.csv", b"x" * 6))).what


def test_the_same_name_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        raw = archive(("a.csv", b"x"), ("a.csv", b"y"))
    assert "is in it twice" in refused(raw).what


@pytest.mark.parametrize("cut", [0, 10, -5])
def test_what_is_no_whole_archive_is_a_problem_of_the_file(cut: int):
    data = archive(("a.csv", b"x" * 1000)).getvalue()
    assert "is not a whole zip archive" in refused(io.BytesIO(data[:cut])).what


def test_a_damaged_member_is_damage():
    data = bytearray(archive(("a.csv", bytes(range(256)) * 400)).getvalue())
    data[60:90] = bytes(30)
    raw = io.BytesIO(bytes(data))
    with archives.member(raw, "a.csv") as stream, pytest.raises(DamagedError):
        read_block(stream, 1 << 20)

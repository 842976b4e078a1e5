import os
import tempfile
from pathlib import Path

import pytest

from emotrace import output
from emotrace.errors import EmotraceError
from emotrace.output import spooled, write_atomically


def write_text(file):
    file.write("né\n")


def test_text_and_bytes_are_written_whole(tmp_path):
    write_atomically(tmp_path / "a.txt", write_text)
    write_atomically(tmp_path / "a.bin", lambda file: file.write(b"\0\1"), mode="wb")
    assert (tmp_path / "a.txt").read_bytes() == "né\n".encode()
    assert (tmp_path / "a.bin").read_bytes() == b"\0\1"
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.txt"]


def test_permissions_follow_the_umask(tmp_path):
    write_atomically(tmp_path / "new", write_text)
    (tmp_path / "plain").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_existing_file_needs_force(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(EmotraceError, match=r"a\.txt: exists already.*--force"):
        write_atomically(path, write_text)
    assert path.read_text() == "old"
    write_atomically(path, write_text, force=True)
    assert path.read_text(encoding="utf-8") == "né\n"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(EmotraceError, match="--force"):
        write_atomically(path, lambda file: path.write_text("other"))
    assert path.read_text() == "other"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("taken", [False, True])
def test_without_hard_links(tmp_path, monkeypatch, taken):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.txt"
    if taken:
        with pytest.raises(EmotraceError, match="exists already"):
            write_atomically(path, lambda file: path.write_text("other"))
    else:
        write_atomically(path, write_text)
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, EmotraceError])
def test_failure_leaves_nothing_and_passes_on(tmp_path, error):
    (tmp_path / "old.txt").write_text("old")

    def fail(file):
        file.write("half")
        raise error("stop")

    for name in ("new.txt", "old.txt"):
        with pytest.raises(error):
            write_atomically(tmp_path / name, fail, force=True)
    assert os.listdir(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def fail(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(EmotraceError, match=r"a\.csv: cannot be written \(No space left") as caught:
        write_atomically(tmp_path / "a.csv", fail)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_devices_are_written_directly():
    with pytest.raises(EmotraceError, match="/dev/full: cannot be written"):
        write_atomically("/dev/full", write_text)
    write_atomically("/dev/null", write_text)
    assert not Path("/dev/null").is_file()


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a.csv", tmp_path / "none" / "a.csv", tmp_path):
        with pytest.raises(EmotraceError) as caught:
            write_atomically(path, write_text)
        assert str(path) in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    write_atomically(tmp_path / "link.txt", write_text, force=True)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text(encoding="utf-8") == "né\n"


def test_other_modes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="mode"):
        write_atomically(tmp_path / "a", write_text, mode="a")


@pytest.mark.parametrize("limit", [10, 10_000])
def test_spooled_bytes_are_read_again_from_memory_or_disk(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", limit)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with spooled(bytes([n]) * 100 for n in range(5)) as file:
        assert file.read() == b"".join(bytes([n]) * 100 for n in range(5))
        file.seek(250)
        assert file.read(3) == b"\2\2\2"
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("size", [100, 1 << 20], ids=["noticed late", "noticed at once"])
def test_a_full_temporary_folder(monkeypatch, size):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *args, **kwargs: Path("/dev/full").open("w+b"))  # noqa: SIM115
    with pytest.raises(EmotraceError, match=r"No space left on device.*TMPDIR") as caught:
        spooled([b"x" * size])
    assert "\n" not in str(caught.value)


def test_what_feeds_a_spool_fails_as_itself():
    def parts():
        yield b"x"
        raise OSError("the recording")

    with pytest.raises(OSError, match="the recording"):
        spooled(parts())

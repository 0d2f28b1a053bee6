"""A final name is given only to bytes that are on the disk, and nothing is left behind on the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from registry.durable import FlushingFile, append_lines, atomic_write, sync_folder

THINGS_THAT_GO_WRONG = [
    ValueError("bug"),
    OSError(28, "No space left on device"),
    KeyboardInterrupt(),
    SystemExit(1),
]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.bin"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def arrive(target: Path, content: bytes = b"new") -> None:
    with atomic_write(target) as temporary:
        temporary.write_bytes(content)


def test_the_bytes_get_their_name_at_the_end_and_no_other_file_stays(target: Path) -> None:
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["target.bin"]


def test_an_old_file_stays_whole_until_the_new_one_takes_its_place(target: Path) -> None:
    target.write_bytes(b"old")
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"ne")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"ne"


def test_a_reader_of_the_old_file_keeps_reading_the_old_bytes(target: Path) -> None:
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        arrive(target)
        assert reader.read() == b"old"


def test_the_mode_that_the_writer_gives_is_kept(target: Path) -> None:
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"new")
        temporary.chmod(0o444)
    assert stat.S_IMODE(target.stat().st_mode) == 0o444


@pytest.mark.parametrize("error", THINGS_THAT_GO_WRONG, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("old", [None, b"old"], ids=["no old file", "an old file"])
def test_whatever_goes_wrong_in_the_writing_leaves_everything_as_it_was(target, error, old) -> None:
    if old:
        target.write_bytes(old)
    before = names(target.parent)

    def write_half() -> None:
        with atomic_write(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert names(target.parent) == before
    assert not old or target.read_bytes() == old


def failing(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("place", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync fails", "replace fails"]
)
def test_when_the_disk_refuses_the_old_file_stays_and_no_temporary_one(
    target, monkeypatch, place, name
) -> None:
    target.write_bytes(b"old")
    monkeypatch.setattr(place, name, failing)
    with pytest.raises(OSError, match="Input/output error"):
        arrive(target)
    assert target.read_bytes() == b"old"
    assert names(target.parent) == ["target.bin"]


def test_the_file_is_synced_before_it_gets_its_name_and_its_folder_after(target, monkeypatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        of_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        same = os.path.samestat(os.fstat(handle), target.parent.stat())
        events.append(("target's folder" if same else "other folder") if of_folder else "file")
        if not of_folder:
            assert os.pread(handle, 10, 0) == b"new"
        fsync(handle)

    def noted_replace(path: Path, new: Path) -> Path:
        events.append("name")
        return replace(path, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    arrive(target)
    assert events == ["file", "name", "target's folder"]


def test_when_the_folder_cannot_be_synced_the_failure_is_told_and_the_file_is_whole(
    target, monkeypatch
) -> None:
    fsync = os.fsync

    def fail_for_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            failing()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(OSError, match="Input/output error"):
        arrive(target)
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["target.bin"]


def test_a_process_that_dies_while_it_writes_leaves_the_old_file_as_it_was(target: Path) -> None:
    target.write_bytes(b"old")
    program = (
        "import os, pathlib, sys\nfrom registry.durable import arriving\n"
        "with arriving(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half')\n    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, target], check=False)
    assert done.returncode == 9
    assert target.read_bytes() == b"old"
    assert [name for name in names(target.parent) if not name.startswith(".arriving-")] == ["target.bin"]


def test_files_that_arrive_side_by_side_do_not_meet(target: Path) -> None:
    with atomic_write(target) as first, atomic_write(target) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"
    assert names(target.parent) == ["target.bin"]


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_folder_that_is_not_there_is_told(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        arrive(tmp_path / parent / "target.bin")
    assert names(tmp_path) == ["file"]


def test_no_handle_stays_open(target: Path, monkeypatch) -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list the open files of a process")
    before = handles()
    arrive(target)
    sync_folder(target.parent)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        arrive(target)
    assert handles() == before


@pytest.mark.parametrize("advised", [True, False], ids=["where the disk can be told", "where it cannot"])
def test_what_is_written_steadily_is_the_pieces_one_after_the_other(
    target: Path, monkeypatch, advised: bool
) -> None:
    advice: list[tuple[int, int]] = []
    if advised:
        monkeypatch.setattr(os, "posix_fadvise", lambda _, start, length, __: advice.append((start, length)))
    else:
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    sizes = [128, 3 << 20, (1 << 20) - 1, 0, 17 << 20, 1, 8 << 20, 5]
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    with FlushingFile(target) as file:
        for piece in pieces:
            file.write(piece)
        assert file.size == sum(sizes)
    assert target.read_bytes() == b"".join(pieces)
    # Each byte is begun with once or twice, and at most 8 MiB are left for the end.
    assert all(
        start <= before + length for (start, _), (before, length) in zip(advice[1:], advice, strict=False)
    )
    assert bool(advice) is advised
    if advised:
        assert target.stat().st_size - sum(advice[-1]) < 8 << 20


def test_a_disk_that_is_full_is_told_while_writing(tmpfs) -> None:
    with pytest.raises(OSError, match="No space left"), FlushingFile(tmpfs("size=1m") / "large") as file:
        file.write(bytes(2 << 20))


def test_lines_are_added_whole_and_taken_back_only_while_they_are_the_last(tmp_path: Path) -> None:
    path = tmp_path / "HISTORY"
    undo = append_lines(path, b"one\n")
    assert path.read_bytes() == b"one\n"
    undo()
    assert not path.exists()
    path.write_bytes(b"no end of the line")
    undo = append_lines(path, b"two\n")
    assert path.read_bytes() == b"no end of the line\ntwo\n"
    undo()
    assert path.read_bytes() == b"no end of the line"
    undo = append_lines(path, b"three\n")
    append_lines(path, b"another's\n")
    undo()
    assert path.read_bytes() == b"no end of the line\nthree\nanother's\n"

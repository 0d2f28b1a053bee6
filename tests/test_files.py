"""Files are read and hashed as they are, and given their names when their bytes are on the disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import blake3
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import CorruptionError
from registry.files import FlushingFile, append_lines, atomic_write, blake3_of, sha256_of, sync_folder
from testing.panels import PANEL_A, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

LATER = "2020-01-01T00:00:00Z"
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
    ("owner", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync fails", "replace fails"]
)
def test_when_the_disk_fails_the_old_file_stays_and_no_temporary_one(
    target, monkeypatch, owner, name
) -> None:
    target.write_bytes(b"old")
    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(OSError, match="Input/output error"):
        arrive(target)
    assert target.read_bytes() == b"old"
    assert names(target.parent) == ["target.bin"]


def test_the_file_is_synced_before_it_gets_its_name_and_its_folder_after(target, monkeypatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def record_fsync(handle: int) -> None:
        of_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        same = os.path.samestat(os.fstat(handle), target.parent.stat())
        events.append(("target's folder" if same else "other folder") if of_folder else "file")
        if not of_folder:
            assert os.pread(handle, 10, 0) == b"new"
        fsync(handle)

    def record_replace(path: Path, new: Path) -> Path:
        events.append("name")
        return replace(path, new)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    arrive(target)
    assert events == ["file", "name", "target's folder"]


def test_when_the_folder_cannot_be_synced_the_error_is_raised_and_the_file_is_whole(
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
        "import os, pathlib, sys\nfrom registry.files import atomic_write\n"
        "with atomic_write(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half')\n    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, target], check=False)
    assert done.returncode == 9
    assert target.read_bytes() == b"old"
    assert [name for name in names(target.parent) if not name.startswith(".arriving-")] == ["target.bin"]


def test_files_written_at_the_same_time_do_not_mix(target: Path) -> None:
    with atomic_write(target) as first, atomic_write(target) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"
    assert names(target.parent) == ["target.bin"]


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_missing_folder_is_an_error(tmp_path: Path, parent: str) -> None:
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
def test_a_flushing_file_holds_the_pieces_one_after_the_other(
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


def test_a_full_disk_is_an_error_while_writing(tmpfs) -> None:
    with pytest.raises(OSError, match="No space left"), FlushingFile(tmpfs("size=1m") / "large") as file:
        file.write(bytes(2 << 20))


def test_lines_are_appended_whole_and_removed_only_while_they_are_the_last(tmp_path: Path) -> None:
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


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(
            PANEL_A, write_panel_folder(tmp_path / "arrays", seed=1), valid_from="beginning"
        )
    return location


def update_blobs(location: RegistryLocation, assignment: str) -> None:
    """Change what is recorded of every file, behind the guard, which is put back."""
    engine = location.engine()
    with engine.begin() as connection:
        if location.is_sqlite:
            query = sa.text("SELECT sql FROM sqlite_master WHERE name = 'blob_update'")
            guard = connection.execute(query).scalar_one()
            off, on = "DROP TRIGGER blob_update", guard
        else:
            off, on = (f"ALTER TABLE blob {how} TRIGGER blob_update" for how in ("DISABLE", "ENABLE ALWAYS"))
        for statement in (off, f"UPDATE blob SET {assignment}", on):
            connection.exec_driver_sql(statement)
    engine.dispose()


def flip_a_bit(location: RegistryLocation) -> Path:
    path = min((location.store / "objects").rglob("*.npy"))
    content = bytearray(path.read_bytes())
    content[4711] ^= 8
    path.chmod(0o644)
    path.write_bytes(content)
    return path


@given(st.lists(st.binary(max_size=5000), max_size=4))
def test_the_digests_are_of_the_pieces_one_after_the_other(pieces: list[bytes]) -> None:
    assert blake3_of(*pieces) == blake3.blake3(b"".join(pieces)).hexdigest()
    assert blake3_of(*map(memoryview, pieces)) == blake3_of(*pieces)
    assert sha256_of(*pieces) == sha256_of(b"".join(pieces))
    # The test vectors of their inventors.
    assert sha256_of() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert blake3_of() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_both_digests_of_every_registered_file_are_recorded(filled: RegistryLocation, tmp_path: Path) -> None:
    with filled.open() as registry:
        files = [file for number in (1, 2) for file in registry.versions.show(number)[1]]
    contents = {sha256_of(path.read_bytes()): path.read_bytes() for path in (tmp_path / "arrays").iterdir()}
    assert {file.sha256: file.blake3 for file in files} == {
        sha256: blake3_of(content) for sha256, content in contents.items()
    }


@pytest.mark.slow
def test_commands_that_read_many_files_verify_them_by_the_quicker_digest(
    filled: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def sha256(*pieces: bytes | memoryview) -> str:
        computed.append(len(pieces))
        return sha256_of(*pieces)

    monkeypatch.setattr("registry.store.sha256_of", sha256)
    with filled.open() as registry:
        array = registry.constants(PANEL_A, at=LATER)["pixel_gain"]
        registry.export(PANEL_A, tmp_path / "out", at=LATER)
        assert computed == []
        assert registry.verify().problems == ()
    assert len(computed) == 6  # a verification computes both
    for gain_range in range(3):
        assert array[gain_range, 0].tobytes() == make_panel_array("gain", gain_range, seed=1).tobytes()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_a_flipped_bit_is_found_by_either_digest(
    filled: RegistryLocation, tmp_path: Path, known: bool
) -> None:
    """A file that was recorded before schema 0005 has no BLAKE3."""
    if not known:
        update_blobs(filled, "blake3 = NULL")
    with filled.open() as registry:
        registry.export(PANEL_A, tmp_path / "sound", at=LATER)
        damaged = flip_a_bit(filled)
        with assert_refused(CorruptionError, sha256=damaged.stem):
            registry.constants(PANEL_A, at=LATER)
        with assert_refused(CorruptionError, sha256=damaged.stem):
            registry.export(PANEL_A, tmp_path / "out", at=LATER)
        assert not (tmp_path / "out").exists()
        sums = [problem.sha256 for problem in registry.verify().problems if problem.revision is None]
        assert sums == [damaged.stem]


@pytest.mark.slow
def test_an_edited_digest_is_reported_and_its_file_is_not_used(filled: RegistryLocation) -> None:
    update_blobs(filled, f"blake3 = '{'0' * 64}'")
    with filled.open() as registry:
        with pytest.raises(CorruptionError):
            registry.constants(PANEL_A, at=LATER)
        problems = registry.verify().problems
        stored = {path.stem for path in (filled.store / "objects").rglob("*.npy")}
    assert "blob (changed)" in problems[0].problem
    assert len(problems) == 1 + 6
    assert {problem.sha256 for problem in problems[1:]} == stored

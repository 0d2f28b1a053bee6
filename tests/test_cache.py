"""The cache: each entry is made once however many want it, and nothing that is not sound is returned."""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.cache import CacheFolder, EntryKind, EntryName, NewEntry, find_cache, thread_queues
from registry.cache.location import find_default_folder
from registry.errors import CacheError, CorruptionError, DeniedError, RequestError
from tests.cache_entries import CONTENT, Maker, name_of, obtain, reader_of
from tests.conftest import act_as_ordinary_user

ROOT = Path(__file__).parent.parent
HANG_WHILE_MAKING = """
import sys, time
from pathlib import Path
from registry.cache import CacheFolder
from tests.cache_entries import name_of, reader_of
def make(entry):
    entry.write(b"some of it")
    print("making", flush=True)
    time.sleep(600)
CacheFolder(Path(sys.argv[1])).obtain(name_of(), make, reader_of())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> CacheFolder:
    return CacheFolder(folder)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def start_maker(folder: Path) -> subprocess.Popen[str]:
    """Start a process that begins to make the entry, and does not go on."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANG_WHILE_MAKING, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "making\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_an_entry_is_made_once_and_then_read(cache: CacheFolder, folder: Path, maker: Maker) -> None:
    for _ in range(3):
        assert cache.obtain(name_of(), maker, reader_of()) == CONTENT
    assert maker.count == 1
    assert list_files(folder) == [str(name_of())]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / str(name_of())).stat().st_mode) == 0o400


def test_an_entry_is_found_only_if_it_is_there_and_nothing_is_made(
    cache: CacheFolder, folder: Path, maker: Maker
) -> None:
    assert cache.find(name_of(), reader_of()) is None
    assert not folder.exists()
    cache.obtain(name_of(), maker, reader_of())
    assert cache.find(name_of(), reader_of()) == CONTENT


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_of_several_processes_one_makes_an_entry(folder: Path, tmp_path: Path, method: str) -> None:
    with multiprocessing.get_context(method).Pool(4) as pool:
        sizes = pool.starmap(obtain, [(folder, tmp_path, 0.3)] * 8, chunksize=1)
    assert sizes == [len(CONTENT)] * 8
    assert Maker(tmp_path).count == 1
    assert list_files(folder) == [str(name_of())]


def test_of_several_threads_one_makes_an_entry(cache: CacheFolder, tmp_path: Path) -> None:
    slow = Maker(tmp_path, pause=0.1)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cache.obtain(name_of(), slow, reader_of()), range(8)))
    assert results == [CONTENT] * 8
    assert slow.count == 1


def test_a_child_does_not_wait_for_the_threads_of_its_parent(
    cache: CacheFolder, folder: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_queues, "_WAIT_SECONDS", 600)
    with thread_queues.queue_threads(folder, name_of()):
        child = os.fork()
        if child == 0:
            os._exit(0 if cache.obtain(name_of(), maker, reader_of()) == CONTENT else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert thread_queues._queues == {}
    assert maker.count == 1


@pytest.mark.slow
def test_a_maker_that_is_killed_keeps_nobody_waiting_and_its_file_is_removed(
    cache: CacheFolder, folder: Path, maker: Maker
) -> None:
    process = start_maker(folder)
    assert len(list_files(folder)) == 2  # the lock, and what is made
    waiting = ThreadPoolExecutor(1).submit(cache.obtain, name_of(), maker, reader_of())
    time.sleep(0.1)
    assert not waiting.done()
    process.send_signal(signal.SIGKILL)
    assert waiting.result(timeout=30) == CONTENT
    end(process)
    assert list_files(folder) == [str(name_of())]


@pytest.mark.slow
def test_who_waits_for_a_maker_that_gets_no_further_is_told_which_process_it_is(
    folder: Path, maker: Maker
) -> None:
    process = start_maker(folder)
    with pytest.raises(CacheError, match=f"process {process.pid} on .* holds the lock on 'object-") as caught:
        CacheFolder(folder, patience=0.2).obtain(name_of(), maker, reader_of())
    end(process)
    assert (caught.value.code, maker.count) == (8, 0)


@pytest.mark.slow
def test_a_maker_that_goes_on_is_waited_for_longer_than_the_patience(folder: Path, maker: Maker) -> None:
    def make_slowly(entry: NewEntry) -> None:
        for start in range(0, len(CONTENT), 1024):
            time.sleep(0.1)
            entry.write(CONTENT[start : start + 1024])

    cache = CacheFolder(folder, patience=1.4)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.obtain, name_of(), make_slowly, reader_of())
        while not folder.exists() or len(list_files(folder)) < 2:
            time.sleep(0.01)
        assert cache.obtain(name_of(), maker, reader_of()) == CONTENT
        assert first.result() == CONTENT
    assert maker.count == 0


def remove_last_byte(path: Path) -> None:
    os.truncate(path, len(CONTENT) - 1)


def add_byte(path: Path) -> None:
    path.write_bytes(CONTENT + b"x")


def change_bit(path: Path) -> None:
    path.write_bytes(CONTENT[:500] + bytes([CONTENT[500] ^ 1]) + CONTENT[501:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_link(path: Path) -> None:
    other = path.parent.parent / "other"
    path.rename(other)
    path.symlink_to(other)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def let_others_write(path: Path) -> None:
    path.chmod(0o666)


def forbid_reading(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize(
    "damage",
    [
        remove_last_byte,
        add_byte,
        change_bit,
        empty,
        replace_by_link,
        replace_by_pipe,
        let_others_write,
        forbid_reading,
    ],
)
def test_a_damaged_entry_is_made_anew(
    cache: CacheFolder, folder: Path, maker: Maker, damage: Callable[[Path], None]
) -> None:
    cache.obtain(name_of(), maker, reader_of())
    path = folder / str(name_of())
    path.chmod(0o600)
    damage(path)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: cache.obtain(name_of(), maker, reader_of()), range(4)))
    assert results == [CONTENT] * 4
    if damage is not forbid_reading or os.geteuid() != 0:
        assert maker.count == 2
        assert stat.S_IMODE(path.lstat().st_mode) == 0o400
    assert list_files(folder) == [str(name_of())]


def test_an_entry_whose_name_a_folder_has_is_not_made(cache: CacheFolder, folder: Path, maker: Maker) -> None:
    (folder / str(name_of())).mkdir(parents=True)
    folder.chmod(0o700)
    with pytest.raises(CacheError, match="Is a directory"):
        cache.obtain(name_of(), maker, reader_of())
    assert list_files(folder) == [str(name_of())]


def test_a_reader_keeps_the_bytes_of_an_entry_that_is_replaced_or_removed(
    cache: CacheFolder, folder: Path, maker: Maker
) -> None:
    def map_bytes(handle: int) -> mmap.mmap:
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)

    mapped = cache.obtain(name_of(), maker, map_bytes)
    cache.obtain(name_of(), maker, lambda handle: None if maker.count == 1 else os.fstat(handle).st_size)
    assert maker.count == 2
    (folder / str(name_of())).unlink()
    assert bytes(mapped) == CONTENT


def test_what_the_maker_raises_is_raised_and_leaves_nothing(cache: CacheFolder, folder: Path) -> None:
    def fail(entry: NewEntry) -> None:
        entry.write(b"some")
        raise CorruptionError("object 00 is damaged")

    with pytest.raises(CorruptionError):
        cache.obtain(name_of(), fail, reader_of())
    assert list_files(folder) == []


def test_bytes_that_are_not_sound_when_they_were_just_made_get_no_name(
    cache: CacheFolder, folder: Path, tmp_path: Path
) -> None:
    wrong = Maker(tmp_path, b"x" * 200)
    with pytest.raises(CacheError, match="was damaged each time that it was made"):
        cache.obtain(name_of(), wrong, reader_of())
    assert list_files(folder) == []


@pytest.mark.parametrize(
    "digest",
    ["", "../../etc/passwd", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "\n", "0" * 64 + "\n", "\0" * 64, 5],
)
def test_only_a_digest_names_an_entry(digest: str) -> None:
    with pytest.raises(RequestError):
        EntryName(EntryKind.OBJECT, digest)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
def test_a_folder_that_others_may_use_is_refused(
    cache: CacheFolder, folder: Path, maker: Maker, mode: int
) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(DeniedError, match=f"has mode {mode:04o}") as caught:
        cache.obtain(name_of(), maker, reader_of())
    assert not isinstance(caught.value, CacheError)
    assert (caught.value.code, maker.count, list_files(folder)) == (8, 0, [])


def test_a_folder_that_is_a_link_or_a_file_is_refused(cache: CacheFolder, folder: Path, maker: Maker) -> None:
    (folder.parent / "own").mkdir(mode=0o700)
    folder.symlink_to("own")
    with pytest.raises(DeniedError, match="it is a link"):
        cache.obtain(name_of(), maker, reader_of())
    folder.unlink()
    folder.touch()
    with pytest.raises(DeniedError, match="it is not a folder"):
        cache.obtain(name_of(), maker, reader_of())


def test_a_folder_of_another_user_is_refused(open_folder: Path, maker: Maker) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may act as other users")
    open_folder.chmod(0o1777)
    folder = open_folder / "calreg-65534"
    folder.mkdir(mode=0o700)
    with act_as_ordinary_user(), pytest.raises(DeniedError, match="it must belong to this user alone"):
        CacheFolder(folder).obtain(name_of(), maker, reader_of())
    os.chown(folder, 65534, -1)
    with pytest.raises(DeniedError, match="it must belong to this user alone"):
        CacheFolder(folder).obtain(name_of(), maker, reader_of())
    assert (maker.count, list_files(folder)) == (0, [])


def test_a_cache_that_cannot_be_written_is_read(
    cache: CacheFolder, folder: Path, maker: Maker, tmpfs: Callable[[str], Path]
) -> None:
    mounted = tmpfs("size=1m,mode=0700")
    cache = CacheFolder(mounted)
    cache.obtain(name_of(), maker, reader_of())
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    assert cache.obtain(name_of(), maker, reader_of()) == CONTENT
    with pytest.raises(CacheError, match="cannot be written: Read-only file system") as caught:
        cache.obtain(name_of(b"other"), maker, reader_of(b"other"))
    assert (caught.value.code, maker.count) == (8, 1)


def test_a_full_disk_is_named_and_nothing_is_left(maker: Maker, tmpfs: Callable[[str], Path]) -> None:
    mounted = tmpfs("size=64k,mode=0700")
    (mounted / "filler").write_bytes(bytes(60 << 10))
    with pytest.raises(CacheError, match="cannot be written: No space left on device"):
        CacheFolder(mounted).obtain(name_of(), maker, reader_of())
    assert list_files(mounted) == ["filler"]
    (mounted / "filler").unlink()
    assert CacheFolder(mounted).obtain(name_of(), maker, reader_of()) == CONTENT


def test_a_cache_that_was_removed_meanwhile_is_one_that_cannot_be_written(
    cache: CacheFolder, folder: Path
) -> None:
    def make(entry: NewEntry) -> None:
        entry.write(CONTENT)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    with pytest.raises(CacheError, match="cannot be"):
        cache.obtain(name_of(), make, reader_of())


def test_where_no_file_can_be_opened_it_is_said(cache: CacheFolder, maker: Maker) -> None:
    import resource

    cache.obtain(name_of(), maker, reader_of())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    opened: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    try:
        while True:
            try:
                opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        with pytest.raises(CacheError, match="Too many open files"):
            cache.obtain(name_of(), maker, reader_of())
        os.close(opened.pop())  # the folder can be opened, and the entry not
        with pytest.raises(CacheError, match="Too many open files"):
            cache.obtain(name_of(), maker, reader_of())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for handle in opened:
            os.close(handle)
    assert cache.obtain(name_of(), maker, reader_of()) == CONTENT


def test_on_a_file_system_without_locks_entries_are_made_and_read(
    cache: CacheFolder, maker: Maker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import fcntl

    def refuse(_handle: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: cache.obtain(name_of(), maker, reader_of()), range(4)))
    assert results == [CONTENT] * 4
    assert list_files(folder) == [str(name_of())]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # newer Pythons warn of threads
def test_a_child_does_not_hold_the_lock_of_its_parent(folder: Path, tmp_path: Path) -> None:
    """A fork in another thread, while the entry is made: the child lives on when the maker is gone."""
    begun, go_on = threading.Event(), threading.Event()

    def make(entry: NewEntry) -> None:
        begun.set()
        go_on.wait()
        raise CorruptionError("given up")

    cache = CacheFolder(folder)
    pool = ThreadPoolExecutor(1)
    making = pool.submit(cache.obtain, name_of(), make, reader_of())
    begun.wait()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"x")
        time.sleep(30)
        os._exit(0)
    os.read(reading, 1)
    held = [path.readlink() for path in Path(f"/proc/{child}/fd").iterdir()]
    go_on.set()
    with pytest.raises(CorruptionError):
        making.result()
    pool.shutdown()
    assert cache.obtain(name_of(), Maker(tmp_path), reader_of()) == CONTENT
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert [path for path in held if "/.lock-" in str(path)] == []


def test_a_child_that_is_forked_by_the_maker_leaves_the_entry_to_it(folder: Path) -> None:
    def make(entry: NewEntry) -> None:
        entry.write(CONTENT)
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    parent = os.getpid()
    try:
        assert CacheFolder(folder).obtain(name_of(), make, reader_of()) == CONTENT
    except CacheError:
        if os.getpid() == parent:
            raise
        os._exit(0)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert list_files(folder) == [str(name_of())]


def fill(cache: CacheFolder, folder: Path, count: int) -> list[EntryName]:
    """Add entries of 16 KiB, the first of which were used long ago."""
    names = []
    for number in range(count):
        content = bytes([number]) * (16 << 10)
        names.append(name_of(content))
        cache.obtain(names[-1], Maker(folder.parent, content), reader_of(content))
        os.utime(folder / str(names[-1]), (1, 1_700_000_000 + number))
    return names


def test_what_was_not_used_for_the_longest_time_goes_beyond_the_limit(folder: Path, maker: Maker) -> None:
    limited = CacheFolder(folder, 64 << 10)
    names = fill(limited, folder, 4)
    content = bytes([0]) * (16 << 10)
    assert limited.obtain(names[0], maker, reader_of(content)) == content  # so it is used now
    limited.obtain(name_of(), maker, reader_of())
    assert list_files(folder) == sorted(map(str, [names[0], names[2], names[3], name_of()]))


def test_what_is_mapped_stays_and_what_is_larger_than_the_limit_too(folder: Path, maker: Maker) -> None:
    limited = CacheFolder(folder, 1000)
    mapped = limited.obtain(name_of(), maker, lambda handle: mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    (other,) = fill(limited, folder, 1)
    assert list_files(folder) == sorted(map(str, [name_of(), other]))
    mapped.close()
    content = b"new" * 1000
    limited.obtain(name_of(content), Maker(folder.parent, content), reader_of(content))
    assert list_files(folder) == [str(name_of(content))]


@pytest.mark.slow
def test_what_killed_makers_have_left_is_removed_when_another_entry_is_added(folder: Path) -> None:
    cache = CacheFolder(folder)
    end(start_maker(folder))
    assert len(list_files(folder)) == 2
    (name,) = fill(CacheFolder(folder, 1 << 20), folder, 1)
    assert list_files(folder) == [str(name)]
    process = start_maker(folder)
    fill(CacheFolder(folder, 1 << 20), folder, 2)
    assert len([name for name in list_files(folder) if name.startswith(".")]) == 2
    end(process)
    assert cache.find(name_of(), reader_of()) is None


def test_nothing_else_in_the_folder_is_touched(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    others = [
        ".arriving-x",
        ".lock-x",
        "object-x",
        "notes.txt",
        f"object-{'0' * 64}.npy",
        f".lock-object-{'g' * 64}",
    ]
    for name in others:
        (folder / name).write_bytes(bytes(4096))
        os.utime(folder / name, (1, 1))
    (new,) = fill(CacheFolder(folder, 10), folder, 1)
    assert list_files(folder) == sorted([*others, str(new)])


def test_a_note_beside_a_lock_removes_no_file_of_another_name(folder: Path, maker: Maker) -> None:
    folder.mkdir(mode=0o700)
    other = f".arriving-object-{'0' * 64}-{'0' * 16}"
    for victim in ("../victim", other):
        (folder / victim).write_bytes(b"precious")
        note = {"process": 1, "host": "h\x1b[2J", "file": victim}
        (folder / name_of().lock).write_text(json.dumps(note))
        (folder / str(name_of())).unlink(missing_ok=True)
        CacheFolder(folder, 1 << 40).obtain(name_of(), maker, reader_of())
        assert (folder / victim).read_bytes() == b"precious"


def test_the_environment_names_the_folder_and_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    default = find_cache()
    assert default is not None
    assert (default.path, default.limit) == (tmp_path / "user-cache" / "calreg", None)
    monkeypatch.setenv("CALREG_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("CALREG_CACHE_LIMIT", "20 GB")
    own = find_cache()
    assert own is not None
    assert (own.path, own.limit) == (tmp_path / "own", 20_000_000_000)
    assert pickle.loads(pickle.dumps(own)).path == own.path  # noqa: S301 - our own
    monkeypatch.setenv("CALREG_CACHE_LIMIT", "much")
    with pytest.raises(RequestError, match="'much' in CALREG_CACHE_LIMIT is not a size"):
        find_cache()
    for word in ("off", "OFF"):
        monkeypatch.setenv("CALREG_CACHE", word)
        assert find_cache() is None


def test_a_cache_of_a_home_folder_in_a_network_lies_in_the_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("registry.cache.location.network_file_system", lambda _path: "nfs4")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert find_default_folder() == tmp_path / f"calreg-{os.geteuid()}"


@pytest.mark.parametrize("home", ["", "relative", "loop", "file", "closed/deep", "closed", "x" * 300])
def test_so_does_one_of_a_home_folder_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, open_folder: Path, home: str
) -> None:
    (open_folder / "loop").symlink_to("loop")
    (open_folder / "file").touch()
    (open_folder / "closed").mkdir(mode=0o000)
    monkeypatch.setenv("TMPDIR", str(open_folder))
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", home if home in {"", "relative"} else f"{open_folder}/{home}/x")
    with act_as_ordinary_user():
        assert find_default_folder() == open_folder / f"calreg-{os.geteuid()}"

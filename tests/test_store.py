"""The content store: an object is read back to the bit, or its damage is reported."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registry import store as store_module
from registry.errors import ConflictError, CorruptionError, Remedy, RequestError, UnavailableError
from registry.files import blake3_of
from registry.store import ContentStore
from testing.stores import find_object_path, list_object_paths
from tests.refusals import assert_refused
from tests.selection import examples

CONTENT = bytes(range(256)) * 4099  # a little over one piece of a mebibyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MINE, OTHER = "9f1c5a3e", "0b7d2244"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    created = ContentStore(tmp_path / "store")
    created.create(MINE)
    return created


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "g0_gain.npy"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def stored(store: ContentStore, source: Path) -> Path:
    """Return the object of a store that holds one."""
    store.add_object(source, SHA256)
    path = find_object_path(store, SHA256)
    path.chmod(0o644)  # what damages objects asks no permission
    return path


def refusal(expected: type[Exception], call, *args) -> str:
    with pytest.raises(expected) as caught:
        call(*args)
    assert str(caught.value).isprintable()
    return str(caught.value)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


# Store and read


def test_a_stored_object_is_read_back(store: ContentStore, source: Path) -> None:
    assert store.add_object(source, SHA256) is True
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert store.find_problem(SHA256, len(CONTENT)) is None
    assert source.read_bytes() == CONTENT


@given(st.binary(max_size=2000))
@example(b"")
@settings(
    deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_come_back(tmp_path: Path, content: bytes) -> None:
    store = ContentStore(tmp_path / "store")
    store.create(MINE)
    path = tmp_path / "source"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    store.add_object(path, sha256)
    assert store.read(sha256, len(content)) == content
    assert store.find_problem(sha256, len(content)) is None


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(
    deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_object_is_read_into_a_given_buffer(tmp_path: Path, content: bytes, length: int) -> None:
    store = ContentStore(tmp_path / "store")
    store.create(MINE)
    (tmp_path / "source").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    store.add_object(tmp_path / "source", sha256)
    room = bytearray(length)
    header = store.read_into(sha256, len(content), memoryview(room))
    assert store.read_into(sha256, len(content), memoryview(room), blake3_of(content)) == header
    assert header + room[: len(content) - len(header)] == content
    assert len(header) == max(len(content) - length, 0)


def test_an_object_lies_where_the_format_says_and_is_read_only(store: ContentStore, source: Path) -> None:
    store.add_object(source, SHA256)
    path = Path(store.place) / "objects" / SHA256[:2] / f"{SHA256}.npy"
    assert find_object_path(store, SHA256) == path
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert files(Path(store.place)) == [f"objects/{SHA256[:2]}/{SHA256}.npy", "registry.json"]


def test_an_object_is_a_copy_and_not_the_users_file(store: ContentStore, source: Path) -> None:
    store.add_object(source, SHA256)
    source.write_bytes(b"edited in place")
    source.unlink()
    assert store.read(SHA256, len(CONTENT)) == CONTENT


def test_storing_a_file_again_changes_nothing_but_the_age(store: ContentStore, source: Path) -> None:
    store.add_object(source, SHA256)
    os.utime(find_object_path(store, SHA256), (0, 0))
    before = find_object_path(store, SHA256).stat()
    assert store.add_object(source, SHA256) is False
    after = find_object_path(store, SHA256).stat()
    assert (before.st_ino, before.st_mode, store.read(SHA256, len(CONTENT))) == (
        after.st_ino,
        after.st_mode,
        CONTENT,
    )
    assert after.st_mtime > source.stat().st_mtime - 1  # it was stored a moment ago, says its age


def test_many_threads_that_store_a_file_at_once_store_one_whole_object(
    store: ContentStore, source: Path
) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(lambda _: store.add_object(source, SHA256), range(16)))
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert [path.name for path in list_object_paths(store)] == [f"{SHA256}.npy"]


def test_a_file_that_was_changed_after_its_check_is_refused_and_nothing_is_left(store, source) -> None:
    source.write_bytes(CONTENT[:-1] + b"x")
    message = refusal(RequestError, store.add_object, source, SHA256)
    assert message == f"{str(source)!r} was changed while it was read; nothing was recorded"
    assert files(Path(store.place)) == ["registry.json"]


@pytest.mark.parametrize("change", [b"", CONTENT[:-1], CONTENT + b"\0"], ids=["emptied", "cut", "longer"])
def test_a_file_of_another_length_than_checked_is_refused_too(store, source, change: bytes) -> None:
    source.write_bytes(change)
    refusal(RequestError, store.add_object, source, SHA256)
    assert files(Path(store.place)) == ["registry.json"]


def test_a_file_that_is_gone_after_its_check_is_named_and_the_store_is_not_blamed(store, source) -> None:
    source.unlink()
    message = refusal(UnavailableError, store.add_object, source, SHA256)
    assert message == f"{str(source)!r} cannot be read: No such file or directory"
    assert files(Path(store.place)) == ["registry.json"]


def test_every_folder_with_a_new_entry_is_synced_before_an_object_counts_as_stored(
    store, source, monkeypatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def record_sync(handle: int) -> None:
        folders = [
            Path(store.place),
            Path(store.place) / "objects",
            Path(store.place) / "objects" / SHA256[:2],
        ]
        synced.extend(path for path in folders if os.path.samestat(path.stat(), os.fstat(handle)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record_sync)
    store.add_object(source, SHA256)
    assert synced == [Path(store.place) / "objects", Path(store.place) / "objects" / SHA256[:2]]


# Damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def keep_size_and_times(path: Path) -> None:
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(0o444)


every_damage = pytest.mark.parametrize("damage", [flip, cut, empty, lengthen, keep_size_and_times])


@every_damage
def test_a_damaged_object_is_never_returned(store: ContentStore, stored: Path, damage) -> None:
    damage(stored)
    with pytest.raises(CorruptionError) as caught:
        store.read(SHA256, len(CONTENT))
    assert str(caught.value) == (
        f"object {SHA256} in the store {str(Path(store.place))!r} is damaged: its bytes have another checksum"
    )
    assert caught.value.values == {"sha256": SHA256, "path": str(stored)}
    assert store.find_problem(SHA256, len(CONTENT)) == str(caught.value)
    for room in (0, 1000, len(CONTENT), len(CONTENT) + 1000):
        with assert_refused(CorruptionError, sha256=SHA256):
            store.read_into(SHA256, len(CONTENT), memoryview(bytearray(room)))
        with assert_refused(CorruptionError, sha256=SHA256):
            store.read_into(SHA256, len(CONTENT), memoryview(bytearray(room)), blake3_of(CONTENT))


@every_damage
def test_a_damaged_object_is_replaced_when_its_file_is_stored_again(store, stored, source, damage) -> None:
    damage(stored)
    assert store.add_object(source, SHA256) is True
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert stat.S_IMODE(stored.stat().st_mode) == 0o444
    assert store.add_object(source, SHA256) is False


def test_a_damaged_object_is_kept_when_the_file_to_replace_it_is_another(store, stored, source) -> None:
    flip(stored)
    damaged = stored.read_bytes()
    source.write_bytes(b"another")
    refusal(RequestError, store.add_object, source, SHA256)
    assert stored.read_bytes() == damaged
    assert files(Path(store.place)) == [f"objects/{SHA256[:2]}/{SHA256}.npy", "registry.json"]


def test_a_missing_object_is_named(store: ContentStore, stored: Path) -> None:
    stored.unlink()
    with pytest.raises(CorruptionError) as caught:
        store.read(SHA256, len(CONTENT))
    assert str(caught.value) == f"object {SHA256} is missing from the store {str(Path(store.place))!r}"
    assert caught.value.values == {"sha256": SHA256, "path": str(stored)}
    assert store.find_problem(SHA256, len(CONTENT)) == str(caught.value)


def test_a_missing_folder_of_objects_is_a_missing_object(store: ContentStore, stored: Path) -> None:
    stored.unlink()
    stored.parent.rmdir()
    assert "is missing from the store" in refusal(CorruptionError, store.read, SHA256, len(CONTENT))


def test_two_objects_that_were_exchanged_are_both_found(
    store: ContentStore, stored: Path, tmp_path: Path
) -> None:
    content = CONTENT[::-1]
    sha256 = hashlib.sha256(content).hexdigest()
    (tmp_path / "other").write_bytes(content)
    store.add_object(tmp_path / "other", sha256)
    path = find_object_path(store, sha256)
    stored.rename(tmp_path / "aside")
    path.rename(stored)
    (tmp_path / "aside").rename(path)
    for name in (SHA256, sha256):
        message = refusal(CorruptionError, store.read, name, len(CONTENT))
        assert message.startswith(f"object {name} in the store ")
        assert message.endswith(" is damaged: its bytes have another checksum")
        assert store.find_problem(name, len(CONTENT)) == message


@pytest.mark.parametrize("size", [-1, 0, len(CONTENT) - 1, len(CONTENT) + 1, 1 << 60])
def test_an_object_of_another_size_than_recorded_is_not_returned(store, stored, size: int) -> None:
    assert "is damaged" in refusal(CorruptionError, store.read, SHA256, size)
    room = memoryview(bytearray(1 << 20))
    assert "is damaged" in refusal(CorruptionError, store.read_into, SHA256, size, room)


def test_looking_for_problems_repairs_and_deletes_nothing(store: ContentStore, stored: Path) -> None:
    flip(stored)
    damaged = stored.read_bytes()
    store.find_problem(SHA256, len(CONTENT))
    assert stored.read_bytes() == damaged


def test_every_object_is_listed_in_order_unreferenced_ones_too(store, source, stored) -> None:
    (Path(store.place) / "objects" / "ff").mkdir(exist_ok=True)
    left = Path(store.place) / "objects" / "ff" / ".arriving-left"
    left.write_bytes(b"half")
    assert list(list_object_paths(store)) == sorted([stored, left])


def test_a_new_store_has_no_objects(store: ContentStore) -> None:
    assert list(list_object_paths(store)) == []


# Its registry


def test_a_store_names_the_registry_to_which_it_belongs(store: ContentStore) -> None:
    assert store.read_owner() == MINE
    assert json.loads((Path(store.place) / "registry.json").read_text()) == {"registry": MINE, "format": 1}
    store.refuse_other_registry(MINE)


def test_making_a_store_again_changes_nothing(store: ContentStore, stored: Path) -> None:
    before = (Path(store.place) / "registry.json").stat()
    store.create(MINE)
    after = (Path(store.place) / "registry.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert stored.exists()


def test_the_store_of_another_registry_is_refused_with_both_named(store: ContentStore) -> None:
    for call in (store.refuse_other_registry, store.create):
        with pytest.raises(ConflictError) as caught:
            call(OTHER)
        assert str(caught.value) == (
            f"the store {str(Path(store.place))!r} belongs to registry {MINE}, the database to registry {OTHER}"
        )
        assert caught.value.values == {"store": MINE, "database": OTHER}
    assert store.read_owner() == MINE


def test_a_missing_store_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "nothing")
    assert store.read_owner() is None
    with assert_refused(UnavailableError, remedy=Remedy.CREATE_REGISTRY, path=str(Path(store.place))):
        store.refuse_other_registry(MINE)
    assert not Path(store.place).exists()


def test_nothing_is_stored_where_there_is_no_store(tmp_path: Path, source: Path) -> None:
    store = ContentStore(tmp_path / "nothing")
    message = refusal(UnavailableError, store.add_object, source, SHA256)
    assert message.startswith(f"the store {str(Path(store.place))!r} cannot be used: ")
    assert not Path(store.place).exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"5",
        b'"' + MINE.encode() + b'"',
        b'{"registry": null, "format": 1}',
        b'{"registry": 5, "format": 1}',
        b'{"registry": "9f1c',
        b'{"registry": "9f1c\xff5a3e"}',
        b"\x00\x01\xff",
        b"[" * 100_000,
        b'{"registry": "' + b"x" * 1_000_000 + b'"}',
        b'{"registry": "\\u001b[2J"}',
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_store_whose_marker_is_damaged_belongs_to_no_registry(store: ContentStore, text: bytes) -> None:
    marker = Path(store.place) / "registry.json"
    marker.write_bytes(text)
    for call in (lambda _: store.read_owner(), store.refuse_other_registry, store.create):
        with pytest.raises(CorruptionError) as caught:
            call(MINE)
        assert str(caught.value) == f"{str(marker)!r} is damaged: it names no registry"
        assert caught.value.values == {"path": str(marker)}
    assert marker.read_bytes() == text


# Disks that cannot be written


def fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(("location", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
@pytest.mark.parametrize("again", [False, True], ids=["a new object", "a damaged object"])
def test_when_the_disk_fails_no_temporary_file_is_left(
    store, source, monkeypatch, location, name, again
) -> None:
    if again:
        store.add_object(source, SHA256)
        find_object_path(store, SHA256).chmod(0o644)
        flip(find_object_path(store, SHA256))
    before = files(Path(store.place))
    monkeypatch.setattr(location, name, fail)
    message = refusal(UnavailableError, store.add_object, source, SHA256)
    assert message == f"the store {str(Path(store.place))!r} cannot be used: Input/output error"
    assert files(Path(store.place)) == before
    monkeypatch.undo()
    assert store.add_object(source, SHA256) is True


@pytest.mark.parametrize(("location", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
def test_when_the_disk_fails_there_is_no_partial_marker(tmp_path, monkeypatch, location, name) -> None:
    store = ContentStore(tmp_path / "store")
    monkeypatch.setattr(location, name, fail)
    refusal(UnavailableError, store.create, MINE)
    assert files(Path(store.place)) == []
    monkeypatch.undo()
    store.create(MINE)
    assert store.read_owner() == MINE


def test_an_interrupted_copy_leaves_nothing(store: ContentStore, source: Path, monkeypatch) -> None:
    class Interrupted:
        def update(self, _: bytes) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(store_module.hashlib, "sha256", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.add_object(source, SHA256)
    assert files(Path(store.place)) == ["registry.json"]


def test_a_store_below_a_regular_file_cannot_be_used(source: Path) -> None:
    store = ContentStore(source / "store")
    for call in (lambda: store.create(MINE), store.read_owner, lambda: store.add_object(source, SHA256)):
        message = refusal(UnavailableError, call)
        assert message.startswith(f"the store {str(Path(store.place))!r} cannot be used: '{source}")
        assert message.endswith("': Not a directory")
    assert source.read_bytes() == CONTENT


def test_a_name_with_escapes_is_never_printed_raw(source: Path) -> None:
    store = ContentStore(source / "\x1b[31m\nstore")
    refusal(UnavailableError, store.create, MINE)
    store = ContentStore(source.parent / "\x1b[31m\nstore")
    refusal(UnavailableError, store.refuse_other_registry, MINE)
    store.create(OTHER)
    refusal(ConflictError, store.create, MINE)
    refusal(CorruptionError, store.read, SHA256, 1)
    refusal(UnavailableError, store.add_object, source.parent / "\x1b[2J", SHA256)
    refusal(RequestError, store.add_object, source, "0" * 64)


def test_a_folder_in_the_place_of_an_object_is_corruption_and_cannot_be_replaced(
    store: ContentStore, source: Path
) -> None:
    find_object_path(store, SHA256).mkdir(parents=True)
    message = refusal(UnavailableError, store.add_object, source, SHA256)
    assert message.endswith(f"{str(find_object_path(store, SHA256))!r}: Is a directory")
    message = refusal(CorruptionError, store.read, SHA256, 1)
    assert message == f"object {SHA256} is not a regular file in the store {str(Path(store.place))!r}"


IN_ITS_PLACE: dict[str, Callable[[Path], object]] = {
    "a link to itself": lambda path: path.symlink_to(path),
    "a named pipe": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.mark.parametrize("make", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
def test_a_path_that_is_not_a_regular_file_is_not_an_object_does_not_block_and_is_replaced(
    store: ContentStore, source: Path, make: Callable[[Path], object]
) -> None:
    find_object_path(store, SHA256).parent.mkdir(parents=True, exist_ok=True)
    make(find_object_path(store, SHA256))
    refusal(CorruptionError, store.read, SHA256, len(CONTENT))
    assert not store.has_object(SHA256)
    assert store.add_object(source, SHA256)
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert not find_object_path(store, SHA256).is_symlink()


def test_a_file_in_the_place_of_a_folder_of_objects_is_a_missing_object(
    store: ContentStore, source: Path
) -> None:
    store.add_object(source, SHA256)
    shutil.rmtree(find_object_path(store, SHA256).parent)
    find_object_path(store, SHA256).parent.write_bytes(b"")
    assert "is missing from the store" in refusal(CorruptionError, store.read, SHA256, 1)
    refusal(UnavailableError, store.add_object, source, SHA256)


def test_a_pipe_in_the_place_of_the_marker_or_of_a_source_is_not_waited_for(store: ContentStore) -> None:
    marker = Path(store.place) / "registry.json"
    marker.unlink()
    os.mkfifo(marker)
    for call in (lambda: store.add_object(marker, "0" * 64), store.read_owner):
        assert "is not a regular file" in refusal(UnavailableError, call)


def test_a_store_on_a_read_only_file_system_can_be_read_and_not_written(tmpfs, source: Path) -> None:
    location = tmpfs("size=4m")
    store = ContentStore(location / "store")
    store.create(MINE)
    store.add_object(source, SHA256)
    subprocess.run(["mount", "-o", "remount,ro", location], check=True)
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert store.add_object(source, SHA256) is False
    source.write_bytes(b"another")
    for call in (
        lambda: store.add_object(source, hashlib.sha256(b"another").hexdigest()),
        lambda: ContentStore(location / "new").create(MINE),
    ):
        assert refusal(UnavailableError, call).endswith(": Read-only file system")


def test_a_full_file_system_is_reported_and_no_partial_object_is_left(tmpfs, source: Path) -> None:
    store = ContentStore(tmpfs("size=256k") / "store")
    store.create(MINE)
    assert refusal(UnavailableError, store.add_object, source, SHA256).endswith(": No space left on device")
    assert files(Path(store.place)) == ["registry.json"]

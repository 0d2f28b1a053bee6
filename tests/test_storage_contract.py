"""The contract of storages: a folder, a bucket and a memory keep documents and objects alike."""

from __future__ import annotations

import hashlib
import io
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import ConflictError, CorruptionError, RequestError, UnavailableError
from registry.files import blake3_of
from registry.heads import Head, HeadFile, OvertakenError, StoreHead
from registry.left_out_notes import refuse_left_out
from registry.storage import (
    FileSource,
    Folder,
    Storage,
    Unchanged,
    open_storage,
    parse_place,
)
from registry.store import ContentStore
from testing.buckets import BucketServer
from tests.memory_storage import Memory
from tests.refusals import assert_refused
from tests.selection import examples

CONTENT = bytes(range(256)) * 9001  # a little over two pieces of a mebibyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEY = f"objects/{SHA256[:2]}/{SHA256}.npy"
MINE, OTHER = "9f1c5a3e", "0b7d2244"


@pytest.fixture(params=["folder", "memory", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        storage: Storage = Folder(tmp_path / "store")
    elif request.param == "memory":
        storage = Memory()
    else:
        server: BucketServer = request.getfixturevalue("bucket_server")
        storage = open_storage(parse_place(f"s3://{server.bucket}/{tmp_path.name}"))
    storage.prepare()
    return storage


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "g0_gain.npy"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def store(storage: Storage) -> ContentStore:
    return ContentStore(storage)


# Documents


def test_a_document_is_read_as_it_was_written_with_a_tag(storage: Storage) -> None:
    assert storage.read_document("a.json", 100) is None
    assert storage.find_tag("a.json") is None
    assert storage.write_document("a.json", b"one")
    document = storage.read_document("a.json", 100)
    assert document is not None
    assert document.content == b"one"
    assert document.tag == storage.find_tag("a.json")
    assert storage.read_document("a.json", 2) == (b"on", document.tag)


def test_a_document_is_written_under_a_condition_only(storage: Storage) -> None:
    assert storage.write_document("a.json", b"one", "absent")
    first = storage.find_tag("a.json")
    assert not storage.write_document("a.json", b"two!", "absent")
    assert storage.write_document("a.json", b"two!", Unchanged(first))
    assert not storage.write_document("a.json", b"three", Unchanged(first))
    assert storage.read_document("a.json", 100)[0] == b"two!"
    assert storage.write_document("a.json", b"four")
    storage.remove("a.json")
    assert not storage.write_document("a.json", b"five", Unchanged(first))
    assert storage.read_document("a.json", 100) is None


def test_of_writers_that_read_the_same_document_one_replaces_it(storage: Storage) -> None:
    storage.write_document("a.json", b"start")
    tag = storage.find_tag("a.json")
    barrier = threading.Barrier(4)

    def write(number: int) -> bool:
        barrier.wait()
        with storage.lock():
            return storage.write_document("a.json", b"writer %d" % number, Unchanged(tag))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 1


# Objects


def test_an_object_is_stored_listed_read_dated_and_removed(storage: Storage, source: Path) -> None:
    before = time.time()
    storage.put_object(KEY, FileSource(source), hashlib.sha256(), SHA256)
    assert storage.list_keys() == [KEY]
    assert storage.list_leftovers() == []
    entry = storage.stat(KEY)
    assert entry is not None
    assert (entry.key, entry.size, entry.is_link) == (KEY, len(CONTENT), False)
    assert abs(entry.stored_at - before) < 60
    assert storage.has_entry(KEY)
    assert not storage.is_blocked(KEY)
    assert storage.find_key(storage.locate(KEY)) == KEY
    assert storage.locate(KEY).startswith(storage.place)
    assert storage.list_names() == ["objects"]
    opened = storage.open_object(KEY)
    assert opened is not None
    with opened.file as file:
        assert opened.size == len(CONTENT)
        assert file.read(10) == CONTENT[:10]
        rest = bytearray(len(CONTENT))
        assert file.readinto(rest) == len(CONTENT) - 10
        assert file.read(1) == b""
    assert rest[: len(CONTENT) - 10] == CONTENT[10:]
    storage.remove(KEY)
    assert storage.stat(KEY) is None
    assert storage.open_object(KEY) is None
    assert not storage.has_entry(KEY)
    assert storage.list_keys() == []


def test_other_bytes_than_are_expected_get_no_name(storage: Storage, source: Path) -> None:
    source.write_bytes(CONTENT[:-1])
    with assert_refused(RequestError):
        storage.put_object(KEY, FileSource(source), hashlib.sha256(), SHA256)
    assert storage.list_keys() == []


def test_an_object_is_copied_from_each_storage_to_another(
    storage: Storage, source: Path, tmp_path: Path
) -> None:
    storage.put_object(KEY, FileSource(source), hashlib.sha256(), SHA256)
    for other in (Folder(tmp_path / "other"), Memory("memory:other")):
        other.prepare()
        other.put_object(KEY, storage.get_source(KEY), hashlib.sha256(), SHA256)
        storage.remove(KEY)
        storage.put_object(KEY, other.get_source(KEY), hashlib.sha256(), SHA256)
    with assert_refused(UnavailableError):
        storage.get_source(KEY.replace(SHA256, OTHER)).open()


def test_a_storage_contains_itself_and_what_is_in_it(storage: Storage) -> None:
    assert storage.contains(storage)
    assert not storage.contains(Memory("memory:elsewhere"))
    assert not Memory("memory:elsewhere").contains(storage)


def test_a_storage_goes_to_another_process(storage: Storage) -> None:
    storage.write_document("a.json", b"one")
    again = pickle.loads(pickle.dumps(storage))  # noqa: S301 - storage here
    assert again.read_document("a.json", 9)[0] == b"one"


# Stores


@pytest.mark.slow
@given(st.binary(max_size=3000), st.integers(0, 3000))
@settings(
    deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_come_back_into_any_buffer(
    tmp_path: Path, store: ContentStore, content: bytes, length: int
) -> None:
    (tmp_path / "source").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    store.add_object(tmp_path / "source", sha256)
    room = bytearray(length)
    header = store.read_into(sha256, len(content), memoryview(room), blake3_of(content))
    assert header + room[: len(content) - len(header)] == content
    assert store.read(sha256, len(content)) == content


def test_a_store_has_one_owner(store: ContentStore) -> None:
    assert store.read_owner() is None
    store.create(MINE)
    store.create(MINE)
    assert store.read_owner() == MINE
    with assert_refused(ConflictError, store=MINE):
        store.create(OTHER)


def test_an_object_that_is_stored_again_gets_a_new_date_and_is_not_new(
    store: ContentStore, source: Path
) -> None:
    assert store.add_object(source, SHA256)
    assert not store.add_object(source, SHA256)
    assert store.read(SHA256, len(CONTENT)) == CONTENT
    assert store.list_absent([SHA256, "0" * 64]) == ["0" * 64]


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT + b"\0", b"", CONTENT[:-1] + b"x"])
def test_a_damaged_object_is_never_returned_and_is_replaced(
    store: ContentStore, source: Path, damage: bytes
) -> None:
    store.add_object(source, SHA256)
    digest = hashlib.sha256(damage).hexdigest()
    store.storage.put_object(KEY, _Bytes(damage), hashlib.sha256(), digest)
    for room in (0, 1000, len(CONTENT) + 10):
        with assert_refused(CorruptionError, sha256=SHA256):
            store.read_into(SHA256, len(CONTENT), memoryview(bytearray(room)))
    assert not store.has_bytes(SHA256)
    store.add_object(source, SHA256)
    assert store.read(SHA256, len(CONTENT)) == CONTENT


def test_a_missing_object_is_named(store: ContentStore) -> None:
    with assert_refused(CorruptionError, SHA256, "is missing from the store", store.place):
        store.read(SHA256, 10)
    refuse_left_out(store.storage, SHA256)


def test_heads_are_replaced_as_they_were_read(storage: Storage) -> None:
    heads, one, other = HeadFile(storage), StoreHead(Head(1, "a" * 64)), StoreHead(Head(2, "b" * 64))
    nothing = heads.read_kept()
    assert nothing.head is None
    assert heads.write(one, former=nothing)
    kept = heads.read_kept()
    assert kept.head == one
    with assert_refused(OvertakenError):
        heads.write(other, former=nothing)
    assert heads.write(other, former=kept)
    with assert_refused(OvertakenError):
        heads.write(one, former=kept)
    assert heads.read() == other
    storage.write_document("head.json", b"{")
    with assert_refused(CorruptionError, "head.json"):
        heads.read()


class _Bytes:
    name = "bytes"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._content)


def test_objects_that_are_gathered_are_there_at_the_end(storage: Storage) -> None:
    contents = [bytes([number]) * 7 for number in range(3)]
    store = ContentStore(storage)
    with store.gather_objects() as gathering, ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda content: _add_bytes(gathering, content), contents))
    for content in contents:
        assert store.read(hashlib.sha256(content).hexdigest(), 7) == content
    assert len(store.list_files()) == len(contents)


def _add_bytes(store: ContentStore, content: bytes) -> bool:
    return store.add_object(_Bytes(content), hashlib.sha256(content).hexdigest())


class _Bytes:
    name = "bytes"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._content)


def test_gathered_files_have_no_name_before_they_are_on_the_disk_and_are_removed_on_an_error(
    tmp_path: Path,
) -> None:
    store = ContentStore(Folder(tmp_path))
    store.create_folders()
    with pytest.raises(KeyboardInterrupt):
        _add_and_interrupt(store, tmp_path)
    assert not list(tmp_path.glob("objects/*/*"))


def _add_and_interrupt(store: ContentStore, folder: Path) -> None:
    with store.gather_objects() as gathering:
        assert _add_bytes(gathering, b"one")
        (waiting,) = folder.glob("objects/*/*")
        assert waiting.name.startswith(".arriving-")
        assert waiting.read_bytes() == b"one"
        raise KeyboardInterrupt


def test_a_disk_that_fails_when_gathered_files_get_their_names_is_an_error_of_the_store(
    tmp_path: Path,
) -> None:
    store = ContentStore(Folder(tmp_path))
    store.create_folders()
    with (
        assert_refused(UnavailableError, "cannot be written"),
        store.gather_objects() as gathering,
    ):
        _add_bytes(gathering, b"one")
        (waiting,) = tmp_path.glob("objects/*/*")
        waiting.unlink()

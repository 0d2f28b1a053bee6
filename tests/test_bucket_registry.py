"""A registry whose stored files are in a bucket: every verb works, and what is wrong is said in one sentence."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import urllib3

from harnesses.file_faults import STORE_FAULTS
from registry import (
    copy_registry,
    create_registry,
    fork_registry,
    open_registry,
    replay,
    restore_registry,
    verify_export,
)
from registry.api import Registry
from registry.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    RequestError,
    StoreServerError,
    UnavailableError,
)
from registry.heads import Head, HeadFile, StoreHead
from registry.service.options import Options
from registry.settings import find_settings
from registry.storage import BucketPlace, open_storage, parse_place
from registry.storage.profiles import find_options
from registry.store import ContentStore
from registry.tokens import read_token
from testing.buckets import (
    READER_KEY,
    READER_SECRET,
    BucketServer,
    run_localbucket,
    run_nanio,
)
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import run_server, serve_in_thread
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

AT = "2020-01-01T00:00:00Z"


@pytest.fixture
def place(bucket_server: BucketServer, tmp_path: Path) -> str:
    return f"s3://{bucket_server.bucket}/{tmp_path.name}/store"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'registry.sqlite'}"


@pytest.fixture
def registry(url: str, place: str, tmp_path: Path) -> Iterator[Registry]:
    """Return a registry with two panels, in a bucket."""
    create_registry(url, place)
    with open_registry(url, place) as opened:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            opened.panels.add(panel)
            folder = write_panel_folder(tmp_path / panel, seed)
            opened.versions.add(panel, folder, valid_from="beginning")
        yield opened


def damage_object(store: ContentStore, sha256: str) -> None:
    """Let an object of a bucket have other bytes."""
    content = bytearray(store.read(sha256, store.stat_object(sha256).size))
    content[-1] ^= 1
    store.storage.write_document(f"objects/{sha256[:2]}/{sha256}.npy", bytes(content))


def list_checksums(store: ContentStore) -> list[str]:
    return [key.rpartition("/")[2].removesuffix(".npy") for key in store.list_objects()]


def test_every_verb_works_with_a_bucket(registry: Registry, url: str, place: str, tmp_path: Path) -> None:
    array = registry.constants(PANEL_A, at=AT)["pixel_gain"]
    for gain_range in range(3):
        stored = np.load(tmp_path / PANEL_A / f"g{gain_range}_gain.npy")
        assert array[gain_range, 0].tobytes() == stored.tobytes()
    done = registry.export(PANEL_A, tmp_path / "out", at=AT)
    again = replay(done.provenance, tmp_path / "again", url, place)
    assert [output.sha256 for output in again.outputs] == [output.sha256 for output in done.outputs]
    assert verify_export(done.provenance, url, place).problems == ()
    assert registry.verify(collect=True).problems == ()
    snapshot = registry.snapshot(tmp_path / "snapshot.sqlite")
    assert snapshot.files == 12
    with open_registry(snapshot.database, snapshot.store) as opened:
        assert opened.constants(PANEL_A, at=AT)["pixel_gain"].tobytes() == array.tobytes()
    backup = registry.backup(tmp_path / "backup")
    assert (backup.files, registry.backup(tmp_path / "backup").files_there) == (12, 12)
    new = f"sqlite:///{tmp_path / 'restored.sqlite'}"
    restored = restore_registry(tmp_path / "backup", new, f"{place}-restored")
    assert restored.files == 12
    with open_registry(new, f"{place}-restored") as opened:
        assert opened.verify().problems == ()
        outcome = opened.versions.withdraw(1, comment="warm")
        kept = HeadFile(parse_place(f"{place}-restored")).read()
        assert kept == StoreHead(Head(outcome.revision, str(outcome.seal)))


def test_damaged_objects_are_found_never_returned_and_mended(
    registry: Registry, place: str, tmp_path: Path
) -> None:
    store = ContentStore(parse_place(place))
    registry.backup(tmp_path / "backup")
    damaged, missing, *_ = list_checksums(store)
    damage_object(store, damaged)
    store.remove_file(f"objects/{missing[:2]}/{missing}.npy")
    assert {problem.sha256 for problem in registry.verify().problems} == {damaged, missing}
    for panel in (PANEL_A, PANEL_B):
        for name in ("pixel_gain", "pixel_offset"):
            with suppress(CorruptionError):
                array = registry.constants(panel, at=AT)[name]
                kind = {"pixel_gain": "gain", "pixel_offset": "offset"}[name]
                for gain_range in range(3):
                    stored = np.load(tmp_path / panel / f"g{gain_range}_{kind}.npy")
                    assert array[gain_range, 0].tobytes() == stored.tobytes()
    mended = registry.repair(tmp_path / "backup")
    assert {file.sha256 for file in mended.mended} == {damaged, missing}
    assert registry.verify().problems == ()
    damage_object(store, damaged)
    copy = ContentStore(parse_place(f"{place}-copy"))
    copy.create_folders()
    copy.add_object(ContentStore(tmp_path / "backup").get_source(damaged), damaged)
    assert [file.sha256 for file in registry.repair(f"{place}-copy").mended] == [damaged]
    with assert_refused(RequestError):
        registry.repair(place)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [*STORE_FAULTS][:8])
def test_a_fault_of_any_kind_in_a_bucket_is_found_and_never_returned(
    registry: Registry, place: str, tmp_path: Path, kind: str
) -> None:
    store = ContentStore(parse_place(place))
    damaged, other, *_ = list_checksums(store)
    paths = tmp_path / "damaged", tmp_path / "other"
    for path, sha256 in zip(paths, (damaged, other), strict=True):
        path.write_bytes(store.read(sha256, store.stat_object(sha256).size))
    expected = {
        (panel, name): registry.constants(panel, at=AT)[name].tobytes()
        for panel in (PANEL_A, PANEL_B)
        for name in ("pixel_gain", "pixel_offset")
    }
    STORE_FAULTS[kind](*paths, random.Random(kind))  # noqa: S311 - repeatable on purpose
    key = f"objects/{damaged[:2]}/{damaged}.npy"
    if paths[0].exists():
        store.storage.write_document(key, paths[0].read_bytes())
    else:
        store.remove_file(key)
    assert [problem.sha256 for problem in registry.verify().problems] == [damaged]
    refused = []
    for (panel, name), content in expected.items():
        try:
            assert registry.constants(panel, at=AT, types=[name])[name].tobytes() == content
        except CorruptionError as error:
            refused.append(str(error))
    assert [damaged in text for text in refused] == [True]


def test_a_store_moves_from_a_folder_to_a_bucket_and_back(
    sqlite_location, place: str, tmp_path: Path
) -> None:
    with sqlite_location.open() as opened:
        opened.panels.add(PANEL_A)
        opened.versions.add(PANEL_A, write_panel_folder(tmp_path / PANEL_A, 0), valid_from="beginning")
        before = opened.constants(PANEL_A, at=AT)["pixel_gain"].tobytes()
    elsewhere = f"sqlite:///{tmp_path / 'there.sqlite'}"
    moved = copy_registry(elsewhere, place, sqlite_location.database, sqlite_location.store)
    assert (moved.store, moved.files) == (place, 6)
    back = f"sqlite:///{tmp_path / 'back.sqlite'}"
    moved = copy_registry(back, tmp_path / "back", elsewhere, place)
    assert moved.files == 6
    with open_registry(back, tmp_path / "back") as opened:
        assert opened.constants(PANEL_A, at=AT)["pixel_gain"].tobytes() == before
        assert opened.verify().problems == ()


def test_a_fork_has_a_bucket_of_its_own(registry: Registry, url: str, place: str, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'fork.sqlite'}"
    with assert_refused(ConflictError):
        fork_registry(new, f"{place}/inner", url, place, comment="a trial")
    done = fork_registry(new, f"{place}-fork", url, place, comment="a trial")
    assert done.files == 12
    with open_registry(new, f"{place}-fork") as opened:
        assert opened.verify().problems == ()


def test_two_databases_beside_one_bucket_do_not_both_record(
    registry: Registry, url: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "registry.sqlite"
    registry.backup(tmp_path / "backup")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(file) as source, sqlite3.connect(other) as target:
        source.backup(target)
    registry.versions.withdraw(1, comment="warm")
    with open_registry(f"sqlite:///{other}", place) as stale, assert_refused(ConflictError, "older copy"):
        stale.versions.withdraw(2, comment="cold")


def test_a_stray_object_is_collected_a_day_later(registry: Registry, place: str, tmp_path: Path) -> None:
    store = ContentStore(parse_place(place))
    store.storage.write_document(f"objects/00/{'0' * 64}.npy", b"stray")
    verified = registry.verify(collect=True)
    assert [(file.size, file.kept) for file in verified.unreferenced] == [(5, "younger than a day")]


@pytest.mark.parametrize("redirects", [False, True])
def test_a_service_sends_objects_of_a_bucket_or_sends_clients_to_it_without_their_token(
    registry: Registry,
    url: str,
    place: str,
    tmp_path: Path,
    redirects: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{'t0ken' * 8}\n")
    token.chmod(0o600)
    digest = hashlib.sha256(read_token(token).encode()).hexdigest()
    location = RegistryLocation(url, parse_place(place))  # type: ignore[arg-type]
    expected = registry.constants(PANEL_A, at=AT)["pixel_gain"].tobytes()
    sha256 = list_checksums(ContentStore(parse_place(place)))[0]
    options = Options(token_sha256=digest, redirects=redirects)
    with serve_in_thread(location, options) as address:
        sent = urllib3.PoolManager()
        header = {"Authorization": f"Bearer {read_token(token)}"}
        answer = sent.request(
            "GET",
            f"{address}/v1/objects/sha256/{sha256}",
            headers=header,
            redirect=False,
        )
        assert answer.status == (307 if redirects else 200)
        if redirects:
            assert "X-Amz-Signature" in answer.headers["location"]
            assert answer.headers["cache-control"] == "no-store"
            answer = sent.request("GET", answer.headers["location"])
        assert hashlib.sha256(answer.data).hexdigest() == sha256
        part = sent.request(
            "GET",
            f"{address}/v1/objects/sha256/{sha256}",
            headers={**header, "Range": "bytes=10-19"},
            redirect=False,
        )
        if not redirects:
            assert (part.status, part.data) == (206, answer.data[10:20])
            assert part.headers["content-range"] == f"bytes 10-19/{len(answer.data)}"
        monkeypatch.setenv("CALREG_TOKEN_FILE", str(token))
        with open_registry(address) as remote:
            assert remote.constants(PANEL_A, at=AT)["pixel_gain"].tobytes() == expected


def test_the_command_serves_a_bucket_from_workers_that_were_forked(
    registry: Registry, url: str, place: str
) -> None:
    expected = registry.constants(PANEL_A, at=AT)["pixel_gain"].tobytes()
    location = RegistryLocation(url, parse_place(place))  # type: ignore[arg-type]
    with run_server(location, "--workers", "2") as (address, process):
        for _ in range(4):
            with open_registry(address) as remote:
                assert remote.constants(PANEL_A, at=AT)["pixel_gain"].tobytes() == expected
        assert process.poll() is None


def _read_owner(place: str) -> str | None:
    return ContentStore(parse_place(place)).read_owner()


def _list_files(place: str) -> list[str]:
    return open_storage(parse_place(place)).list_keys()


def test_a_fork_of_a_process_that_used_a_bucket_is_refused_and_a_new_process_is_not(
    registry: Registry, place: str
) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as forked:
        for ask in (_read_owner, _list_files):
            answer = forked.submit(ask, place)
            with assert_refused(UnavailableError, place, path=place):
                answer.result(timeout=60)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as spawned:
        assert spawned.submit(_read_owner, place).result(timeout=60) == registry.id


# Servers that are not as they should be


@pytest.mark.parametrize("run", [run_nanio, run_localbucket])
def test_a_server_that_ignores_conditions_is_refused_and_nothing_is_made(
    run, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run() as server:
        for name, value in server.list_variables().items():
            monkeypatch.setenv(name, value)
        with assert_refused(UnavailableError, "ignores If-"):
            create_registry(url, f"s3://{server.bucket}/x")
        assert not (tmp_path / "registry.sqlite").exists()
        assert ContentStore(parse_place(f"s3://{server.bucket}/x")).list_names() == []


def test_who_may_only_read_the_bucket_reads_and_records_no_files(
    registry: Registry, url: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READER_SECRET)
    with open_registry(url, place) as reader:
        assert reader.constants(PANEL_A, at=AT)["pixel_gain"].shape[0] == 3
        assert reader.verify().problems == ()
        folder = write_panel_folder(tmp_path / "new", 7)
        with assert_refused(DeniedError, "AccessDenied"):
            reader.versions.add(PANEL_A, folder, valid_from=AT)
    with assert_refused(DeniedError):
        create_registry(f"sqlite:///{tmp_path / 'new.sqlite'}", f"{place}-new")
    assert not (tmp_path / "new.sqlite").exists()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AWS_SECRET_ACCESS_KEY", "anothersecret", "does not accept the credentials"),
        ("AWS_ACCESS_KEY_ID", "anotherkey", "does not accept the credentials"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "cannot be reached"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_unavailable_in_one_sentence_without_secrets(
    registry: Registry,
    url: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    reason: str,
) -> None:
    monkeypatch.setenv(name, value)
    with assert_refused(StoreServerError, reason) as caught:
        open_registry(url, place)
    for secret in ("anothersecret", "anotherkey", "calregsecret", "calregkey"):
        assert secret not in f"{caught.value} {caught.value.values}"


def test_no_credentials_are_recorded_or_shown(
    registry: Registry, url: str, place: str, tmp_path: Path
) -> None:
    done = registry.export(PANEL_A, tmp_path / "out", at=AT)
    program = [sys.executable, "-m", "registry", "--database", url, "--store", place]
    shown = [
        subprocess.run([*program, *words], capture_output=True, text=True, check=True)
        for words in (["status"], ["log", "--json"], ["verify"])
    ]
    texts = [Path(done.provenance).read_bytes(), (tmp_path / "registry.sqlite").read_bytes()]
    texts += [f"{one.stdout}{one.stderr}".encode() for one in shown]
    for text in texts:
        assert b"calregsecret" not in text
        assert b"calregkey" not in text


def test_credentials_in_the_url_are_refused_and_not_repeated() -> None:
    for text in ("s3://key:secret@bucket/x", "s3://bucket/x?secret=1"):
        with assert_refused(RequestError) as caught:
            find_settings("sqlite:////data/x.sqlite", text)
        assert "secret@" not in str(caught.value)
        assert "secret=" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket", BucketPlace("bucket")),
        ("S3://bucket/a/b/", BucketPlace("bucket", "a/b")),
        ("s3:/bucket/a", BucketPlace("bucket", "a")),
        (Path("s3://bucket/a"), BucketPlace("bucket", "a")),
    ],
)
def test_the_url_of_a_bucket_is_read(text: str | Path, place: BucketPlace) -> None:
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["s3://", "s3:///x", "s3://b", "s3://bucket/../x", "s3://bucket/\x1b[2J"])
def test_what_is_not_the_url_of_a_bucket_is_refused(text: str) -> None:
    with assert_refused(RequestError) as caught:
        parse_place(text)
    assert str(caught.value).isprintable()


def test_a_profile_in_the_files_of_aws_is_used(
    registry: Registry,
    url: str,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket_server: BucketServer,
) -> None:
    variables = bucket_server.list_variables()
    for name in variables:
        monkeypatch.delenv(name)
    keys = tmp_path / "credentials"
    keys.write_text(
        f"[lab]\naws_access_key_id = {variables['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {variables['AWS_SECRET_ACCESS_KEY']}\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {bucket_server.endpoint}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with open_registry(url, place) as opened:
        assert opened.constants(PANEL_A, at=AT)["pixel_gain"].shape[0] == 3
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with assert_refused(UnavailableError, "nobody"):
        open_registry(url, place)
    config.write_text("[profile nobody]\nrole_arn = arn:aws:iam::1:role/x\n")
    with assert_refused(UnavailableError, "role_arn"):
        open_registry(url, place)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "secret\n"),
        ("AWS_ACCESS_KEY_ID", "kéy"),
        ("AWS_SESSION_TOKEN", "to\x7fken"),
        ("AWS_REGION", "eu west"),
        ("AWS_ENDPOINT_URL", "objects.example.org"),
        ("AWS_ENDPOINT_URL", "ftp://objects.example.org"),
        ("AWS_ENDPOINT_URL", "http://user:secret@objects.example.org"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("AWS_ENDPOINT_URL", "http://[::::]:1"),
        ("AWS_ENDPOINT_URL", "http://[::1"),
    ],
)
def test_what_cannot_be_in_a_request_is_refused_and_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, sound in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), (variable, value)):
        monkeypatch.setenv(name, sound)
    with assert_refused(UnavailableError, variable) as caught:
        ContentStore(parse_place("s3://files/odd")).read_owner()
    assert value not in str(caught.value)


def test_a_server_with_an_address_of_version_6_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://[::1]:8333/objects")
    assert find_options()["endpoint"] == "http://[::1]:8333/objects"


def test_without_obstore_a_bucket_is_refused_with_what_to_install(
    registry: Registry, url: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with assert_refused(UnavailableError, "pip install 'calreg[s3]'"):
        open_registry(url, place)

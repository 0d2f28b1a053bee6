"""Servers of objects that misbehave: each is refused in one sentence, and nothing is half done or shown of the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from registry import copy_registry, create_registry, open_registry, restore_registry
from registry.api import Registry
from registry.api.mirrors import mirror_registry
from registry.errors import DeniedError, NotFoundError, StoreServerError, UnavailableError
from registry.heads import HeadFile, StoreHead
from registry.storage import bucket, parse_place
from registry.store import ContentStore
from testing.buckets import BucketServer, run_seaweed
from testing.hostile_buckets import (
    Fault,
    HostileServer,
    babble,
    break_off,
    drip,
    forget_answer,
    hang,
    leave_out,
    promise_more,
    refuse,
    run_hostile,
    show_again,
    welcome,
)
from testing.panels import PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.selection import keep_first_rows

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

AT = "2020-01-01T00:00:00Z"
SECRETS = ("calregkey", "calregsecret", "X-Amz", "Signature")


@pytest.fixture
def hostile(bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """Return a server that misbehaves on request, before SeaweedFS; it is asked twice at most."""
    monkeypatch.setattr(bucket, "_RETRIES", 1)
    with run_hostile(bucket_server) as server:
        for name, value in server.server.list_variables().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def place(hostile: HostileServer, tmp_path: Path) -> str:
    return f"s3://{hostile.server.bucket}/{tmp_path.name}/store"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'registry.sqlite'}"


@pytest.fixture
def registry(url: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Return a registry with two panels, in a bucket."""
    create_registry(url, place)
    with open_registry(url, place) as opened:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            opened.panels.add(panel)
            folder = write_panel_folder(tmp_path / panel, seed)
            opened.versions.add(panel, folder, valid_from="beginning")
    # Not before: a new server takes seconds for its first object, where others work on the machine.
    for name, limit in (("_RETRY_SECONDS", 3), ("_SILENCE_SECONDS", 3), ("_REQUEST_SECONDS", 5)):
        monkeypatch.setattr(bucket, name, limit)
    with open_registry(url, place) as opened:
        yield opened


def refuse_in_one_sentence(do: Callable[[], object], reason: str) -> None:
    """Expect a refusal with code 8 that says the reason once, and nothing of the keys."""
    with pytest.raises(UnavailableError) as caught:
        do()
    assert type(caught.value) in {StoreServerError, DeniedError}
    text = f"{caught.value} {caught.value.details} {caught.value.values}"
    assert str(caught.value).count(reason) == 1, text
    assert str(caught.value).isprintable()
    assert [secret for secret in SECRETS if secret in text] == []


_BROKEN = "broke off"
_SILENT = "does not answer in time"
_FAULTS: list[tuple[str, Fault, str]] = [
    ("half of a body", break_off, _BROKEN),
    ("full", refuse(507, "InsufficientStorage"), "no more space (507 InsufficientStorage)"),
    ("busy", refuse(503, "SlowDown"), "answers 503 SlowDown"),
    ("forbidden", refuse(403, "AccessDenied", "calregsecret"), "does not permit it (403 AccessDenied)"),
    ("without the bucket", refuse(404, "NoSuchBucket"), "no such bucket"),
    ("going on elsewhere", refuse(409, "OperationAborted"), "answers 409 OperationAborted"),
    ("slow", drip, _SILENT),
    ("silent", hang, _SILENT),
    ("a false length", promise_more, _BROKEN),
    ("no answer", forget_answer, _BROKEN),
    ("another protocol", babble, _BROKEN),
    ("a portal", welcome, "is not a server of objects"),
    ("over quota", refuse(403, "QuotaExceeded"), "no more space (403 QuotaExceeded)"),
    ("another region", refuse(301, "PermanentRedirect"), "AWS_REGION"),
    ("failing", refuse(500, "InternalError", "calregsecret"), "answers 500 InternalError"),
    ("other keys", refuse(401, "Unauthorized"), "does not accept the credentials"),
]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(fault, reason, id=name, marks=[] if number < 6 else [pytest.mark.exhaustive])
        for number, (name, fault, reason) in enumerate(_FAULTS)
    ],
)
def test_a_server_that_misbehaves_while_files_are_read_is_refused(
    registry: Registry,
    hostile: HostileServer,
    url: str,
    place: str,
    tmp_path: Path,
    fault: Fault,
    reason: str,
) -> None:
    before = registry.head
    hostile.misbehave(fault, "GET", "objects")
    refuse_in_one_sentence(lambda: registry.constants(PANEL_A, at=AT), reason)
    hostile.misbehave(fault, "GET", "objects", after=3)
    refuse_in_one_sentence(lambda: registry.export(PANEL_A, tmp_path / "out", at=AT), reason)
    assert not (tmp_path / "out").exists()
    hostile.misbehave(fault, "GET", "json")
    refuse_in_one_sentence(lambda: open_registry(url, place), reason)
    refuse_in_one_sentence(
        lambda: create_registry(f"sqlite:///{tmp_path / 'new.sqlite'}", f"{place}-new"), reason
    )
    assert not (tmp_path / "new.sqlite").exists()
    hostile.behave()
    assert registry.head == before
    assert registry.verify().problems == ()


@pytest.mark.parametrize(
    ("fault", "reason"),
    keep_first_rows(
        [
            (refuse(409, "OperationAborted"), "answers 409 OperationAborted"),
            (refuse(507, "InsufficientStorage"), "no more space"),
            (refuse(403, "QuotaExceeded"), "no more space"),
            (refuse(404, "NoSuchBucket"), "no such bucket"),
            (refuse(412, "PreconditionFailed"), "answers 412 PreconditionFailed"),
            (hang, _SILENT),
            (forget_answer, _BROKEN),
        ],
        3,
    ),
)
def test_what_a_server_does_not_store_is_not_recorded_and_can_be_repeated(
    registry: Registry, hostile: HostileServer, place: str, tmp_path: Path, fault: Fault, reason: str
) -> None:
    folder = write_panel_folder(tmp_path / "new", 7)
    registry.panels.add(PANEL_C)
    before, head = registry.head, HeadFile(parse_place(place)).read()
    hostile.misbehave(fault, "PUT", "objects", after=2)
    refuse_in_one_sentence(lambda: registry.versions.add(PANEL_C, folder, valid_from=AT), reason)
    hostile.misbehave(fault, "PUT", "head.json")
    with pytest.raises(StoreServerError) as caught:
        registry.versions.add(PANEL_C, folder, valid_from=AT)
    assert "head.json" in str(caught.value)
    hostile.behave()
    assert registry.head == before
    kept = HeadFile(parse_place(place)).read()
    assert kept is not None
    assert head is not None
    assert kept.committed == head.committed  # what is coming may have arrived, although no answer came
    assert registry.versions.add(PANEL_C, folder, valid_from=AT).revision == before.number + 1
    hostile.misbehave(fault, "PUT", "head.json", after=1)  # when it is committed
    assert registry.tags.add("later").revision == before.number + 2
    hostile.behave()
    registry.tags.add("last")
    assert HeadFile(parse_place(place)).read() == StoreHead(registry.head)
    assert registry.verify().problems == ()


def test_what_is_in_the_way_of_a_whole_store_is_said_before_all_its_files_were_tried(
    registry: Registry, hostile: HostileServer, tmp_path: Path
) -> None:
    for do in (
        registry.verify,
        lambda: registry.backup(tmp_path / "backup"),
        lambda: registry.deploy("xcs1", tmp_path / "calib"),
    ):
        hostile.misbehave(refuse(404, "NoSuchBucket"), "GET", ".npy")
        with suppress(NotFoundError):
            refuse_in_one_sentence(do, "no such bucket")
    assert not (tmp_path / "backup" / "backup.json").exists()
    hostile.behave()
    assert registry.backup(tmp_path / "backup").files == 12


@pytest.mark.parametrize(
    ("verb", "fault"),
    keep_first_rows(
        [
            (verb, fault)
            for verb in ("move", "restore", "mirror")
            for fault in (refuse(507, "InsufficientStorage"), forget_answer)
        ]
    ),
)
def test_a_transfer_into_a_bucket_that_a_server_ends_is_continued(
    sqlite_location: RegistryLocation, hostile: HostileServer, tmp_path: Path, verb: str, fault: Fault
) -> None:
    with sqlite_location.open() as opened:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            opened.panels.add(panel)
            opened.versions.add(panel, write_panel_folder(tmp_path / panel, seed), valid_from="beginning")
        opened.backup(tmp_path / "backup")
    place = sqlite_location.database, sqlite_location.store

    new = f"sqlite:///{tmp_path / 'new.sqlite'}", f"s3://files/{tmp_path.name}/new"

    def transfer() -> object:
        if verb == "restore":
            return restore_registry(tmp_path / "backup", *new)
        if verb == "mirror":
            return mirror_registry(place[0], *new, upstream_store=place[1])
        return copy_registry(*new, *place)

    hostile.misbehave(fault, "PUT", "new/objects", after=5)
    with pytest.raises(StoreServerError):
        transfer()
    assert not (tmp_path / "new.sqlite").exists()
    with sqlite_location.open() as source:
        assert source.closure is None
    hostile.behave()
    transfer()
    with open_registry(*new) as opened:
        assert opened.verify().problems == ()
        assert opened.constants(PANEL_A, at=AT)["pixel_gain"].shape[0] == 3


@pytest.mark.exhaustive
def test_a_bucket_that_is_removed_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, place = f"sqlite:///{tmp_path / 'registry.sqlite'}", "s3://files/store"
    with run_seaweed() as server:
        for name, value in server.list_variables().items():
            monkeypatch.setenv(name, value)
        create_registry(url, place)
        with open_registry(url, place) as opened:
            opened.panels.add(PANEL_A)
            opened.versions.add(PANEL_A, write_panel_folder(tmp_path / PANEL_A, 0), valid_from="beginning")
            before = opened.head
            server.remove_bucket()
            reason = "there is no such bucket"
            refuse_in_one_sentence(lambda: opened.constants(PANEL_A, at=AT), reason)
            refuse_in_one_sentence(opened.verify, reason)
            refuse_in_one_sentence(lambda: opened.tags.add("later"), reason)
            folder = write_panel_folder(tmp_path / "new", 7)
            refuse_in_one_sentence(lambda: opened.versions.add(PANEL_A, folder, valid_from=AT), reason)
            assert opened.head == before
        refuse_in_one_sentence(lambda: open_registry(url, place), reason)
        refuse_in_one_sentence(lambda: create_registry(f"sqlite:///{tmp_path / 'new.sqlite'}", place), reason)
        assert not (tmp_path / "new.sqlite").exists()


def test_a_list_that_lags_is_not_trusted(registry: Registry, hostile: HostileServer, place: str) -> None:
    store = ContentStore(parse_place(place))
    key = f"objects/00/{'0' * 64}.npy"
    store.storage.write_document(key, b"stray")
    hostile.misbehave(leave_out(".npy"), "GET", "list-type")
    verified = registry.verify(collect=True)
    assert (verified.problems, verified.unreferenced, verified.checked > 0) == ((), (), True)
    hostile.misbehave(
        show_again(f"{parse_place(place).prefix}/objects/11/{'1' * 64}.npy"), "GET", "list-type"
    )
    verified = registry.verify(collect=True)  # one that was removed before
    assert [file.path.rpartition("/")[2][0] for file in verified.unreferenced] == ["0"]
    assert verified.problems == ()

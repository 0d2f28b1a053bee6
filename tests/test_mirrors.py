"""A mirror has every revision of the registry that it follows, with its seal, and takes no other writes."""

import json
import math
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import Registry, create_registry, mirrors
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.export_verification import verify_export
from registry.api.forks import fork_registry
from registry.api.mirror_chain import SealedBatch
from registry.api.mirror_rounds import iterate_mirror
from registry.api.mirrors import mirror_registry
from registry.api.status import read_status
from registry.database.guards.installation import disable_guards
from registry.database.mirrored_rows import MirroredRows
from registry.errors import (
    ClosedError,
    ConflictError,
    CorruptionError,
    LeftOutError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from registry.heads import Head, HeadFile, StoreHead
from registry.records import Followed
from registry.secrets import drop_masked_passwords
from registry.service.options import Options
from registry.settings import mask_database_url
from testing.panels import PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.copies import fill_registry, read_answers, read_facts
from tests.refusals import assert_refused
from tests.test_deployed_ranges import fill
from tests.test_seal_script import _fill

pytestmark = pytest.mark.small_panels


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryLocation:
    """A place where nothing is yet."""
    store = tmp_path / "mirror" / "store"
    if request.param == "postgresql":
        return RegistryLocation(request.getfixturevalue("empty_postgres"), store)
    return RegistryLocation(f"sqlite:///{tmp_path / 'mirror' / 'mirror.sqlite'}", store)


@pytest.fixture
def small(tmp_path: Path) -> RegistryLocation:
    """A place on SQLite where nothing is yet."""
    return RegistryLocation(f"sqlite:///{tmp_path / 'small' / 'mirror.sqlite'}", tmp_path / "small" / "store")


def follow(
    upstream: RegistryLocation | str, mirror: RegistryLocation, *, files: bool | None = None
) -> Followed:
    if isinstance(upstream, str):
        return mirror_registry(upstream, mirror.database, mirror.store, files=files)
    return mirror_registry(
        upstream.database, mirror.database, mirror.store, upstream_store=upstream.store, files=files
    )


def count_files(location: RegistryLocation) -> int:
    return len(list((location.store / "objects").rglob("*.npy")))


def read_sealed(location: RegistryLocation) -> dict[str, Any]:
    """Return the rows that seals are of, and the links that they have."""
    tables = read_facts(location.database)
    newest = max((row["export"] or 0 for row in tables["seal"]), default=0)
    tables["export_seal"] = [row for row in tables["export_seal"] if row["export"] <= newest]
    for row in tables["blob"]:  # as SQLite keeps them, which has no NaN and no negative zero
        for name in ("minimum", "median", "maximum"):
            row[name] = None if row[name] is None or math.isnan(row[name]) else row[name] + 0.0
    return {
        name: sorted(rows, key=str)
        for name, rows in tables.items()
        if name not in {"export", "export_input", "export_output"}
    }


def assert_same(upstream: RegistryLocation, mirror: RegistryLocation) -> None:
    assert read_sealed(mirror) == read_sealed(upstream)
    with upstream.open() as one, mirror.open() as other:
        assert one.head == other.head
        assert read_answers(one) == read_answers(other)
        verification = other.verify()
        assert (verification.problems, verification.head) == ((), str(one.head))


@pytest.mark.slow
def test_a_mirror_has_every_row_of_any_sort(
    location: RegistryLocation, registry: Registry, target: RegistryLocation, tmp_path: Path
) -> None:
    _fill(registry, tmp_path / "made")
    registry.tags.add("last")  # seals the newest export
    followed = follow(location, target, files=False)
    assert (followed.revision, followed.revisions) == (registry.head.number, registry.head.number)
    assert_same(location, target)
    assert follow(location, target).revisions == 0


@pytest.mark.different_databases
@pytest.mark.slow
def test_a_mirror_over_http_has_every_row_of_any_sort(
    location: RegistryLocation,
    registry: Registry,
    target: RegistryLocation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fill(registry, tmp_path / "made")
    monkeypatch.setattr("registry.lookup.history_pages._MAX_LINES", 5)  # revisions are cut
    monkeypatch.setattr(mirrors, "_BATCH_REVISIONS", 4)
    with serve_in_thread(location) as url:
        assert follow(url, target, files=False).upstream == url
        registry.tags.add("over-http")
        assert follow(url, target).revisions == 1
    assert_same(location, target)


@pytest.mark.different_databases
@pytest.mark.slow
@pytest.mark.parametrize("by", ["database", "service"])
def test_what_comes_later_follows_with_its_files(
    location: RegistryLocation, registry: Registry, target: RegistryLocation, tmp_path: Path, by: str
) -> None:
    fill_registry(registry, tmp_path / "made")

    def take_over() -> Followed:
        if by == "database":
            return follow(location, target)
        with serve_in_thread(location) as url:
            return follow(url, target)

    first = take_over()
    assert (first.files, first.files_there, first.with_files) == (count_files(location), 0, True)
    assert_same(location, target)
    two = registry.versions.add(
        PANEL_B, write_panel_folder(tmp_path / "more", seed=9), valid_from="beginning"
    )
    registry.versions.withdraw(two.versions[0].version, comment="not this one")
    registry.versions.add(
        PANEL_B, write_panel_folder(tmp_path / "again", 10, ["gain"]), valid_from="beginning", kinds=["gain"]
    )
    second = take_over()
    assert (second.revisions, second.revision, second.seal) == (3, registry.head.number, registry.head.seal)
    assert_same(location, target)
    with target.open() as mirror:
        mine, theirs = (one.constants(PANEL_A, at="2018-06-01T00:00:00Z") for one in (mirror, registry))
        assert all((mine[name] == theirs[name]).all() for name in theirs)
    third = take_over()
    assert (third.revisions, third.files, third.rows) == (0, 0, {})


@pytest.mark.different_databases
def test_a_registry_without_revisions_is_followed(
    location: RegistryLocation, registry: Registry, target: RegistryLocation
) -> None:
    assert follow(location, target).revision == 0
    registry.panels.add(PANEL_A)
    assert follow(location, target).revisions == 1
    assert_same(location, target)


def test_a_mirror_takes_no_writes_and_says_whence_it_came(
    location: RegistryLocation, registry: Registry, small: RegistryLocation
) -> None:
    registry.panels.add(PANEL_A)
    follow(location, small)
    with small.open() as mirror:
        assert mirror.closure is not None
        assert mirror.closure.reason == "mirror"
        with assert_refused(ClosedError, reason="mirror", place=mirror.closure.place):
            mirror.panels.add(PANEL_B)
        assert mirror.find_zone() == registry.find_zone()
    engine = small.engine()
    with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.execute(sa.text("INSERT INTO panel SELECT id + 1, 'x', 'x', 'x', 'x', 'x', 1 FROM panel"))
    engine.dispose()


def test_a_mirror_of_a_mirror_follows_too(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    follow(location, small)
    second, third = (RegistryLocation.in_folder(tmp_path / name) for name in ("second", "third"))
    follow(small, second)
    registry.panels.add(PANEL_B)
    assert follow(small, second).revisions == 0
    follow(location, small)
    with serve_in_thread(small) as url:
        assert follow(url, third).revisions == 2
    follow(small, second)
    assert_same(location, second)
    assert_same(location, third)
    with serve_in_thread(third) as last:
        status = read_status(last)
    assert (status.revision, status.refusal, status.problems) == (2, None, ())
    assert follow(location, third).upstream != url  # another registry of the same history
    with third.open() as mirror:
        assert mirror.closure is not None
        assert mirror.closure.place == mask_database_url(location.database)


def _fork(registry: Registry, location: RegistryLocation, folder: Path) -> RegistryLocation:
    """Return a copy that goes on otherwise."""
    registry.backup(folder / "backup")
    other = RegistryLocation.in_folder(folder / "other")
    restore_registry(folder / "backup", other.database, other.store)
    with other.open() as forked:
        forked.panels.add(PANEL_C)
    registry.panels.add(PANEL_B)
    return other


@pytest.mark.slow
@pytest.mark.parametrize("by", ["database", "service"])
@pytest.mark.parametrize("is_longer", [True, False])
def test_another_history_is_refused_with_both_seals(
    location: RegistryLocation,
    registry: Registry,
    small: RegistryLocation,
    tmp_path: Path,
    by: str,
    is_longer: bool,
) -> None:
    registry.panels.add(PANEL_A)
    other = _fork(registry, location, tmp_path)
    follow(location, small)
    with other.open() as forked:
        if is_longer:
            forked.tags.add("later")
        theirs = forked.find_head(2).seal
    before = read_facts(small.database)
    values: dict[str, Any] = {"revision": 2, "upstream": theirs, "mirror": registry.find_head(2).seal}
    if by == "database":
        with assert_refused(ConflictError, theirs, **values):
            follow(other, small)
    else:
        with serve_in_thread(other) as url, assert_refused(ConflictError, theirs, **values):
            follow(url, small)
    assert read_facts(small.database) == before


def test_another_registry_and_one_that_is_not_a_mirror_are_refused(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    follow(location, small)
    other = RegistryLocation.in_folder(tmp_path / "other")
    create_registry(other.database, other.store)
    with other.open() as another:
        another.panels.add(PANEL_A)
        another.panels.add(PANEL_B)
    with assert_refused(ConflictError):
        follow(other, small)
    with assert_refused(ConflictError, database=registry.id):
        follow(other, location)
    with assert_refused(RequestError):
        follow(small, small)
    unused = RegistryLocation(f"sqlite:///{tmp_path / 'new.sqlite'}", other.store)
    with assert_refused(ConflictError, store=another.id):
        follow(location, unused)
    assert not (tmp_path / "new.sqlite").exists()


def test_a_registry_that_is_behind_is_told(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.backup(tmp_path / "backup")
    registry.panels.add(PANEL_B)
    follow(location, small)
    other = RegistryLocation.in_folder(tmp_path / "other")
    restore_registry(tmp_path / "backup", other.database, other.store)
    followed = follow(other, small)
    assert (followed.revisions, len(followed.warnings)) == (0, 1)
    assert str(registry.find_head(1)) in followed.warnings[0]


def test_what_cannot_be_followed_is_refused_and_leaves_nothing(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    with serve_in_thread(location, Options(public=True)) as url, assert_refused(ConflictError, url):
        follow(url, small)
    registry.snapshot(tmp_path / "snapshot.sqlite", store=tmp_path / "other")
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", tmp_path / "other")
    with assert_refused(ClosedError, reason="snapshot"):
        follow(snapshot, small)
    with assert_refused(UnavailableError):
        follow(RegistryLocation.in_folder(tmp_path / "nothing"), small)
    with assert_refused(UnavailableError):
        mirror_registry("http://127.0.0.1:9", small.database, small.store)
    moved = RegistryLocation.in_folder(tmp_path / "moved")
    copy_registry(moved.database, None, location.database, location.store)
    with assert_refused(ClosedError, "moved", reason="departure"):
        follow(location, small)
    assert not small.folder.exists()


def _edit(location: RegistryLocation, statement: str) -> None:
    engine = location.engine()
    with engine.begin() as connection, disable_guards(connection):
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE panel SET serial_number = '7' WHERE id = 2",
        "UPDATE seal SET digest = '" + "0" * 64 + "' WHERE revision = 2",
        "UPDATE seal SET text = text || 'late' WHERE revision = 2",
        "DELETE FROM panel WHERE id = 2",
        "UPDATE revision SET author = 'eve' WHERE number = 2",
        "UPDATE panel SET recorded_in = 1 WHERE id = 2",
        "DELETE FROM seal WHERE revision = 2",
    ],
)
def test_what_is_not_as_it_was_sealed_is_not_taken_over(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, statement: str
) -> None:
    for panel in (PANEL_A, PANEL_B, PANEL_C):
        registry.panels.add(panel)
    follow_up = RegistryLocation.in_folder(small.folder.parent / "before")
    _edit(location, statement)
    with assert_refused(CorruptionError):
        follow(location, small)
    assert not small.file or not small.file.exists()
    assert not follow_up.folder.exists()


@pytest.mark.sqlite_suffices
def test_rows_that_a_registry_cannot_have_are_not_taken_over_although_their_seals_fit(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    original = SealedBatch.build_rows

    def build_other_rows(batch: SealedBatch) -> MirroredRows:
        rows = original(batch)
        rows.withdrawn["alias"] = {17: 1}
        return rows

    monkeypatch.setattr(SealedBatch, "build_rows", build_other_rows)
    with assert_refused(CorruptionError):
        follow(location, small)
    assert not small.file or not small.file.exists()


@pytest.mark.slow
def test_files_are_left_out_on_request_and_refused_by_name(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    fill_registry(registry, tmp_path / "made")
    assert follow(location, small, files=False).with_files is False
    registry.versions.add(PANEL_B, write_panel_folder(tmp_path / "more", seed=9), valid_from="beginning")
    assert follow(location, small).with_files is False
    with small.open() as mirror:
        with pytest.raises(LeftOutError) as caught:
            mirror.constants(PANEL_A, at="2018-06-01T00:00:00Z")
        assert location.folder.name in str(caught.value)
        verification = mirror.verify()
        assert verification.problems == ()
        assert len(verification.notes) == 1
    second = RegistryLocation.in_folder(tmp_path / "second")
    with assert_refused(LeftOutError):
        follow(small, second)
    follow(small, second, files=False)
    brought = follow(location, small, files=True)
    assert (brought.files, brought.with_files) == (count_files(location), True)
    assert_same(location, small)
    with assert_refused(RequestError):
        follow(location, small, files=False)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["database", "service"])
def test_a_file_that_is_damaged_there_is_named_and_tried_again(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path, by: str
) -> None:
    fill_registry(registry, tmp_path / "made")
    first, *_ = sorted((location.store / "objects").rglob("*.npy"))
    content = first.read_bytes()
    first.chmod(0o644)
    first.write_bytes(content[:-1])
    for _ in range(2):
        with serve_in_thread(location) as url, pytest.raises(CorruptionError) as caught:
            follow(location if by == "database" else url, small)
        assert [file.sha256 for file in caught.value.values["missing"]] == [first.stem]
        assert caught.value.values["revision"] == registry.head.number
    first.write_bytes(content)
    assert follow(location, small).files == 1
    assert_same(location, small)
    assert not (small.store / "incomplete.json").exists()


@pytest.mark.sqlite_suffices
def test_the_store_may_be_that_of_the_registry_itself(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    mirror = RegistryLocation(f"sqlite:///{tmp_path / 'mirror.sqlite'}", location.store)
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one", seed=1), valid_from="beginning")
    assert follow(location, mirror).files == 0
    registry.panels.add(PANEL_B)
    assert HeadFile(location.store).read() == StoreHead(registry.head)
    with mirror.open() as behind:
        assert behind.verify().problems == ()
    follow(location, mirror)
    assert HeadFile(location.store).read() == StoreHead(registry.head)
    registry.panels.add(PANEL_C)


@pytest.mark.sqlite_suffices
def test_a_mirror_is_backed_up_and_restored_as_one(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one", seed=1), valid_from="beginning")
    registry.export(PANEL_A, tmp_path / "export", at="2018-06-01T00:00:00Z", types=["pixel_gain"])
    registry.tags.add("spring")
    follow(location, small)
    with small.open() as mirror:
        mirror.backup(tmp_path / "backup")
        with assert_refused(ConflictError):
            mirror.snapshot(tmp_path / "snapshot.sqlite")
        with assert_refused(ConflictError):
            mirror.exports.list()
    fork = RegistryLocation.in_folder(tmp_path / "fork")
    with assert_refused(ConflictError):
        fork_registry(fork.database, fork.store, small.database, small.store, comment="another one")
    with assert_refused(ClosedError, reason="mirror"):
        copy_registry(fork.database, fork.store, small.database, small.store)
    restored = RegistryLocation.in_folder(tmp_path / "restored")
    restore_registry(tmp_path / "backup", restored.database, restored.store)
    registry.panels.add(PANEL_B)
    assert follow(location, restored).revisions == 1
    assert_same(location, restored)


@pytest.mark.slow
@pytest.mark.sqlite_suffices
def test_a_mirror_that_is_killed_anywhere_goes_on(
    location: RegistryLocation, registry: Registry, target: RegistryLocation, tmp_path: Path
) -> None:
    fill_registry(registry, tmp_path / "made")
    script = """
import os, sys
from registry.api import mirror_files, mirrors
mirrors._BATCH_REVISIONS = 3
step = int(sys.argv[1])
def count(module, name):
    original = getattr(module, name)
    def count_call(*values, **options):
        global step
        result = original(*values, **options)
        step -= 1
        if step == 0:
            os.kill(os.getpid(), 9)
        return result
    setattr(module, name, count_call)
for name in ("begin_mirror", "continue_mirror", "advance_store_head", "list_files"):
    count(mirrors, name)
count(mirror_files.MirroredFiles, "bring")
import registry.api.mirror_databases as databases
for name in ("write_mirrored_rows", "renew_mirror_note", "record_closure"):
    count(databases, name)
mirrors.mirror_registry(sys.argv[2], sys.argv[3], sys.argv[4], upstream_store=sys.argv[5])
"""
    arguments = [location.database, target.database, str(target.store), str(location.store)]
    killed = 0
    for step in (2, 3, 4, 9, 14):
        done = subprocess.run([sys.executable, "-c", script, str(step), *arguments], check=False)
        assert done.returncode in {0, -signal.SIGKILL}
        killed += done.returncode != 0
    assert killed >= 3
    follow(location, target)
    assert_same(location, target)
    with target.open() as mirror:
        assert mirror._backend.database.find_differences() == []


@pytest.mark.sqlite_suffices
def test_status_tells_how_far_behind_a_mirror_is(
    location: RegistryLocation, registry: Registry, small: RegistryLocation
) -> None:
    registry.panels.add(PANEL_A)
    with serve_in_thread(location) as url:
        follow(url, small)
        registry.panels.add(PANEL_B)
        registry.panels.add(PANEL_C)
        state = read_status(small.database, small.store).mirror
        assert state is not None
        assert (state.upstream, state.upstream_revision, state.behind, state.problem) == (url, 3, 2, None)
    gone = read_status(small.database, small.store)
    assert gone.mirror is not None
    assert (gone.mirror.upstream_revision, gone.mirror.behind) == (1, 0)
    assert gone.mirror.problem
    assert gone.problems == ()
    assert read_status(location.database, location.store).mirror is None


def test_a_mirror_is_followed_again_and_again(
    location: RegistryLocation, registry: Registry, small: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    states = iterate_mirror(
        location.database, small.database, small.store, upstream_store=location.store, every=0.001
    )
    first = next(states)
    assert isinstance(first, Followed)
    registry.panels.add(PANEL_B)
    second = next(states)
    assert isinstance(second, Followed)
    assert (first.revision, second.revision) == (1, 2)
    with assert_refused(RequestError):
        next(iterate_mirror(location.database, small.database, small.store, every=0.0))
    missing = RegistryLocation.in_folder(tmp_path / "missing")
    assert isinstance(next(iterate_mirror(missing.database, small.database, small.store, every=0.001)), str)


def test_mirrors_follow_while_writers_write(location: RegistryLocation, small: RegistryLocation) -> None:
    panels = [PANEL_A, *(PANEL_A.replace("b0", f"{number:02x}") for number in range(1, 12))]
    heads: list[Head] = []

    def write(names: list[str]) -> None:
        with location.open() as registry:
            for name in names:
                registry.panels.add(name)

    def keep_following(writing: list[Future[None]]) -> None:
        while not all(future.done() for future in writing):
            followed = follow(location, small)
            heads.append(Head(followed.revision, followed.seal))

    follow(location, small)
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, panels[start::2]) for start in range(2)]
        following = [pool.submit(keep_following, writing) for _ in range(2)]
        for future in [*writing, *following]:
            future.result()
    assert follow(location, small).revision == len(panels)
    assert_same(location, small)
    with small.open() as mirror:
        assert [head for head in heads if head.number and head != mirror.find_head(head.number)] == []


@pytest.mark.slow
@pytest.mark.sqlite_suffices
def test_a_mirror_that_follows_for_ever_ends_cleanly(
    location: RegistryLocation, registry: Registry, small: RegistryLocation
) -> None:
    registry.panels.add(PANEL_A)
    command = [sys.executable, "-m", "registry", "--database", small.database, "--store", str(small.store)]
    command += ["mirror", location.database, "--from-store", str(location.store), "--every", "0.05", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rounds = [json.loads(process.stdout.readline()) for _ in range(3)]  # one object a line
        assert [(one["revision"], one["revisions"]) for one in rounds] == [(1, 1), (1, 0), (1, 0)]
        process.send_signal(signal.SIGTERM)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 143
    assert message == "interrupted; the mirror has revision 1; the same command goes on\n"


def test_the_password_of_the_registry_that_is_followed_is_not_kept(
    request: pytest.FixtureRequest, small: RegistryLocation, tmp_path: Path
) -> None:
    url = request.getfixturevalue("empty_postgres")
    upstream = RegistryLocation(url.replace("postgres:@", "postgres:hunter22@"), tmp_path / "store")
    create_registry(upstream.database, upstream.store)
    assert "hunter22" in upstream.database
    assert "hunter22" not in repr(follow(upstream, small))
    assert small.file is not None
    assert b"hunter22" not in small.file.read_bytes()
    state = read_status(small.database, small.store)
    assert "hunter22" not in repr(state)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ana:hunter2@db.example.org/calreg", "postgresql://ana@db.example.org/calreg"),
        ("postgresql://db/calreg?user=ana&password=hunter2", "postgresql://db/calreg?user=ana"),
        ("postgresql://db/calreg?password=hunter2&sslmode=require", "postgresql://db/calreg?sslmode=require"),
        ("postgresql:///calreg?service=beamline", "postgresql:///calreg?service=beamline"),
        ("sqlite:////data/***/registry.sqlite", "sqlite:////data/***/registry.sqlite"),
        ("postgresql://ana:hunter2@db/calreg?secret=x", None),
        ("postgresql://ana:pass@word@db/calreg", None),
    ],
)
def test_the_state_of_a_mirror_is_asked_without_the_password_that_is_not_recorded(
    url: str, expected: str | None
) -> None:
    assert drop_masked_passwords(mask_database_url(url)) == expected


def test_what_only_exports_tell_is_not_denied_by_a_mirror(
    sqlite_location: RegistryLocation, small: RegistryLocation, tmp_path: Path
) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)
        done = registry.export(PANEL_A, tmp_path / "out", at="2021-06-01T00:00:00Z")
        registry.deploy("xcs1", tmp_path / "calib")
        registry.tags.add("later")
    follow(sqlite_location, small)
    array = Path(done.provenance).with_name("pixel_gain.npy")
    upstream = mask_database_url(sqlite_location.database)
    with small.open() as mirror, sqlite_location.open() as registry:
        identity = mirror.identify(array)
        assert (identity.upstream, identity.exports, registry.identify(array).upstream) == (
            upstream,
            (),
            None,
        )
        assert any(part.inputs for part in identity.parts)
        with assert_refused(NotFoundError, upstream, upstream=upstream):
            mirror.identify(done.provenance)
        checks = [one.check_deployment("xcs1", tmp_path / "calib") for one in (mirror, registry)]
        assert checks[0].runs == checks[1].runs
        assert all(check.is_right for check in checks)
        assert mirror.list_affected_runs(1) == registry.list_affected_runs(1)
    counts = read_status(small.database, small.store).counts
    assert counts is not None
    assert counts.exports is None
    verified = verify_export(done.provenance, small.database, small.store)
    assert verified.problems == ()
    assert [upstream in note for note in verified.notes] == [True]

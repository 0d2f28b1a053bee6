"""A snapshot answers what the registry answered as of its revision, where nothing can be written."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import Registry, create_registry
from registry.api.export_verification import verify_export
from registry.api.forks import fork_registry
from registry.errors import ClosedError, ConflictError, CorruptionError, NotFoundError, Remedy
from registry.lookup.broken_seals import BrokenSeal, find_broken_seals
from registry.parallel import no_progress
from registry.records import Tag
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import list_object_paths
from tests.cli import Calreg
from tests.copies import AT, read_answers, read_rows
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels


@pytest.fixture
def taken(tmp_path: Path) -> RegistryLocation:
    """The place of the snapshot."""
    return RegistryLocation(
        f"sqlite:///{tmp_path / 'taken' / 'snapshot.sqlite'}", tmp_path / "taken" / "store"
    )


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """A registry whose third revision is tagged by its fourth, and in which more was recorded since."""
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        arrays = write_panel_folder(tmp_path / "made")
        first = registry.versions.add(PANEL_A, arrays, valid_from="beginning")
        registry.runs.add("exp=xcsls3716:run=1", begin="20170601000000")
        registry.tags.add("spring")
        registry.versions.withdraw(first.versions[0].version, comment="found out later")
        later = write_panel_folder(tmp_path / "later", 5, ["gain"])
        registry.versions.add(PANEL_A, later, valid_from="20180101000000", kinds=["gain"])
        registry.tags.add("summer")
        yield registry


def _find_broken_seals(registry: Registry) -> list[BrokenSeal]:
    with registry._backend.database.read_transaction() as connection:
        return list(find_broken_seals(connection, no_progress))


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_snapshot_answers_as_the_registry_did(
    sample: RegistryLocation, filled: Registry, tmp_path: Path
) -> None:
    newest = len(filled.log())
    for number in (newest // 4, newest // 2, newest):
        file = tmp_path / f"{number}.sqlite"
        assert filled.snapshot(file, as_of=number, store=sample.store).revision == number
        with RegistryLocation(f"sqlite:///{file}", sample.store).open() as taken:
            for earlier in (1, number // 2, number):
                assert read_answers(taken, earlier) == read_answers(filled, earlier)
            assert read_answers(taken) == read_answers(filled, number)
            assert taken.tags.list() == filled.tags.list(as_of=number)
            with assert_refused(NotFoundError):
                taken.log(as_of=number + 1)


@pytest.mark.slow
def test_a_snapshot_knows_the_tag_it_was_taken_at_but_no_later_one(
    small: Registry, taken: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.snapshot(taken.file, as_of="spring").revision == 3
    with taken.open() as snapshot:
        (known, *_) = small.tags.list()
        assert snapshot.tags.list() == [Tag("spring", 3, None, known.seal)]
        assert snapshot.tags.list(as_of=2) == []
        was = read_answers(small, "spring")
        assert read_answers(snapshot, "spring") == read_answers(snapshot) == was
        assert snapshot.differences() == []
        assert snapshot.identify(tmp_path / "made" / "g0_gain.npy").inputs
        with pytest.raises(NotFoundError):
            snapshot.identify(tmp_path / "later" / "g0_gain.npy")
        with assert_refused(NotFoundError, near=["spring"], tag="sprung"):
            snapshot.panels.list(as_of="sprung")
    calreg = Calreg(taken, monkeypatch)
    assert calreg.run("tag", "list").stdout.splitlines()[-1].split()[::3] == ["spring", "later"]
    validity = calreg.run("validity", "M068", "--at", AT, "--kind", "gain", "--as-of", "spring", "--json")
    assert validity.json == calreg.run("validity", "M068", "--at", AT, "--kind", "gain", "--json").json


@pytest.mark.slow
def test_a_snapshot_of_a_snapshot_keeps_the_name_of_its_revision(
    small: Registry, taken: RegistryLocation
) -> None:
    small.snapshot(taken.file, as_of="summer")
    with taken.open() as snapshot:
        assert [tag.tag for tag in snapshot.tags.list()] == ["spring", "summer"]
        for name, as_of, known in (
            ("newest", None, ["spring", "summer"]),
            ("summer", "summer", ["spring", "summer"]),
            ("spring", "spring", ["spring"]),
            ("earlier", 4, ["spring"]),
        ):
            second = RegistryLocation(f"sqlite:///{taken.folder / name}", taken.store)
            snapshot.snapshot(second.file, as_of=as_of)
            with second.open() as opened:
                assert [tag.tag for tag in opened.tags.list()] == known
                assert (opened.verify().problems, _find_broken_seals(opened)) == ((), [])


@pytest.mark.slow
def test_no_row_of_a_snapshot_differs_from_that_of_the_registry(
    sample: RegistryLocation, filled: Registry, tmp_path: Path
) -> None:
    filled.tags.add("middle", as_of=9)
    filled.set_timezone("Europe/Zurich", comment="local times after all")
    filled.export(PANEL_A, tmp_path / "out", at=AT, types=["pixel_gain"])
    everything = read_rows(sample.database)
    for number, as_of in ((9, "middle"), (16, 16), (1, 1)):
        file = tmp_path / f"{number}.sqlite"
        filled.snapshot(file, as_of=as_of, store=sample.store)
        rows = read_rows(f"sqlite:///{file}")
        (closure,) = rows.pop("closure")
        tag = as_of if isinstance(as_of, str) else None
        assert (closure["reason"], closure["tag"], closure["timezone"]) == (
            "snapshot",
            tag,
            "Europe/Zurich",
        )
        for name, table in rows.items():
            kept = [
                {**row, "withdrawn_in": None} if (row.get("withdrawn_in") or 0) > number else row
                for row in everything[name]
            ]
            assert all(row in kept for row in table), name
            assert all(row.get("recorded_in", 0) <= number for row in table)
        assert [row["revision"] for row in rows["seal"]] == sorted(range(1, number + 1), key=str)
        assert rows["export_seal"] == everything["export_seal"]
        with RegistryLocation(f"sqlite:///{file}", sample.store).open() as snapshot:
            assert snapshot.timezone == "Europe/Zurich"
            assert (snapshot.verify().problems, _find_broken_seals(snapshot)) == ((), [])


@pytest.mark.slow
def test_a_snapshot_of_an_earlier_revision_passes_the_verification(
    small: Registry, taken: RegistryLocation, tmp_path: Path
) -> None:
    for number, as_of in enumerate((None, "spring")):
        small.export(PANEL_A, tmp_path / f"out{number}", at=AT, as_of=as_of, types=["pixel_gain"])
    small.snapshot(taken.file, as_of="spring")
    with taken.open() as snapshot:
        assert (snapshot.verify().problems, _find_broken_seals(snapshot)) == ((), [])
    assert small.verify().problems == ()


def test_a_snapshot_of_a_registry_without_revisions_passes_the_verification(
    registry: Registry, taken: RegistryLocation
) -> None:
    assert registry.snapshot(taken.file).revision == 0
    with taken.open() as snapshot:
        assert (snapshot.verify().problems, _find_broken_seals(snapshot)) == ((), [])
        assert (snapshot.tags.list(), snapshot.log()) == ([], [])


@pytest.mark.slow
def test_a_changed_row_of_a_snapshot_is_found(small: Registry, taken: RegistryLocation) -> None:
    small.snapshot(taken.file, as_of="spring")
    taken.file.chmod(0o644)
    engine = taken.engine()
    with engine.begin() as connection:
        for trigger in connection.execute(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ).scalars():
            connection.execute(sa.text(f"DROP TRIGGER {trigger}"))
        connection.execute(sa.text("UPDATE run SET begin_at = begin_at - 1"))
    engine.dispose()
    with taken.open() as snapshot:
        (broken,) = _find_broken_seals(snapshot)
    assert (broken.revision, broken.problem) == (3, "revision 3 is not as it was sealed: run (changed)")


@pytest.mark.slow
def test_an_unsealed_revision_has_no_snapshot(
    small: Registry, taken: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    engine = sqlite_location.engine()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO revision (number, recorded_at, author, host, command, software)"
                " SELECT 8, max(recorded_at), 'me', 'here', 'sqlite3', 'none' FROM revision"
            )
        )
    engine.dispose()
    with assert_refused(CorruptionError, "has no seal", remedy=Remedy.SEAL_REVISION, revision=8):
        small.snapshot(taken.file)
    assert not list(taken.file.parent.glob("*.sqlite"))
    small.snapshot(taken.file, as_of=7)


@pytest.mark.slow
def test_a_snapshot_contains_only_the_files_of_its_revision(
    small: Registry, taken: RegistryLocation, tmp_path: Path
) -> None:
    done = small.snapshot(taken.file, as_of="spring")
    assert (done.files, done.store) == (6, str(taken.store))
    assert len(list(list_object_paths(ContentStore(taken.store)))) == 6
    second = small.snapshot(taken.file.with_name("second.sqlite"))
    assert (second.files, second.files_there) == (3, 6)
    elsewhere = small.snapshot(tmp_path / "third.sqlite", as_of="spring", store=tmp_path / "other")
    assert (elsewhere.files, elsewhere.store) == (6, str(tmp_path / "other"))


@pytest.mark.slow
def test_an_export_from_a_snapshot_is_the_same_as_from_the_registry(
    small: Registry, taken: RegistryLocation, tmp_path: Path
) -> None:
    small.snapshot(taken.file, as_of="spring")
    ours = small.export(f"jungfrau_{PANEL_A}", tmp_path / "ours", at=AT, as_of="spring")
    with taken.open() as snapshot:
        theirs = snapshot.export(f"jungfrau_{PANEL_A}", tmp_path / "theirs", at=AT, as_of="spring")
        assert not theirs.recorded
        assert "it takes no writes" in theirs.notes[0]
    assert [output.sha256 for output in theirs.outputs] == [output.sha256 for output in ours.outputs]


@pytest.mark.slow
def test_a_snapshot_takes_no_writes(small: Registry, taken: RegistryLocation, tmp_path: Path) -> None:
    small.snapshot(taken.file)
    before = taken.file.read_bytes()
    with taken.open() as snapshot:
        for act in (
            lambda: snapshot.panels.add(PANEL_B),
            lambda: snapshot.tags.add("autumn"),
            lambda: snapshot.versions.withdraw(2, comment="no", dry_run=True),
        ):
            with assert_refused(ClosedError, reason="snapshot") as caught:
                act()
            assert re.fullmatch(r"revision 7 of .*registry\.sqlite", caught.value.values["place"])
    assert taken.file.read_bytes() == before
    assert sorted(path.name for path in taken.file.parent.iterdir()) == ["snapshot.sqlite", "store"]
    assert taken.file.stat().st_mode & 0o777 == 0o444


@pytest.mark.slow
def test_a_snapshot_on_a_read_only_disk_answers_exports_and_verifies(
    sqlite_location: RegistryLocation,
    small: Registry,
    tmpfs: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = tmpfs("size=64m")
    small.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    small.tags.add("offline", as_of=8)
    Calreg(sqlite_location, monkeypatch).run("snapshot", disk / "snapshot.sqlite", "--as-of", "8")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    calreg = Calreg(RegistryLocation(f"sqlite:///{disk}/snapshot.sqlite", disk / "store"), monkeypatch)
    assert calreg.run("validity", "M068", "--at", "2018-01-01T00:00:00Z", "--kind", "offset").stderr == ""
    done = calreg.run(
        "export", "exp=xcsls3716:run=1", "--at", AT, "--output", tmp_path / "out", "--json"
    ).json
    assert (done["recorded"], done["revision"]) == (False, 8)
    assert calreg.run("verify", "--json").json["problems"] == []
    assert calreg.assert_refused(5, "tag", "add", "no")["reason"] == "snapshot"
    verification = verify_export(
        tmp_path / "out" / "provenance.json", f"sqlite:///{disk}/snapshot.sqlite", disk / "store"
    )
    assert (verification.problems, len(verification.notes)) == ((), 1)


@pytest.mark.slow
def test_a_snapshot_neither_replaces_a_file_nor_uses_the_store_of_another_registry(
    small: Registry, taken: RegistryLocation, tmp_path: Path, sqlite_location: RegistryLocation
) -> None:
    with assert_refused(ConflictError, path=str(sqlite_location.file)):
        small.snapshot(sqlite_location.file)
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    with assert_refused(ConflictError, store=other):
        small.snapshot(taken.file, store=tmp_path / "other")
    with assert_refused(NotFoundError):
        small.snapshot(taken.file, as_of="winter")
    assert not taken.file.parent.exists() or not list(taken.file.parent.iterdir())


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_refused(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    Calreg(sqlite_location, monkeypatch).assert_refused(8, "snapshot", tmp_path / "file" / "snapshot.sqlite")


@pytest.mark.slow
def test_a_snapshot_contains_no_row_of_a_later_revision(
    small: Registry, taken: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    small.export(f"jungfrau_{PANEL_A}", taken.file.parent / "early", at=AT, as_of=3)
    small.export(f"jungfrau_{PANEL_A}", taken.file.parent / "late", at=AT)
    small.snapshot(taken.file, as_of=3)
    snapshot, everything = read_rows(taken.database), read_rows(sqlite_location.database)
    assert [row["number"] for row in snapshot["revision"]] == [1, 2, 3]
    assert (len(snapshot["version"]), len(everything["version"])) == (2, 3)
    assert {row["withdrawn_in"] for row in snapshot["version"]} == {None}
    assert [row["revision"] for row in snapshot["export"]] == [3]
    assert {row["export_id"] for row in snapshot["export_input"]} == {1}
    assert snapshot["registry"] == everything["registry"]


@pytest.mark.slow
def test_a_snapshot_of_a_fork_belongs_to_the_registry_that_its_revision_is_of(
    small: Registry, sqlite_location: RegistryLocation, taken: RegistryLocation, tmp_path: Path
) -> None:
    forked = RegistryLocation.in_folder(tmp_path / "forked")
    fork_registry(
        forked.database,
        forked.store,
        comment="a trial",
        database=sqlite_location.database,
        store=sqlite_location.store,
    )
    with forked.open() as fork:
        before, after = taken.file.with_name("before.sqlite"), taken.file.with_name("after.sqlite")
        fork.snapshot(before, as_of="spring", store=tmp_path / "ancestor")
        fork.snapshot(after, store=tmp_path / "fork")
        with assert_refused(ConflictError, "is a fork", registry=small.id, store=fork.id):
            fork.snapshot(taken.file, as_of="spring", store=forked.store)
        assert not taken.file.exists()
        expected = {before: small.id, after: fork.id}
    assert len({*expected.values()}) == 2
    for file, store in ((before, "ancestor"), (after, "fork")):
        with RegistryLocation(f"sqlite:///{file}", tmp_path / store).open() as snapshot:
            assert snapshot.id == expected[file]
            assert (snapshot.verify().problems, list(_find_broken_seals(snapshot))) == ((), [])

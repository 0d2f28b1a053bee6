from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import damaged_files
from registry.errors import (
    ConflictError,
    CorruptionError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from registry.parallel import Advance, map_in_threads
from registry.records import Problem
from registry.store import ContentStore
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import repeat_first

pytestmark = pytest.mark.small_panels

BEGIN = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("arrays")
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        write_panel_folder(base / panel, seed)
    return base


@pytest.fixture
def filled(location: RegistryLocation, arrays: Path) -> RegistryLocation:
    """A registry of two panels: revisions 1 to 4, versions 1 (gain) to 4 (offset)."""
    with location.open() as registry:
        for panel in (PANEL_A, PANEL_B):
            registry.panels.add(panel)
            registry.versions.add(panel, arrays / panel, valid_from="beginning")
    return location


def objects(location: RegistryLocation) -> list[Path]:
    return sorted((location.store / "objects").glob("*/*.npy"))


def problems(location: RegistryLocation) -> tuple[Problem, ...]:
    with location.open() as registry:
        return registry.verify().problems


def execute(location: RegistryLocation, *statements: str) -> None:
    engine = location.engine()
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
    finally:
        engine.dispose()


def drop_trigger(location: RegistryLocation, table: str, event: str) -> None:
    on = "" if location.is_sqlite else f" ON {table}"
    execute(location, f"DROP TRIGGER {table}_{event}{on}")


@pytest.mark.slow
def test_an_input_file_leads_to_its_constants_and_to_every_version_withdrawn_ones_too(
    filled: RegistryLocation, arrays: Path
) -> None:
    with filled.open() as registry:
        registry.panels.add(NEW_A)
        registry.versions.add(NEW_A, arrays / PANEL_A, valid_from="20180101000000")
        registry.versions.withdraw(1, comment="measured warm")
        identified = registry.identify(arrays / PANEL_A / "g2_gain.npy")
        (constants,) = identified.inputs
        assert identified.exports == ()
        assert (constants.kind, constants.gain_range) == ("gain", 2)
        assert [(version.version, version.panel, version.withdrawn_in) for version in constants.versions] == [
            (1, PANEL_A, 7),
            (5, NEW_A, None),
        ]
        assert {version.constants for version in constants.versions} == {constants.constants}
        earlier = registry.identify(arrays / PANEL_A / "g2_gain.npy", as_of=4).inputs[0].versions
        assert [(version.version, version.withdrawn_in) for version in earlier] == [(1, None)]
        assert registry.identify(objects(filled)[0]).sha256 == objects(filled)[0].stem


@pytest.mark.slow
def test_an_output_and_its_provenance_lead_to_every_export_that_wrote_them(
    filled: RegistryLocation, tmp_path: Path
) -> None:
    with filled.open() as registry:
        for name in ("first", "second"):
            registry.export(PANEL_A, tmp_path / name, at=BEGIN)
        copy = tmp_path / "copy.npy"
        shutil.copy(tmp_path / "first" / "pixel_gain.npy", copy)
        identified = registry.identify(copy)
        assert identified.inputs == ()
        assert [(export.export, export.type, export.path) for export in identified.exports] == [
            (number, "pixel_gain", str(tmp_path / name / "pixel_gain.npy"))
            for number, name in ((1, "first"), (2, "second"))
        ]
        assert {
            (export.detector_id, str(export.instant), export.revision) for export in identified.exports
        } == {(PANEL_A, BEGIN, 4)}
        (document,) = registry.identify(tmp_path / "second" / "provenance.json").exports
        assert (document.export, document.type) == (2, "provenance")
        assert document.path == str(tmp_path / "second" / "provenance.json")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_an_unknown_file_is_not_found(filled: RegistryLocation, arrays: Path, tmp_path: Path) -> None:
    unknown = tmp_path / "unknown.npy"
    unknown.write_bytes((arrays / PANEL_A / "g0_gain.npy").read_bytes()[:-1])
    with filled.open() as registry:
        for path, as_of in ((unknown, None), (arrays / PANEL_B / "g0_gain.npy", 3)):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            with assert_refused(NotFoundError, sha256=sha256) as error:
                registry.identify(path, as_of=as_of)
            assert sha256 in error.value.message
        with assert_refused(NotFoundError, sha256=None) as error:
            registry.identify(tmp_path / "nowhere.npy")
        assert "nowhere.npy" in error.value.message
        with assert_refused(RequestError) as folder:
            registry.identify(tmp_path)
        assert str(tmp_path) in folder.value.message


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_registry_without_damage_is_verified_without_problems_and_notes(filled: RegistryLocation) -> None:
    with filled.open() as registry:
        registry.versions.gap(PANEL_A, valid_from="2019-01-01T00:00:00Z", comment="warm")
        verification = registry.verify()
    assert (verification.problems, verification.notes) == ((), ())
    assert verification.checked == 12 + 4


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_verification_reads_several_files_at_once_and_reports_its_progress(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps_done: dict[str, list[int]] = {}

    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        steps_done[description] = [total, 0]

        def advance(steps: int = 1) -> None:
            steps_done[description][1] += steps

        yield advance

    together = threading.Barrier(2, timeout=60)
    real = ContentStore.read

    def read(store: ContentStore, sha256: str, size: int) -> bytes:
        together.wait()  # for another that is read at this moment
        return real(store, sha256, size)

    monkeypatch.setattr(ContentStore, "read", read)
    monkeypatch.setattr(
        damaged_files, "map_in_threads", lambda check, files, _: map_in_threads(check, files, 2)
    )
    with filled.open() as registry:
        assert registry.verify(progress=progress).problems == ()
    assert steps_done["verifying files"] == [12, 12]
    assert steps_done["checking rows"][0] == steps_done["checking rows"][1] > 5
    assert steps_done["checking seals"][1] >= steps_done["checking seals"][0] > 5


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_every_damaged_object_is_found_named_and_left_as_it_is(filled: RegistryLocation) -> None:
    flipped, cut, longer, gone, one, other, folder, *sound = objects(filled)
    swapped = other.read_bytes(), one.read_bytes()
    content = flipped.read_bytes()
    damages: dict[Path, Callable[[Path], object]] = {
        flipped: lambda path: path.write_bytes(content[:200] + bytes([content[200] ^ 4]) + content[201:]),
        cut: lambda path: path.write_bytes(path.read_bytes()[:-1]),
        longer: lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        one: lambda path: path.write_bytes(swapped[0]),
        other: lambda path: path.write_bytes(swapped[1]),
    }
    for path, damage in damages.items():
        path.chmod(0o644)
        damage(path)
        path.chmod(0o444)  # mode bits prove nothing
    gone.unlink()
    folder.unlink()
    folder.mkdir()
    with filled.open() as registry:
        verification = registry.verify()
    assert verification.checked == 16
    assert {problem.path: problem.sha256 for problem in verification.problems} == {
        str(path): path.stem for path in (*damages, gone, folder)
    }
    sentences = {problem.path: problem.problem for problem in verification.problems}
    assert all(Path(path).stem in sentence for path, sentence in sentences.items())
    assert all("checksum" in sentences[str(path)] for path in damages)
    assert "missing" in sentences[str(gone)]
    assert not {"missing", "checksum"} & set(sentences[str(folder)].split())
    assert not any(str(path) in sentences for path in sound)
    assert not gone.exists()  # nothing is repaired
    assert one.read_bytes() == swapped[0]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_registering_the_files_again_repairs_a_damaged_object(filled: RegistryLocation, arrays: Path) -> None:
    damaged = objects(filled)[0]
    damaged.unlink()
    damaged.write_bytes(b"")
    assert len(problems(filled)) == 1
    with filled.open() as registry:
        for panel in (PANEL_A, PANEL_B):
            assert registry.versions.add(panel, arrays / panel, valid_from="beginning").revision is None
    assert problems(filled) == ()


@pytest.mark.slow
def test_verify_finds_a_manifest_that_was_changed_past_its_trigger(
    filled: RegistryLocation,
) -> None:
    tamper = (
        "UPDATE constants_file SET sha256 = (SELECT sha256 FROM constants_file WHERE constants_id = 3"
        " AND gain_range = 0) WHERE constants_id = 1 AND gain_range = 0"
    )
    with pytest.raises(sa.exc.DBAPIError):
        execute(filled, tamper)
    assert problems(filled) == ()
    with filled.open() as registry:
        sha256 = registry.versions.show(1)[0].constants
    drop_trigger(filled, "constants_file", "update")
    execute(filled, tamper)
    trigger, sealed, manifest = problems(filled)
    assert "constants_file_update" in trigger.problem
    assert (sealed.revision, "constants_file" in sealed.problem) == (2, True)
    assert (manifest.sha256, manifest.path) == (sha256, f"constants {sha256}")
    assert "manifest" in manifest.problem


@pytest.mark.slow
@pytest.mark.parametrize("edited", repeat_first([0, 1_514_764_800_000_000]))
def test_a_latest_start_that_was_edited_is_found(filled: RegistryLocation, edited: int) -> None:
    drop_trigger(filled, "version", "update")
    execute(filled, f"UPDATE version SET latest_start = {edited} WHERE id = 2")
    trigger, wrong = [problem.problem for problem in problems(filled)]
    assert "version_update" in trigger
    assert wrong.startswith("version 2: latest_start ")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_file_taken_out_of_a_manifest_is_found(filled: RegistryLocation) -> None:
    drop_trigger(filled, "constants_file", "delete")
    execute(filled, "DELETE FROM constants_file WHERE constants_id = 2")
    trigger, sealed, manifest = [problem.problem for problem in problems(filled)]
    assert "constants_file_delete" in trigger
    assert "constants_file (3 of 6 rows)" in sealed
    assert "manifest" in manifest


@pytest.mark.slow
def test_a_missing_guard_is_reported_with_the_database_and_not_its_password(filled: RegistryLocation) -> None:
    drop_trigger(filled, "version", "delete")
    (problem,) = problems(filled)
    assert "version_delete" in problem.problem
    assert problem.sha256 is None
    assert problem.path.startswith("sqlite:///" if filled.is_sqlite else "postgresql://")


@pytest.mark.slow
def test_a_disabled_guard_of_postgresql_is_as_bad_as_a_missing_one(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for location in make_location(request, tmp_path, "postgresql"):
        # ENABLE fires in a session, but not where a replica applies changes.
        for state in ("DISABLE", "ENABLE", "ENABLE REPLICA"):
            execute(location, f"ALTER TABLE version {state} TRIGGER version_update")
            (problem,) = problems(location)
            assert "version_update" in problem.problem
        execute(location, "ALTER TABLE version ENABLE ALWAYS TRIGGER version_update")
        assert problems(location) == ()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_an_unreferenced_file_is_a_note_and_not_a_problem(filled: RegistryLocation) -> None:
    first = objects(filled)[0]
    strays = [first.with_name("0" * 64 + ".npy"), first.with_name(".arriving-abc")]
    for stray in strays:
        stray.write_bytes(b"left by a crash")
    with filled.open() as registry:
        verification = registry.verify()
    assert verification.problems == ()
    (note,) = verification.notes
    assert note.startswith("2 files ")
    assert all(stray.exists() for stray in strays)


@pytest.mark.slow
def test_a_store_whose_marker_is_damaged_missing_or_anothers_is_refused(
    sqlite_location: RegistryLocation,
) -> None:
    marker = sqlite_location.store / "registry.json"
    content = marker.read_text()
    for damaged in ("", "{", "[]", '{"registry": 7}', "[" * 10_000):
        marker.write_text(damaged)
        with assert_refused(CorruptionError, path=str(marker)):
            sqlite_location.open()
        assert marker.read_text() == damaged
    marker.write_text('{"registry": "another", "format": 1}')
    with assert_refused(ConflictError, store="another", database=json.loads(content)["registry"]):
        sqlite_location.open()
    marker.unlink()
    with assert_refused(UnavailableError) as missing:
        sqlite_location.open()
    assert str(sqlite_location.store) in missing.value.message
    marker.write_text(content)
    with sqlite_location.open() as registry:
        assert registry.verify().problems == ()

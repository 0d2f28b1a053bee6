"""Versions: stated once, refused where they contradict, superseded, interrupted and withdrawn; never edited."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import (
    ArrayError,
    ConflictError,
    InstantError,
    NotFoundError,
    NotValidError,
    Remedy,
    RequestError,
)
from registry.instants import BEGINNING, parse_instant
from registry.records import Outcome, StoredFile, Version
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_versions
from registry.store import ContentStore
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

T1, T2, T3 = "2018-01-01T00:00:00Z", "2018-02-01T00:00:00Z", "2018-03-01T00:00:00Z"
GAIN = ["gain"]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the six files of gain and offset."""
    return write_panel_folder(tmp_path_factory.mktemp("arrays") / "one", seed=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six other files."""
    return write_panel_folder(tmp_path_factory.mktemp("arrays") / "other", seed=2)


def state_of(registry: Registry, location: RegistryLocation) -> tuple[object, ...]:
    """Return everything that a refusal, or a dry run, must leave as it was."""
    return registry.versions.list(withdrawn=True), registry.panels.list(), registry.log(), objects(location)


def objects(location: RegistryLocation) -> dict[str, Path]:
    """Return the files of the store by checksum, whatever else lies there too."""
    return {path.stem: path for path in (location.store / "objects").rglob("*") if path.is_file()}


def briefly(versions: tuple[Version, ...]) -> list[tuple[int, str, str, str]]:
    return [(version.version, version.panel, version.kind, str(version.valid_from)) for version in versions]


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_six_files_become_two_versions_in_one_revision(
    registry: Registry, location: RegistryLocation, one: Path
) -> None:
    registry.panels.add(PANEL_A)
    outcome = registry.versions.add(PANEL_A, one, valid_from=T1, comment="flat field of May")
    assert outcome.revision == 2
    assert briefly(outcome.versions) == [(1, PANEL_A, "gain", T1), (2, PANEL_A, "offset", T1)]
    assert outcome.facts == (
        f"+ version 1: gain of {PANEL_A} from {T1}",
        f"+ version 2: offset of {PANEL_A} from {T1}",
    )
    assert (outcome.warnings, outcome.notes, outcome.unchanged) == ((), (), ())

    version, files = registry.versions.show(1)
    assert version == outcome.versions[0]
    assert (version.comment, version.source_path) == ("flat field of May", str(one))
    assert (version.recorded_in, version.withdrawn_in, version.nonfinite_allowed) == (2, None, False)
    arrays = [np.load(one / f"g{gain_range}_gain.npy") for gain_range in range(3)]
    assert [(file.gain_range, file.sha256) for file in files] == [
        (gain_range, checksum(one / f"g{gain_range}_gain.npy")) for gain_range in range(3)
    ]
    for file, array in zip(files, arrays, strict=True):
        seen = file.statistics
        assert (seen.minimum, seen.median, seen.maximum) == (
            array.min(),
            np.median(array.astype(np.float64)),
            array.max(),
        )
        assert (seen.zeros, seen.nonfinite) == (0, 0)
        assert file.size == (one / "g0_gain.npy").stat().st_size

    stored = objects(location)
    assert stored.keys() == {checksum(path) for path in one.iterdir()}
    for path in one.iterdir():
        kept = stored[checksum(path)]
        assert kept == location.store / "objects" / checksum(path)[:2] / f"{checksum(path)}.npy"
        assert kept.read_bytes() == path.read_bytes()
        assert stat.S_IMODE(kept.stat().st_mode) & 0o222 == 0

    again = registry.versions.add(PANEL_A, one, valid_from=T1)
    assert (again.revision, again.versions, briefly(again.unchanged)) == (None, (), briefly(outcome.versions))
    later = registry.versions.add(PANEL_A, one, valid_from=T2)
    assert later.revision == 3, "the same constants may begin again"
    assert later.versions[0].constants == version.constants
    assert objects(location).keys() == stored.keys()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_an_m_number_stands_for_every_panel_id_under_it(registry: Registry, one: Path, other: Path) -> None:
    for panel, alias in ((PANEL_A, "M068"), (NEW_A, "M068"), (PANEL_B, "M088")):
        registry.panels.add(panel, alias=alias)
    outcome = registry.versions.add("M068", one, valid_from=T1, kinds=GAIN)
    assert (outcome.revision, briefly(outcome.versions)) == (
        4,
        [(1, PANEL_A, "gain", T1), (2, NEW_A, "gain", T1)],
    )
    assert registry.versions.list(PANEL_B) == []

    # One of the two has something else at the next start: none of them gets anything.
    registry.versions.add(NEW_A, other, valid_from=T2, kinds=GAIN)
    with assert_refused(ConflictError, NEW_A, T2, 3, remedy=Remedy.SUPERSEDE):
        registry.versions.add("M068", one, valid_from=T2, kinds=GAIN)
    assert len(registry.versions.list(PANEL_A)) == 1
    partly = registry.versions.add("M068", other, valid_from=T2, kinds=GAIN)
    assert (briefly(partly.versions), briefly(partly.unchanged)) == (
        [(4, PANEL_A, "gain", T2)],
        [(3, NEW_A, "gain", T2)],
    )
    with assert_refused(RequestError):
        registry.versions.add(f"{PANEL_A}_{PANEL_B}", one, valid_from=T3)
    assert len(registry.log()) == 6


def test_a_version_is_for_panels_that_are_known(
    registry: Registry, location: RegistryLocation, one: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    before = state_of(registry, location)
    with assert_refused(NotFoundError, PANEL_B, PANEL_A):
        registry.versions.add(PANEL_B, one, valid_from=T1)
    with assert_refused(NotFoundError, "M067", "M068"):
        registry.versions.add("M067", one, valid_from=T1)
    with assert_refused(NotFoundError, path=str(one / "nowhere")):
        registry.versions.add(PANEL_A, one / "nowhere", valid_from=T1)
    with assert_refused(ArrayError, path=str(one / "g0_gain.npy")):
        registry.versions.add(PANEL_A, one / "g0_gain.npy", valid_from=T1)
    with assert_refused(InstantError, "tomorrow"):
        registry.versions.add(PANEL_A, one, valid_from="tomorrow")
    with assert_refused(RequestError, "'dark'", "gain, offset"):
        registry.versions.add(PANEL_A, one, valid_from=T1, kinds=["dark"])
    assert state_of(registry, location) == before


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_all_kinds_land_or_none(registry: Registry, location: RegistryLocation, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    before = state_of(registry, location)
    folder = write_panel_folder(tmp_path / "folder", seed=3, kinds=("gain", "offset", "pedestals"))
    (folder / "g2_offset.npy").unlink()
    (folder / "g1_pedestals.npy").unlink()
    (folder / "notes.txt").write_text("taken on a Monday")
    with assert_refused(ArrayError, str(folder), "g2_offset.npy", "g1_pedestals.npy", problems=2):
        registry.versions.add(PANEL_A, folder, valid_from=T1)
    with assert_refused(ArrayError, "g0_rms.npy, g1_rms.npy, g2_rms.npy"):
        registry.versions.add(PANEL_A, folder, valid_from=T1, kinds=["gain", "rms"])
    assert state_of(registry, location) == before

    named = registry.versions.add(PANEL_A, folder, valid_from=T1, kinds=["gain", "gain"])
    assert briefly(named.versions) == [(1, PANEL_A, "gain", T1)]
    left_out = (f"{folder}/notes.txt is not an array of a known kind; it is left out",)
    assert named.notes == left_out
    np.save(folder / "g2_offset.npy", make_panel_array("offset", 2, 3))
    np.save(folder / "g1_pedestals.npy", make_panel_array("pedestals", 1, 3))
    outcome = registry.versions.add(PANEL_A, folder, valid_from=T1)
    assert [version.kind for version in outcome.versions] == ["offset", "pedestals"]
    assert briefly(outcome.unchanged) == [(1, PANEL_A, "gain", T1)]
    assert outcome.notes == left_out


def test_arrays_that_are_refused_leave_nothing_in_the_registry_or_the_store(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    before = state_of(registry, location)
    folder = write_panel_folder(tmp_path / "folder", seed=4)
    np.save(folder / "g0_gain.npy", make_panel_array("gain", 0).astype(np.float64))
    np.save(folder / "g1_gain.npy", make_panel_array("gain", 1).reshape(1024, 512))
    np.save(folder / "g2_gain.npy", np.zeros((512, 1024), np.float32))
    content = (folder / "g0_offset.npy").read_bytes()
    (folder / "g0_offset.npy").write_bytes(content[:-1])
    odd = make_panel_array("offset", 1)
    odd[0, :2] = np.nan, np.inf
    np.save(folder / "g1_offset.npy", odd)
    np.save(folder / "g2_offset.npy", np.array([{}], dtype=object), allow_pickle=True)
    for dry_run in (False, True):
        with assert_refused(ArrayError, problems=6) as caught:
            registry.versions.add(PANEL_A, folder, valid_from=T1, dry_run=dry_run)
        for detail, (name, *named) in zip(
            caught.value.details,
            (
                ("g0_gain.npy", "<f8", "<f4", "python -c "),
                ("g1_gain.npy", "(1024, 512)", "(512, 1024)"),
                ("g2_gain.npy", "zeros"),
                ("g0_offset.npy", "cut short"),
                ("g1_offset.npy", "2 values"),
                ("g2_offset.npy", "pickled objects"),
            ),
            strict=True,
        ):
            assert all(text in detail for text in (str(folder / name), *named))
    assert state_of(registry, location) == before


@pytest.mark.sqlite_suffices
def test_unusual_values_are_taken_with_a_warning_and_kept_as_they_are(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "folder", seed=5)
    dead = make_panel_array("gain", 0, 5)
    dead[7, :3] = 0
    np.save(folder / "g0_gain.npy", dead)
    np.save(folder / "g1_gain.npy", 8 * make_panel_array("gain", 1, 5))
    np.save(folder / "g2_gain.npy", np.full((512, 1024), -0.1, np.float32))
    infinite = make_panel_array("offset", 0, 5)
    infinite[0, 0] = np.inf
    np.save(folder / "g0_offset.npy", infinite)
    outcome = registry.versions.add(PANEL_A, folder, valid_from=T1, allow_nonfinite=True)
    assert len(outcome.warnings) == 4
    for file, sentence in (
        ("", "3, 0, 0 pixels (by gain range) have gain 0 (dead?); kept as they are"),
        ("g1_gain.npy", "the median -11.12 ADU/keV is outside -4.2 to -0.46"),
        ("g2_gain.npy", "every pixel has the same value -0.1 ADU/keV (a placeholder?)"),
        ("g0_offset.npy", "1 value is NaN or infinite, as allowed; it is kept as it is"),
    ):
        assert any(str(folder / file) in warning and sentence in warning for warning in outcome.warnings), (
            sentence
        )
    (gain, files), (offset, others) = registry.versions.show(1), registry.versions.show(2)
    assert files[0].statistics.zeros == 3
    assert others[0].statistics.nonfinite == 1
    assert (gain.nonfinite_allowed, offset.nonfinite_allowed) == (True, True)
    assert (gain.odd_allowed, offset.odd_allowed) == (False, False)
    assert objects(location).keys() == {checksum(path) for path in folder.iterdir()}


@pytest.mark.slow
def test_the_same_start_with_other_content_is_a_conflict(
    registry: Registry, location: RegistryLocation, one: Path, other: Path
) -> None:
    registry.panels.add(PANEL_A)
    first = registry.versions.add(PANEL_A, one, valid_from=T1)
    before = state_of(registry, location)
    with assert_refused(ConflictError, problems=2, remedy=Remedy.SUPERSEDE) as caught:
        registry.versions.add(PANEL_A, other, valid_from=T1)
    for detail, number, kind in zip(caught.value.details, (1, 2), ("gain", "offset"), strict=True):
        assert all(name in detail for name in (kind, PANEL_A, T1, f"version {number}"))
    for comment in (None, "", "  "):
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.versions.add(PANEL_A, other, valid_from=T1, supersede=True, comment=comment)
    assert state_of(registry, location) == before, "and no file of the refused ones is in the store"

    dry = registry.versions.add(PANEL_A, other, valid_from=T1, supersede=True, comment="wrong", dry_run=True)
    assert state_of(registry, location) == before
    real = registry.versions.add(PANEL_A, other, valid_from=T1, supersede=True, comment="wrong")
    assert (dry.facts, dry.notes, dry.warnings) == (real.facts, real.notes, real.warnings)
    assert (dry.revision, real.revision) == (None, 3)
    assert real.facts == (
        f"- version 1: gain of {PANEL_A} from {T1}",
        f"- version 2: offset of {PANEL_A} from {T1}",
        f"+ version 3: gain of {PANEL_A} from {T1}",
        f"+ version 4: offset of {PANEL_A} from {T1}",
    )
    assert [version.version for version in real.withdrawn] == [1, 2]
    assert {version.withdrawn_in for version in real.withdrawn} == {3}
    assert real.notes == (
        f"from {T1} on, the valid one is version 3: gain of {PANEL_A} from {T1}",
        f"from {T1} on, the valid one is version 4: offset of {PANEL_A} from {T1}",
    )
    assert [version.constants for version in registry.versions.list(PANEL_A, as_of=2)] == [
        version.constants for version in first.versions
    ]
    assert [version.version for version in registry.versions.list(PANEL_A)] == [3, 4]

    # What was withdrawn never comes back by itself.
    with assert_refused(ConflictError, 3, problems=2):
        registry.versions.add(PANEL_A, one, valid_from=T1)
    back = registry.versions.add(PANEL_A, one, valid_from=T1, supersede=True, comment="right after all")
    assert [(version.version, version.constants) for version in back.versions] == [
        (5, first.versions[0].constants),
        (6, first.versions[1].constants),
    ]
    assert [version.version for version in back.withdrawn] == [3, 4]
    again = registry.versions.add(PANEL_A, one, valid_from=T1, supersede=True, comment="once more")
    assert (again.revision, [version.version for version in again.unchanged]) == (None, [5, 6])


def test_withdrawn_content_comes_back_only_by_supersession(registry: Registry, one: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.withdraw(1, comment="noisy")
    names = ("gain", PANEL_A, T1, "version 1", "revision 3")
    with assert_refused(ConflictError, *names, problems=1, remedy=Remedy.SUPERSEDE):
        registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    assert registry.versions.add(PANEL_A, one, valid_from=T2, kinds=GAIN).revision == 4
    back = registry.versions.add(
        PANEL_A, one, valid_from=T1, kinds=GAIN, supersede=True, comment="it was the cable"
    )
    assert (briefly(back.versions), back.withdrawn) == ([(3, PANEL_A, "gain", T1)], ())
    assert [version.withdrawn_in for version in registry.versions.list(withdrawn=True)] == [3, None, None]


@pytest.mark.slow
def test_a_gap_ends_every_live_kind_or_those_that_are_named(registry: Registry, tmp_path: Path) -> None:
    for panel, alias in ((PANEL_A, "M068"), (NEW_A, "M068"), (PANEL_B, "M088")):
        registry.panels.add(panel, alias=alias)
    folder = write_panel_folder(tmp_path / "three", kinds=("gain", "offset", "pedestals"))
    registry.versions.add(PANEL_A, folder, valid_from=T1)
    registry.versions.add(NEW_A, folder, valid_from=T1, kinds=GAIN)
    revisions = len(registry.log())
    for comment in ("", " \t"):
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.versions.gap(PANEL_A, valid_from=T2, comment=comment)
    with assert_refused(NotValidError, PANEL_B, problems=1):
        registry.versions.gap(PANEL_B, valid_from=T2, comment="in repair")
    with assert_refused(RequestError, "'dark'", "gain"):
        registry.versions.gap(PANEL_A, valid_from=T2, kinds=["gain", "dark"], comment="in repair")
    with assert_refused(NotFoundError, PANEL_C, NEW_A):
        registry.versions.gap(PANEL_C, valid_from=T2, comment="in repair")
    with assert_refused(ConflictError, "gain", PANEL_A, T1, problems=3):
        registry.versions.gap(PANEL_A, valid_from=T1, comment="in repair")
    with assert_refused(RequestError):
        registry.versions.gap(f"{PANEL_A}_{PANEL_B}", valid_from=T2, comment="in repair")
    assert len(registry.log()) == revisions

    dry = registry.versions.gap("M068", valid_from=T2, comment="in repair", dry_run=True)
    assert len(registry.log()) == revisions
    real = registry.versions.gap("M068", valid_from=T2, comment="in repair")
    assert (dry.facts, dry.notes) == (real.facts, real.notes)
    assert [(version.panel, version.kind) for version in real.versions] == [
        (PANEL_A, "gain"),
        (PANEL_A, "offset"),
        (PANEL_A, "pedestals"),
        (NEW_A, "gain"),
    ]
    assert all(version.is_gap and version.comment == "in repair" for version in real.versions)
    assert real.notes[0] == f"from {T2} on, no gain of {PANEL_A} is valid: version 5 is a gap"
    assert registry.versions.show(5) == (real.versions[0], ())

    same = registry.versions.gap("M068", valid_from=T2, comment="still in repair")
    assert (same.revision, len(same.unchanged)) == (None, 4)
    over = registry.versions.gap(NEW_A, valid_from=T3, comment="and lost")
    assert briefly(over.versions) == [(9, NEW_A, "gain", T3)], "a gap may follow a gap"
    named = registry.versions.gap(PANEL_B, valid_from=T2, kinds=["gain", "gain"], comment="never came")
    assert briefly(named.versions) == [(10, PANEL_B, "gain", T2)], "even where nothing is live"
    with assert_refused(NotValidError, PANEL_B):
        registry.versions.gap(PANEL_B, valid_from=T3, comment="a gap is nothing that could end")
    at_its_start = registry.versions.gap(
        PANEL_A, valid_from=T1, kinds=["offset"], supersede=True, comment="not to be used at all"
    )
    assert [version.version for version in at_its_start.withdrawn] == [2]
    assert at_its_start.notes == (
        f"from {T1} on, no offset of {PANEL_A} is valid until {T2}: version 11 is a gap",
    )


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_withdrawal_notes_what_is_valid_now(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from="beginning", kinds=GAIN)
    registry.versions.add(PANEL_A, other, valid_from=T1, kinds=GAIN)
    registry.versions.gap(PANEL_A, valid_from=T2, comment="in repair")
    registry.versions.add(PANEL_A, one, valid_from=T3, kinds=GAIN)
    withdrawn = []
    for number, note in (
        (4, f"from {T3} on, no gain of {PANEL_A} is valid: version 3 is a gap"),
        (3, f"from {T2} on, the valid one is version 2: gain of {PANEL_A} from {T1}"),
        (1, f"from beginning on, no gain of {PANEL_A} is valid until {T1}: nothing starts before"),
        (2, f"from {T1} on, no gain of {PANEL_A} is valid: nothing starts before"),
    ):
        before = registry.versions.list(withdrawn=True)
        dry = registry.versions.withdraw(number, comment="wrong", dry_run=True)
        assert registry.versions.list(withdrawn=True) == before
        real = registry.versions.withdraw(number, comment="wrong")
        assert dry.notes == real.notes == (note,)
        assert dry.facts == real.facts
        assert [version.version for version in real.withdrawn] == [number]
        withdrawn.append(real.revision)
    assert withdrawn == [6, 7, 8, 9]
    assert [
        (version.version, version.withdrawn_in) for version in registry.versions.list(withdrawn=True)
    ] == [
        (1, 8),
        (2, 9),
        (3, 7),
        (4, 6),
    ]


@pytest.mark.slow
def test_a_withdrawal_names_the_end_of_what_is_valid_now(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    for folder, start in ((one, "beginning"), (other, T1), (one, T2)):
        registry.versions.add(PANEL_A, folder, valid_from=start, kinds=GAIN)
    outcome = registry.versions.withdraw(2, comment="wrong")
    assert outcome.notes == (
        f"from {T1} on until {T2}, the valid one is version 1: gain of {PANEL_A} from beginning",
    )
    listed = registry.versions.list(PANEL_A, withdrawn=True)
    assert [version.valid_to and str(version.valid_to) for version in listed] == [T2, None, None], (
        "what was withdrawn neither ends at anything nor ends anything"
    )


@pytest.mark.slow
def test_an_unknown_or_withdrawn_version_cannot_be_withdrawn(registry: Registry, one: Path) -> None:
    with assert_refused(NotFoundError, 1):
        registry.versions.withdraw(1, comment="wrong")
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1)
    registry.versions.withdraw(2, comment="wrong")
    revisions = len(registry.log())
    with assert_refused(ConflictError, version=2, withdrawn_in=3):
        registry.versions.withdraw(2, comment="again")
    for number in (0, -1, 3, 2**31, 2**63, 10**40):
        with assert_refused(NotFoundError, number, "1 to 2"):
            registry.versions.withdraw(number, comment="wrong")
        with assert_refused(NotFoundError, number, "1 to 2"):
            registry.versions.show(number)
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        registry.versions.withdraw(1, comment="")
    with assert_refused(NotFoundError, 1):
        registry.versions.show(1, as_of=1)
    assert registry.versions.show(2, as_of=2)[0].withdrawn_in is None
    assert registry.versions.show(2)[0].withdrawn_in == 3
    assert len(registry.log()) == revisions


@pytest.mark.sqlite_suffices
def test_a_batch_that_contradicts_itself_is_refused(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    first = registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN).versions[0].constants
    second = registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN).versions[0].constants
    start = parse_instant(T3)

    def record(*statements: VersionStatement, supersede: bool = False) -> Outcome:
        return registry._backend.record_revision(
            lambda change: record_versions(change, statements, supersede=supersede), "in one batch"
        )

    good = VersionStatement(PANEL_B, "gain", BEGINNING, first)
    for contents in ((first, second), (None, second), (first, None)):
        pair = [VersionStatement(PANEL_A, "gain", start, content) for content in contents]
        for supersede in (False, True):
            with assert_refused(ConflictError, "gain", PANEL_A, T3, problems=1):
                record(good, *pair, supersede=supersede)
    assert registry.versions.list(PANEL_B) == []
    assert len(registry.log()) == 4
    twice = record(good, good, VersionStatement(PANEL_B, "gain", BEGINNING, first, comment="the same again"))
    assert briefly(twice.versions) == [(3, PANEL_B, "gain", "beginning")]


@pytest.mark.sqlite_suffices
def test_a_dry_run_of_new_constants_stores_no_file_and_shows_what_would_change(
    registry: Registry, location: RegistryLocation, one: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    before = state_of(registry, location)
    dry = registry.versions.add("M068", one, valid_from=T1, dry_run=True)
    assert state_of(registry, location) == before
    real = registry.versions.add("M068", one, valid_from=T1)
    assert (dry.dry_run, dry.revision) == (True, None)
    assert (dry.facts, dry.versions, dry.notes) == (real.facts, real.versions, real.notes)
    assert registry.versions.add("M068", one, valid_from=T1, dry_run=True).unchanged == real.versions


def test_the_files_of_a_version_are_those_of_its_constants(
    registry: Registry, one: Path, other: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN)

    def names(files: tuple[StoredFile, ...]) -> list[str]:
        return [file.sha256 for file in files]

    for number, folder in ((1, one), (2, other)):
        expected = [checksum(folder / f"g{gain_range}_gain.npy") for gain_range in range(3)]
        assert names(registry.versions.show(number)[1]) == expected


@pytest.mark.sqlite_suffices
def test_a_gap_of_a_module_ends_what_is_live_and_names_the_panels_without(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
    registry.panels.add(NEW_A, alias="M068")
    outcome = registry.versions.gap("M068", valid_from="20180101000000", comment="water")
    assert {version.panel for version in outcome.versions} == {PANEL_A}
    assert f"no version of any kind is live for {NEW_A}: nothing to end" in outcome.notes


def test_files_that_are_checked_side_by_side_are_refused_in_the_order_of_their_names(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "folder", kinds=("gain", "offset", "rms"))
    for name in ("g2_gain.npy", "g0_gain.npy", "g1_rms.npy"):
        (folder / name).write_bytes(b"damaged")
    (folder / "g1_offset.npy").unlink()
    with assert_refused(ArrayError, problems=4) as caught:
        registry.versions.add(PANEL_A, folder, valid_from=T1)
    named = [name for detail in caught.value.details for name in re.findall(r"g\d_[a-z]+\.npy", detail)]
    assert named == ["g0_gain.npy", "g2_gain.npy", "g1_offset.npy", "g1_rms.npy"]


@pytest.mark.slow
def test_a_file_that_changes_before_it_is_stored_is_refused_and_no_version_is_recorded(
    registry: Registry, location: RegistryLocation, one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.panels.add(PANEL_A)
    before = registry.log()
    put = ContentStore.add_object

    def put_late(store: ContentStore, source: Path, *digests: str) -> bool:
        if source.name == "g1_offset.npy":
            source = write_panel_folder(one.parent / "changed", seed=99) / source.name
        return put(store, source, *digests)

    monkeypatch.setattr(ContentStore, "add_object", put_late)
    with assert_refused(RequestError, "g1_offset.npy"):
        registry.versions.add(PANEL_A, one, valid_from=T1)
    assert registry.log() == before
    assert registry.versions.list() == []
    assert not [path for path in (location.store / "objects").rglob("*") if path.name.startswith(".")]


@pytest.mark.slow
def test_several_versions_are_withdrawn_in_one_revision_or_none(
    registry: Registry, one: Path, tmp_path: Path
) -> None:
    two = write_panel_folder(tmp_path / "two", 9)
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    for panel, folder in ((PANEL_B, one), (PANEL_A, two)):
        registry.versions.add(panel, folder, valid_from=T1)
    before = registry.versions.list()
    with assert_refused(NotFoundError, 5):
        registry.versions.withdraw(1, 5, comment="the wrong folder")
    registry.versions.withdraw(4, comment="no offset")
    with assert_refused(ConflictError, version=4, withdrawn_in=5):
        registry.versions.withdraw(1, 4, comment="the wrong folder")
    assert len(registry.versions.list()) == len(before) - 1
    real = registry.versions.withdraw(1, 3, 2, 3, comment="the wrong folder")
    assert (real.revision, [version.version for version in real.withdrawn]) == (6, [1, 2, 3])
    assert [note.split(", ")[1] for note in real.notes] == [
        f"no gain of {PANEL_A} is valid: nothing starts before",
        f"no gain of {PANEL_B} is valid: nothing starts before",
        f"no offset of {PANEL_B} is valid: nothing starts before",
    ]
    assert registry.versions.list() == []


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_folder_that_is_named_for_another_module_is_taken_with_a_warning(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    folder = write_panel_folder(tmp_path / "M044", kinds=GAIN)
    (tmp_path / "latest").symlink_to("M044")
    expected = f"is named for M044, {PANEL_A} bears M068: the maps of another module?"
    for start, path in ((T1, folder), (T2, tmp_path / "latest")):
        warnings = registry.versions.add("M068", path, valid_from=start, kinds=GAIN).warnings
        assert [warning for warning in warnings if "another module" in warning] == [
            f"{str(path)!r} {expected}"
        ]
    other = write_panel_folder(tmp_path / "other" / "M044", 1, GAIN)
    assert registry.versions.add(PANEL_B, other, valid_from=T1, kinds=GAIN).warnings == ()

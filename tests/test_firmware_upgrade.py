"""A firmware upgrade: the new panel Id has what holds for the old one at an instant, and what starts later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.database.change import Change
from registry.errors import (
    ConflictError,
    IdentifierError,
    InstantError,
    NotFoundError,
    NotValidError,
    RegistryError,
    Remedy,
    RequestError,
)
from registry.instants import BEGINNING, parse_instant
from registry.records import CheckedConstants, CheckedFile, Statistics
from registry.registration.planning import VersionStatement
from registry.registration.versions import build_constants, record_constants, record_versions
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

FIRST, SECOND, UPGRADE, LATER = (
    "2017-01-01T00:00:00Z",
    "2017-10-01T00:00:00Z",
    "2018-01-01T00:00:00Z",
    "2018-06-01T00:00:00Z",
)


def some_constants(kind: str, content: str) -> CheckedConstants:
    """Return constants that no file stands behind: what is carried is not read."""
    seen = Statistics(1.0, 1.0, 1.0, zeros=0, nonfinite=0)
    sums = [hashlib.sha256(f"{kind} {content} {number}".encode()).hexdigest() for number in range(3)]
    files = [CheckedFile(Path("none"), sha256, 1, "<f4", (512, 1024), seen) for sha256 in sums]
    return build_constants("jungfrau", kind, files, ())


def record(
    registry: Registry,
    panel: str,
    content: str,
    valid_from: str,
    kinds: Sequence[str] = ("gain", "offset"),
    *,
    nonfinite_allowed: bool = False,
) -> None:
    constants = [some_constants(kind, content) for kind in kinds]
    statements = [
        VersionStatement(
            panel,
            item.kind,
            parse_instant(valid_from),
            item.sha256,
            source_path="/somewhere",
            comment="of the old panel",
            nonfinite_allowed=nonfinite_allowed,
        )
        for item in constants
    ]

    def act(change: Change) -> None:
        record_constants(change, constants)
        record_versions(change, statements, supersede=False)

    registry._backend.record_revision(act)


@pytest.fixture
def known(registry: Registry) -> Registry:
    """The old panel: versions 1 to 7, of which 3, 4 and 5 hold at the upgrade."""
    registry.panels.add(PANEL_A, alias="M068")
    record(registry, PANEL_A, "one", FIRST)
    record(registry, PANEL_A, "two", SECOND)
    record(registry, PANEL_A, "dark", UPGRADE, ["pedestals"], nonfinite_allowed=True)
    record(registry, PANEL_A, "three", LATER)
    return registry


def carry(registry: Registry, **options: Any) -> Any:
    return registry.panels.add(NEW_A, carry_from=PANEL_A, valid_from=UPGRADE, **options)


def refuse_unchanged(
    registry: Registry,
    error_class: type[RegistryError],
    call: Callable[[], object],
    *names: object,
    **values: Any,
) -> str:
    """Return the refusal's sentence; nothing must have been recorded: no panel, alias or version."""
    before = registry.log(), registry.panels.list(), registry.versions.list(withdrawn=True)
    with assert_refused(error_class, *names, **values) as caught:
        call()
    assert (registry.log(), registry.panels.list(), registry.versions.list(withdrawn=True)) == before
    return str(caught.value)


def test_the_new_panel_gets_what_is_valid_for_the_old_one_then_and_what_starts_later(known: Registry) -> None:
    before = known.log()[0].revision
    done = carry(known, alias="M068", comment="firmware of January")
    assert done.revision == before + 1, "panel, alias and constants are one revision"
    old = {version.version: version for version in known.versions.list(PANEL_A)}
    new = known.versions.list(NEW_A)
    assert list(done.versions) == sorted(new, key=lambda version: version.version)
    assert [(version.kind, version.carried_from) for version in new] == [
        ("gain", 3),
        ("gain", 6),
        ("offset", 4),
        ("offset", 7),
        ("pedestals", 5),
    ]
    for version in new:
        origin = old[version.carried_from or 0]
        assert (version.kind, version.constants) == (origin.kind, origin.constants)
        assert version.nonfinite_allowed == origin.nonfinite_allowed == (version.kind == "pedestals")
        start = parse_instant(UPGRADE) if origin.version in {3, 4, 5} else origin.valid_from
        assert (version.valid_from, version.valid_to) == (start, origin.valid_to)
        assert (version.panel, version.alias, version.recorded_in) == (NEW_A, "M068", done.revision)
        assert (version.comment, version.source_path) == ("firmware of January", None)
    # The old panel keeps what it has, its later versions too.
    assert known.versions.list(PANEL_A, as_of=before) == list(old.values())
    # The files are the same ones.
    assert known.versions.show(new[0].version)[1] == known.versions.show(3)[1]


def test_the_instant_of_the_upgrade_decides_to_the_microsecond(known: Registry) -> None:
    new = {
        "1-1-3d00b0": ("2017-09-30T23:59:59.999999Z", {1, 2}, {3, 4, 5, 6, 7}),
        "2-1-3d00b0": (SECOND, {3, 4}, {5, 6, 7}),
        "3-1-3d00b0": ("2017-12-31T23:59:59.999999Z", {3, 4}, {5, 6, 7}),
        "4-1-3d00b0": (UPGRADE, {3, 4, 5}, {6, 7}),
        "5-1-3d00b0": (LATER, {5, 6, 7}, set()),
    }
    starts = {version.version: version.valid_from for version in known.versions.list(PANEL_A)}
    for panel, (instant, origins, later) in new.items():
        done = known.panels.add(panel, carry_from=PANEL_A, valid_from=instant)
        expected = dict.fromkeys(origins, parse_instant(instant)) | {
            number: starts[number] for number in later
        }
        assert {version.carried_from: version.valid_from for version in done.versions} == expected, instant


def test_carried_constants_stay_when_the_old_version_is_withdrawn(known: Registry) -> None:
    carry(known)
    known.versions.withdraw(3, comment="it was of M044")
    (gain,) = known.validity(NEW_A, kinds=["gain"], at=UPGRADE).versions
    assert (gain.carried_from, gain.withdrawn_in) == (3, None)
    assert gain.constants == known.versions.show(3)[0].constants


def test_the_old_panels_alias_and_place_in_a_detector_are_not_carried(known: Registry) -> None:
    known.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    done = carry(known)
    assert known.panels.find(NEW_A).alias is None
    assert [alias.panel for alias in known.aliases.list()] == [PANEL_A]
    assert known.detectors.show("exp=xcs1:run=1").panels == (PANEL_A,)
    assert done.facts[0] == f"+ panel {NEW_A} (jungfrau)"
    assert len(done.facts) == 6


def test_constants_from_the_beginning_are_carried_from_the_beginning_and_exported(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path), valid_from="beginning")
    done = registry.panels.add(NEW_A, carry_from=PANEL_A, valid_from="beginning")
    assert [(version.carried_from, version.valid_from) for version in done.versions] == [
        (1, BEGINNING),
        (2, BEGINNING),
    ]
    held = registry.constants(NEW_A, at=UPGRADE, types=["pixel_offset"])
    assert np.array_equal(held["pixel_offset"][2, 0], np.load(tmp_path / "g2_offset.npy"))
    (constants,) = held.provenance.resolution.panels[0].constants
    assert (constants.version, constants.carried_from) == (4, 2)


def test_a_panel_that_is_there_already_receives_the_constants_and_may_receive_them_again(
    known: Registry,
) -> None:
    known.panels.add(NEW_A, alias="M068")
    done = carry(known, alias="M068")
    assert [line[:9] for line in done.facts] == ["+ version"] * 5
    again = carry(known, alias="M068")
    assert (again.revision, again.versions, again.facts) == (None, (), ())
    assert sorted(version.version for version in again.unchanged) == [8, 9, 10]
    assert again.notes == ()
    # Saying so from later on is a statement of its own.
    later = known.panels.add(NEW_A, carry_from=PANEL_A, valid_from=LATER)
    assert {version.carried_from for version in later.versions} == {5}
    assert {version.carried_from for version in later.unchanged} == {6, 7}


def test_a_dry_run_shows_what_would_be_carried_and_records_nothing(known: Registry) -> None:
    before = known.log()
    dry = carry(known, alias="M068", dry_run=True)
    assert (dry.revision, known.log(), [panel.panel for panel in known.panels.list()]) == (
        None,
        before,
        [PANEL_A],
    )
    assert carry(known, alias="M068").facts == dry.facts


def test_nothing_is_carried_out_of_a_gap(known: Registry) -> None:
    known.versions.gap(PANEL_A, valid_from="2017-12-01T00:00:00Z", kinds=["offset"], comment="broken cable")
    sentence = refuse_unchanged(known, NotValidError, lambda: carry(known, alias="M068"))
    assert sentence == (
        f"no offset of {PANEL_A} is valid at {UPGRADE};"
        f" there is a gap from 2017-12-01T00:00:00Z until {LATER}: broken cable"
    )
    assert NotValidError.code == 4
    known.versions.gap(PANEL_A, valid_from="2017-12-02T00:00:00Z", kinds=["gain"], comment="all of it")
    refuse_unchanged(known, NotValidError, lambda: carry(known), "gain", "broken cable", problems=2)
    # After the gap they are valid again.
    assert known.panels.add(NEW_A, carry_from=PANEL_A, valid_from=LATER).revision is not None


def test_nothing_is_carried_before_the_first_start(known: Registry) -> None:
    for instant in ("2016-12-31T23:59:59.999999Z", "beginning"):
        sentence = refuse_unchanged(
            known,
            NotValidError,
            lambda instant=instant: known.panels.add(NEW_A, carry_from=PANEL_A, valid_from=instant),
            problems=2,
        )
        for detail, kind in zip(sentence.split("; no "), ("gain", "offset"), strict=True):
            assert all(name in detail for name in (kind, PANEL_A, instant, FIRST))
    known.panels.add("2-1-3d00b0")
    refuse_unchanged(
        known,
        NotValidError,
        lambda: known.panels.add(NEW_A, carry_from="2-1-3d00b0", valid_from=UPGRADE),
        "2-1-3d00b0",
    )


def test_the_old_panel_must_be_known_and_another_one(known: Registry) -> None:
    add = known.panels.add
    unknown = "170505-149520170815-3d00b1"
    refuse_unchanged(
        known, NotFoundError, lambda: add(NEW_A, carry_from=unknown, valid_from=UPGRADE), unknown, PANEL_A
    )
    for panel in (PANEL_A, NEW_A):
        refuse_unchanged(
            known, RequestError, lambda panel=panel: add(panel, carry_from=panel, valid_from=UPGRADE), panel
        )


def test_from_which_panel_and_from_when_on_belong_together(known: Registry) -> None:
    add = known.panels.add
    for call in (lambda: add(NEW_A, carry_from=PANEL_A), lambda: add(NEW_A, valid_from=UPGRADE)):
        refuse_unchanged(known, RequestError, call)
    upper_case = "170505-149520170815-3D00B0"
    refuse_unchanged(
        known,
        IdentifierError,
        lambda: add(NEW_A, carry_from=upper_case, valid_from=UPGRADE),
        canonical=PANEL_A,
    )
    refuse_unchanged(
        known, IdentifierError, lambda: add(NEW_A, carry_from="M068", valid_from=UPGRADE), "'M068'"
    )
    refuse_unchanged(known, InstantError, lambda: add(NEW_A, carry_from=PANEL_A, valid_from="2018-13-01"))


def test_other_constants_of_the_new_panel_from_then_on_are_a_conflict(known: Registry) -> None:
    known.panels.add(NEW_A)
    record(known, NEW_A, "three", UPGRADE, ["gain"])
    names = ("gain", NEW_A, UPGRADE, "version 8")
    refuse_unchanged(
        known, ConflictError, lambda: carry(known, alias="M068"), *names, problems=1, remedy=Remedy.SUPERSEDE
    )
    # From another instant on it is none.
    assert known.panels.add(NEW_A, carry_from=PANEL_A, valid_from=SECOND).revision is not None


@pytest.mark.slow
def test_constants_that_were_carried_and_withdrawn_are_not_carried_again(known: Registry) -> None:
    for version in carry(known).versions:
        known.versions.withdraw(version.version, comment="the wrong module")
    refuse_unchanged(
        known, ConflictError, lambda: carry(known), "version 8", problems=5, remedy=Remedy.SUPERSEDE
    )


def test_a_conflict_of_m_numbers_carries_nothing(known: Registry) -> None:
    refuse_unchanged(known, ConflictError, lambda: carry(known, alias="M088"), NEW_A, "M088", PANEL_A)


def test_where_constants_came_from_is_shown_and_logged(
    location: RegistryLocation, known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    command = ("panel", "add", NEW_A, "--alias", "M068", "--carry-from", PANEL_A, "--valid-from", UPGRADE)
    done = calreg.run(*command, "--comment", "firmware of January", "--json").json
    assert [version["carried_from"] for version in done["versions"]] == [3, 4, 5, 6, 7]
    assert calreg.run(*command, "--comment", "firmware of January", "--json").json["revision"] is None
    listed = calreg.run("version", "list", NEW_A, "--json").json
    origins = {version["version"]: version["carried_from"] for version in listed}
    assert origins == {8: 3, 9: 4, 10: 5, 11: 6, 12: 7}
    assert {version["carried_from"] for version in calreg.run("version", "list", PANEL_A, "--json").json} == {
        None
    }
    assert calreg.run("version", "show", "8", "--json").json["carried_from"] == 3
    assert "carried from  version 3\n" in calreg.run("version", "show", "8").stdout
    (revision,) = calreg.run("log", NEW_A, "--json").json
    assert revision["revision"] == done["revision"]
    assert revision["comment"] == "firmware of January"
    assert revision["changes"] == [
        f"+ panel {NEW_A} (jungfrau)",
        f"+ alias M068 of {NEW_A}",
        f"+ version 8: gain of {NEW_A} from {UPGRADE}, carried from version 3",
        f"+ version 9: offset of {NEW_A} from {UPGRADE}, carried from version 4",
        f"+ version 10: pedestals of {NEW_A} from {UPGRADE}, carried from version 5",
        f"+ version 11: gain of {NEW_A} from {LATER}, carried from version 6",
        f"+ version 12: offset of {NEW_A} from {LATER}, carried from version 7",
    ]


@pytest.mark.slow
def test_the_command_line_refuses_with_the_code_of_the_reason(
    location: RegistryLocation, known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.versions.gap(PANEL_A, valid_from="2018-02-01T00:00:00Z", comment="broken")
    same_board = "2-1-3d00b0"
    known.panels.add(same_board)
    known.panels.add(PANEL_C)
    calreg = Calreg(location, monkeypatch)
    add = ("panel", "add", NEW_A)
    before = known.log()
    for code, *options in (
        (2, "--carry-from", PANEL_A),
        (2, "--valid-from", UPGRADE),
        (2, "--carry-from", NEW_A, "--valid-from", UPGRADE),
        (3, "--carry-from", PANEL_B, "--valid-from", UPGRADE),
        (4, "--carry-from", PANEL_A, "--valid-from", "20160101000000"),
        (4, "--carry-from", PANEL_A, "--valid-from", "20180301000000"),
        (4, "--carry-from", same_board, "--valid-from", UPGRADE),
        (5, "--carry-from", PANEL_C, "--valid-from", UPGRADE),
        (2, "--carry-from", PANEL_C, "--valid-from", UPGRADE, "--same-module"),
        (4, "--carry-from", PANEL_C, "--valid-from", UPGRADE, "--same-module", "--comment", "a new board"),
        (2, "--same-module", "--comment", "of what?"),
        (2, "--alias-from", UPGRADE),
        (5, "--carry-from", PANEL_A, "--valid-from", UPGRADE, "--alias", "M088"),
    ):
        calreg.assert_refused(code, *add, *options)
    assert known.log() == before
    assert [panel.panel for panel in known.panels.list()] == [PANEL_A, same_board, PANEL_C]


def test_carried_constants_make_runs_possible_and_say_so(known: Registry) -> None:
    known.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", NEW_A, first_run=1)
    known.runs.add("exp=xcs1:run=1", begin=LATER)
    assert carry(known).notes[-1] == (
        "1 recorded run can be exported from now on (gain, offset, pedestals): exp=xcs1:run=1"
    )


BOARD = "190408-181206-50c246df50010d"  # the module of PANEL_A after its board was changed


@pytest.mark.slow
def test_constants_are_carried_within_one_module_only(known: Registry) -> None:
    def add(panel: str, **options: Any) -> Any:
        return known.panels.add(panel, carry_from=PANEL_A, valid_from=UPGRADE, **options)

    refuse_unchanged(
        known, ConflictError, lambda: add(PANEL_B), PANEL_A, PANEL_B, remedy=Remedy.STATE_SAME_MODULE
    )
    refuse_unchanged(
        known, ConflictError, lambda: add(PANEL_B, alias="M088"), PANEL_A, "M068", PANEL_B, "M088"
    )
    permission = {"same_module": True, "comment": "a new board"}
    refuse_unchanged(
        known,
        ConflictError,
        lambda: add(PANEL_B, alias="M088", **permission),
        PANEL_A,
        "M068",
        PANEL_B,
        "M088",
    )
    refuse_unchanged(known, RequestError, lambda: add(BOARD, same_module=True), remedy=Remedy.GIVE_COMMENT)
    # Without an M-number the comment of the carried versions says it.
    doubtful = add(PANEL_C, **permission)
    assert {version.comment for version in doubtful.versions} == {"a new board"}

    # With it, the M-number does, and more can be carried without saying it again.
    refuse_unchanged(
        known, ConflictError, lambda: add(BOARD, alias="M068"), BOARD, remedy=Remedy.STATE_SAME_MODULE
    )
    repaired = add(BOARD, alias="M068", alias_from=UPGRADE, **permission)
    assert repaired.warnings == (), "a module whose board was changed keeps its M-number"
    assert [(alias.panel, alias.same_module) for alias in known.aliases.list(BOARD)] == [(BOARD, True)]
    assert f"+ alias M068 of {BOARD} from {UPGRADE}, the same module" in repaired.facts
    later = known.panels.add(BOARD, carry_from=PANEL_A, valid_from="2018-02-01T00:00:00Z")
    assert later.revision is not None
    before = "2017-12-31T23:59:59Z"
    refuse_unchanged(
        known,
        ConflictError,
        lambda: known.panels.add(BOARD, carry_from=PANEL_A, valid_from=before),
        BOARD,
        remedy=Remedy.STATE_SAME_MODULE,
    )


def test_gaps_that_start_later_are_carried_with_their_reason(known: Registry) -> None:
    gap = "2018-07-01T00:00:00Z"
    known.versions.gap(PANEL_A, valid_from=gap, kinds=["gain"], comment="water")
    done = carry(known)
    carried = {(version.kind, str(version.valid_from)): version for version in done.versions}
    assert (carried["gain", gap].is_gap, carried["gain", gap].comment) == (True, "water")
    assert carried["gain", gap].carried_from == 8
    assert str(carried["gain", LATER].valid_to) == gap
    with assert_refused(NotValidError, NEW_A, "water"):
        known.validity(NEW_A, kinds=["gain"], at="2018-08-01T00:00:00Z")


def test_a_kind_that_starts_later_is_carried_from_then(known: Registry) -> None:
    done = known.panels.add(NEW_A, carry_from=PANEL_A, valid_from=FIRST)
    (pedestals,) = [version for version in done.versions if version.kind == "pedestals"]
    assert (pedestals.carried_from, str(pedestals.valid_from)) == (5, UPGRADE)


def test_what_starts_later_does_not_replace_what_the_new_panel_has_of_its_own(known: Registry) -> None:
    own = "2018-03-01T00:00:00Z"
    known.panels.add(NEW_A)
    record(known, NEW_A, "own", own, ["gain"])
    done = carry(known)
    assert {version.carried_from for version in done.versions} == {3, 4, 5, 7}
    (note,) = [note for note in done.notes if note.startswith("not carried")]
    assert all(name in note for name in ("version 6", LATER, NEW_A, own))
    (gain,) = known.validity(NEW_A, kinds=["gain"], at="2019-01-01T00:00:00Z").versions
    assert (gain.carried_from, str(gain.valid_from), gain.valid_to) == (None, own, None)


def test_what_starts_after_the_old_panel_has_moved_to_another_module_is_not_carried(known: Registry) -> None:
    moved = "2018-04-01T00:00:00Z"
    permission = {"same_module": True, "comment": "a new board"}
    known.panels.add(BOARD)
    known.aliases.add("M068", BOARD, valid_from=SECOND, **permission)
    known.aliases.add("M088", PANEL_A, valid_from=moved)
    done = known.panels.add(BOARD, carry_from=PANEL_A, valid_from=UPGRADE)
    assert {version.carried_from for version in done.versions} == {3, 4, 5}
    left = [note for note in done.notes if note.startswith("not carried")]
    assert [
        all(name in note for name in (LATER, moved, PANEL_A, "M088", BOARD, "M068")) for note in left
    ] == [
        True,
        True,
    ]
    # The same board goes with the old panel Id, wherever it is.
    assert {version.carried_from for version in carry(known).versions} == {3, 4, 5, 6, 7}


def test_a_required_kind_that_had_not_begun_is_named(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "constants")
    registry.versions.add(PANEL_A, folder, valid_from="beginning", kinds=["gain"])
    outcome = registry.panels.add(NEW_A, carry_from=PANEL_A, valid_from="20190101000000")
    assert [version.kind for version in outcome.versions] == ["gain"]
    (note,) = [note for note in outcome.notes if "offset" in note]
    assert PANEL_A in note
    assert "2019-01-01T00:00:00Z" in note

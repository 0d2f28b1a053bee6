"""M-numbers in time: a board moves to another module, and every name of a module means the panels of that time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry import provenance, schema
from registry.api import Registry
from registry.database.change import Change
from registry.database.completion_names import list_completion_names
from registry.errors import ConflictError, IdentifierError, NotFoundError, NotValidError, Remedy, RequestError
from registry.instants import BEGINNING
from registry.lookup.panels import read_panel_keys
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

BEFORE, MOVED, AFTER = "2018-06-01T00:00:00Z", "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
BOARD = "190408-181206-50c246df50010d"
EPIX = "3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000"


@pytest.fixture
def moved(registry: Registry, tmp_path: Path) -> Registry:
    """PANEL_A is of M068 until 2019, and of M088 from then on; PANEL_B comes into M068."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.aliases.add("M088", PANEL_A, valid_from=MOVED)
    registry.panels.add(PANEL_B, alias="M068", alias_from=MOVED)
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.versions.add(panel, write_panel_folder(tmp_path / panel, seed), valid_from="beginning")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "later", 3), valid_from=AFTER)
    return registry


def bears(registry: Registry, panel: str) -> list[tuple[str, str, str | None]]:
    aliases = sorted(registry.aliases.list(panel), key=lambda alias: alias.valid_from)
    return [(a.alias, str(a.valid_from), None if a.valid_to is None else str(a.valid_to)) for a in aliases]


@pytest.mark.slow
def test_a_board_moves_and_its_past_stays(moved: Registry) -> None:
    assert bears(moved, PANEL_A) == [("M068", "beginning", MOVED), ("M088", MOVED, None)]
    assert bears(moved, PANEL_B) == [("M068", MOVED, None)]
    assert {panel.panel: panel.alias for panel in moved.panels.list()} == {PANEL_A: "M088", PANEL_B: "M068"}
    assert moved.panels.find(PANEL_A).alias == "M088"
    assert moved.panels.find(PANEL_A, as_of=1).alias == "M068"
    assert [(a.alias, a.valid_to) for a in moved.aliases.list(as_of=1)] == [("M068", None)]


@pytest.mark.slow
def test_validity_names_the_module_of_the_time(moved: Registry) -> None:
    for at, m_number, panel in (
        (BEFORE, "M068", PANEL_A),
        (MOVED, "M088", PANEL_A),
        (AFTER, "M068", PANEL_B),
    ):
        valid = moved.validity(m_number, at=at).versions
        assert {(version.panel, version.alias) for version in valid} == {(panel, m_number)}
        assert {version.alias for version in moved.validity(panel, at=at).versions} == {m_number}
    ranges = moved.validity("M068", kinds=["gain"]).versions
    assert [(version.panel, str(version.valid_from), version.alias) for version in ranges] == [
        (PANEL_A, "beginning", "M068"),
        (PANEL_A, AFTER, "M088"),
        (PANEL_B, "beginning", None),
    ]
    assert [version.panel for version in moved.validity("M088", kinds=["gain"]).versions] == [PANEL_A] * 2
    with assert_refused(NotValidError, "M088", BEFORE, PANEL_A, MOVED, alias="M088", panels=[PANEL_A]):
        moved.validity("M088", at=BEFORE)
    with assert_refused(NotFoundError, "M089"):
        moved.validity("M089", at=BEFORE)


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_a_document_names_the_module_of_its_time(moved: Registry, calreg: Calreg, tmp_path: Path) -> None:
    for name, at, m_number in (("past", BEFORE, "M068"), ("now", MOVED, "M088")):
        done = moved.export(PANEL_A, tmp_path / name, at=at)
        document = provenance.read(Path(done.provenance))
        assert [panel.alias for panel in document.resolution.panels] == [m_number]
        assert moved.constants(PANEL_A, at=at).provenance.resolution.panels[0].alias == m_number
        calreg.run("provenance", "verify", done.provenance)


@pytest.mark.slow
def test_versions_and_the_log_of_a_module_are_of_all_that_ever_bore_it(moved: Registry) -> None:
    assert {version.panel for version in moved.versions.list("M068")} == {PANEL_A, PANEL_B}
    assert {version.panel for version in moved.versions.list("M088")} == {PANEL_A}
    assert [entry.revision for entry in moved.log("M088")] == [6, 4, 2, 1]


@pytest.mark.slow
def test_a_version_for_a_module_is_recorded_for_the_panels_of_that_time(
    moved: Registry, tmp_path: Path
) -> None:
    folder = write_panel_folder(tmp_path / "new", 9)
    for at, panel in ((BEFORE, PANEL_A), (MOVED, PANEL_B)):
        done = moved.versions.add("M068", folder, valid_from=at)
        assert {(version.panel, version.alias) for version in done.versions} == {(panel, "M068")}
    (note,) = [
        note
        for note in moved.versions.gap(
            "M068", valid_from=BEFORE, kinds=["gain"], comment="w", dry_run=True, supersede=True
        ).notes
        if MOVED in note
    ]
    assert PANEL_A in note
    gap = moved.versions.gap("M088", valid_from="2021-01-01T00:00:00Z", comment="water")
    assert {version.panel for version in gap.versions} == {PANEL_A}
    for act in (
        lambda: moved.versions.add("M088", folder, valid_from=BEFORE),
        lambda: moved.versions.add("M088", folder, valid_from="beginning"),
        lambda: moved.versions.gap("M088", valid_from=BEFORE, comment="no"),
    ):
        with assert_refused(NotValidError, "M088", PANEL_A, MOVED):
            act()
    with assert_refused(NotFoundError, "M044"):
        moved.versions.gap("M044", valid_from=BEFORE, comment="no")


@pytest.mark.slow
def test_panels_that_are_left_out_are_named(moved: Registry, tmp_path: Path) -> None:
    done = moved.versions.add("M068", write_panel_folder(tmp_path / "new", 9), valid_from=BEFORE)
    assert any(PANEL_A in note and MOVED in note for note in done.notes)
    assert any(PANEL_B in note and BEFORE in note for note in done.notes)


@pytest.mark.slow
def test_what_is_borne_already_is_no_change(moved: Registry) -> None:
    again = moved.aliases.add("M088", [PANEL_A], valid_from=MOVED)
    assert (again.revision, again.facts, again.notes) == (None, (), ())
    for at in (BEFORE, "beginning"):
        assert moved.aliases.add("M068", PANEL_A, valid_from=at).revision is None
    later = moved.aliases.add("M088", PANEL_A, valid_from=AFTER)
    assert later.revision is None
    assert later.notes == (f"{PANEL_A} bears M088 from {MOVED} on already",)
    assert bears(moved, PANEL_A) == [("M068", "beginning", MOVED), ("M088", MOVED, None)]


def test_an_m_number_between_two_starts_hides_nothing(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.aliases.add("M088", PANEL_A, valid_from=MOVED)
    assert registry.aliases.add("M068", PANEL_A, valid_from=AFTER).revision is not None, "it moved back"
    assert registry.aliases.add("M044", PANEL_A, valid_from=BEFORE).revision is not None
    assert bears(registry, PANEL_A) == [
        ("M068", "beginning", BEFORE),
        ("M044", BEFORE, MOVED),
        ("M088", MOVED, AFTER),
        ("M068", AFTER, None),
    ]


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_one_start_has_one_m_number(moved: Registry) -> None:
    for m_number, at in (("M044", MOVED), ("M044", "beginning")):
        with assert_refused(ConflictError, PANEL_A, "M044", problems=1):
            moved.aliases.add(m_number, PANEL_A, valid_from=at)


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_a_serial_number_is_of_one_module_at_a_time(moved: Registry) -> None:
    moved.panels.add(NEW_A)
    with assert_refused(ConflictError, NEW_A, PANEL_A, "M088", MOVED):
        moved.aliases.add("M068", NEW_A)
    with assert_refused(ConflictError, NEW_A, PANEL_A, "M068", MOVED):
        moved.aliases.add("M088", NEW_A)
    assert moved.aliases.add("M088", NEW_A, valid_from=MOVED).revision is not None
    assert moved.aliases.add("M068", NEW_A).revision is not None, "until 2019"
    # Where the panel Ids of one board are not moved together, they contradict each other.
    with assert_refused(ConflictError, PANEL_A, NEW_A):
        moved.aliases.add("M044", PANEL_A, valid_from=AFTER)
    assert moved.aliases.add("M044", PANEL_A, NEW_A, valid_from=AFTER).revision is not None


@pytest.mark.slow
def test_a_module_has_one_serial_number_at_a_time(moved: Registry) -> None:
    moved.panels.add(PANEL_C)
    for at in ("beginning", BEFORE, MOVED, AFTER):
        with assert_refused(ConflictError, PANEL_C, "M068", remedy=Remedy.STATE_SAME_MODULE):
            moved.aliases.add("M068", PANEL_C, valid_from=at)
    with assert_refused(ConflictError, PANEL_C, PANEL_A, MOVED):
        moved.aliases.add("M088", PANEL_C)
    with assert_refused(ConflictError, "190408-181206-3d00fb", "M068"):
        moved.panels.add("190408-181206-3d00fb", alias="M068")
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        moved.aliases.add("M068", PANEL_C, valid_from=MOVED, same_module=True)
    done = moved.aliases.add("M068", PANEL_C, valid_from=AFTER, same_module=True, comment="a new board")
    assert done.facts == (f"+ alias M068 of {PANEL_C} from {AFTER}, the same module",)
    (alias,) = moved.aliases.list(PANEL_C)
    assert alias.same_module
    # Another panel Id of either board needs no permission; a third board does.
    upgraded = "190408-181206-3d00fb"
    assert moved.panels.add(upgraded, alias="M068", alias_from=AFTER).revision is not None
    moved.panels.add(BOARD)
    with assert_refused(ConflictError, BOARD, remedy=Remedy.STATE_SAME_MODULE):
        moved.aliases.add("M068", BOARD, valid_from=AFTER)


@pytest.mark.slow
def test_an_m_number_is_of_one_detector_type_at_all_times(moved: Registry) -> None:
    moved.panels.add(EPIX)
    permission: dict[str, Any] = {"same_module": True, "comment": "no"}
    for options in ({}, permission, {"valid_from": MOVED}):
        with assert_refused(ConflictError, EPIX, PANEL_A, "M088"):
            moved.aliases.add("M088", EPIX, **options)


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_a_withdrawal_brings_back_what_was_borne_before(moved: Registry) -> None:
    with assert_refused(ConflictError, PANEL_A, PANEL_B, "M068", MOVED):
        moved.aliases.withdraw("M088", PANEL_A, comment="it never moved")
    moved.aliases.withdraw("M068", PANEL_B, comment="mixed up")
    done = moved.aliases.withdraw("M088", PANEL_A, comment="it never moved")
    assert any(PANEL_A in note and "M068" in note and MOVED in note for note in done.notes)
    assert bears(moved, PANEL_A) == [("M068", "beginning", None)]
    withdrawn = [alias for alias in moved.aliases.list(withdrawn=True) if alias.withdrawn_in == done.revision]
    assert [(alias.alias, str(alias.valid_from), alias.valid_to) for alias in withdrawn] == [
        ("M088", MOVED, None)
    ]
    with assert_refused(NotFoundError, "M088"):
        moved.validity("M088")


def test_panel_ids_of_one_board_are_withdrawn_together(registry: Registry) -> None:
    for panel in (PANEL_A, NEW_A):
        registry.panels.add(panel, alias="M068")
    registry.aliases.add("M088", PANEL_A, NEW_A, valid_from=MOVED)
    with assert_refused(ConflictError, PANEL_A, NEW_A, remedy=Remedy.STATE_BOARD_TOGETHER):
        registry.aliases.withdraw("M088", PANEL_A, comment="no")
    assert registry.aliases.withdraw("M088", PANEL_A, NEW_A, comment="it never moved").revision is not None
    assert {panel.alias for panel in registry.panels.list()} == {"M068"}
    with assert_refused(RequestError):
        registry.aliases.withdraw("M068", [], comment="of what?")
    with assert_refused(RequestError):
        registry.aliases.add("M068", [])


def test_which_of_several_starts_is_withdrawn_must_be_stated(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.aliases.add("M088", PANEL_A, valid_from=MOVED)
    registry.aliases.add("M068", PANEL_A, valid_from=AFTER)
    with assert_refused(
        RequestError, "beginning", AFTER, remedy=Remedy.GIVE_ALIAS_START, starts=["beginning", AFTER]
    ):
        registry.aliases.withdraw("M068", PANEL_A, comment="which?")
    with assert_refused(NotFoundError, "beginning", AFTER):
        registry.aliases.withdraw("M068", PANEL_A, valid_from=MOVED, comment="no")
    done = registry.aliases.withdraw("M068", PANEL_A, valid_from=AFTER, comment="it never came back")
    assert bears(registry, PANEL_A) == [("M068", "beginning", MOVED), ("M088", MOVED, None)]
    with assert_refused(ConflictError, withdrawn_in=done.revision):
        registry.aliases.withdraw("M068", PANEL_A, valid_from=AFTER, comment="again")
    with pytest.raises(NotFoundError) as caught:
        registry.aliases.withdraw("M068", PANEL_A, valid_from=MOVED, comment="no")
    assert AFTER not in str(caught.value)  # that start is withdrawn
    assert registry.aliases.withdraw("M068", PANEL_A, comment="nor was it there").revision is not None
    assert bears(registry, PANEL_A) == [("M088", MOVED, None)]


def test_conflicts_that_were_recorded_before_do_not_block_what_does_not_touch_them(
    registry: Registry,
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    # As schemas before 0006 let it be recorded: two boards under one M-number, without a word.
    registry.panels.add(PANEL_B)

    def record(change: Change) -> None:
        key = read_panel_keys(change.connection, [PANEL_B])[PANEL_B]
        change.record(schema.alias, [{"m_number": "M068", "panel_id": key, "valid_from": BEGINNING}])

    registry._backend.record_revision(record)
    for panel in (NEW_A, "171113-154920171025-3d00f7"):
        assert registry.panels.add(panel, alias="M068").revision is not None
    with assert_refused(ConflictError, PANEL_C):
        registry.panels.add(PANEL_C, alias="M068")
    assert registry.aliases.withdraw("M068", PANEL_B, comment="another board").revision is not None


# Detectors


@pytest.mark.slow
def test_a_detector_holds_a_serial_number_once(moved: Registry, tmp_path: Path) -> None:
    twice = f"{PANEL_A}_{PANEL_B}_{NEW_A}"
    table = tmp_path / "datasets.txt"
    table.write_text(f"exp=xcs1:run=1  1-8  XcsEndstation.0:Jungfrau.0  {twice}\n")
    for act in (
        lambda: moved.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", twice, first_run=1),
        lambda: moved.export(twice, tmp_path / "out", at=BEFORE),
        lambda: moved.constants(twice, at=BEFORE),
        lambda: moved.validity(twice, at=BEFORE),
        lambda: moved.validity(twice),
    ):
        with assert_refused(IdentifierError, PANEL_A, NEW_A, "3d00b0"):
            act()
    with assert_refused(RequestError, PANEL_A, NEW_A):
        moved.runs.import_table(table)
    assert moved.detectors.list() == []


@pytest.mark.slow
def test_a_detector_holds_a_module_once_at_the_time_of_a_run(moved: Registry, tmp_path: Path) -> None:
    permission: dict[str, Any] = {"same_module": True, "comment": "a new board"}
    moved.panels.add(PANEL_C)
    moved.aliases.add("M068", PANEL_C, valid_from=AFTER, **permission)
    moved.versions.add(PANEL_C, tmp_path / PANEL_B, valid_from="beginning", same_as=[PANEL_B])
    pair = f"{PANEL_B}_{PANEL_C}"
    # From 2020 on the two are one module, before they are not.
    moved.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", pair, first_run=1)
    moved.runs.add("exp=xcs1:run=1", begin=MOVED)
    moved.runs.add("exp=xcs1:run=2", begin=AFTER)
    assert moved.constants("exp=xcs1:run=1")["pixel_gain"].shape[1] == 2
    for act in (
        lambda: moved.constants("exp=xcs1:run=2"),
        lambda: moved.export(pair, tmp_path / "out", at=AFTER),
    ):
        with assert_refused(ConflictError, PANEL_B, PANEL_C, "M068", AFTER):
            act()
    assert not (tmp_path / "out").exists()


def test_a_detector_that_holds_a_module_twice_at_all_times_is_not_recorded(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(BOARD, alias="M068", same_module=True, comment="a new board")
    with assert_refused(ConflictError, PANEL_A, BOARD, "M068"):
        registry.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", f"{BOARD}_{PANEL_A}", first_run=1)
    assert registry.detectors.list() == []


# The command line


@pytest.mark.slow
def test_the_command_line_says_from_when_on_a_module_has_a_panel(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.assert_refused(2, "alias", "add", "M088", PANEL_A, "--valid-from", "soon")
    done = calreg.run("alias", "add", "M088", PANEL_A, "--valid-from", MOVED, "--json").json
    assert done["revision"] == 2
    listed = calreg.run("alias", "list", "--json").json
    assert [(a["alias"], a["valid_from"], a["valid_to"], a["same_module"]) for a in listed] == [
        ("M068", None, MOVED, False),
        ("M088", MOVED, None, False),
    ]
    assert f"M088   {PANEL_A}  {MOVED}" in calreg.run("alias", "list").stdout
    shown = calreg.run("panel", "show", PANEL_A, "--json").json
    assert (shown["alias"], [a["alias"] for a in shown["aliases"]]) == ("M088", ["M068", "M088"])
    assert (
        f"alias          M068\n               M088 from {MOVED}\n"
        in calreg.run("panel", "show", PANEL_A).stdout
    )
    assert calreg.run("panel", "list", "--json").json[0]["alias"] == "M088"
    calreg.run("panel", "add", PANEL_B)
    calreg.assert_refused(5, "alias", "add", "M068", PANEL_B)
    calreg.assert_refused(5, "panel", "add", PANEL_C, "--alias", "M068")
    calreg.assert_refused(2, "alias", "add", "M068", PANEL_B, "--same-module")
    calreg.run("alias", "add", "M068", PANEL_B, "--same-module", "--comment", "a new board")
    calreg.assert_refused(4, "validity", "M088", "--at", BEFORE)
    calreg.assert_refused(4, "version", "gap", "M088", "--valid-from", BEFORE, "--comment", "no")
    back = ("alias", "add", "M068", PANEL_A, "--valid-from", AFTER)
    calreg.assert_refused(5, *back)
    calreg.run(*back, "--same-module", "--comment", "the old board")
    calreg.assert_refused(2, "alias", "withdraw", "M068", PANEL_A, "--comment", "which?")
    withdrawal = ("alias", "withdraw", "M068", PANEL_A, "--valid-from", AFTER, "--comment", "no")
    assert f"- alias M068 of {PANEL_A} from {AFTER}, the same module\n" in calreg.run(*withdrawal).stdout
    calreg.assert_refused(5, *withdrawal)


def test_a_start_that_is_far_away_is_recorded_if_it_is_meant(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A)
    statement = ("alias", "add", "M068", PANEL_A, "--valid-from", "1985-01-01T00:00:00Z")
    assert "--any-time" in calreg.assert_refused(2, *statement)["message"]
    calreg.run(*statement, "--any-time")
    assert calreg.run("alias", "list", "--json").json[0]["valid_from"] == "1985-01-01T00:00:00Z"


@pytest.mark.slow
def test_the_list_of_m_numbers_fits_80_columns_and_is_in_the_order_of_the_starts(calreg: Calreg) -> None:
    for panel in (PANEL_A, PANEL_B):
        calreg.run("panel", "add", panel)
    for m_number, start in (("M068", AFTER), ("M088", MOVED), ("M068", BEFORE)):
        calreg.run("alias", "add", m_number, PANEL_A, "--valid-from", start)
    calreg.run(
        "alias", "add", "M068", PANEL_B, "--valid-from", AFTER, "--same-module", "--comment", "new card"
    )
    calreg.run("alias", "withdraw", "M088", PANEL_A, "--comment", "it never moved")
    shown = calreg.run("alias", "list", "--all").stdout
    assert shown.splitlines() == [
        "alias  panel                       valid from            until",
        f"M068   {PANEL_A}  {BEFORE}  {AFTER}",
        f"M068   {PANEL_A}  {AFTER}",
        f"M068   {PANEL_B}  {AFTER}",
        f"M088   {PANEL_A}  {MOVED}  withdrawn in 7",
        f"{PANEL_B}: the same module as others of M068, says revision 6",
    ]
    assert max(map(len, shown.splitlines())) <= 80
    assert [row["recorded_in"] for row in calreg.run("alias", "list", "--all", "--json").json] == [5, 3, 6, 4]
    assert f"M068 from {AFTER}, the same module\n" in calreg.run("panel", "show", PANEL_B).stdout


@pytest.mark.slow
def test_constants_of_a_board_that_moves_and_comes_back_are_said_to_stay_valid_meanwhile(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.aliases.add("M088", PANEL_A, valid_from=MOVED)
    registry.aliases.add("M068", PANEL_A, valid_from=AFTER)
    done = registry.versions.add("M068", write_panel_folder(tmp_path / "a"), valid_from=BEFORE)
    assert [note for note in done.notes if "M068" in note and PANEL_A in note and MOVED in note]
    registry.aliases.withdraw("M088", PANEL_A, comment="it never moved")
    again = registry.versions.add("M068", write_panel_folder(tmp_path / "b", 1), valid_from="beginning")
    assert [note for note in again.notes if "M068" in note] == []


def test_the_advice_on_a_board_of_several_panel_ids_is_to_name_them_all(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("panel", "add", NEW_A, "--alias", "M068")
    move = ("alias", "add", "M088", PANEL_A, "--valid-from", MOVED)
    assert "in one command" in calreg.assert_refused(5, *move)["message"] + calreg(*move).stderr
    calreg.run("alias", "add", "M088", PANEL_A, NEW_A, "--valid-from", MOVED)


@pytest.mark.slow
def test_a_table_has_one_heading_for_a_panel_of_two_modules(moved: Registry, calreg: Calreg) -> None:
    assert moved.panels.find(PANEL_A).alias == "M088"
    lines = calreg.run("validity", "M068").stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [
        f"{PANEL_A}  M068, M088",
        PANEL_B,
    ]
    assert calreg.run("validity", PANEL_A, "--at", BEFORE).stdout.startswith(f"{PANEL_A}  M068\n")
    assert calreg.run("validity", PANEL_A, "--at", AFTER).stdout.startswith(f"{PANEL_A}  M088\n")


@pytest.mark.slow
def test_completion_offers_a_panel_once_with_its_latest_m_number(
    moved: Registry, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in location.environment.items():
        monkeypatch.setenv(name, value)
    panels = list_completion_names("panels", PANEL_A)
    assert [(name.text, name.description) for name in panels] == [(PANEL_A, "M088")]
    aliases = list_completion_names("aliases", "M0")
    assert [name.text for name in aliases] == ["M068", "M088"]
    assert len(moved.panels.list()) == 2

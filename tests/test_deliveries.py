"""A delivery becomes one revision or none: matched by names, never guessed, and all that is wrong named at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import (
    ArrayError,
    ConflictError,
    NotFoundError,
    NotValidError,
    Remedy,
    RequestError,
)
from registry.importers.deliveries import extract_panel_ids, read_delivery
from registry.records import DeliveryMatch
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.test_statements import record_statements

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

T0, T1, T2 = (f"201{year}-01-01T00:00:00Z" for year in (6, 8, 9))
KINDS = ("gain", "offset")


@pytest.fixture
def known(registry: Registry) -> Registry:
    """Three modules: M068, M088 and M044."""
    for panel, m_number in ((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, "M044")):
        registry.panels.add(panel, alias=m_number)
    return registry


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """A folder of the three modules, as they come."""
    folder = tmp_path / "delivery"
    write_panel_folder(folder / "M044", 1)
    write_panel_folder(folder / f"{PANEL_B} of May", 2)
    write_panel_folder(
        folder / "second crate" / "jungfrau-m068" / "constants", 3, ("gain", "offset", "pedestals")
    )
    return folder


def write_maker_file(path: Path, seed: int) -> Path:
    """Write the maker's maps of a module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    maps = [make_panel_array("gain", stage, seed) for stage in range(3)]
    np.concatenate([values.ravel() for values in maps]).astype("<f8").tofile(path)
    return path


def state_of(registry: Registry, location: RegistryLocation) -> tuple[object, ...]:
    """Return all that a refusal must leave as it was."""
    stored = sorted(path.name for path in location.store.rglob("*.npy"))
    return registry.log(), registry.versions.list(withdrawn=True), stored


@pytest.mark.on_both_databases
def test_a_delivery_becomes_one_revision(known: Registry, delivery: Path) -> None:
    outcome = known.versions.add_delivery(delivery, valid_from=T1, comment="delivery of May")
    assert outcome.matches == (
        DeliveryMatch(f"{PANEL_B} of May", PANEL_B, "M088", KINDS),
        DeliveryMatch("M044", PANEL_C, "M044", KINDS),
        DeliveryMatch("second crate/jungfrau-m068/constants", PANEL_A, "M068", (*KINDS, "pedestals")),
    )
    assert (outcome.revision, len(outcome.versions), len(known.log())) == (4, 7, 4)
    paths = {version.panel: version.source_path for version in outcome.versions}
    assert paths[PANEL_A] == str(delivery / "second crate" / "jungfrau-m068" / "constants")


def test_a_delivery_registers_what_its_folders_would_one_by_one(
    known: Registry, delivery: Path, tmp_path: Path
) -> None:
    known.versions.add_delivery(delivery, valid_from=T1)
    for match in known.versions.add_delivery(delivery, valid_from=T1).matches:
        outcome = known.versions.add(match.panel, delivery / match.path, valid_from=T1)
        assert outcome.revision is None
        assert [version.kind for version in outcome.unchanged] == list(match.kinds)


def test_a_delivery_that_is_registered_changes_nothing(known: Registry, delivery: Path) -> None:
    known.versions.add_delivery(delivery, valid_from=T1)
    outcome = known.versions.add_delivery(delivery, valid_from=T1)
    assert (outcome.revision, len(outcome.unchanged), len(outcome.matches)) == (None, 7, 3)


def test_a_dry_run_shows_the_matches_and_records_nothing(
    known: Registry, location: RegistryLocation, delivery: Path
) -> None:
    state = state_of(known, location)
    dry = known.versions.add_delivery(delivery, valid_from=T1, dry_run=True)
    assert state_of(known, location) == state
    real = known.versions.add_delivery(delivery, valid_from=T1)
    assert (dry.matches, dry.facts, dry.notes, dry.warnings) == (
        real.matches,
        real.facts,
        real.notes,
        real.warnings,
    )


def test_makers_files_and_folders_come_together(known: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    write_maker_file(folder / "maps" / "gainMaps_M044.bin", 1)
    write_maker_file(folder / "M088" / "gainMaps.bin", 2)
    write_panel_folder(folder / "M068", 3, ["gain"])
    (folder / "maps" / "report of M044.pdf").write_text("all is well")
    outcome = known.versions.add_delivery(folder, valid_from=T1, kinds=["gain"])
    assert [match.path for match in outcome.matches] == [
        "M068",
        "M088/gainMaps.bin",
        "maps/gainMaps_M044.bin",
    ]
    conversions = {version.panel: version.conversion for version in outcome.versions}
    assert conversions[PANEL_C].file == "gainMaps_M044.bin"
    assert conversions[PANEL_A] is None
    assert any("report of M044.pdf" in note for note in outcome.notes)


def test_links_are_followed_and_a_folder_is_taken_once(known: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    write_panel_folder(tmp_path / "elsewhere" / "M044", 1)
    folder.mkdir()
    (folder / "first").symlink_to("../elsewhere/M044")
    (folder / f"{PANEL_C}-20180101000000").symlink_to("first")
    (folder / "itself").symlink_to(".")
    write_panel_folder(folder / "M088", 2)
    (folder / "M088" / "up").symlink_to("..")
    outcome = known.versions.add_delivery(folder, valid_from=T1)
    assert [match.panel for match in outcome.matches] == [PANEL_C, PANEL_B]


def test_a_folder_that_links_name_for_two_panels_is_refused_with_the_links(
    known: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    write_panel_folder(tmp_path / "maps", 1)
    for panel in (PANEL_A, PANEL_B):
        (folder / panel).symlink_to("../maps")
    with assert_refused(RequestError, PANEL_A, PANEL_B, "links"):
        known.versions.add_delivery(folder, valid_from=T1)
    for panel in (PANEL_A, PANEL_B):
        (folder / panel).unlink()
    write_panel_folder(folder / f"{PANEL_A} {PANEL_B}", 1)
    with assert_refused(RequestError, PANEL_A, PANEL_B) as refusal:
        known.versions.add_delivery(folder, valid_from=T1)
    assert "links" not in str(refusal.value)


def test_a_folder_of_arrays_may_be_the_whole_delivery(known: Registry, tmp_path: Path) -> None:
    outcome = known.versions.add_delivery(write_panel_folder(tmp_path / "M044", 1), valid_from=T1)
    assert [(match.path, match.panel) for match in outcome.matches] == [(".", PANEL_C)] * 1


def test_all_that_is_wrong_is_named_at_once_and_nothing_is_recorded_or_stored(
    known: Registry, location: RegistryLocation, delivery: Path
) -> None:
    known.versions.add("M044", write_panel_folder(delivery.parent / "earlier", 9), valid_from=T1)
    state = state_of(known, location)
    write_panel_folder(delivery / "M069", 4)
    (delivery / "M070").mkdir()
    (delivery / "gone").symlink_to("nowhere")
    (delivery / f"{PANEL_B} of May" / "g1_offset.npy").unlink()
    write_panel_folder(delivery / "somebody's", 5)
    with assert_refused(
        ArrayError, "M069", "M070", "gone", "g1_offset.npy", "somebody's", "version 1", problems=7
    ) as caught:
        known.versions.add_delivery(delivery, valid_from=T1)
    assert len(caught.value.values["problems"]) == 7
    assert state_of(known, location) == state


@pytest.mark.parametrize(
    ("names", "error_class", "words"),
    [
        (["M068", "m068 again"], RequestError, ["M068", "m068 again"]),
        (["M068", PANEL_A], RequestError, ["M068", PANEL_A]),
        (["M068 and M088"], RequestError, ["M068", "M088"]),
        ([f"{PANEL_A}_{PANEL_B}"], RequestError, [PANEL_A, PANEL_B]),
        ([f"M088 {PANEL_A}"], RequestError, ["M088", PANEL_A, "M068"]),
        (["M088/M068"], RequestError, ["M088", PANEL_A, "M068"]),
        ([f"M088 {PANEL_A}/constants"], RequestError, ["M088", PANEL_A]),
        (["M067"], NotFoundError, ["M067", "M068"]),
        (["170505-149520170815-3d00b1"], NotFoundError, ["3d00b1", PANEL_A]),
        (["Modul 068"], NotFoundError, ["Modul 068", "M068"]),
        (["2018-02-10"], NotFoundError, ["2018-02-10"]),
    ],
)
def test_names_that_do_not_mean_one_module_are_refused(
    known: Registry, tmp_path: Path, names: list[str], error_class: type, words: list[str]
) -> None:
    for seed, name in enumerate(names):
        write_panel_folder(tmp_path / "delivery" / name, seed)
    with assert_refused(error_class, *words, problems=1):
        known.versions.add_delivery(tmp_path / "delivery", valid_from=T1)


def test_a_folder_around_several_modules_may_name_them_all(known: Registry, tmp_path: Path) -> None:
    write_panel_folder(tmp_path / "delivery" / "M068-M088" / "M068", 1)
    write_panel_folder(tmp_path / "delivery" / "2018-02-10" / "M088", 2)
    outcome = known.versions.add_delivery(tmp_path / "delivery", valid_from=T1)
    assert [match.panel for match in outcome.matches] == [PANEL_B, PANEL_A]


@pytest.mark.on_both_databases
def test_of_several_panel_ids_of_a_module_the_current_one_is_named(known: Registry, tmp_path: Path) -> None:
    known.panels.add(NEW_A)
    known.aliases.add("M068", NEW_A, valid_from=T1)
    folder = tmp_path / "delivery"
    write_panel_folder(folder / "M068", 1)
    write_panel_folder(folder / "M088", 2)
    assert known.versions.add_delivery(folder, valid_from=T0, dry_run=True).matches[0].panel == PANEL_A
    with assert_refused(
        RequestError, PANEL_A, f"current one is {NEW_A}", remedy=Remedy.CHOOSE_PANELS, panels=[NEW_A]
    ):
        known.versions.add_delivery(folder, valid_from=T2)
    with assert_refused(NotFoundError, PANEL_C):
        known.versions.add_delivery(folder, valid_from=T2, panels=[NEW_A, PANEL_C])
    outcome = known.versions.add_delivery(folder, valid_from=T2, panels=[NEW_A])
    assert [match.panel for match in outcome.matches] == [NEW_A, PANEL_B]
    both = known.versions.add_delivery(folder, valid_from="2019-02-01T00:00:00Z", panels=[NEW_A, PANEL_A])
    assert [match.panel for match in both.matches] == [PANEL_A, NEW_A, PANEL_B]


def test_of_panel_ids_that_bear_an_m_number_from_one_time_on_the_newest_is_named(
    known: Registry, tmp_path: Path
) -> None:
    recorded_in = known.panels.add(NEW_A, alias="M068").revision
    write_panel_folder(tmp_path / "delivery" / "M068", 1)
    with assert_refused(
        RequestError, f"newest one is {NEW_A}", recorded_in, remedy=Remedy.CHOOSE_PANELS, panels=[NEW_A]
    ):
        known.versions.add_delivery(tmp_path / "delivery", valid_from=T2)


def test_an_m_number_that_nobody_bears_then_is_refused(known: Registry, tmp_path: Path) -> None:
    known.panels.add("171113-154920171025-3d00fe")
    known.aliases.add("M071", "171113-154920171025-3d00fe", valid_from=T2)
    write_panel_folder(tmp_path / "delivery" / "M071", 1)
    with assert_refused(NotValidError, "M071", problems=1):
        known.versions.add_delivery(tmp_path / "delivery", valid_from=T1)


@pytest.mark.parametrize("name", ["M044", "with arrays of no name", "odd.npz", "gainMaps_M044.BIN"])
def test_folders_and_files_that_hold_nothing_to_register_are_refused(
    known: Registry, delivery: Path, name: str
) -> None:
    shutil.rmtree(delivery / "M044")
    if name == "M044":
        (delivery / name / "papers").mkdir(parents=True)
        (delivery / name / "papers" / "letter.txt").write_text("as agreed")
    elif "." in name:
        (delivery / name).write_bytes(b"")
    else:
        (delivery / name).mkdir()
        np.save(delivery / name / "gains.npy", make_panel_array("gain", 0))
    with assert_refused(ArrayError, str(delivery / name) if "." not in name else name, problems=1):
        known.versions.add_delivery(delivery, valid_from=T1)


def test_a_folder_without_a_delivery_is_refused(known: Registry, tmp_path: Path) -> None:
    with assert_refused(NotFoundError, "nowhere"):
        known.versions.add_delivery(tmp_path / "nowhere", valid_from=T1)
    (tmp_path / "papers" / "more").mkdir(parents=True)
    (tmp_path / "papers" / "more" / "letter.txt").write_text("as agreed")
    with assert_refused(NotFoundError, "papers"):
        known.versions.add_delivery(tmp_path / "papers", valid_from=T1)
    with assert_refused(ArrayError, "letter.txt"):
        known.versions.add_delivery(tmp_path / "papers" / "more" / "letter.txt", valid_from=T1)
    (tmp_path / "empty").mkdir()
    with assert_refused(ArrayError, "empty"):
        known.versions.add_delivery(tmp_path / "empty", valid_from=T1)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can read every folder")
def test_an_unreadable_folder_is_named_with_the_rest(known: Registry, delivery: Path) -> None:
    (delivery / "M044").chmod(0)
    write_panel_folder(delivery / "M099", 9)
    try:
        with assert_refused(NotFoundError, "M044", "M099", problems=2):
            known.versions.add_delivery(delivery, valid_from=T1)
    finally:
        (delivery / "M044").chmod(0o755)


def test_unknown_kinds_are_refused_once(known: Registry, delivery: Path) -> None:
    with assert_refused(RequestError, "gains", problems=1):
        known.versions.add_delivery(delivery, valid_from=T1, kinds=["gains"])


def test_the_same_bytes_under_two_modules_of_a_delivery_are_a_mix_up(known: Registry, delivery: Path) -> None:
    shutil.rmtree(delivery / "M044")
    shutil.copytree(delivery / f"{PANEL_B} of May", delivery / "M044")
    with assert_refused(ConflictError, "M044", "M088", remedy=Remedy.STATE_SAME_FILES) as caught:
        known.versions.add_delivery(delivery, valid_from=T1)
    assert {mix_up["module"] for mix_up in caught.value.values["mix_ups"]} == {"M044", "M088"}
    with assert_refused(ConflictError, "M067"):
        known.versions.add_delivery(delivery, valid_from=T1, same_as=["M044", "M067"])
    one = known.versions.add_delivery(delivery, valid_from=T1, same_as=["M044"], dry_run=True)
    assert {version.panel: version.same_as for version in one.versions} == {
        PANEL_A: None,
        PANEL_B: "M044",
        PANEL_C: None,
    }
    both = known.versions.add_delivery(delivery, valid_from=T1, same_as=["M044", "M088"])
    assert sorted(version.same_as or "" for version in both.versions if version.kind == "gain") == [
        "",
        "",
        "M088",
    ]


def test_advice_of_several_sorts_is_given_together(
    known: Registry, calreg: Calreg, delivery: Path, tmp_path: Path
) -> None:
    known.versions.add("M068", write_panel_folder(tmp_path / "earlier", 9), valid_from=T1)
    shutil.rmtree(delivery / "M044")
    shutil.copytree(delivery / f"{PANEL_B} of May", delivery / "M044")
    refused = calreg("version", "add", "--from", delivery, "--valid-from", T1)
    assert refused.code == 5
    assert "--supersede" in refused.stderr
    assert "--same-as" in refused.stderr


def test_the_command_line_shows_the_table_first(known: Registry, calreg: Calreg, delivery: Path) -> None:
    words = ("version", "add", "--from", delivery, "--valid-from", T1)
    dry = calreg.run(*words, "--dry-run")
    table, _, facts = dry.stdout.partition("\n\n")
    assert [line.split()[-1] for line in table.splitlines()] == ["kinds", "offset", "offset", "pedestals"]
    assert facts.splitlines()[-1] == "dry run: nothing was recorded"
    answer = calreg.run(*words, "--json").json
    assert answer["revision"] == 4
    assert answer["matches"][1] == {
        "path": "M044",
        "panel": PANEL_C,
        "alias": "M044",
        "kinds": ["gain", "offset"],
    }
    assert len(answer["versions"]) == 7
    assert answer["unchanged"] == answer["warnings"] == []


def test_a_panel_and_a_delivery_are_not_given_together(calreg: Calreg, delivery: Path) -> None:
    calreg.assert_refused(2, "version", "add", "M044", "--from", str(delivery), "--valid-from", T1)
    calreg.assert_refused(2, "version", "add", "M044", "--valid-from", T1)
    calreg.assert_refused(2, "version", "add", "--valid-from", T1)
    calreg.assert_refused(2, "version", "add", "M044", str(delivery), "--panel", PANEL_A, "--valid-from", T1)


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        (PANEL_A, [PANEL_A]),
        (f"gains-{PANEL_A.upper()}-20180101000000", [PANEL_A]),
        (f"M044_{PANEL_A}_{PANEL_B}.old", [PANEL_A, PANEL_B]),
        (f"x{PANEL_A}", []),
        ("2018-02-10", []),
        ("M044", []),
    ],
)
def test_panel_ids_are_found_in_names(name: str, panels: list[str]) -> None:
    panel_ids = extract_panel_ids(name)
    assert [panel for panel in panel_ids if panel in (PANEL_A, PANEL_B)] == panels
    if not panels:
        assert PANEL_A not in panel_ids


def test_a_folder_that_is_not_a_delivery_is_left_after_a_while(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    inner = deep.joinpath(*"a" * 40)
    inner.mkdir(parents=True)
    (problem,) = read_delivery(deep).problems
    assert "32 folders deep" in problem.message


@pytest.mark.slow
def test_statements_do_not_grow_with_what_is_registered_before(known: Registry, delivery: Path) -> None:
    counts = []
    for month in range(1, 6):
        with record_statements(known) as statements:
            known.versions.add_delivery(delivery, valid_from=f"2018-{month:02d}-01T00:00:00Z")
        counts.append(len(statements))
    assert len(set(counts[1:])) == 1

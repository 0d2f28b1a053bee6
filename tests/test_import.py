from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from registry.api import Registry
from registry.errors import (
    ConflictError,
    ImportHazardError,
    InstantError,
    NotFoundError,
    RegistryError,
    Remedy,
    RequestError,
)
from registry.instants import BEGINNING
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, make_panel_array
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.refusals import assert_refused

PACIFIC = "America/Los_Angeles"
STAMPED_A = f"{PANEL_A}-20171025000000"
EMPTY_SERIAL = "170505-149520170815-"

MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(modules: Path, tmp_path: Path) -> MakeTree:
    """Make a tree of these links; the modules' files are hard links, so replace them, never write to them."""

    def make(links: dict[str, str], only: tuple[str, ...] = ("M068",), name: str = "tree") -> Path:
        root = tmp_path / name
        root.mkdir()
        for module in only:
            shutil.copytree(modules / module, root / module, copy_function=os.link)
        for entry, target in links.items():
            (root / entry).symlink_to(target)
        return root

    return make


@pytest.fixture(scope="module")
def untouched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Registry, RegistryLocation]]:
    """One registry in Pacific time for all that is refused before the database is asked: it stays empty."""
    for location in make_location(request, tmp_path_factory.mktemp("untouched"), "sqlite"):
        with location.open(PACIFIC) as registry:
            yield registry, location


def objects(location: RegistryLocation) -> list[Path]:
    return [path for path in (location.store / "objects").rglob("*") if path.is_file()]


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def hazards_of(registry: Registry, tree: Path) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        registry.import_tree(tree)
    hazards: list[str] = caught.value.values["hazards"]
    assert caught.value.details == tuple(hazards)
    counted = "1 hazard" if len(hazards) == 1 else f"{len(hazards)} hazards"
    assert f"cannot be imported as it stands: {counted}, nothing was recorded" in caught.value.message
    return hazards


def refusal(untouched: tuple[Registry, RegistryLocation], tree: Path) -> list[str]:
    """Return the hazards of a tree of one sound entry, having seen that nothing of it was kept."""
    registry, location = untouched
    with pytest.raises(ImportHazardError) as caught:
        registry.import_tree(tree)
    assert caught.value.code == 2
    assert registry.log() == []
    assert registry.panels.list() == []
    assert objects(location) == []
    hazards: list[str] = caught.value.values["hazards"]
    return hazards


LINK_HAZARDS = {
    "a link that dangles": (f"{PANEL_B}-20171025000000", "M099", "the link to 'M099' dangles"),
    "a link that leaves the tree": (PANEL_B, "..", "the link to '..' leaves the tree"),
    "a link to another place outside": (PANEL_B, "/", "the link to '/' leaves the tree"),
    "a link to itself": (PANEL_B, PANEL_B, "is circular"),
    "a link to a file": (PANEL_B, "M068/g0_gain.npy", "the link to 'M068/g0_gain.npy' is not a folder"),
    "a link to the tree": (PANEL_B, ".", "the link to '.' does not lead to the folder of a module"),
    "a stamp of 13 digits": (f"{PANEL_B}-2017102500000", "M068", "'2017102500000' (13 digits) is not of 14"),
    "a stamp of 15 digits": (f"{PANEL_B}-201710250000000", "M068", "(15 digits) is not of 14 digits"),
    "a stamp of words": (f"{PANEL_B}-since-monday", "M068", "the stamp 'since-monday' is not of 14 digits"),
    "an empty stamp": (f"{PANEL_B}-", "M068", "the stamp '' is not of 14 digits"),
    "a stamp and more": (f"{PANEL_B}-20171025000000~", "M068", "'20171025000000~' is not of 14 digits"),
    "a stamp of other digits": (f"{PANEL_B}-" + "\u0661" * 14, "M068", "is not of 14 digits"),
    "30 February": (
        f"{PANEL_B}-20180230000000",
        "M068",
        "20180230000000 is a date or time that does not exist",
    ),
    "25 o'clock": (
        f"{PANEL_B}-20180228250000",
        "M068",
        "20180228250000 is a date or time that does not exist",
    ),
    "an hour that was left out": (
        f"{PANEL_B}-20180311023000",
        "M068",
        "20180311023000 does not exist in America/Los_Angeles: the clocks were put forward over it",
    ),
    "an hour that came twice": (
        f"{PANEL_B}-20171105013000",
        "M068",
        "happened twice in America/Los_Angeles, at 2017-11-05T08:30:00Z and at 2017-11-05T09:30:00Z",
    ),
    "an Id in upper case": ("170505-149520170815-3D00F7", "M068", f"write {PANEL_B}"),
    "an Id with leading zeros": ("0170505-149520170815-3d00f7", "M068", f"write {PANEL_B}"),
    "an Id with 0x": ("0x170505-149520170815-3d00f7", "M068", f"write {PANEL_B}"),
    "an Id of more than 64 bits": ("170505-149520170815-" + "f" * 200, "M068", "has more than 64 bits"),
    "the empty field of the old formatter": (
        EMPTY_SERIAL,
        "M068",
        "has an empty field, which is how the old formatter wrote the value 0; write 170505-149520170815-0",
    ),
    "the empty field of the old formatter, with a stamp": (
        f"{EMPTY_SERIAL}-20171025000000",
        "M068",
        "has an empty field, which is how the old formatter wrote the value 0; write 170505-149520170815-0",
    ),
    "an entry that broke the old look-up": ("a-b-c-text", "M068", "the stamp 'text' is not of 14 digits"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target", "sentence"), LINK_HAZARDS.values(), ids=LINK_HAZARDS)
def test_a_link_that_cannot_be_taken_stops_the_import_and_is_named(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree, name: str, target: str, sentence: str
) -> None:
    hazards = refusal(untouched, make_tree({STAMPED_A: "M068", name: target}))
    assert len(hazards) == 1
    assert hazards[0].startswith(name[:60])
    assert sentence in hazards[0]


def test_a_name_with_control_characters_is_a_hazard_and_is_shown_escaped(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    (hazard,) = refusal(
        untouched, make_tree({STAMPED_A: "M068", f"{PANEL_B}-\x1b[31m20171025\n000000": "M068"})
    )
    assert f"{PANEL_B}-\\x1b[31m20171025\\n000000" in hazard
    assert hazard.isprintable()


def test_an_entry_that_is_a_file_is_a_hazard(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068"})
    (tree / PANEL_B).write_text("M068")
    assert refusal(untouched, tree) == [f"{PANEL_B}: it is not a folder"]


def test_a_link_through_a_chain_that_leaves_the_tree_is_a_hazard(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree, modules: Path
) -> None:
    tree = make_tree({STAMPED_A: "M068", "M088": str(modules / "M088"), PANEL_B: "M088"})
    assert refusal(untouched, tree) == [f"{PANEL_B}: the link to 'M088' leaves the tree"]


def test_a_file_link_inside_a_module_that_leaves_the_tree_is_a_hazard_of_each_entry(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree, modules: Path
) -> None:
    tree = make_tree(
        {STAMPED_A: "M068", PANEL_B: "M088", f"{PANEL_B}-20180101000000": "M088"}, ("M068", "M088")
    )
    (tree / "M088" / "g1_gain.npy").unlink()
    (tree / "M088" / "g1_gain.npy").symlink_to(modules / "M088" / "g1_gain.npy")
    assert refusal(untouched, tree) == [
        f"{name}: in M088, the link g1_gain.npy leaves the tree"
        for name in (PANEL_B, f"{PANEL_B}-20180101000000")
    ]


def test_circular_links_are_a_hazard_of_the_entries_that_need_them_only(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    links = {
        STAMPED_A: "M068",
        "M077": "M077",
        PANEL_B: "M076",
        "M076": "M075",
        "M075": "M076",
        PANEL_C: "M088",
    }
    tree = make_tree(links, ("M068", "M088"))
    (tree / "M088" / "g1_gain.npy").unlink()
    (tree / "M088" / "g1_gain.npy").symlink_to("g1_gain.npy")
    hazards = refusal(untouched, tree)
    assert hazards[0] == f"{PANEL_B}: the link to 'M076' is circular"
    assert hazards[1].startswith(f"{PANEL_C}: ")
    assert "g1_gain.npy' is a link that leads in a circle" in hazards[1]
    assert len(hazards) == 2


def test_a_module_spelled_in_lower_case_is_a_hazard_that_names_its_number(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068", PANEL_B: "m088"}, ("M068", "M088"))
    (tree / "M088").rename(tree / "m088")
    (hazard,) = refusal(untouched, tree)
    assert hazard == f"{PANEL_B}: M-number 'm088' is not in its canonical form; write M088"


def misshapen(shape: tuple[int, ...], dtype: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.unlink()
        np.save(path, np.ones(shape, dtype))

    return spoil


FILE_HAZARDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "that is missing": (Path.unlink, "lacks g2_offset.npy"),
    "of another shape": (misshapen((1024, 512), "<f4"), "has the shape (1024, 512), must have (512, 1024)"),
    "of another dtype": (misshapen((512, 1024), "<f8"), "is <f8, must be <f4"),
    "with an unreadable header": (
        lambda path: rewrite(path, b"\x93NUMPY\x01\x00v\x00{'descr': " + b"?" * 200),
        "is not a .npy file, or its header is damaged",
    ),
    "of no bytes": (lambda path: rewrite(path, b""), "is not a .npy file, or its header is damaged"),
    "that is cut": (lambda path: rewrite(path, path.read_bytes()[:-4]), "is cut short"),
}


@pytest.mark.parametrize(("spoil", "sentence"), FILE_HAZARDS.values(), ids=FILE_HAZARDS)
def test_a_file_is_a_hazard_of_every_entry_that_needs_it(
    untouched: tuple[Registry, RegistryLocation],
    make_tree: MakeTree,
    spoil: Callable[[Path], None],
    sentence: str,
) -> None:
    tree = make_tree({STAMPED_A: "M068", NEW_A: "M068"})
    spoil(tree / "M068" / "g2_offset.npy")
    hazards = refusal(untouched, tree)
    assert [hazard.split(": ")[0] for hazard in hazards] == [STAMPED_A, NEW_A]
    assert all(sentence in hazard for hazard in hazards)


@pytest.mark.slow
def test_one_serial_number_linked_to_two_modules_is_a_hazard_of_both_links_and_neither_wins(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", NEW_A: "M088", PANEL_B: "M088"}, ("M068", "M088"))
    sentences = [
        f"{name}: the serial number 3d00b0 is linked to two modules, M068 and M088"
        for name in (PANEL_A, NEW_A)
    ]
    assert refusal(untouched, tree) == sentences
    registry, _ = untouched
    rest = registry.import_tree(tree, skip_bad=True, dry_run=True)
    assert {version.panel for version in rest.versions} == {PANEL_B}
    assert rest.notes == ()  # M068 is linked, if by an entry that was left out
    assert [warning for warning in rest.warnings if "serial" in warning] == [
        f"skipped {sentence}" for sentence in sentences
    ]


def test_two_spellings_of_one_id_at_the_same_start_are_hazards_of_both(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    shouted = STAMPED_A.replace("3d00b0", "3D00B0")
    hazards = refusal(untouched, make_tree({STAMPED_A: "M068", shouted: "M088"}, ("M068", "M088")))
    assert f"{STAMPED_A}: another entry has the same panel and start: {shouted}" in hazards
    assert f"{shouted}: another entry has the same panel and start: {STAMPED_A}" in hazards


@pytest.mark.sqlite_suffices
def test_all_hazards_are_reported_at_once_and_nothing_is_recorded_or_stored(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    links = {name: target for name, target, _ in LINK_HAZARDS.values() if target != PANEL_B}
    tree = make_tree({STAMPED_A: "M068", PANEL_C: "M088", **links}, ("M068", "M088"))
    (tree / "M088" / "g0_gain.npy").unlink()
    with location.open(PACIFIC) as registry:
        hazards = hazards_of(registry, tree)
        named = {hazard.split(": ")[0][:60] for hazard in hazards}
        assert named >= {name[:60] for name in (*links, PANEL_C)}
        assert not any(hazard.startswith(f"{STAMPED_A}: ") for hazard in hazards)
        assert registry.log() == []
        assert registry.panels.list() == []
        assert objects(location) == []


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_with_skip_bad_the_rest_is_imported_and_each_entry_left_out_is_warned_about(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    bad = {PANEL_C: "M099", f"{PANEL_B}-2018": "M088"}
    tree = make_tree({STAMPED_A: "M068", PANEL_B: "M088", **bad}, ("M068", "M088"))
    with location.open(PACIFIC) as registry:
        outcome = registry.import_tree(tree, skip_bad=True)
        assert outcome.revision == 1
        assert {(version.panel, version.kind) for version in outcome.versions} == {
            (panel, kind) for panel in (PANEL_A, PANEL_B) for kind in ("gain", "offset")
        }
        skipped = [warning for warning in outcome.warnings if warning.startswith("skipped ")]
        assert [warning.split(": ")[0] for warning in skipped] == [f"skipped {name}" for name in sorted(bad)]
        assert [panel.panel for panel in registry.panels.list()] == [PANEL_A, PANEL_B]
        assert registry.verify().problems == ()


@pytest.mark.sqlite_suffices
def test_foreign_entries_are_left_out_with_a_note_each(registry: Registry, make_tree: MakeTree) -> None:
    tree = make_tree({STAMPED_A: "M068"}, ("M068", "M088"))
    (tree / "jungfrau-171113-154920171025-3d00fb.h5").write_bytes(b"\x89HDF\r\n")
    (tree / "logs").mkdir()
    (tree / "README").write_text("ask Mikhail")
    (tree / "M077").write_text("a file")
    (tree / "odd\x1bname").write_text("")
    (tree / "M068" / "g0_gain.txt").write_text("41.5")
    (tree / "latest").symlink_to("/")
    outcome = registry.import_tree(tree)
    expected = [
        *(
            f"{name!r} is neither a panel nor a module; it is left out"
            for name in (
                "M077",
                "README",
                "jungfrau-171113-154920171025-3d00fb.h5",
                "latest",
                "logs",
                "odd\x1bname",
            )
        ),
        "M088 is linked by no panel; it is left out",
    ]
    assert outcome.notes[0] == "stamps are read in UTC, the registry's time zone, unless another one is given"
    assert list(outcome.notes[1:-1]) == expected
    assert "g0_gain.txt' is not an array of a known kind; it is left out" in outcome.notes[-1]
    assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_real_folders_named_like_panels_are_imported_without_an_alias(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({}, ("M068", "M088"))
    (tree / "M068").rename(tree / PANEL_A)
    (tree / "M088").rename(tree / f"{PANEL_B}-20180115120000")
    with location.open(PACIFIC) as registry:
        registry.import_tree(tree)
        starts = [
            (version.panel, version.alias, str(version.valid_from)) for version in registry.versions.list()
        ]
        assert sorted(set(starts)) == [
            (PANEL_A, None, "beginning"),
            (PANEL_B, None, "2018-01-15T20:00:00Z"),
        ]
        assert registry.aliases.list() == []


@pytest.mark.sqlite_suffices
def test_a_link_to_a_real_folder_of_another_panel_brings_its_constants_and_no_alias(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({NEW_A: PANEL_A})
    (tree / "M068").rename(tree / PANEL_A)
    outcome = registry.import_tree(tree)
    assert len({version.constants for version in outcome.versions if version.kind == "gain"}) == 1
    assert {panel.panel: panel.alias for panel in registry.panels.list()} == {PANEL_A: None, NEW_A: None}


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_stamps_are_local_times_of_the_registrys_zone_in_summer_and_winter(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068", f"{PANEL_A}-20180115000000": "M068", NEW_A: "M068"})
    with location.open(PACIFIC) as pacific:
        dry = pacific.import_tree(tree, dry_run=True)
        starts = [
            (version.panel, version.valid_from.iso) for version in dry.versions if version.kind == "gain"
        ]
        assert starts == [
            (PANEL_A, "2017-10-25T07:00:00Z"),
            (PANEL_A, "2018-01-15T08:00:00Z"),
            (NEW_A, None),
        ]
    with location.open() as utc:
        utc.import_tree(tree)
        starts = [
            (version.panel, version.valid_from.iso)
            for version in utc.versions.list()
            if version.kind == "gain"
        ]
        assert starts == [
            (PANEL_A, "2017-10-25T00:00:00Z"),
            (PANEL_A, "2018-01-15T00:00:00Z"),
            (NEW_A, None),
        ]


@pytest.mark.slow
def test_an_import_is_one_revision_and_the_same_import_again_is_no_change(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068", NEW_A: "M068", PANEL_B: "M088"}, ("M068", "M088"))
    first = registry.import_tree(tree, comment="the directory as of today")
    assert first.revision == 1
    assert first.unchanged == ()
    assert {version.recorded_in for version in first.versions} == {1}
    assert {version.comment for version in first.versions} == {"the directory as of today"}
    assert {version.source_path for version in first.versions if version.panel == NEW_A} == {
        str(tree / NEW_A)
    }
    assert [(alias.alias, alias.panel) for alias in registry.aliases.list()] == [
        ("M068", PANEL_A),
        ("M068", NEW_A),
        ("M088", PANEL_B),
    ]
    again = registry.import_tree(tree, comment="and again")
    assert again.revision is None
    assert again.versions == again.withdrawn == again.facts == ()
    assert {version.version for version in again.unchanged} == {version.version for version in first.versions}
    assert [revision.revision for revision in registry.log()] == [1]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_dry_run_reports_what_the_import_does_and_leaves_no_trace(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068", NEW_A: "M068", PANEL_C: "M099"})
    (tree / "README").write_text("")
    with location.open() as registry:
        dry = registry.import_tree(tree, skip_bad=True, dry_run=True, comment="the directory")
        assert dry.revision is None
        assert registry.log() == []
        assert registry.panels.list() == []
        assert objects(location) == []
        real = registry.import_tree(tree, skip_bad=True, comment="the directory")
        assert real.revision == 1
        assert dry.facts == real.facts != ()
        assert dry == replace(real, revision=None, seal=None, dry_run=True)
        assert len(objects(location)) == 6


def change_module(tree: Path, module: str, seed: int) -> None:
    file = tree / module / "g0_gain.npy"
    file.unlink()
    np.save(file, make_panel_array("gain", 0, seed))


@pytest.mark.slow
def test_other_content_at_a_recorded_start_is_a_conflict_until_it_supersedes_with_a_comment(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068", PANEL_B: "M088"}, ("M068", "M088"))
    with location.open() as registry:
        first = registry.import_tree(tree)
        stored = objects(location)
        change_module(tree, "M068", 77)
        with pytest.raises(ConflictError) as caught:
            registry.import_tree(tree)
        assert (caught.value.code, caught.value.remedy) == (5, Remedy.SKIP_BAD_ENTRIES)
        assert caught.value.values["remedies"] == [Remedy.SUPERSEDE]
        (hazard,) = caught.value.details
        assert hazard.startswith(f"{STAMPED_A}: gain of {PANEL_A} from 2017-10-25T00:00:00Z ")
        assert f"version {first.versions[0].version}" in hazard
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.import_tree(tree, supersede=True)
        assert len(registry.log()) == 1
        assert objects(location) == stored
        outcome = registry.import_tree(tree, supersede=True, comment="the gain was measured anew")
        assert [(version.panel, version.kind) for version in outcome.versions] == [(PANEL_A, "gain")]
        assert [version.version for version in outcome.withdrawn] == [first.versions[0].version]
        assert len(outcome.unchanged) == 3
        assert outcome.revision == 2
        assert registry.validity(PANEL_A, kinds=["gain"]).versions == outcome.versions
        assert (
            registry.validity(PANEL_A, kinds=["gain"], as_of=1).versions[0].constants
            == first.versions[0].constants
        )


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_second_import_brings_back_withdrawn_versions_only_by_supersession(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({STAMPED_A: "M068"})
    with location.open() as registry:
        gain = registry.import_tree(tree).versions[0]
        registry.versions.withdraw(gain.version, comment="the beam was off")
        with pytest.raises(ConflictError) as caught:
            registry.import_tree(tree)
        (hazard,) = caught.value.details
        assert hazard.startswith(f"{STAMPED_A}: gain of {PANEL_A} from 2017-10-25T00:00:00Z ")
        assert f"version {gain.version}" in hazard
        assert "revision 2" in hazard
        skipped = registry.import_tree(tree, skip_bad=True)
        assert skipped.revision is None
        assert [version.kind for version in registry.versions.list()] == ["offset"]
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.import_tree(tree, supersede=True, comment=" ")
        back = registry.import_tree(tree, supersede=True, comment="the beam was on after all")
        assert [(version.kind, version.constants) for version in back.versions] == [("gain", gain.constants)]
        assert [version.kind for version in registry.versions.list()] == ["gain", "offset"]


def test_contradictions_of_the_registry_alone_are_a_conflict_and_a_hazard_beside_them_is_a_bad_tree(
    registry: Registry, make_tree: MakeTree
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    tree = make_tree({PANEL_A: "M088", NEW_A: "M088"}, ("M088",))
    with pytest.raises(ConflictError) as caught:
        registry.import_tree(tree)
    assert caught.value.values["hazards"] == [
        f"{PANEL_A}: panel {PANEL_A} cannot bear M088: it bears the M-number M068",
        f"{NEW_A}: panel {NEW_A} cannot bear M088: its serial number is that of {PANEL_A}, which bears M068",
    ]
    (tree / PANEL_B).symlink_to("M099")
    with pytest.raises(ImportHazardError) as bad:
        registry.import_tree(tree)
    assert len(bad.value.values["hazards"]) == 3
    assert [revision.revision for revision in registry.log()] == [1]
    assert registry.versions.list() == []


def test_a_tree_that_is_not_there_or_is_a_file_is_refused(
    untouched: tuple[Registry, RegistryLocation], tmp_path: Path
) -> None:
    registry, _ = untouched
    with assert_refused(NotFoundError, "nowhere"):
        registry.import_tree(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with assert_refused(RequestError):
        registry.import_tree(tmp_path / "file")


def test_a_folder_without_entries_is_refused(
    untouched: tuple[Registry, RegistryLocation], tmp_path: Path
) -> None:
    registry, _ = untouched
    (tmp_path / "tree" / "logs").mkdir(parents=True)
    with assert_refused(RequestError):
        registry.import_tree(tmp_path / "tree")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("-149520170815-3d00b0", "has an empty field, which is how the old formatter wrote the value 0"),
        ("170505--3d00b0-20180101000000", "has an empty field"),
        ("170505-149520170815-20171025000000", "in the place of the serial number reads as a stamp"),
    ],
)
def test_a_field_that_is_missing_is_a_hazard_wherever_it_is_missing(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree, name: str, sentence: str
) -> None:
    registry, _ = untouched
    with assert_refused(ImportHazardError, sentence):
        registry.import_tree(make_tree({name: "M068"}))


def test_a_module_that_is_itself_a_link_is_a_hazard(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree
) -> None:
    registry, _ = untouched
    tree = make_tree({STAMPED_A: "M070"})
    (tree / "M070").symlink_to("M068")
    with assert_refused(ImportHazardError, "M070", "M068"):
        registry.import_tree(tree)


@pytest.mark.sqlite_suffices
def test_a_tree_may_be_reached_by_a_link(registry: Registry, make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree({STAMPED_A: "M068"})
    (tmp_path / "current").symlink_to(tree)
    outcome = registry.import_tree(tmp_path / "current")
    assert [version.kind for version in outcome.versions] == ["gain", "offset"]


def test_the_path_of_a_tree_need_not_be_utf_8(registry: Registry, make_tree: MakeTree) -> None:
    tree = make_tree({STAMPED_A: "M068"}, name=os.fsdecode(b"caf\xe9"))
    outcome = registry.import_tree(tree)
    assert outcome.versions[0].source_path == str(tree.parent / "caf\\xe9" / STAMPED_A)


def test_an_unknown_time_zone_is_refused_before_anything_is_read(sqlite_location: RegistryLocation) -> None:
    with assert_refused(InstantError, "Pacific/Menlo"):
        sqlite_location.open("Pacific/Menlo")


def test_a_link_without_a_stamp_is_valid_from_the_beginning_until_the_first_stamp(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", STAMPED_A: "M068"})
    registry.import_tree(tree)
    first, second = registry.validity(PANEL_A, kinds=["gain"]).versions
    assert (first.valid_from, first.valid_to) == (BEGINNING, second.valid_from)
    assert second.valid_to is None
    assert first.constants == second.constants


@pytest.mark.parametrize(
    "name",
    [
        "170505-149520170815-3d00f7_20180601000000",
        "17O505-149520170815-3d00f7-20180601000000",  # a letter O
        "jungfrau_171113-154920171025-3d00fe-20180306000000",
    ],
)
def test_a_link_to_a_module_whose_name_is_mistyped_is_a_hazard(
    untouched: tuple[Registry, RegistryLocation], make_tree: MakeTree, name: str
) -> None:
    registry, _ = untouched
    with assert_refused(ImportHazardError, name):
        registry.import_tree(make_tree({STAMPED_A: "M068", name: "M068"}))

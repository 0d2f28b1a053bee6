"""M-numbers of links in time: a board that moved to another module, and links that are mistyped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import ConflictError, ImportHazardError, Remedy, RequestError
from registry.records import ImportOutcome
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

T17, T18, T19, T20 = (f"20{year}-01-01T00:00:00Z" for year in (17, 18, 19, 20))
A17, A18, A19, A20 = (f"{PANEL_A}-20{year}0101000000" for year in (17, 18, 19, 20))
NEW18, NEW19 = (f"{NEW_A}-20{year}0101000000" for year in (18, 19))
B17, B19, C19 = f"{PANEL_B}-20170101000000", f"{PANEL_B}-20190101000000", f"{PANEL_C}-20190101000000"

MakeTree = Callable[[dict[str, str]], Path]


@pytest.fixture
def make_tree(modules: Path, tmp_path: Path) -> MakeTree:
    def make(links: dict[str, str]) -> Path:
        root = tmp_path / "tree"
        root.mkdir()
        for name in ("M044", "M068", "M088"):
            shutil.copytree(modules / name, root / name)
        for link, module in links.items():
            (root / link).symlink_to(module)
        return root

    return make


def relink(root: Path, link: str, module: str) -> None:
    (root / link).unlink()
    (root / link).symlink_to(module)


def aliases(registry: Registry) -> list[tuple[str, str, str]]:
    rows = sorted(registry.aliases.list(), key=lambda row: (row.panel, row.valid_from))
    return [(row.panel, row.alias, str(row.valid_from)) for row in rows]


def list_skipped(outcome: ImportOutcome) -> list[tuple[str, str]]:
    return sorted((row.entry, row.cause) for row in outcome.skipped)


@pytest.mark.slow
def test_a_board_that_moved_bears_each_m_number_for_its_time(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M068", A19: "M088", A20: "M088"})
    with location.open() as registry:
        dry = registry.import_tree(tree, dry_run=True)
        outcome = registry.import_tree(tree)
        assert dry.facts == outcome.facts
        assert outcome.revision == 1
        assert aliases(registry) == [(PANEL_A, "M068", "beginning"), (PANEL_A, "M088", T19)]
        assert {row.alias for row in registry.validity(PANEL_A, at="2018-06-01T00:00:00Z").versions} == {
            "M068"
        }
        assert {row.alias for row in registry.validity(PANEL_A, at="2019-06-01T00:00:00Z").versions} == {
            "M088"
        }
        assert registry.import_tree(tree).revision is None
        assert registry.compare_tree(tree).links == ()
        assert registry.compare_tree(tree).hazards == ()
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_board_may_move_back_and_two_boards_may_change_places(
    registry: Registry, make_tree: MakeTree
) -> None:
    links = {PANEL_A: "M068", PANEL_B: "M088", A19: "M088", B19: "M068", A20: "M068"}
    links[f"{PANEL_B}-20200101000000"] = "M088"
    tree = make_tree(links)
    registry.import_tree(tree)
    assert aliases(registry) == [
        (panel, module, start)
        for panel, modules in ((PANEL_A, ("M068", "M088", "M068")), (PANEL_B, ("M088", "M068", "M088")))
        for module, start in zip(modules, ("beginning", T19, T20), strict=True)
    ]
    assert registry.import_tree(tree).revision is None


@pytest.mark.slow
def test_a_link_that_is_added_later_moves_the_board_from_its_start_on(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068"})
    registry.import_tree(tree)
    (tree / A19).symlink_to("M088")
    assert [row.change for row in registry.compare_tree(tree).links] == ["new", "new"]
    outcome = registry.import_tree(tree)
    assert [fact for fact in outcome.facts if "alias" in fact] == [f"+ alias M088 of {PANEL_A} from {T19}"]
    (tree / A18).symlink_to("M068")
    assert not [fact for fact in registry.import_tree(tree).facts if "alias" in fact]


def test_what_the_registry_has_at_that_time_is_not_stated_again(
    registry: Registry, make_tree: MakeTree
) -> None:
    registry.panels.add(PANEL_A)
    registry.aliases.add("M068", PANEL_A, valid_from=T18)
    registry.import_tree(make_tree({A19: "M068", A20: "M088"}))
    assert aliases(registry) == [(PANEL_A, "M068", T18), (PANEL_A, "M088", T20)]


def test_the_first_m_number_of_a_panel_that_has_none_then_counts_from_the_beginning(
    registry: Registry, make_tree: MakeTree
) -> None:
    registry.panels.add(PANEL_A)
    registry.aliases.add("M088", PANEL_A, valid_from=T19)
    registry.import_tree(make_tree({A18: "M068"}))
    assert aliases(registry) == [(PANEL_A, "M068", "beginning"), (PANEL_A, "M088", T19)]


def test_of_two_links_that_put_two_boards_into_one_module_the_later_is_a_hazard(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", PANEL_C: "M044", C19: "M068"})
    with assert_refused(ImportHazardError, C19, "M068", "3d00b0", "3d00fb", T19, problems=1):
        registry.import_tree(tree)
    comparison = registry.compare_tree(tree)
    assert [hazard.split(":")[0] for hazard in comparison.hazards] == [C19]
    outcome = registry.import_tree(tree, skip_bad=True)
    assert list_skipped(outcome) == [(C19, "bad")]
    assert aliases(registry) == [(PANEL_A, "M068", "beginning"), (PANEL_C, "M044", "beginning")]
    assert [start.kind for start in outcome.open_starts] == ["gain", "offset"]
    assert [warning for warning in outcome.warnings if "bears" in warning] == [
        f"{PANEL_C} bears M044 at {T19}, although the skipped {C19} leads to M068"
    ]


def test_of_two_boards_in_one_module_from_the_beginning_both_links_are_hazards(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", PANEL_C: "M068", PANEL_B: "M088"})
    with assert_refused(ImportHazardError, A17, PANEL_C, problems=2):
        registry.import_tree(tree)
    outcome = registry.import_tree(tree, skip_bad=True)
    assert list_skipped(outcome) == [(A17, "bad"), (PANEL_C, "bad")]
    assert {row.panel for row in outcome.versions} == {PANEL_B}


def test_a_module_whose_board_was_replaced_is_taken(registry: Registry, make_tree: MakeTree) -> None:
    """The old board leaves at the instant at which the new one comes."""
    registry.import_tree(make_tree({PANEL_A: "M068", PANEL_C: "M044", A19: "M088", C19: "M068"}))
    assert [(panel, module) for panel, module, start in aliases(registry) if start == T19] == [
        (PANEL_A, "M088"),
        (PANEL_C, "M068"),
    ]


def test_a_link_that_conflicts_with_the_registry_alone_is_a_conflict(
    registry: Registry, make_tree: MakeTree
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    tree = make_tree({C19: "M068"})
    with assert_refused(ConflictError, C19, PANEL_A, "M068", problems=1):
        registry.import_tree(tree)
    outcome = registry.import_tree(tree, skip_bad=True)
    assert (list_skipped(outcome), outcome.revision) == ([(C19, "conflict")], None)
    assert [hazard.split(":")[0] for hazard in registry.compare_tree(tree).hazards] == [C19]


def test_two_serial_numbers_of_one_module_are_taken_if_it_is_said_with_a_comment(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", C19: "M068"})
    with location.open() as registry:
        with assert_refused(RequestError):
            registry.import_tree(tree, same_module=True)
        outcome = registry.import_tree(tree, same_module=True, comment="the board was renumbered")
        assert outcome.skipped == ()
        assert {(row.panel, row.same_module) for row in registry.aliases.list()} == {
            (PANEL_A, False),
            (PANEL_C, True),
        }
        assert registry.import_tree(tree).revision is None
        assert registry.compare_tree(tree).hazards == ()


def test_one_serial_number_in_two_modules_is_a_hazard_whatever_is_said(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", NEW_A: "M088"})
    with assert_refused(ImportHazardError, PANEL_A, NEW_A, problems=2):
        registry.import_tree(tree, same_module=True, comment="renumbered")


@pytest.mark.slow
@pytest.mark.parametrize("link", [A17, A19])
def test_a_link_that_was_retargeted_since_its_import_is_a_conflict(
    registry: Registry, make_tree: MakeTree, link: str
) -> None:
    """Also where the files of both modules are the same, so that no version conflicts."""
    tree = make_tree({A17: "M068", A19: "M068"})
    registry.import_tree(tree)
    shutil.rmtree(tree / "M044")
    shutil.copytree(tree / "M068", tree / "M044")
    relink(tree, link, "M044")
    with assert_refused(ConflictError, link, "M044", "M068", problems=1):
        registry.import_tree(tree)
    assert {(row.change, row.link) for row in registry.compare_tree(tree).links} == {("retargeted", link)}
    with assert_refused(ConflictError, link, problems=1):
        registry.import_tree(tree, supersede=True, comment="it moved")
    registry.import_tree(tree, skip_bad=True)
    assert aliases(registry) == [(PANEL_A, "M068", "beginning")]


def test_a_link_left_out_makes_the_board_stay_and_what_then_conflicts_is_left_out_too(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({PANEL_A: "M068", PANEL_C: "M044", A19: "M088", C19: "M068"})
    (tree / "M088" / "g0_gain.npy").unlink()
    outcome = registry.import_tree(tree, skip_bad=True)
    assert {entry for entry, _ in list_skipped(outcome)} == {A19, C19}
    assert aliases(registry) == [(PANEL_A, "M068", "beginning"), (PANEL_C, "M044", "beginning")]


def test_the_command_takes_the_same_module_and_needs_a_comment(calreg: Calreg, make_tree: MakeTree) -> None:
    tree = str(make_tree({PANEL_A: "M068", C19: "M068"}))
    calreg.assert_refused(2, "import", tree, "--same-module")
    calreg.assert_refused(2, "import", tree, "--compare", "--same-module")
    shown = calreg.run("import", tree, "--same-module", "--comment", "renumbered")
    assert f"+ alias M068 of {PANEL_C}" in shown.stdout


@pytest.mark.slow
def test_an_m_number_that_was_withdrawn_is_not_brought_back_until_the_import_supersedes(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A19: "M088", B19: "M044"})
    registry.import_tree(tree)
    registry.aliases.withdraw("M088", PANEL_A, comment="the link is mistyped")
    before = aliases(registry)
    with assert_refused(
        ConflictError,
        *(A19, "M088", "revision 2"),
        problems=1,
        remedy=Remedy.SKIP_BAD_ENTRIES,
        remedies=[Remedy.SUPERSEDE],
    ):
        registry.import_tree(tree)
    assert [hazard.split(":")[0] for hazard in registry.compare_tree(tree).hazards] == [A19]
    for gap_bad in (False, True):
        left = registry.import_tree(tree, skip_bad=True, gap_bad=gap_bad)
        assert (left.revision, list_skipped(left), left.open_starts) == (None, [(A19, "withdrawn")], ())
    assert aliases(registry) == before
    dry = registry.import_tree(tree, supersede=True, comment="it is right", dry_run=True)
    outcome = registry.import_tree(tree, supersede=True, comment="it is right")
    assert dry.facts == outcome.facts == (f"+ alias M088 of {PANEL_A} from {T19}",)
    registry.aliases.withdraw("M088", PANEL_A, comment="once more")
    registry.aliases.add("M088", PANEL_A, valid_from=T19)  # by hand it comes back
    assert registry.import_tree(tree).revision is None


def test_a_link_that_is_left_out_for_its_constants_states_no_m_number(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068"})
    registry.import_tree(tree)
    registry.versions.gap(PANEL_A, valid_from=T19, comment="nothing was measured")
    (tree / A19).symlink_to("M088")
    outcome = registry.import_tree(tree, skip_bad=True)
    assert (outcome.revision, list_skipped(outcome)) == (None, [(A19, "conflict")] * 2)
    assert aliases(registry) == [(PANEL_A, "M068", "beginning")]
    assert any("M068" in warning and "M088" in warning for warning in outcome.warnings)


def test_the_advice_on_two_serial_numbers_is_to_state_the_same_module(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", C19: "M068"})
    with assert_refused(ImportHazardError, "3d00b0", "3d00fb", remedies=[Remedy.STATE_SAME_MODULE]):
        registry.import_tree(tree)
    (tree / C19).unlink()
    registry.import_tree(tree)
    (tree / A17).unlink()
    (tree / C19).symlink_to("M068")
    with assert_refused(ConflictError, PANEL_A, PANEL_C, remedies=[Remedy.STATE_SAME_MODULE]):
        registry.import_tree(tree)


@pytest.mark.slow
def test_a_board_that_moves_hundreds_of_times_has_an_alias_for_each(
    sqlite_location: RegistryLocation, make_tree: MakeTree
) -> None:
    first = datetime(2018, 1, 1)  # noqa: DTZ001 - a stamp has no zone
    stamps = [(first + timedelta(hours=number)).strftime("%Y%m%d%H%M%S") for number in range(300)]
    links = {f"{PANEL_A}-{stamp}": ("M068", "M088")[index % 2] for index, stamp in enumerate(stamps)}
    tree = make_tree(links)
    with sqlite_location.open() as registry:
        registry.import_tree(tree)
        assert len(registry.aliases.list()) == len(links)
        assert registry.import_tree(tree).revision is None


def test_an_m_number_does_not_reach_back_over_a_link_to_another_module_that_is_left_out(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", B17: "M068", B19: "M044"})
    with location.open() as registry:
        first = registry.import_tree(tree, skip_bad=True)
        assert list_skipped(first) == [(A17, "bad"), (B17, "bad")]
        assert aliases(registry) == [(PANEL_B, "M044", T19)]
        again = registry.import_tree(tree, skip_bad=True)
        assert (again.revision, list_skipped(again)) == (None, list_skipped(first))


@pytest.mark.slow
def test_a_board_that_moves_takes_its_other_panel_ids_along(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    """The panel Id of the old firmware has no link to the module in which the board is now."""
    tree = make_tree({A17: "M068", NEW18: "M068", NEW19: "M044"})
    with location.open() as registry:
        dry = registry.import_tree(tree, dry_run=True)
        outcome = registry.import_tree(tree)
        assert (dry.facts, outcome.skipped) == (outcome.facts, ())
        assert f"+ alias M044 of {PANEL_A} from {T19}" in outcome.facts
        assert aliases(registry) == [
            (panel, module, start)
            for panel in (PANEL_A, NEW_A)
            for module, start in (("M068", "beginning"), ("M044", T19))
        ]
        assert registry.import_tree(tree).revision is None
        comparison = registry.compare_tree(tree)
        assert (comparison.links, comparison.hazards) == ((), ())
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_board_whose_move_is_imported_later_takes_its_other_panel_ids_along(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068"})
    with location.open() as registry:
        registry.import_tree(tree)
        (tree / A17).unlink()
        (tree / NEW18).symlink_to("M068")
        registry.import_tree(tree)
        (tree / NEW19).symlink_to("M044")
        outcome = registry.import_tree(tree)
        assert [fact for fact in outcome.facts if "alias" in fact] == [
            f"+ alias M044 of {panel} from {T19}" for panel in (NEW_A, PANEL_A)
        ]
        assert registry.import_tree(tree).revision is None
        assert registry.compare_tree(tree).hazards == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("is_imported", "error", "cause"),
    [(False, ImportHazardError, "bad"), (True, ConflictError, "conflict")],
)
def test_no_panel_id_moves_along_against_a_later_link_of_its_own(
    location: RegistryLocation,
    make_tree: MakeTree,
    is_imported: bool,
    error: type[ImportHazardError | ConflictError],
    cause: str,
) -> None:
    tree = make_tree({A17: "M068", NEW18: "M068", A20: "M068"})
    with location.open() as registry:
        if is_imported:
            registry.import_tree(tree)
        (tree / NEW19).symlink_to("M044")
        with assert_refused(error, NEW19, "M044", "M068", "3d00b0", problems=1):
            registry.import_tree(tree)
        assert [hazard.split(":")[0] for hazard in registry.compare_tree(tree).hazards] == [NEW19]
        outcome = registry.import_tree(tree, skip_bad=True)
        assert list_skipped(outcome) == [(NEW19, cause)]
        assert {module for _, module, _ in aliases(registry)} == {"M068"}


def test_a_move_that_was_withdrawn_comes_back_for_none_of_the_panel_ids(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", NEW18: "M068", NEW19: "M044"})
    with location.open() as registry:
        registry.import_tree(tree)
        registry.aliases.withdraw("M044", PANEL_A, NEW_A, comment="the link is mistyped")
        before = aliases(registry)
        outcome = registry.import_tree(tree, skip_bad=True)
        assert (outcome.revision, list_skipped(outcome)) == (None, [(NEW19, "withdrawn")])
        assert aliases(registry) == before


def test_one_serial_number_in_two_modules_from_their_first_links_is_a_hazard(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    """Nothing says that the board moved: one of the links may be mistyped."""
    tree = make_tree({A17: "M068", NEW19: "M044"})
    with location.open() as registry:
        with assert_refused(ImportHazardError, A17, NEW19, "3d00b0", "M044", "M068", problems=2):
            registry.import_tree(tree)
        outcome = registry.import_tree(tree, skip_bad=True)
        assert list_skipped(outcome) == [(A17, "bad"), (NEW19, "bad")]
        assert aliases(registry) == []

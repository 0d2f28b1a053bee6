"""A legacy directory compared with the registry while both are in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import NotFoundError
from registry.importers.directory_rule import DEFAULT_TIME
from registry.records import ChoiceDifference, TreeComparison
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

S17, S18 = "20170101000000", "20180101000000"
T17, T18 = "2017-01-01T00:00:00Z", "2018-01-01T00:00:00Z"
A17, A18, B17 = f"{PANEL_A}-{S17}", f"{PANEL_A}-{S18}", f"{PANEL_B}-{S17}"
SOURCE = "XcsEndstation.0:Jungfrau.0"


@pytest.fixture
def tree(modules: Path, tmp_path: Path) -> Path:
    """A tree of a panel with two starts and one with one; its files are hard links: replace them."""
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("M044", "M068", "M088"):
        shutil.copytree(modules / name, root / name, copy_function=os.link)
    for link, module in ((A17, "M068"), (B17, "M088")):
        (root / link).symlink_to(module)
    return root


@pytest.fixture
def imported(registry: Registry, tree: Path) -> Registry:
    """A registry that holds the tree (revision 1), and a detector of its two panels (2)."""
    registry.import_tree(tree)
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
    return registry


def links(comparison: TreeComparison) -> list[tuple[str, str | None, str, str, str]]:
    return [(row.change, row.link, row.panel, row.kind, row.reason) for row in comparison.links]


def test_an_imported_directory_has_no_differences(imported: Registry, tree: Path) -> None:
    imported.runs.add("exp=xcs1:run=1", begin="2017-06-01T00:00:00Z")
    comparison = imported.compare_tree(tree)
    assert (comparison.links, comparison.runs, comparison.hazards) == ((), (), ())
    assert (comparison.compared_links, comparison.compared_runs, comparison.revision) == (2, 1, 3)


REFUSED_NAMES = {
    "13 digits": f"{PANEL_A}-2017010100000",
    "an hour that summer time repeats": f"{PANEL_A}-20171105013000",
}


@pytest.mark.parametrize("name", REFUSED_NAMES.values(), ids=REFUSED_NAMES)
def test_what_the_directory_picks_is_compared_by_content_though_its_name_is_refused(
    location: RegistryLocation, tree: Path, name: str
) -> None:
    (tree / A17).rename(tree / name)
    with location.open("America/Los_Angeles") as registry:
        registry.panels.add(PANEL_A)
        registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
        registry.runs.add("exp=xcs1:run=1", begin="2018-06-01T00:00:00Z")
        (run,) = registry.compare_tree(tree).runs  # the registry has nothing, the directory has
        assert [(choice.link, choice.version, choice.registry) for choice in run.choices] == [
            (name, None, None)
        ] * 2
        assert all(choice.directory for choice in run.choices)
        assert all(f"{name.split('-')[3]}" in choice.reason for choice in run.choices)
        registry.versions.add(PANEL_A, tree / "M068", valid_from=T18)
        assert registry.compare_tree(tree).runs == ()  # the same content, by other names
        for gain_range in range(3):
            path = tree / "M068" / f"g{gain_range}_gain.npy"
            path.unlink()
            np.save(path, make_panel_array("gain", gain_range).astype(np.float64))
        (run,) = registry.compare_tree(tree).runs  # the directory does not look at what it gives
        assert [(choice.kind, choice.directory) for choice in run.choices] == [("gain", None)]
        (tree / "M068" / "g1_gain.npy").unlink()
        registry.versions.gap(PANEL_A, valid_from="2018-03-01T00:00:00Z", kinds=["gain"], comment="lost")
        assert registry.compare_tree(tree).runs == ()  # neither has any


def test_a_panel_id_with_an_empty_field_is_compared_by_content(registry: Registry, tree: Path) -> None:
    panel, spelled = "170505-149520170815-0", "170505-149520170815-"
    (tree / spelled).symlink_to("M068")
    registry.panels.add(panel)
    registry.detectors.configure("xcs1", SOURCE, panel, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=T18)
    (run,) = registry.compare_tree(tree).runs
    assert {choice.link for choice in run.choices} == {spelled}
    registry.versions.add(panel, tree / "M068", valid_from=T17)
    assert registry.compare_tree(tree).runs == ()


@pytest.mark.slow
def test_links_read_in_another_time_zone_than_on_import_are_reported(
    location: RegistryLocation, imported: Registry, tree: Path
) -> None:
    with location.open("America/Los_Angeles") as elsewhere:
        comparison = elsewhere.compare_tree(tree)
    removed = {row.reason for row in comparison.links if row.change == "removed"}
    read = "is read as 2017-01-01T08:00:00Z: in another zone than on import"
    assert removed == {f"its link {A17} {read}", f"its link {B17} {read}"}


def retarget(root: Path) -> None:
    (root / A17).unlink()
    (root / A17).symlink_to("M044")


def change_file(root: Path) -> None:
    (root / "M068" / "g1_gain.npy").unlink()
    np.save(root / "M068" / "g1_gain.npy", make_panel_array("gain", 1, 9))


IN_THE_DIRECTORY: dict[str, tuple[Callable[[Path], object], str, str | None, tuple[str, ...], str]] = {
    "a new link": (
        lambda root: (root / A18).symlink_to("M068"),
        "new",
        A18,
        ("gain", "offset"),
        "not imported yet",
    ),
    "a new link to another module": (
        lambda root: (root / A18).symlink_to("M044"),
        "new",
        A18,
        ("gain", "offset"),
        "not imported yet, and leads to M044 (the registry: M068)",
    ),
    "a link that leads elsewhere now": (
        retarget,
        "retargeted",
        A17,
        ("gain", "offset"),
        "retargeted since import, to M044 (the registry: M068)",
    ),
    "a link that is gone": (
        lambda root: (root / A17).unlink(),
        "removed",
        None,
        ("gain", "offset"),
        f"its link {A17} is gone",
    ),
    "a file that is another": (change_file, "changed", A17, ("gain",), "g1_gain.npy changed since import"),
}


@pytest.mark.parametrize(
    ("change", "kind_of_change", "link", "kinds", "reason"), IN_THE_DIRECTORY.values(), ids=IN_THE_DIRECTORY
)
def test_changes_in_the_directory_are_reported(
    imported: Registry,
    tree: Path,
    change: Callable[[Path], object],
    kind_of_change: str,
    link: str | None,
    kinds: tuple[str, ...],
    reason: str,
) -> None:
    change(tree)
    assert links(imported.compare_tree(tree)) == [
        (kind_of_change, link, PANEL_A, kind, reason) for kind in kinds
    ]


@pytest.mark.slow
def test_changes_in_the_registry_are_reported(imported: Registry, tree: Path, modules: Path) -> None:
    gain, offset = (row.version for row in imported.versions.list(PANEL_A))
    imported.versions.withdraw(gain, comment="the beam was off")
    imported.versions.add(
        PANEL_A, modules / "M044", valid_from=T17, kinds=["offset"], supersede=True, comment="measured anew"
    )
    imported.versions.add(PANEL_B, modules / "M044", valid_from=T18, kinds=["gain"])
    imported.versions.gap(PANEL_B, valid_from=T18, kinds=["offset"], comment="broken")
    comparison = imported.compare_tree(tree)
    assert links(comparison) == [
        ("withdrawn", A17, PANEL_A, "gain", "withdrawn in revision 3: the beam was off"),
        ("superseded", A17, PANEL_A, "offset", "superseded by other constants in revision 4"),
        ("added", None, PANEL_B, "gain", "constants of the registry alone, stated in revision 5"),
        ("added", None, PANEL_B, "offset", "a gap of the registry alone, stated in revision 6"),
    ]
    withdrawn, superseded, *_ = comparison.links
    assert (withdrawn.version, withdrawn.registry) == (gain, None)
    assert withdrawn.directory is not None
    assert superseded.version == offset + 3
    assert superseded.registry not in (None, superseded.directory)


def test_panels_that_the_directory_never_had_are_not_compared_and_counted(
    imported: Registry, tree: Path, modules: Path
) -> None:
    imported.panels.add(NEW_A)
    imported.panels.add(PANEL_C)
    imported.versions.add(PANEL_C, modules / "M044", valid_from=T17)
    imported.detectors.configure("xcs2", SOURCE, PANEL_C, first_run=1)
    imported.runs.add("exp=xcs2:run=1", begin="2017-06-01T00:00:00Z")
    comparison = imported.compare_tree(tree)
    assert (comparison.links, comparison.runs, comparison.compared_runs) == ((), (), 0)
    note = (
        "2 panels of the registry have no link, had none, and are read out beside no panel of the directory: not"
        " compared, nor are their runs"
    )
    assert note in comparison.notes


def test_a_panel_read_out_beside_one_of_the_directory_is_compared(
    imported: Registry, tree: Path, modules: Path
) -> None:
    imported.panels.add(PANEL_C)
    imported.versions.add(PANEL_C, modules / "M044", valid_from=T17)
    imported.detectors.configure("xcs2", SOURCE, f"{PANEL_C}_{PANEL_B}", first_run=1)
    imported.runs.add("exp=xcs2:run=1", begin="2017-06-01T00:00:00Z")
    comparison = imported.compare_tree(tree)
    assert {(row.change, row.panel) for row in comparison.links} == {("added", PANEL_C)}
    (run,) = comparison.runs
    assert {(choice.panel, choice.reason) for choice in run.choices} == {
        (PANEL_C, "the directory has no link of this panel")
    }
    assert not any("of the registry have no link" in note for note in comparison.notes)
    beside = "1 panel that the directory never had is compared in the runs beside panels of the directory"
    assert f"{beside}, and in no others" in comparison.notes


def test_a_panel_whose_links_are_all_gone_is_compared_still(imported: Registry, tree: Path) -> None:
    imported.runs.add("exp=xcs1:run=1", begin="2017-06-01T00:00:00Z")
    (tree / B17).unlink()
    comparison = imported.compare_tree(tree)
    assert {(row.change, row.panel) for row in comparison.links} == {("removed", PANEL_B)}
    assert [choice.panel for run in comparison.runs for choice in run.choices] == [PANEL_B, PANEL_B]


def test_a_panel_whose_link_is_gone_and_whose_constants_were_replaced_is_compared_still(
    imported: Registry, tree: Path, modules: Path
) -> None:
    imported.detectors.configure("xcs2", SOURCE, PANEL_B, first_run=1)
    imported.runs.add("exp=xcs2:run=1", begin="2017-06-01T00:00:00Z")
    imported.versions.add(PANEL_B, modules / "M044", valid_from=T17, supersede=True, comment="measured anew")
    (tree / B17).unlink()
    comparison = imported.compare_tree(tree)
    assert {(row.change, row.panel) for row in comparison.links} == {("added", PANEL_B)}
    assert [choice.panel for run in comparison.runs for choice in run.choices] == [PANEL_B, PANEL_B]


def test_a_panel_whose_only_link_has_a_stamp_that_is_none_is_compared(
    imported: Registry, tree: Path, modules: Path
) -> None:
    imported.panels.add(PANEL_C)
    imported.versions.add(PANEL_C, modules / "M044", valid_from=T17)
    imported.detectors.configure("xcs2", SOURCE, PANEL_C, first_run=1)
    imported.runs.add("exp=xcs2:run=1", begin="2017-06-01T00:00:00Z")
    name = f"{PANEL_C}-never"
    (tree / name).symlink_to("M044")
    comparison = imported.compare_tree(tree)
    (run,) = comparison.runs
    assert {(choice.panel, choice.reason) for choice in run.choices} == {
        (PANEL_C, f"{name!r} breaks the directory's look-up of every detector")
    }


def test_a_bad_tree_is_compared_as_far_as_it_can_be_and_nothing_is_recorded(
    location: RegistryLocation, tree: Path
) -> None:
    with location.open() as registry:
        registry.import_tree(tree)
        (tree / f"{PANEL_B}-2018").symlink_to("M088")
        (tree / f"{NEW_A}").symlink_to("M044")  # the serial number of PANEL_A, which is of M068
        (tree / "M044" / "g0_gain.npy").unlink()
        before = registry.log(), sorted((location.store / "objects").rglob("*"))
        comparison = registry.compare_tree(tree)
        named = [hazard.split(": ")[0] for hazard in comparison.hazards]
        assert sorted(named) == sorted([f"{PANEL_B}-2018", NEW_A, NEW_A])
        assert comparison.links == ()
        assert comparison.compared_links == 2
        assert (registry.log(), sorted((location.store / "objects").rglob("*"))) == before


def only_choice(
    registry: Registry, tree: Path, begin: str | None, panel: str = PANEL_A
) -> ChoiceDifference | None:
    """Return the difference in the gain of a panel for a run with this start time."""
    registry.runs.add("exp=xcs1:run=1", begin=begin)
    runs = registry.compare_tree(tree).runs
    choices = [row for run in runs for row in run.choices if (row.panel, row.kind) == (panel, "gain")]
    return choices[0] if choices else None


RUN_16, RUN_17, RUN_19 = "2016-06-01T00:00:00Z", "2017-06-01T00:00:00Z", "2019-06-01T00:00:00Z"


def test_a_link_that_starts_after_the_run_is_picked_all_the_same(imported: Registry, tree: Path) -> None:
    choice = only_choice(imported, tree, RUN_16)
    assert choice is not None
    assert (choice.link, choice.version, choice.registry) == (A17, None, None)
    assert choice.directory == imported.versions.list(PANEL_A)[0].constants
    assert choice.reason == "the link starts after the run"


@pytest.mark.slow
def test_the_directory_never_uses_the_time_of_a_run(
    registry: Registry, tree: Path, imported: Registry
) -> None:
    write_panel_folder(tree / "171113-154920171025-3d00b1", 9)  # a real folder of a panel, to link to
    (tree / A18).symlink_to("171113-154920171025-3d00b1")
    registry.import_tree(tree, same_as=["M068"])
    assert only_choice(registry, tree, RUN_17) is None
    registry.runs.add("exp=xcs1:run=2", begin=RUN_19)
    (run,) = registry.compare_tree(tree).runs
    assert (run.experiment, run.run, run.source) == ("xcs1", 2, SOURCE)
    assert {(row.panel, row.link, row.reason) for row in run.choices} == {
        (PANEL_A, A17, "the directory never uses the run's time")
    }
    assert [row.registry for row in run.choices] == [
        row.constants for row in registry.validity(PANEL_A, at=RUN_19).versions
    ]


def test_runs_between_two_starts_share_what_is_compared(
    imported: Registry, tree: Path, modules: Path
) -> None:
    middle = "2017-07-01T12:00:00Z"
    imported.versions.add(PANEL_A, modules / "M044", valid_from=middle, kinds=["gain"])
    begins = [None, RUN_16, "2017-07-01T11:59:59.999999Z", middle, RUN_19]  # before the link, under it, later
    for number, begin in enumerate(begins, start=1):
        imported.runs.add(f"exp=xcs1:run={number}", begin=begin)
    unknown, before, at_start, after = imported.compare_tree(tree).runs
    assert [run.run for run in (unknown, before, at_start, after)] == [1, 2, 4, 5]
    assert at_start.choices is after.choices
    assert [(row.kind, row.version) for row in after.choices] == [("gain", 5)]
    assert {row.reason for row in before.choices} == {"the link starts after the run"}
    assert all("not known" in row.reason for row in unknown.choices)


@pytest.mark.slow
def test_the_reason_why_the_registry_has_other_constants_is_reported(
    imported: Registry, tree: Path, modules: Path
) -> None:
    gain = imported.versions.list(PANEL_A)[0].version
    imported.versions.withdraw(gain, comment="the beam was off")
    choice = only_choice(imported, tree, RUN_17)
    assert choice is not None
    assert choice.reason == "withdrawn in revision 3: the beam was off"
    imported.versions.gap(PANEL_A, valid_from=T17, kinds=["gain"], comment="no beam")
    assert reason(imported, tree) == f"the registry has a gap from {T17}: no beam"
    later = imported.versions.add(
        PANEL_A, modules / "M044", valid_from="2017-05-01T00:00:00Z", kinds=["gain"]
    )
    number = later.versions[0].version
    assert reason(imported, tree) == f"version {number}, from 2017-05-01T00:00:00Z, is not in the directory"


def reason(registry: Registry, tree: Path) -> str:
    (run,) = registry.compare_tree(tree).runs
    return run.choices[0].reason


@pytest.mark.slow
def test_the_reason_why_the_directory_has_other_constants_is_reported(imported: Registry, tree: Path) -> None:
    retarget(tree)
    choice = only_choice(imported, tree, RUN_17)
    assert choice is not None
    assert choice.reason == "retargeted since import, to M044 (the registry: M068)"
    (tree / A17).unlink()
    assert reason(imported, tree) == "the directory has no link of this panel"
    (tree / A17).symlink_to("M099")
    assert reason(imported, tree) == (
        "of the link that the directory picks: the link to 'M099' dangles: nothing is there"
    )
    (tree / "a-b-c-text").touch()
    assert reason(imported, tree) == "'a-b-c-text' breaks the directory's look-up of every detector"


def test_only_the_registry_refuses_a_run_of_unknown_start_time(imported: Registry, tree: Path) -> None:
    choice = only_choice(imported, tree, None)
    assert choice is not None
    assert (choice.link, choice.registry) == (A17, None)
    assert choice.reason == "the start time is not known, and without it the registry refuses"


@pytest.mark.slow
def test_the_command_prints_differences_and_succeeds(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    with location.open() as registry:
        registry.import_tree(tree)
        registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
        for run, begin in enumerate((RUN_16, RUN_16, RUN_17), start=1):
            registry.runs.add(f"exp=xcs1:run={run}", begin=begin)
        imported, own = (
            [row.constants or "" for row in registry.versions.list(panel)] for panel in (PANEL_A, PANEL_B)
        )
    refused = (
        "of the link that the directory picks: the stamp '2018' (4 digits)",
        "is not of 14 digits (YYYYMMDDHHMMSS)",
    )
    calreg = Calreg(location, monkeypatch)
    (tree / B17).unlink()
    (tree / f"{PANEL_B}-2018").symlink_to("M044")
    listed = calreg.run("import", str(tree), "--compare", "--json").json
    contents = [choice["directory"] for choice in listed["runs"][-1]["choices"]]
    shown = calreg.run("import", str(tree), "--compare")
    assert shown.stdout.splitlines() == [
        "1 link compared with revision 5:",
        f"  removed: {PANEL_B} gain, offset from {T17}",
        f"    its link {B17} is gone",
        "",
        "3 runs compared, the directory picks other constants for 3:",
        f"  xcs1 {SOURCE} 2 runs, 1 to 2",
        *show_choice(PANEL_A, A17, imported, None, "the link starts after the run"),
        *show_choice(PANEL_B, f"{PANEL_B}-2018", contents, None, *refused),
        f"  xcs1 {SOURCE} run 3",
        *show_choice(PANEL_B, f"{PANEL_B}-2018", contents, (3, 4), *refused, registry=own),
        "",
        "cannot be imported:",
        f"  {PANEL_B}-2018: the stamp '2018' (4 digits) is not of 14",
        "    digits (YYYYMMDDHHMMSS)",
    ]
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert str(DEFAULT_TIME) in shown.stderr
    assert set(listed) == {
        "tree",
        "revision",
        "compared_links",
        "compared_runs",
        "links",
        "runs",
        "hazards",
        "notes",
    }
    assert [(row["change"], row["kind"]) for row in listed["links"]] == [
        ("removed", "gain"),
        ("removed", "offset"),
    ]
    assert [row["run"] for row in listed["runs"]] == [1, 2, 3]


def show_choice(
    panel: str,
    link: str,
    directory: list[str],
    versions: tuple[int, int] | None,
    *because: str,
    registry: Sequence[str] = (),
) -> list[str]:
    """Return the lines of a difference in the constants of both kinds."""
    known = zip(versions or (), registry, strict=True)
    valid = ", ".join(f"version {version} ({sha256[:8]})" for version, sha256 in known) or "nothing valid"
    first, *rest = because
    return [
        f"    {panel} gain, offset",
        f"      directory: {link} ({', '.join(sha256[:8] for sha256 in directory)})",
        f"      registry: {valid}",
        f"      because: {first}",
        *(f"        {line}" for line in rest),
    ]


def test_a_comparison_refuses_the_options_of_a_recording_import(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    options = ("--skip-bad", "--supersede", "--comment", "why", "--dry-run")
    error = calreg.assert_refused(2, "import", str(tree), "--compare", *options)
    assert all(option in error["message"] for option in options if option.startswith("--"))
    calreg.assert_refused(3, "import", str(tree / "nowhere"), "--compare")
    with sqlite_location.open() as registry, pytest.raises(NotFoundError):
        registry.compare_tree(tree / "nowhere")


def test_a_start_of_a_year_that_cannot_be_meant_is_reported_until_it_was_taken(
    registry: Registry, tree: Path
) -> None:
    early, late = f"{PANEL_A}-19170101000000", f"{PANEL_B}-21180101000000"
    for link in (early, late):
        (tree / link).symlink_to("M088" if link == late else "M068")
    registry.import_tree(tree, skip_bad=True)
    comparison = registry.compare_tree(tree)
    assert [hazard.split(":")[0] for hazard in comparison.hazards] == [early, late]
    assert comparison.links == ()
    registry.import_tree(tree, any_time=True)
    comparison = registry.compare_tree(tree)
    assert (comparison.hazards, comparison.links) == ((), ())


def test_a_link_that_leaves_the_tree_and_leads_nowhere_is_named_once(imported: Registry, tree: Path) -> None:
    file = tree / "M068" / "g1_gain.npy"
    file.unlink()
    file.symlink_to("/nowhere/g1_gain.npy")
    stray = f"{A17}: in M068, the link g1_gain.npy leaves the tree"
    assert imported.compare_tree(tree).hazards == (stray,)
    (tree / "M068" / "g2_gain.npy").unlink()
    hazards = imported.compare_tree(tree).hazards
    assert (hazards[0], len(hazards)) == (stray, 2)
    assert "g2_gain.npy" in hazards[1]

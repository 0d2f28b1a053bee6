"""Open starts: older constants stay valid over the start of an entry that an import left out."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from registry.api import Registry
from registry.errors import ConflictError, ImportHazardError, RegistryError, Remedy, RequestError
from registry.records import ImportOutcome, OpenStart
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

S17, S18, S19 = "20170101000000", "20180101000000", "20190101000000"
T17, T18, T19 = "2017-01-01T00:00:00Z", "2018-01-01T00:00:00Z", "2019-01-01T00:00:00Z"
A17, A18, A19 = f"{PANEL_A}-{S17}", f"{PANEL_A}-{S18}", f"{PANEL_A}-{S19}"
BROKEN = "the link to 'M099' dangles: nothing is there"
BOTH = ("gain", "offset")

MakeTree = Callable[[dict[str, str]], Path]


@pytest.fixture
def make_tree(modules: Path, tmp_path: Path) -> MakeTree:
    """Return a function that makes a tree of links to M044, M068, M088 and M090, which has pedestals too."""

    def make(links: dict[str, str]) -> Path:
        root = tmp_path / "tree"
        root.mkdir()
        for name in ("M044", "M068", "M088"):
            shutil.copytree(modules / name, root / name)
        write_panel_folder(root / "M090", 9, (*BOTH, "pedestals"))
        for link, module in links.items():
            (root / link).symlink_to(module)
        return root

    return make


def relink(root: Path, link: str, module: str) -> None:
    (root / link).unlink()
    (root / link).symlink_to(module)


def keys(starts: tuple[OpenStart, ...]) -> list[tuple[str, str, str | None]]:
    return [(start.panel, start.kind, start.valid_from and str(start.valid_from)) for start in starts]


def gaps(outcome: ImportOutcome) -> list[tuple[str, str, str]]:
    return [(row.panel, row.kind, str(row.valid_from)) for row in outcome.versions if row.is_gap]


def test_a_broken_link_leaves_the_older_constants_of_each_kind_open_and_what_stays_valid_is_named(
    registry: Registry, make_tree: MakeTree
) -> None:
    outcome = registry.import_tree(make_tree({A17: "M068", A18: "M099", PANEL_B: "M088"}), skip_bad=True)
    gain, offset = (row for row in outcome.versions if row.panel == PANEL_A)
    assert outcome.open_starts == tuple(
        OpenStart(
            entry=A18,
            cause="bad",
            reason=BROKEN,
            panel=PANEL_A,
            kind=older.kind,
            valid_from=registry._backend.read_instant(T18).instant,
            version=older.version,
            since=older.valid_from,
            constants=older.constants,
        )
        for older in (gain, offset)
    )
    assert [(row.entry, row.cause, row.reason) for row in outcome.skipped] == [(A18, "bad", BROKEN)]


@pytest.mark.slow
def test_nothing_is_open_where_nothing_older_is_valid_and_a_note_says_so(
    registry: Registry, make_tree: MakeTree
) -> None:
    """Before the first start, at the beginning, under a gap, and for a panel that is not recorded."""
    links = {A18: "M099", A19: "M068", PANEL_B: "M099", f"{NEW_A}-{S18}": "M099"}
    registry.panels.add(PANEL_C)
    registry.versions.gap(PANEL_C, valid_from=T17, comment="not mounted", kinds=["gain"])
    links[f"{PANEL_C}-{S18}"] = "M099"
    tree = make_tree(links)
    outcome = registry.import_tree(tree, skip_bad=True)
    assert outcome.open_starts == ()
    assert [text for text in outcome.warnings if "nothing starts before" in text] == [
        f"from {start} on, no {kinds} of {panel} is valid: nothing starts before the skipped {entry}"
        for panel, start, kinds, entry in (
            (PANEL_A, T18, "gain, offset", A18),
            (PANEL_B, "beginning", "gain, offset", PANEL_B),
            (NEW_A, T18, "gain, offset", f"{NEW_A}-{S18}"),
            (PANEL_C, T18, "offset", f"{PANEL_C}-{S18}"),
        )
    ]
    assert registry.import_tree(tree, gap_bad=True).revision is None


@pytest.mark.slow
def test_a_gap_is_recorded_at_every_open_start_in_the_revision_of_the_import(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M099", PANEL_B: "M088"})
    with location.open() as registry:
        dry = registry.import_tree(tree, gap_bad=True, dry_run=True)
        assert registry.log() == []
        outcome = registry.import_tree(tree, gap_bad=True)
        assert outcome.revision == 1
        assert dry.facts == outcome.facts
        assert dry == replace(outcome, revision=None, seal=None, dry_run=True)
        assert gaps(outcome) == [(PANEL_A, kind, T18) for kind in BOTH]
        assert outcome.open_starts == ()
        for version in outcome.versions:
            if version.is_gap:
                assert (version.comment, version.source_path) == (f"{A18}: {BROKEN}", str(tree / A18))
        assert registry.validity(PANEL_A, at="2017-06-01T00:00:00Z").versions
        with pytest.raises(RegistryError) as caught:
            registry.validity(PANEL_A, at=T18)
        assert caught.value.code == 4
        assert registry.verify().problems == ()
        again = registry.import_tree(tree, gap_bad=True)
        assert (again.revision, again.open_starts, gaps(again)) == (None, (), [])


def test_the_comment_of_the_import_is_that_of_its_gaps(registry: Registry, make_tree: MakeTree) -> None:
    outcome = registry.import_tree(
        make_tree({A17: "M068", A18: "M099"}), gap_bad=True, comment="to be measured again"
    )
    assert {row.comment for row in outcome.versions if row.is_gap} == {"to be measured again"}


def test_of_a_folder_with_one_bad_kind_both_are_open(registry: Registry, make_tree: MakeTree) -> None:
    tree = make_tree({A17: "M068", A18: "M088"})
    (tree / "M088" / "g1_offset.npy").unlink()
    outcome = registry.import_tree(tree, skip_bad=True)
    assert keys(outcome.open_starts) == [(PANEL_A, kind, T18) for kind in BOTH]


def test_a_kind_is_open_only_where_the_folder_left_out_has_it_or_cannot_be_read(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree(
        {A17: "M090", A18: "M088", A19: "M099", f"{PANEL_B}-{S17}": "M088", f"{PANEL_B}-{S18}": "M090"}
    )
    (tree / "M088" / "g1_offset.npy").rename(tree / "M088" / "spare.npy")
    (tree / "M090" / "g2_pedestals.npy").rename(tree / "spare.npy")
    registry.panels.add(PANEL_B)
    registry.versions.add(
        PANEL_B,
        write_panel_folder(tree.parent / "dark", 3, ["pedestals"]),
        valid_from=T17,
        kinds=["pedestals"],
    )
    assert keys(registry.import_tree(tree, skip_bad=True, dry_run=True).open_starts) == [
        (PANEL_B, "pedestals", T18)
    ]
    (tree / "spare.npy").rename(tree / "M090" / "g2_pedestals.npy")
    relink(tree, f"{PANEL_B}-{S18}", "M099")
    outcome = registry.import_tree(tree, skip_bad=True)
    assert keys(outcome.open_starts) == [
        *((PANEL_A, kind, T18) for kind in BOTH),
        *((PANEL_A, kind, T19) for kind in (*BOTH, "pedestals")),
    ]


def test_two_bad_entries_of_one_start_leave_it_open_once_and_each_later_start_is_open_too(
    registry: Registry, make_tree: MakeTree
) -> None:
    shouted = A18.replace("3d00b0", "3D00B0")
    tree = make_tree({A17: "M068", A18: "M088", shouted: "M088", A19: "M099"})
    outcome = registry.import_tree(tree, gap_bad=True, dry_run=True)
    assert gaps(outcome) == [(PANEL_A, kind, start) for start in (T18, T19) for kind in BOTH]
    (tree / A18).unlink()
    outcome = registry.import_tree(tree, gap_bad=True)
    assert gaps(outcome) == [(PANEL_A, kind, start) for start in (T18, T19) for kind in BOTH]


@pytest.mark.parametrize("stamp", ["2018010100000", "20180230000000", "soon"])
def test_a_start_that_cannot_be_read_is_named_and_gets_no_gap(
    registry: Registry, make_tree: MakeTree, stamp: str
) -> None:
    tree = make_tree({A17: "M068", f"{PANEL_A}-{stamp}": "M088", f"{PANEL_B}-{stamp}": "M088"})
    outcome = registry.import_tree(tree, gap_bad=True)
    assert gaps(outcome) == []
    assert [(start.entry, start.kind, start.valid_from, start.version) for start in outcome.open_starts] == [
        (f"{PANEL_A}-{stamp}", kind, None, None) for kind in BOTH
    ]


def test_an_entry_of_which_even_the_panel_cannot_be_read_is_warned_about(
    registry: Registry, make_tree: MakeTree
) -> None:
    name = f"17O505-149520170815-3d00b0-{S18}"
    outcome = registry.import_tree(make_tree({A17: "M068", name: "M088"}), gap_bad=True)
    assert (outcome.open_starts, gaps(outcome)) == ((), [])
    assert [warning for warning in outcome.warnings if "stays valid" in warning] == [
        f"{name}: of which panel it is cannot be read; what it would have replaced stays valid"
    ]


def test_a_start_at_which_the_registry_has_another_version_is_not_open(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M088"})
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, tree / "M044", valid_from=T18, kinds=["gain"])
    outcome = registry.import_tree(tree, gap_bad=True)
    assert [row.cause for row in outcome.skipped] == ["conflict"]
    assert gaps(outcome) == [
        (PANEL_A, "offset", T18)
    ]  # the whole entry was left out, and the registry has no offset


@pytest.mark.slow
def test_a_repaired_link_conflicts_with_its_gap_until_it_supersedes_it(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M099"})
    first = registry.import_tree(tree, gap_bad=True)
    relink(tree, A18, "M068")
    with assert_refused(
        ConflictError, "gap", A18, remedy=Remedy.SKIP_BAD_ENTRIES, remedies=[Remedy.SUPERSEDE], problems=2
    ):
        registry.import_tree(tree)
    (tree / NEW_A).symlink_to("M099")
    with assert_refused(
        ImportHazardError,
        "gap",
        NEW_A,
        remedy=Remedy.SKIP_BAD_ENTRIES,
        remedies=[Remedy.SUPERSEDE],
        problems=3,
    ):
        registry.import_tree(tree)
    (tree / NEW_A).unlink()
    left = registry.import_tree(tree, gap_bad=True)
    assert (left.revision, left.open_starts, {row.cause for row in left.skipped}) == (None, (), {"conflict"})
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        registry.import_tree(tree, supersede=True)
    outcome = registry.import_tree(tree, supersede=True, comment="the link is mended")
    assert [row.version for row in outcome.withdrawn] == [row.version for row in first.versions if row.is_gap]
    assert [(row.kind, str(row.valid_from)) for row in outcome.versions] == [(kind, T18) for kind in BOTH]
    assert registry.import_tree(tree).revision is None


@pytest.mark.slow
def test_a_withdrawn_entry_is_named_as_such_and_its_start_gets_no_gap(
    location: RegistryLocation, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M088"})
    with location.open() as registry:
        gain = next(row for row in registry.import_tree(tree).versions if str(row.valid_from) == T18)
        registry.versions.withdraw(gain.version, comment="the beam was off")
        outcome = registry.import_tree(tree, gap_bad=True)
        assert outcome.revision is None
        assert [(row.entry, row.cause) for row in outcome.skipped] == [(A18, "withdrawn")]
        assert "revision 2" in outcome.skipped[0].reason
        assert [(start.kind, start.cause) for start in outcome.open_starts] == [("gain", "withdrawn")]


@pytest.mark.slow
def test_a_gap_that_was_withdrawn_is_recorded_again_only_by_supersession(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M099"})
    recorded = registry.import_tree(tree, gap_bad=True).versions
    registry.versions.withdraw(*(row.version for row in recorded if row.is_gap), comment="not needed")
    with assert_refused(ConflictError, T18, problems=2, remedy=Remedy.SUPERSEDE):
        registry.import_tree(tree, gap_bad=True)
    assert keys(registry.import_tree(tree, skip_bad=True).open_starts) == [
        (PANEL_A, kind, T18) for kind in BOTH
    ]
    outcome = registry.import_tree(tree, gap_bad=True, supersede=True, comment="needed after all")
    assert gaps(outcome) == [(PANEL_A, kind, T18) for kind in BOTH]


def test_a_comparison_reports_the_hazard_and_not_the_gap_in_its_place(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M099"})
    registry.import_tree(tree, gap_bad=True)
    comparison = registry.compare_tree(tree)
    assert (comparison.links, comparison.hazards) == ((), (f"{A18}: {BROKEN}",))
    relink(tree, A18, "M068")
    assert [(row.change, row.kind) for row in registry.compare_tree(tree).links] == [
        ("superseded", "gain"),
        ("superseded", "offset"),
    ]


@pytest.mark.slow
def test_the_command_line_prints_for_each_open_start_the_command_that_ends_it(
    calreg: Calreg, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", A18: "M099", f"{PANEL_B}-{S17}": "M088", f"{PANEL_B}-2018": "M088"})
    shown = calreg.run("import", str(tree), "--skip-bad")
    commands = [line.strip() for line in shown.stderr.splitlines() if line.startswith("  calreg version gap")]
    assert commands[:2] == [
        f'calreg version gap {PANEL_A} --valid-from {T18} --kind {kind} --comment "{A18}: {BROKEN}"'
        for kind in BOTH
    ]
    assert [" ".join(command.split()[3:8]) for command in commands[2:]] == [
        f"{PANEL_B} --valid-from T --kind {kind}" for kind in BOTH
    ]
    assert "--gap-bad" in shown.stderr
    for command in commands[:2]:
        calreg.run(*shlex.split(command)[1:])
    again = calreg.run("import", str(tree), "--skip-bad")
    assert T18 not in again.stderr
    assert again.stdout == "nothing to change: skipped 2 links; all others are recorded already\n"


def test_the_json_of_an_import_lists_what_it_leaves_open(calreg: Calreg, make_tree: MakeTree) -> None:
    tree = make_tree({A17: "M068", A18: "M099"})
    answer = calreg.run("import", str(tree), "--skip-bad", "--dry-run", "--json").json
    assert [
        (row["panel"], row["kind"], row["valid_from"], row["since"]) for row in answer["open_starts"]
    ] == [(PANEL_A, kind, T18, T17) for kind in BOTH]
    assert answer["skipped"] == [{"entry": A18, "cause": "bad", "reason": BROKEN}]
    answer = calreg.run("import", str(tree), "--gap-bad", "--json").json
    assert (answer["open_starts"], answer["revision"]) == ([], 1)


def test_a_comment_with_what_a_shell_reads_is_quoted(calreg: Calreg, make_tree: MakeTree) -> None:
    tree = make_tree({A17: "M068", A18: '$(x)"`\\!'})
    shown = calreg.run("import", str(tree), "--skip-bad")
    command = next(line for line in shown.stderr.splitlines() if line.startswith("  calreg version gap"))
    assert shlex.split(command)[-1].startswith(f"{A18}: the link to ")
    calreg.run(*shlex.split(command)[1:])


@pytest.mark.slow
def test_an_import_that_skips_withdrawn_entries_never_says_that_all_is_recorded(
    calreg: Calreg, make_tree: MakeTree
) -> None:
    tree = make_tree({A17: "M068", PANEL_B: "M088"})
    calreg.run("import", str(tree))
    calreg.run("version", "withdraw", "1", "2", "--comment", "the beam was off")
    shown = calreg.run("import", str(tree), "--skip-bad")
    assert shown.stdout == (
        f"nothing to change: skipped 1 link because of a withdrawal ({A17});"
        " all others are recorded already\n"
    )
    assert "--supersede" in shown.stderr
    calreg.run("version", "withdraw", "3", "4", "--comment", "too")
    assert calreg.run("import", str(tree), "--skip-bad").stdout.endswith("; there are no others\n")


def test_a_comparison_takes_no_gaps(calreg: Calreg, make_tree: MakeTree) -> None:
    error = calreg.assert_refused(2, "import", str(make_tree({A17: "M068"})), "--compare", "--gap-bad")
    assert "--gap-bad" in error["message"]


@pytest.mark.slow
def test_many_open_starts_are_closed_in_one_revision(registry: Registry, make_tree: MakeTree) -> None:
    first = datetime(2018, 1, 1)  # noqa: DTZ001 - a stamp has no zone
    stamps = [(first + timedelta(minutes=number)).strftime("%Y%m%d%H%M%S") for number in range(300)]
    tree = make_tree({A17: "M068", **{f"{PANEL_A}-{stamp}": "M099" for stamp in stamps}})
    assert len(registry.import_tree(tree, skip_bad=True, dry_run=True).open_starts) == 2 * len(stamps)
    outcome = registry.import_tree(tree, gap_bad=True)
    assert (outcome.revision, len(gaps(outcome)), outcome.open_starts) == (1, 2 * len(stamps), ())

"""A tree of many links: worked through in pieces, and still one revision, one plan and one report."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.errors import ConflictError
from registry.instants import Instant
from registry.lookup import starts as looked_up_starts
from registry.parallel import Progress
from registry.registration import planning
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_versions
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.selection import keep_first_rows

LINKS = 300  # of two kinds version: three pieces
FEW_LINKS = 30  # the same in small pieces
FIRST = datetime(2018, 1, 1)  # noqa: DTZ001 - a stamp has no zone

MakeTree = Callable[[int], Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    def make(links: int) -> Path:
        root = tmp_path / f"tree-{links}"
        write_panel_folder(root / "M068", 1)
        write_panel_folder(root / "M088", 2)
        for number in range(links):
            panel, module = ((PANEL_A, "M068"), (PANEL_B, "M088"))[number % 2]
            (root / f"{panel}-{stamp(number)}").symlink_to(module)
        return root

    return make


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of which few links are three, for tests in which the size of a piece is not the point."""
    for module in (planning, looked_up_starts):
        monkeypatch.setattr(module, "_PIECE_SIZE", module._PIECE_SIZE // 10)


def stamp(number: int) -> str:
    return (FIRST + timedelta(minutes=number)).strftime("%Y%m%d%H%M%S")


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_many_links_are_one_revision_and_the_same_again_is_no_change(
    registry: Registry, make_tree: MakeTree
) -> None:
    tree = make_tree(LINKS)
    dry = registry.import_tree(tree, dry_run=True)
    first = registry.import_tree(tree)
    assert [revision.revision for revision in registry.log()] == [1]
    assert len(first.versions) == 2 * LINKS
    assert [version.version for version in first.versions] == list(range(1, 2 * LINKS + 1))
    assert dry.versions == first.versions
    assert dry.facts == first.facts
    assert sorted(first.versions, key=str) == sorted(registry.versions.list(), key=str)
    again = registry.import_tree(tree)
    assert again.revision is None
    assert again.unchanged == first.versions


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_of_many_links_the_new_ones_are_recorded_and_the_others_unchanged(
    registry: Registry, make_tree: MakeTree, small_pieces: None
) -> None:
    tree = make_tree(FEW_LINKS)
    registry.import_tree(tree)
    for number in (FEW_LINKS, FEW_LINKS + 2):
        (tree / f"{PANEL_A}-{stamp(number)}").symlink_to("M068")
    outcome = registry.import_tree(tree)
    assert outcome.revision == 2
    assert [(version.panel, version.kind) for version in outcome.versions] == [
        (PANEL_A, "gain"),
        (PANEL_A, "offset"),
    ] * 2
    assert len(outcome.unchanged) == 2 * FEW_LINKS


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_conflicts_in_any_piece_are_all_listed_and_nothing_of_the_others_is_recorded(
    registry: Registry, make_tree: MakeTree, small_pieces: None
) -> None:
    tree = make_tree(FEW_LINKS)
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    taken = [0, FEW_LINKS - 1]
    for panel, number in zip((PANEL_A, PANEL_B), taken, strict=True):
        other = write_panel_folder(tree.parent / panel, 7 + number)
        registry.versions.add(panel, other, valid_from=stamp(number), kinds=["gain"])
    with pytest.raises(ConflictError) as caught:
        registry.import_tree(tree)
    assert [sentence.split(": ")[0] for sentence in caught.value.details] == [
        f"{PANEL_A}-{stamp(taken[0])}",
        f"{PANEL_B}-{stamp(taken[1])}",
    ]
    assert len(registry.versions.list()) == 2
    rest = registry.import_tree(tree, skip_bad=True)
    assert len(rest.versions) == 2 * FEW_LINKS - 4
    replaced = registry.import_tree(tree, supersede=True, comment="measured anew")
    assert [version.valid_from for version in replaced.withdrawn] == [
        version.valid_from for version in replaced.versions if version.kind == "gain"
    ]
    assert len(replaced.versions) == 4
    assert [note.split(" on")[0] for note in replaced.notes if "the valid one" in note] == [
        f"from {version.valid_from}" for version in replaced.versions
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_every_stage_of_an_import_reports_its_progress(
    sqlite_location: RegistryLocation, make_tree: MakeTree
) -> None:
    steps: dict[str, tuple[int, int]] = {}

    @contextmanager
    def counting(description: str, total: int):  # type: ignore[no-untyped-def]
        steps[description] = (total, 0)

        def advance() -> None:
            total, done = steps[description]
            steps[description] = (total, done + 1)

        yield advance

    progress: Progress = counting
    with sqlite_location.open() as registry:
        registry.import_tree(make_tree(1100), progress=progress)
    assert steps == {
        "checking modules": (2, 2),
        "comparing links": (1, 1),
        "storing files": (12, 12),
        "recording links": (1, 1),
    }


@pytest.mark.slow
# Some memory is taken once, whatever the number of links, and weighs more where they are few.
@pytest.mark.parametrize(("more", "limit"), keep_first_rows([(500, 4096), (2000, 1024)]))
def test_memory_grows_by_less_than_a_kibibyte_a_link(
    sqlite_location: RegistryLocation, tmp_path: Path, make_tree: MakeTree, more: int, limit: int
) -> None:
    few, many = make_tree(200), make_tree(200 + more)
    peaks = []
    with sqlite_location.open() as registry:
        registry.import_tree(few, dry_run=True)  # what is imported and compiled once is there from now on
        for tree in (few, many):
            tracemalloc.start()
            outcome = registry.import_tree(tree, dry_run=True)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert len(outcome.facts) > len(outcome.versions) > 0
    assert (peaks[1] - peaks[0]) / more < limit


def test_versions_in_any_order_keep_the_greatest_start_so_far(registry: Registry) -> None:
    """Within a piece, over the pieces of a batch, and over revisions."""
    registry.panels.add(PANEL_A)
    starts = sorted((Instant(number) for number in range(LINKS)), key=lambda start: start * 7919 % 1009)
    keys = [(kind, start) for start in starts for kind in ("gain", "offset")]

    def record(gaps: Sequence[tuple[str, Instant]]) -> None:
        statements = [VersionStatement(PANEL_A, kind, start, None) for kind, start in gaps]
        registry._backend.record_revision(lambda change: record_versions(change, statements, supersede=False))

    record(keys[:LINKS])
    record(keys[LINKS:])
    version = schema.version
    query = sa.select(version.c.kind, version.c.valid_from, version.c.latest_start).order_by(version.c.id)
    with registry._backend.database.read_transaction() as connection:
        recorded = [tuple(row) for row in connection.execute(query)]
    greatest: dict[str, int] = {}
    for kind, start, latest in recorded:
        greatest[kind] = max(start, greatest.get(kind, start))
        assert latest == greatest[kind]
    assert [(kind, start) for kind, start, _ in recorded] == keys

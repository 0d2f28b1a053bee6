"""The tree with which the registry began, asked around every start on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from registry.errors import NotValidError
from registry.sample import LINKS, MODULES, write_legacy_tree
from testing.registries import RegistryLocation
from tests.conftest import make_location

PACIFIC = "America/Los_Angeles"
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
AROUND = [
    timedelta(seconds=-1),
    timedelta(microseconds=-1),
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(seconds=1),
]

Answers = dict[tuple[str, datetime], str]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed") / "tree"
    write_legacy_tree(root)
    return root


def links() -> list[tuple[str, datetime, str]]:
    """Read the names of the links, naively: (panel Id, start, module)."""
    read = []
    for name, module in LINKS.items():
        fields = name.split("-")
        start = LONG_AGO
        if len(fields) == 4:
            local = datetime.strptime(fields[3], "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(PACIFIC))
            start = local.astimezone(UTC)
        read.append(("-".join(fields[:3]), start, module))
    return read


def naive_answer(panel: str, at: datetime) -> str:
    starts = [(start, module) for name, start, module in links() if name == panel and start <= at]
    return max(starts)[1] if starts else "none"


def instants() -> list[datetime]:
    starts = {start for _, start, _ in links()} - {LONG_AGO}
    return sorted({start + delta for start in starts for delta in AROUND} | {LONG_AGO, FAR_AHEAD})


def registry_answers(location: RegistryLocation, tree: Path) -> Answers:
    answers = {}
    with location.open(PACIFIC) as registry:
        registry.import_tree(tree)
        by_content = {
            (version.kind, version.constants): version.alias for version in registry.versions.list()
        }
        for panel in {name for name, _, _ in links()}:
            for at in instants():
                try:
                    gain, offset = registry.validity(panel, at=at).versions
                except NotValidError:
                    answers[panel, at] = "none"
                else:
                    answers[panel, at] = by_content["gain", gain.constants] or "nobody"
                    assert by_content["offset", offset.constants] == answers[panel, at]
    return answers


@pytest.mark.slow
def test_the_seeds_tree_gives_the_same_on_both_databases_as_a_naive_reading_of_its_links(
    request: pytest.FixtureRequest, tree: Path, tmp_path: Path
) -> None:
    answers = {}
    for dialect in ("sqlite", "postgresql"):
        (tmp_path / dialect).mkdir()
        for location in make_location(request, tmp_path / dialect, dialect):
            answers[dialect] = registry_answers(location, tree)
    assert answers["sqlite"] == answers["postgresql"]
    assert set(answers["sqlite"].values()) == {*MODULES, "none"}
    assert answers["sqlite"] == {(panel, at): naive_answer(panel, at) for panel, at in answers["sqlite"]}


@pytest.mark.slow
def test_the_seeds_tree_is_imported_without_a_remark_but_on_its_dead_pixels(
    location: RegistryLocation, tree: Path
) -> None:
    with location.open() as registry:
        registry.set_timezone(PACIFIC)
        outcome = registry.import_tree(tree)
        assert outcome.revision == 2
        (note,) = outcome.notes
        assert f"stamps are read in {PACIFIC}" in note
        assert all("dead" in warning for warning in outcome.warnings)
        assert {panel.panel: panel.alias for panel in registry.panels.list()} == {
            panel: module for panel, _, module in links()
        }
        assert len(outcome.versions) == 2 * len(LINKS)
        assert len({version.constants for version in outcome.versions}) == 2 * len(MODULES)

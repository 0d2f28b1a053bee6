"""The patterns of maps from before are computed from the store, in one revision; damaged files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.errors import ClosedError, CorruptionError
from registry.lookup.missing_patterns import count_files_without_pattern
from registry.records import AddedPatterns
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.sensor_maps import add_map, measure, register_as_before

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_suffices]


@pytest.fixture
def old(location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    """A registry of three gain maps without patterns: of two sensors, and a flat one."""
    with location.open() as registry, register_as_before(with_patterns=False):
        for panel, m_number in ((PANEL_A, "M068"), (PANEL_B, "M088")):
            registry.panels.add(panel, alias=m_number)
        add_map(registry, tmp_path, PANEL_A, measure(0, 1))
        add_map(registry, tmp_path, PANEL_B, measure(1, 1))
        add_map(registry, tmp_path, PANEL_B, np.full((512, 1024), 41.5, "<f4"), "2020-01-01T00:00:00Z")
    return location


def read_patterns(location: RegistryLocation) -> list[tuple[str, bool, int]]:
    """Return the recorded patterns: the file, whether it has one, and the revision."""
    engine, pattern = location.engine(), schema.blob_pattern
    with engine.connect() as connection:
        rows = connection.execute(sa.select(pattern).order_by(pattern.c.blob)).all()
    engine.dispose()
    return [(row.blob, row.samples is not None, row.recorded_in) for row in rows]


def find_objects(location: RegistryLocation, registry: Registry) -> list[Path]:
    """Return the objects of gain range 0, by version."""
    return [
        location.store / "objects" / sha256[:2] / f"{sha256}.npy"
        for version in (1, 2, 3)
        for sha256 in [registry.versions.show(version)[1][0].sha256]
    ]


@pytest.mark.on_both_databases
def test_missing_patterns_are_recorded_in_one_revision_that_says_so(old: RegistryLocation) -> None:
    with old.open() as registry:
        assert registry.verify().without_patterns == 3
        newest = registry.head.number
        added = registry.add_patterns()
        assert (added.revision, added.patterns, added.without_pattern) == (newest + 1, 2, 1)
        assert (added.problems, added.seal) == ((), registry.head.seal)
        (revision,) = registry.log(limit=1)
        assert revision.comment == "patterns of 3 stored maps, computed later, by algorithm 1"
        verification = registry.verify()
        assert (verification.problems, verification.without_patterns) == ((), 0)
    assert [(known, revision) for _, known, revision in read_patterns(old)].count((True, newest + 1)) == 2


def test_patterns_computed_later_are_those_of_a_registration(
    old: RegistryLocation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "new").mkdir()
    with old.open() as registry:
        registry.add_patterns()
    for location in make_location(request, tmp_path / "new", "sqlite"):
        with location.open() as registry:
            registry.panels.add(PANEL_A)
            add_map(registry, tmp_path / "new", PANEL_A, measure(0, 1))
        (known,) = read_patterns(location)
    assert known[:2] in [row[:2] for row in read_patterns(old)]


def test_a_second_time_nothing_is_missing_and_nothing_is_recorded(old: RegistryLocation) -> None:
    with old.open() as registry:
        registry.add_patterns(comment="the winter shutdown")
        head = registry.head
        assert registry.log(limit=1)[0].comment == "the winter shutdown"
        assert registry.add_patterns() == AddedPatterns()
        assert registry.head == head


def test_sound_files_get_their_patterns_and_damaged_ones_are_named_with_their_uses(
    old: RegistryLocation,
) -> None:
    with old.open() as registry:
        damaged, missing, _ = find_objects(old, registry)
        content = damaged.read_bytes()
        damaged.chmod(0o644)
        damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        missing.rename(missing.with_suffix(".lost"))
        added = registry.add_patterns()
        assert (added.patterns, added.without_pattern) == (0, 1)
        assert {problem.sha256 for problem in added.problems} == {damaged.stem, missing.stem}
        for problem, panel, version in zip(
            sorted(added.problems, key=lambda problem: problem.sha256 != damaged.stem),
            (PANEL_A, PANEL_B),
            (1, 2),
            strict=True,
        ):
            assert f"gain of gain range 0 of panel {panel}, version {version}" in problem.problem
        damaged.write_bytes(content)
        missing.with_suffix(".lost").rename(missing)
        again = registry.add_patterns()
        assert (again.patterns, again.without_pattern, again.problems) == (2, 0, ())


def test_where_every_file_is_damaged_no_revision_is_made(old: RegistryLocation) -> None:
    with old.open() as registry:
        head = registry.head
        for path in find_objects(old, registry):
            path.unlink()
        added = registry.add_patterns()
        assert (added.revision, len(added.problems), registry.head) == (None, 3, head)


def test_a_closed_database_gets_no_patterns(old: RegistryLocation, tmp_path: Path) -> None:
    with old.open() as registry:
        registry.snapshot(tmp_path / "snapshot.sqlite")
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", tmp_path / "store")
    with snapshot.open() as registry, pytest.raises(ClosedError):
        registry.add_patterns()


def test_the_command_prints_what_it_recorded_and_exits_6_where_files_are_damaged(
    old: RegistryLocation, calreg: Calreg
) -> None:
    result = calreg.run("database", "upgrade")
    assert "3 stored gain maps have no pattern yet" in result.stderr
    assert "calreg database upgrade --patterns" in result.stderr
    assert calreg.run("verify", "--json").json["without_patterns"] == 3
    with old.open() as registry:
        path = find_objects(old, registry)[0]
    path.unlink()
    broken = calreg("database", "upgrade", "--patterns", "--json")
    assert broken.code == CorruptionError.code
    answer = broken.json
    assert (answer["before"], answer["after"]) == (schema.REVISION, schema.REVISION)
    assert (answer["patterns"], answer["without_pattern"]) == (1, 1)
    assert [problem["sha256"] for problem in answer["problems"]] == [path.stem]
    text = calreg("database", "upgrade", "--patterns")
    assert text.code == CorruptionError.code
    assert "version 1" in text.stdout


def test_the_command_says_that_nothing_is_missing(calreg: Calreg) -> None:
    result = calreg.run("database", "upgrade", "--patterns")
    assert result.stdout.splitlines()[-1] == "every gain map has its pattern: nothing was recorded"
    assert calreg.run("database", "upgrade").stderr == ""
    assert calreg.run("database", "upgrade", "--patterns", "--json").json["revision"] is None


def test_files_of_other_kinds_and_gain_ranges_need_no_pattern(
    location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        add_map(registry, tmp_path, PANEL_A, measure(0, 1))
        engine = location.engine()
        with engine.connect() as connection:
            assert count_files_without_pattern(connection) == 0
        engine.dispose()

"""The views say what the registry answers, on both databases, and every file of a registry says that it is one."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import Registry, downgrade_database, upgrade_database
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.api.mirrors import mirror_registry
from registry.errors import ConflictError
from registry.instants import BEGINNING, Instant
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.copies import SOURCE, fill_registry
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

_Row = dict[str, Any]


def _read(location: RegistryLocation, query: str) -> list[_Row]:
    engine = location.engine()
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(query)).mappings()]
    engine.dispose()
    return rows


def _write_time(instant: Instant | None) -> str | None:
    """Return the text of an instant in the views: six digits, so that texts compare as times."""
    if instant is None or instant == BEGINNING:
        return None
    return instant.datetime.replace(tzinfo=None).isoformat(timespec="microseconds").zfill(26) + "Z"


def test_the_view_of_validity_has_the_versions_with_their_ends(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.aliases.add("M070", PANEL_A, valid_from="20190101000000")
    arrays = write_panel_folder(tmp_path / "one", 1, ["gain"])
    for start in (
        "beginning",
        "1969-12-31T23:59:59.25Z",
        "2018-01-01T00:00:00Z",
        "2018-01-01T00:00:00.000001Z",
    ):
        registry.versions.add(
            PANEL_A, arrays, valid_from=start, kinds=["gain"], any_time=True, comment=f"from {start}"
        )
    registry.versions.gap(PANEL_A, valid_from="20190101000000", kinds=["gain"], comment="in repair")
    added = registry.versions.gap(PANEL_A, valid_from="20200101000000", kinds=["gain"], comment="a mistake")
    registry.versions.withdraw(added.versions[0].version, comment="it is back")
    revisions = {revision.revision: revision for revision in registry.log()}
    expected = [
        {
            "version": version.version,
            "panel": version.panel,
            "alias": version.alias,
            "detector_type": "jungfrau",
            "kind": version.kind,
            "valid_from": _write_time(version.valid_from),
            "valid_to": _write_time(version.valid_to),
            "is_gap": int(version.is_gap),
            "constants": version.constants,
            "source_path": version.source_path,
            "comment": version.comment,
            "recorded_in": version.recorded_in,
            "recorded_at": _write_time(revisions[version.recorded_in].recorded_at),
            "author": revisions[version.recorded_in].author,
        }
        for version in registry.versions.list()
    ]
    assert _read(location, "SELECT * FROM v_validity ORDER BY version") == sorted(
        expected, key=lambda row: row["version"]
    )
    assert [row["alias"] for row in expected] == ["M068"] * 4 + ["M070"]


def test_times_of_views_compare_as_texts(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    arrays = write_panel_folder(tmp_path / "one", 1, ["gain"])
    for start in ("beginning", "2018-01-01T00:00:00Z", "2018-01-01T00:00:00.5Z"):
        registry.versions.add(PANEL_A, arrays, valid_from=start, kinds=["gain"])
    for instant in (
        "2017-12-31T23:59:59.999999Z",
        "2018-01-01T00:00:00.000000Z",
        "2018-01-01T00:00:00.500000Z",
    ):
        [row] = _read(
            location,
            f"SELECT version FROM v_validity WHERE (valid_from IS NULL OR valid_from <= '{instant}')"
            f" AND (valid_to IS NULL OR valid_to > '{instant}')",
        )
        [valid] = registry.validity(PANEL_A, kinds=["gain"], at=instant)
        assert row["version"] == valid.version


def test_the_view_of_runs_has_a_row_for_each_source(location: RegistryLocation, registry: Registry) -> None:
    for panel in (PANEL_A, PANEL_B, NEW_A):
        registry.panels.add(panel)
    for run, end in ((1, "2017-06-01T01:00:00Z"), (2, None), (9, None)):
        registry.runs.add(f"exp=xcsls3716:run={run}", begin="2017-06-01T00:00:00.25Z", end=end)
    registry.runs.add("exp=xcsls3716:run=3", begin="20170603000000")
    registry.runs.withdraw("exp=xcsls3716:run=3", comment="never taken")
    detector = f"{PANEL_B}_{PANEL_A}"  # in the order of its segments
    registry.detectors.configure("xcsls3716", SOURCE, detector, first_run=1, last_run=2)
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.1", NEW_A, first_run=2)
    registry.detectors.withdraw("xcsls3716", "XcsEndstation.0:Jungfrau.1", first_run=2, comment="wrong")
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.2", NEW_A, first_run=2, last_run=8)
    rows = _read(location, "SELECT * FROM v_runs ORDER BY run, source")
    assert [(row["run"], row["source"], row["panels"], row["detector_id"]) for row in rows] == [
        (1, SOURCE, 2, detector),
        (2, SOURCE, 2, detector),
        (2, "XcsEndstation.0:Jungfrau.2", 1, NEW_A),
        (9, None, 0, None),
    ]
    run = next(run for run in registry.runs.list() if run.run == 1)
    revision = next(revision for revision in registry.log() if revision.revision == run.recorded_in)
    expected = {
        "dataset": "exp=xcsls3716:run=1",
        "experiment": "xcsls3716",
        "begin_at": _write_time(run.begin),
        "end_at": _write_time(run.end),
        "recorded_in": run.recorded_in,
        "recorded_at": _write_time(revision.recorded_at),
        "author": revision.author,
    }
    assert rows[0].items() >= expected.items()


def test_the_view_of_the_log_has_the_revisions(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    fill_registry(registry, tmp_path)
    rows = {row["revision"]: row for row in _read(location, "SELECT * FROM v_log")}
    log = registry.log()
    assert set(rows) == {revision.revision for revision in log}
    versions = registry.versions.list(withdrawn=True)
    tags = registry.tags.list()
    for revision in log:
        own = sorted(tag.tag for tag in tags if tag.revision == revision.revision)
        assert rows[revision.revision] == {
            "revision": revision.revision,
            "recorded_at": _write_time(revision.recorded_at),
            "author": revision.author,
            "database_role": revision.database_role,
            "host": revision.host,
            "command": revision.command,
            "comment": revision.comment,
            "tags": ", ".join(own) or None,
            "versions_recorded": sum(version.recorded_in == revision.revision for version in versions),
            "versions_withdrawn": sum(version.withdrawn_in == revision.revision for version in versions),
            "software": revision.software,
            "seal": revision.seal,
        }


@pytest.mark.slow
def test_every_file_of_a_registry_says_that_it_is_one_and_has_the_views(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    one = sqlite_location
    with one.open() as registry:
        fill_registry(registry, tmp_path / "made")
        registry.backup(tmp_path / "backup")
        registry.snapshot(tmp_path / "snapshot" / "snapshot.sqlite")
    places = {
        name: RegistryLocation(f"sqlite:///{tmp_path / name / 'registry.sqlite'}", tmp_path / name / "store")
        for name in ("restored", "fork", "mirror", "copy")
    }
    restore_registry(tmp_path / "backup", places["restored"].database, places["restored"].store)
    fork, mirror, copy = places["fork"], places["mirror"], places["copy"]
    fork_registry(fork.database, fork.store, one.database, one.store, comment="a trial")
    mirror_registry(one.database, mirror.database, mirror.store, upstream_store=one.store)
    copy_registry(copy.database, copy.store, one.database, one.store)
    files = list(tmp_path.rglob("*.sqlite"))
    assert len(files) == 7, files
    for file in files:
        assert file.read_bytes()[68:72] == b"calr", file
        location = RegistryLocation(f"sqlite:///{file}", tmp_path)
        assert _read(location, "SELECT count(*) AS count FROM v_validity") != [{"count": 0}], file


def test_a_name_that_is_somebody_elses_is_refused_and_left(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    downgrade_database(location.database, "0010")
    engine = location.engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW v_runs AS SELECT 7 AS mine")
    with assert_refused(
        ConflictError, "a table or view v_runs that is not calreg's", "; nothing was changed"
    ):
        upgrade_database(location.database)
    assert _read(location, "SELECT * FROM v_runs") == [{"mine": 7}]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW v_runs")
    engine.dispose()
    assert upgrade_database(location.database)[0] == "0010"
    assert _read(location, "SELECT * FROM v_runs") == []

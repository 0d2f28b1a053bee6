"""The SQL of look-ups and registrations: how many statements, and which indexes answer them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import Registry
from registry.database.engine import make_engine
from registry.errors import NotFoundError, NotValidError
from registry.instants import parse_instant
from registry.lookup.runs import _select_run, list_configurations
from registry.lookup.valid_versions import select_valid_versions
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_versions
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

START = "2018-01-01T00:00:00Z"
LATER = "2019-01-01T00:00:00Z"
DETECTOR = f"{PANEL_B}_{PANEL_A}"


@contextmanager
def record_statements(registry: Registry) -> Iterator[list[str]]:
    """Collect what the registry says to its database meanwhile."""
    statements: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    engine = registry._backend.database._engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    try:
        yield statements
    finally:
        sa.event.remove(engine, "before_cursor_execute", listen)


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Two panels with constants of two kinds, which need no files to be asked for, and a tag."""
    for panel in (PANEL_A, PANEL_B):
        registry.panels.add(panel)
    engine = registry._backend.database._engine
    rows = [
        {
            "id": number,
            "sha256": f"{number:064x}",
            "detector_type": "jungfrau",
            "kind": kind,
            "recorded_in": 3,
        }
        for number, kind in enumerate(("gain", "offset"), start=1)
    ]
    versions = [
        {"panel": panel, "kind": kind, "constants": constants, "id": 2 * panel + constants - 2}
        for panel in (1, 2)
        for constants, kind in enumerate(("gain", "offset"), start=1)
    ]
    with record_raw_revision(engine) as (connection, _):
        connection.execute(sa.table("constants", *(sa.column(name) for name in rows[0])).insert(), rows)
        connection.execute(
            sa.text(
                "INSERT INTO version (id, recorded_in, panel_id, kind, valid_from, constants_id,"
                " nonfinite_allowed, latest_start)"
                " VALUES (:id, 3, :panel, :kind, 1514764800000000, :constants, false, 1514764800000000)"
            ),
            versions,
        )
    registry.tags.add("first")
    return registry


@pytest.mark.parametrize("as_of", [None, 3, "first", "4", "9999"])
def test_a_look_up_at_an_instant_takes_one_statement(filled: Registry, as_of: str | int | None) -> None:
    with record_statements(filled) as statements:
        if as_of == "9999":
            with assert_refused(NotFoundError, revision=9999, newest=4):
                filled.validity(DETECTOR, at=LATER, as_of=as_of)
            return
        versions = filled.validity(DETECTOR, at=LATER, as_of=as_of).versions
    assert [(version.panel, version.kind) for version in versions] == [
        (PANEL_B, "gain"),
        (PANEL_B, "offset"),
        (PANEL_A, "gain"),
        (PANEL_A, "offset"),
    ]
    assert len(statements) == 1


def test_the_registrys_time_zone_is_looked_up_for_stamps_only(filled: Registry) -> None:
    for at, count in ((LATER, 1), ("2019-01-01T00:00:00-0800", 1), ("20190101000000", 2)):
        with record_statements(filled) as statements:
            filled.validity(DETECTOR, at=at)
        assert len(statements) == count
    with record_statements(filled) as statements:
        filled.runs.add("exp=x1:run=1", begin=LATER)
    assert [statement for statement in statements if "timezone.name" in statement] == []


def test_a_look_up_of_all_ranges_takes_one_query(filled: Registry) -> None:
    for as_of in (None, 3, "first"):
        with record_statements(filled) as statements:
            assert len(filled.validity(DETECTOR, as_of=as_of).versions) == 4
        assert len(statements) == 1
    with record_statements(filled) as statements:
        assert [version.kind for version in filled.validity(PANEL_A, kinds=["offset"]).versions] == ["offset"]
    assert len(statements) == 1


def test_a_look_up_as_of_an_instant_takes_no_extra_statement(filled: Registry) -> None:
    moment = filled.log()[0].recorded_at
    with record_statements(filled) as statements:
        assert len(filled.validity(DETECTOR, at=LATER, as_of=moment).versions) == 4
    assert len(statements) == 1


def test_missing_constants_are_explained_as_of_the_same_revision(filled: Registry) -> None:
    with assert_refused(NotValidError, panels=[PANEL_B, PANEL_A]):
        filled.validity(DETECTOR, at=LATER, as_of=2)
    with assert_refused(NotFoundError, panels=[PANEL_B]):
        filled.validity(DETECTOR, at=LATER, as_of=1)
    assert filled.validity(PANEL_A, as_of=1).versions == ()
    with pytest.raises(NotValidError, match=str(START)):
        filled.validity(DETECTOR, at="2017-12-31T23:59:59.999999Z")


def test_sqlite_finds_live_versions_in_their_own_index_and_others_in_the_covering_one(
    sqlite_location: RegistryLocation,
) -> None:
    engine = make_engine(sqlite_location.database)

    def plan(query: sa.Select[Any]) -> list[str]:
        values = {"literal_binds": True, "render_postcompile": True}
        text = query.params(panels=[PANEL_A], revision=1, instant=1, kind_0="gain").compile(
            engine, compile_kwargs=values
        )
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        return [row[3] for row in rows if any(name in row[3] for name in ("probe", "later", "last_recorded"))]

    newest, earlier = (plan(select_valid_versions(1, known, "sqlite")) for known in ("newest", "number"))
    engine.dispose()
    assert len(newest) == 2
    assert all("INDEX uq_version_live" in line for line in newest)
    starts = [line for line in earlier if "last_recorded" not in line]
    assert len(starts) == 2
    assert all("USING COVERING INDEX ix_version_as_of" in line for line in starts)
    latest = [line for line in earlier if "last_recorded" in line]
    assert latest
    assert all("USING COVERING INDEX ix_version_latest_start" in line for line in latest)


def test_sqlite_finds_runs_in_the_index_of_all_runs(sqlite_location: RegistryLocation) -> None:
    """Neither a run as of a revision, nor the trigger that looks for the like of a new run, reads the table."""
    named = _select_run().params(revision=5, experiment="xcsls3716", number=7)
    engine = make_engine(sqlite_location.database)
    text = str(named.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        trigger = str(
            connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'run_insert'").scalar_one()
        )
        # Values as parameters, as a trigger has them.
        like = re.findall(r"EXISTS \((SELECT 1 FROM run WHERE experiment .*)\)$", trigger, re.MULTILINE)[0]
        for query, parameters in ((text, ()), (re.sub(r"NEW\.\w+", "?", like), ("xcsls3716", 7))):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all()
            assert re.match(r"SEARCH run USING INDEX \w+ \(experiment=\? AND number=\?", rows[0][-1]), rows
    engine.dispose()


@pytest.mark.slow
def test_a_registration_reads_nothing_of_an_experiment_that_it_does_not_concern(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for experiment, panel in (("xcsls3716", PANEL_A), ("mfxlr1716", PANEL_B)):
        registry.panels.add(panel)
        registry.detectors.configure(experiment, "XcsEndstation.0:Jungfrau.0", panel, first_run=1)
        registry.runs.add(f"exp={experiment}:run=1", begin=LATER)
    calls: list[Any] = []
    monkeypatch.setattr(
        "registry.lookup.answers.list_configurations",
        lambda connection, revision, experiments: (
            calls.append(experiments) or list_configurations(connection, revision, experiments)
        ),
    )
    outcome = registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a", seed=1), valid_from=START)
    assert calls == [{"xcsls3716"}]
    assert outcome.notes == ("1 recorded run can be exported from now on: exp=xcsls3716:run=1",)


OF_A_REGISTRATION = [
    "SELECT panel",
    "SELECT max(revision",  # as of which the files are compared
    "SELECT values_table",  # what is stated at the place already: refused before a file is stored
    "SELECT first_use",  # who else has the files
    "the writers' turn",  # a revision is tried and rolled back: who may not write stores no file
    "SELECT the beginning",
    "INSERT revision",
    "INSERT seal",
    "the writers' turn",
    "SELECT the beginning",
    "SELECT panel",  # again, under the lock
    "SELECT blob",
    "INSERT revision",
    "INSERT blob",
    "INSERT blob_pattern",
    "INSERT constants",
    "INSERT constants_file",
    "SELECT values_table",
    "INSERT version",
    "WITH changed",  # whom the change may concern: nobody here
    "SELECT version",
    "INSERT seal",
]


def test_a_registration_sends_each_statement_once_after_it_was_tried(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    on_the_server: list[bool] = []
    engine = registry._backend.database._engine
    sa.event.listen(
        engine,
        "after_cursor_execute",
        lambda *args: on_the_server.append(getattr(args[4], "_is_server_side", False)),
    )
    with record_statements(registry) as statements:
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a", seed=1), valid_from=START)
    assert [shorten(statement) for statement in statements] == OF_A_REGISTRATION
    assert not any(on_the_server)  # a cursor there is opened, asked and closed


def shorten(statement: str) -> str:
    """Return the verb of a statement, and the table that it names first."""
    if statement == "BEGIN IMMEDIATE" or "pg_advisory_xact_lock" in statement:
        return "the writers' turn"
    if " AS role" in statement:
        return "SELECT the beginning"
    verb, *words = statement.replace("INTO ", "").split()
    return f"{verb} {words[0].partition('.')[0]}"


def test_a_registration_for_a_configured_panel_reads_no_run_that_it_does_not_concern(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.runs.add("exp=xcsls3716:run=1", begin=START)
    with record_statements(registry) as statements:
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a", seed=1), valid_from=LATER)
    # The configurations of the panel, the runs between the starts, and the exports of them.
    assert len(statements) == len(OF_A_REGISTRATION) + 2 + 1


def test_a_registration_for_a_configured_panel_reads_the_configurations_once_while_the_runs_are_the_same(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.runs.add("exp=xcsls3716:run=1", begin=LATER)
    with record_statements(registry) as statements:
        outcome = registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a", seed=1), valid_from=START)
    assert outcome.notes == ("1 recorded run can be exported from now on: exp=xcsls3716:run=1",)
    # The configurations of the panel, and the runs between the starts; then, for these runs, the configurations and
    # M-numbers of their panels, and the versions as of the two revisions; the files that are deployed for them; and
    # the exports that used the versions, or were of the runs.
    assert len(statements) == len(OF_A_REGISTRATION) + 2 + 2 + 2 + 1 + 2


def test_constants_that_are_not_recorded_do_not_become_a_gap(registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    statement = VersionStatement(PANEL_A, "gain", parse_instant(START), "0" * 64)
    with pytest.raises(LookupError, match=f"the constants {'0' * 64} are not recorded"):
        registry._backend.record_revision(
            lambda change: record_versions(change, [statement], supersede=False)
        )
    assert len(registry.log()) == 1


def test_a_table_of_datasets_is_recorded_in_as_many_statements_as_two_of_its_rows(
    registry: Registry, tmp_path: Path
) -> None:
    counts = []
    for experiment, rows in (("few", 2), ("many", 40)):
        lines = (
            f"exp={experiment}{row}:run=1 1-9 XcsEndstation.0:Jungfrau.0 {row + 1:x}-2-1_{row + 1:x}-2-2\n"
            for row in range(rows)
        )
        path = tmp_path / f"{experiment}.txt"
        path.write_text("".join(lines))
        with record_statements(registry) as statements:
            registry.runs.import_table(path)
        counts.append(len(statements))
    assert counts[0] == counts[1]

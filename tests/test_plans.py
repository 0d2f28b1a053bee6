"""Plans of databases that know nothing of the values: what they take for few rows may be most of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.database.engine import make_engine, write_transaction
from registry.instants import BEGINNING
from registry.lookup.consequences import _list_carried_versions
from registry.lookup.experiments import list_experiments
from registry.lookup.file_uses import list_live_uses
from registry.lookup.missing_patterns import count_files_without_pattern
from registry.lookup.revisions import RevisionRef, find_revision_number
from registry.lookup.runs import list_runs_after
from registry.lookup.starts import sources_near_starts, versions_at_starts
from registry.lookup.stored_files import list_inputs_with_files, list_versions_converted_from
from registry.lookup.versions import list_versions_with_constants, select_next_start
from registry.records import Run
from testing.panels import PANEL_A
from testing.registries import RegistryFactory, RegistryLocation

_START = (PANEL_A, "gain", BEGINNING)
_LOOK_UPS: dict[str, Callable[[sa.Connection], Any]] = {
    "the live uses of files": lambda connection: list_live_uses(connection, ["0" * 64]),
    "the sources near starts": lambda connection: list(sources_near_starts(connection, [_START], 1)),
    "the versions at starts": lambda connection: versions_at_starts(connection, [_START]),
    "what was carried from withdrawn versions": lambda connection: _list_carried_versions(connection, 1),
}


_INDEXES: dict[str, tuple[Callable[[sa.Connection], Any], str]] = {
    "the newest revision at an instant": (
        lambda connection: find_revision_number(connection, RevisionRef("instant", 0)),
        "COVERING INDEX ix_revision_recorded_at (recorded_at<?)",
    ),
    "what was carried": (lambda connection: _list_carried_versions(connection, 1), "ix_version_carried_from"),
    "what was converted from a file": (
        lambda connection: list_versions_converted_from(connection, "0" * 64, 1),
        "SCAN version USING INDEX ix_version_conversion",
    ),
    "the constants with files": (
        lambda connection: list_inputs_with_files(connection, ["0" * 64], 1),
        "ix_constants_file_sha256 (sha256=?)",
    ),
    "the versions with constants": (
        lambda connection: list_versions_with_constants(connection, ["0" * 64], 1),
        "SEARCH version USING INDEX ix_version_constants_id (constants_id=?)",
    ),
    "maps without a pattern": (
        count_files_without_pattern,
        "COVERING INDEX ix_blob_pattern_recorded_in (recorded_in=? AND blob=? AND algorithm=?)",
    ),
    "the first runs": (
        lambda connection: list_runs_after(connection, 1, None, None, 500, withdrawn=False),
        "SCAN run USING INDEX ix_run_number",
    ),
    "the runs after one": (
        lambda connection: list_runs_after(
            connection, 1, None, (1, Run("xcs1", 1, None, None, 1, None)), 500, withdrawn=True
        ),
        "SEARCH run USING INDEX ix_run_number ((experiment,number)>(?,?))",
    ),
    "the experiments": (
        lambda connection: list_experiments(connection, 1),
        "(experiment>?)",
    ),
}


def _explain(
    location: RegistryLocation, look_up: Callable[[sa.Connection], Any]
) -> list[tuple[str, list[str]]]:
    """Return the statements of a look-up on SQLite, each with the steps of its plan."""
    engine = make_engine(location.database)
    statements: list[tuple[str, Any]] = []
    with engine.connect() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3]))
        )
        look_up(connection)
        plans = [
            (text, [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)])
            for text, parameters in statements.copy()
        ]
    engine.dispose()
    return plans


@pytest.mark.parametrize("what", _LOOK_UPS)
def test_facts_are_not_looked_for_among_all_that_are_live(
    sqlite_location: RegistryLocation, what: str
) -> None:
    for text, steps in _explain(sqlite_location, _LOOK_UPS[what]):
        # Those that one revision has withdrawn are few.
        assert all(step.split()[1] == "origin" for step in steps if "(withdrawn_in=?" in step), text


def test_the_end_of_a_range_is_not_looked_for_among_all_starts_of_a_panel_that_a_server_has_not_counted_yet(
    postgresql_factory: RegistryFactory,
) -> None:
    location = postgresql_factory.make("postgresql")
    engine = make_engine(location.database)
    query = sa.select(select_next_start(None)).select_from(schema.version)
    with write_transaction(engine, dry_run=True) as connection:
        connection.exec_driver_sql("ALTER TABLE version DISABLE TRIGGER ALL")  # of guards and references
        connection.exec_driver_sql(
            "INSERT INTO version (id, panel_id, kind, valid_from, nonfinite_allowed, recorded_in, latest_start)"
            " SELECT number, mod(number, 16), 'gain', number, false, 1, number FROM generate_series(1, 30000) AS number"
        )
        steps = list(connection.execute(sa.text(f"EXPLAIN {query.compile(connection)}")).scalars())
    engine.dispose()
    postgresql_factory.remove(location)
    assert any("uq_version_live" in step for step in steps), steps
    assert not any("withdrawn_in" in step for step in steps), steps


@pytest.mark.parametrize("what", _INDEXES)
def test_what_is_asked_for_is_found_by_its_index(sqlite_location: RegistryLocation, what: str) -> None:
    look_up, index = _INDEXES[what]
    steps = [step for _, steps in _explain(sqlite_location, look_up) for step in steps]
    assert any(index in step for step in steps), steps
    assert not any("ORDER BY" in step for step in steps if what.startswith("the runs"))

"""Plans of SQLite, which knows nothing of the values: what it takes for few rows may be most of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from registry.database.engine import make_engine
from registry.instants import BEGINNING
from registry.lookup.consequences import _list_carried_versions
from registry.lookup.file_uses import list_live_uses
from registry.lookup.starts import sources_near_starts, versions_at_starts
from testing.panels import PANEL_A
from testing.registries import RegistryLocation

_START = (PANEL_A, "gain", BEGINNING)
_LOOK_UPS: dict[str, Callable[[sa.Connection], Any]] = {
    "the live uses of files": lambda connection: list_live_uses(connection, ["0" * 64]),
    "the sources near starts": lambda connection: list(sources_near_starts(connection, [_START], 1)),
    "the versions at starts": lambda connection: versions_at_starts(connection, [_START]),
    "what was carried from withdrawn versions": lambda connection: _list_carried_versions(connection, 1),
}


@pytest.mark.parametrize("what", _LOOK_UPS)
def test_facts_are_not_looked_for_among_all_that_are_live(
    sqlite_location: RegistryLocation, what: str
) -> None:
    engine = make_engine(sqlite_location.database)
    statements: list[tuple[str, Any]] = []
    with engine.connect() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3]))
        )
        _LOOK_UPS[what](connection)
        for text, parameters in statements.copy():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            steps = [row[3] for row in plan if "(withdrawn_in=?" in row[3]]
            # Those that one revision has withdrawn are few.
            assert all(step.split()[1] == "origin" for step in steps), text
    engine.dispose()

"""Registries with a row of every sort, and the rows of a database, for tests of copies."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.database.engine import make_engine
from registry.database.guards.installation import disable_guards
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder

SOURCE = "XcsEndstation.0:Jungfrau.0"
AT = "2018-06-01T00:00:00Z"


def fill_registry(registry: Registry, folder: Path) -> None:
    """Record facts in every table, live ones and withdrawn ones, and texts that databases sort differently."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.set_timezone("Europe/Zurich", comment="local times")
    registry.set_timezone("UTC", comment="no local times after all")
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_B)
    registry.aliases.withdraw("M068", NEW_A, comment="M069 nach Prüfung \N{SNOWMAN}")
    registry.versions.add(PANEL_A, write_panel_folder(folder / "one", seed=1), valid_from="beginning")
    two = registry.versions.add(
        PANEL_A, write_panel_folder(folder / "two", 2, ["gain"]), valid_from="20180101000000", kinds=["gain"]
    )
    registry.versions.gap(PANEL_A, valid_from="20190101000000", comment="in\trepair\\N\n")
    registry.versions.withdraw(two.versions[0].version, comment="taken in the wrong mode")
    for run in (1, 2):
        registry.runs.add(f"exp=xcsls3716:run={run}", begin="20170601000000", end="20170602000000")
    registry.runs.withdraw("exp=xcsls3716:run=2", comment="never taken")
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1, last_run=8)
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_B}_{PANEL_C}", first_run=20, last_run=30)
    registry.detectors.withdraw("xcsls3716", SOURCE, first_run=20, comment="never mounted")
    registry.export("exp=xcsls3716:run=1", folder / "export")
    for name in ("first", "Second", "third-9", "third_9", "thirdA"):
        registry.tags.add(name)


def forget_patterns(engine: sa.Engine) -> None:
    """Remove the patterns behind the guards: as if they had never been computed, so that a downgrade loses nothing."""
    with engine.begin() as connection, disable_guards(connection):
        connection.execute(schema.blob_pattern.delete())


def read_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, in the order of Python's sorting."""
    engine = make_engine(url)
    with engine.connect() as connection:
        tables = {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return {name: sorted(table, key=str) for name, table in tables.items()}


def read_facts(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that belong to the registry, not to the database that holds it."""
    tables = read_rows(url)
    del tables["closure"]
    return tables


def read_answers(registry: Registry, as_of: Any = None) -> list[Any]:
    """Return the registry's answers to all requests."""
    return [
        registry.versions.list(withdrawn=True, as_of=as_of),
        registry.panels.list(as_of=as_of),
        registry.aliases.list(as_of=as_of),
        registry.runs.list(as_of=as_of),
        registry.detectors.list(as_of=as_of),
        registry.validity(PANEL_A, as_of=as_of),
        registry.log(as_of=as_of),
    ]

"""Registries whose databases and stores get out of step: copies beside one store, writers that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from registry.database.store_heads import HeadKeeper
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.broken_seals import find_broken_seals
from registry.parallel import no_progress
from testing.registries import RegistryLocation

PANELS = [f"170505-149520170815-3d00b{digit}" for digit in "0123456789"]
KILLED = 9

Copy = Callable[[RegistryLocation], RegistryLocation]
"""Copies the database of a registry as it is, beside the same store."""


def record(location: RegistryLocation, *panels: int) -> None:
    """Record a revision for each panel."""
    with location.open() as registry:
        for panel in panels:
            registry.panels.add(PANELS[panel])


def read_state(location: RegistryLocation) -> StoreHead:
    state = HeadFile(location.store).read()
    assert state is not None
    return state


def read_chain(location: RegistryLocation) -> dict[int, str]:
    """Return the seals of a database by their revisions, read by other means."""
    engine = location.engine()
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT revision, digest FROM seal")).all()
    engine.dispose()
    return {row[0]: row[1] for row in rows}


def list_broken_seals(location: RegistryLocation) -> list[str]:
    """Return what is not as it was sealed."""
    engine = location.engine()
    with engine.connect() as connection:
        problems = [broken.problem for broken in find_broken_seals(connection, no_progress)]
    engine.dispose()
    return problems


def head_of(location: RegistryLocation) -> Head:
    chain = read_chain(location)
    return Head(max(chain), chain[max(chain)])


def die(*_: object) -> None:
    os._exit(KILLED)


def record_and_die(location: RegistryLocation, panel: int, place: str, *, lost: str | None = None) -> None:
    """Let another process record a panel, or that a head is lost, and be killed at this place of its protocol."""
    pid = os.fork()
    if pid == 0:
        try:
            original = HeadKeeper.announce
            if place == "before the announcement":
                HeadKeeper.announce = die  # type: ignore[method-assign]
            elif place == "while the head is written":
                Path.replace = die  # type: ignore[assignment]
            elif place == "before the commit":
                HeadKeeper.announce = lambda *arguments: die(original(*arguments))  # type: ignore[method-assign]
            elif place == "after the commit":
                HeadKeeper.confirm = die  # type: ignore[method-assign]
            if lost is None:
                record(location, panel)
            else:
                with location.open() as registry:
                    registry.recover(lost, comment="killed")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED

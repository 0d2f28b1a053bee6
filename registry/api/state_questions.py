"""The question of what is recorded, and what is wrong with the database, for the state of a registry."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from registry.api.backend import Backend
from registry.api.stale_copies import StoreWitness
from registry.database.catalogue.differences import find_guard_differences
from registry.database.seals import read_seal
from registry.lookup.counts import count_records
from registry.lookup.revisions import AsOf
from registry.records import Counts


class RegistryState(Struct, frozen=True):
    """The numbers of what is recorded, and a sentence for each thing that is wrong with the database."""

    counts: Counts
    problems: tuple[str, ...]


def describe_state(backend: Backend, *, as_of: AsOf = None) -> RegistryState:
    """Return what is recorded as of a revision, and what is wrong with the database now."""
    witness = StoreWitness(backend, None)
    with backend.read_transaction(as_of) as view:
        counts = count_records(view.connection, view.revision)
        seal = read_seal(view.connection, view.revision) if view.revision else None
        return RegistryState(
            counts, tuple(list_problems(backend, view.connection, view.revision, seal, witness))
        )


def list_problems(
    backend: Backend, connection: sa.Connection, revision: int, seal: str | None, witness: StoreWitness | None
) -> list[str]:
    """Return a sentence for each thing that is wrong with a database; without a witness its store is not asked.

    That a mirror takes no writes is not wrong.
    """
    closure = backend.database.closure
    return [
        *([str(closure)] if closure is not None and closure.reason != "mirror" else ()),
        *(witness.list_warnings(connection) if witness else ()),
        *([f"revision {revision} was never sealed"] if revision and seal is None else ()),
        *find_guard_differences(connection),
    ]

"""Refuse of a mirror what needs the exports, which it has not: only the registry that it follows can answer."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.errors import ConflictError


def refuse_mirror(backend: Backend, what: str) -> None:
    """Raise `ConflictError` where the database is a mirror; `what` names what needs the exports."""
    closure = backend.database.closure
    if closure is not None and closure.reason == "mirror":
        raise ConflictError(
            f"a mirror has no exports of the registry that it follows, which {what} needs: ask {closure.place}",
            upstream=closure.place,
        )

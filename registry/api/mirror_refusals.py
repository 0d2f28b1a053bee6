"""Refuse of a mirror what needs the exports, which it has not: only the registry that it follows can answer."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.errors import ConflictError


def find_upstream(backend: Backend) -> str | None:
    """Return the registry that a mirror follows, None where the database is not a mirror."""
    closure = backend.database.closure
    return closure.place if closure is not None and closure.reason == "mirror" else None


def refuse_mirror(backend: Backend, what: str) -> None:
    """Raise `ConflictError` where the database is a mirror; `what` names what needs the exports."""
    upstream = find_upstream(backend)
    if upstream is not None:
        raise ConflictError(
            f"a mirror has no exports of the registry that it follows, which {what} needs: ask {upstream}",
            upstream=upstream,
        )

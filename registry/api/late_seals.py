"""Seal a revision that its writer left unsealed."""

from __future__ import annotations

import json

import sqlalchemy as sa

from registry import instants, schema
from registry.api.backend import Backend
from registry.authorship import Signature, build_signature, refuse_unrecordable
from registry.database.seals import read_seal
from registry.errors import ConflictError
from registry.interruptions import note_attempt
from registry.lookup.revisions import require_comment
from registry.lookup.sealed_rows import digest_revision
from registry.records import Outcome


def seal_revision(backend: Backend, number: int, comment: str | None) -> Outcome:
    """Seal the newest revision as it is; see `Registry.seal_revision`."""
    require_comment(comment, "a seal that comes later than its revision")
    refuse_unrecordable(comment or "", "the comment")
    late = _describe_sealing(build_signature(), comment or "")
    try:
        with backend.database.late_seal_transaction(number) as sealing:
            sealing.prepare(digest_revision(sealing.connection, number), late)
            note_attempt("the seal", lambda: _describe_end(backend, number))
    except ConflictError:
        if not _is_sealed_so(backend, number, late):
            raise
        return Outcome(None, notes=(f"revision {number} was sealed so before",))
    head = sealing.head
    return Outcome(
        revision=number,
        facts=(f"+ seal of revision {number}: {head}",),
        notes=tuple(sealing.notes),
        warnings=tuple(sealing.warnings),
        seal=head.seal if head else None,
    )


def _describe_sealing(signature: Signature, comment: str) -> str:
    """Return who seals a revision, when and why, as compact JSON with sorted keys."""
    values = {
        "author": signature.author,
        "command": signature.command,
        "comment": comment,
        "host": signature.host,
        "sealed_at": str(instants.now()),
        "software": signature.software,
    }
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is_sealed_so(backend: Backend, number: int, late: str) -> bool:
    """Tell whether the same person has sealed the revision late, with the same comment."""
    query = sa.select(schema.seal.c.late).where(schema.seal.c.revision == number)
    with backend.read_transaction() as view:
        known = view.connection.execute(query).scalar()
    wanted = json.loads(late)
    try:
        values = json.loads(known or "{}")
        return bool(values) and all(values[name] == wanted[name] for name in ("author", "comment"))
    except (ValueError, LookupError, TypeError):
        return False


def _describe_end(backend: Backend, number: int) -> str | None:
    with backend.database.open_after_interruption() as connection:
        return f"revision {number} was sealed" if read_seal(connection, number) else None

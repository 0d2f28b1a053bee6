"""The lineage of a registry, recorded in its history: the fork of another one, or a head of its own that was lost."""

from __future__ import annotations

from registry import schema
from registry.database.change import Change
from registry.database.seals import read_registry_id
from registry.heads import Head


def record_fork(change: Change, registry_id: str) -> None:
    """Record that this history goes on as another registry from here on."""
    _record(change, "fork", registry_id, change.newest_head)


def record_loss(change: Change, lost: Head) -> None:
    """Record that this history goes on without a head that was its own."""
    _record(change, "loss", None, lost)


def _record(change: Change, reason: str, registry_id: str | None, head: Head) -> None:
    row = {
        "reason": reason,
        "registry": registry_id,
        "ancestor": read_registry_id(change.connection),
        "head_revision": head.number,
        "head_seal": head.seal,
    }
    change.record(schema.lineage, [row])

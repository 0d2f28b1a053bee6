"""Tags are recorded: a name for a revision, given once and never moved."""

from __future__ import annotations

import re

from registry import schema
from registry.database import Change
from registry.errors import ConflictError, RequestError
from registry.identifiers import shown
from registry.lookup.revisions import tags

_TIMES = {"beginning", "now", "newest"}
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def add_tag(change: Change, name: str, revision: int) -> None:
    """Name a revision.

    Raises
    ------
    RequestError
        The name is no name: a letter first, so that it looks like no number and no time.
    ConflictError
        The name names a revision already: a tag never moves.
    """
    if not _TAG.fullmatch(name) or name in _TIMES:
        raise RequestError(
            f"{shown(name)} is no name for a tag: a letter, then letters, digits, '_', '.', '-'"
        )
    known = {tag.tag: tag.revision for tag in tags(change.connection, change.view)}
    if name in known:
        raise ConflictError(
            f"tag {name} names revision {known[name]} already, and a tag never moves", tag=name
        )
    change.record(schema.tag, [{"name": name, "revision": revision}])

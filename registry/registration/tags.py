"""Tags: names of revisions, given once and never moved."""

from __future__ import annotations

import re

from registry import schema
from registry.database.change import Change
from registry.database.seals import find_head
from registry.errors import ConflictError, RequestError
from registry.identifiers import quote
from registry.lookup.tags import list_tags
from registry.stated_times import WORDS

_RESERVED_NAMES = {"beginning", "newest", *WORDS}
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")  # a letter first: neither a number nor a time


def add_tag(change: Change, name: str, revision: int) -> None:
    """Name a revision; a `ConflictError` if the name is that of a revision already."""
    if not _TAG_NAME.fullmatch(name) or name in _RESERVED_NAMES:
        raise RequestError(
            f"{quote(name)} is not a name for a tag: a letter, then letters, digits, '_', '.', '-'", tag=name
        )
    known = {tag.tag: tag.revision for tag in list_tags(change.connection, change.visible_revision)}
    if name in known:
        raise ConflictError(
            f"tag {name} names revision {known[name]} already, and a tag never moves",
            tag=name,
            revision=known[name],
        )
    seal = find_head(change.connection, revision).seal
    change.record(schema.tag, [{"name": name, "revision": revision, "seal": seal}])

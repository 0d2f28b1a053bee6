"""Tags: names of revisions, given once and never moved."""

from __future__ import annotations

import re

from registry import schema
from registry.database.change import Change
from registry.database.seals import find_head
from registry.errors import ConflictError, RequestError
from registry.identifiers import quote
from registry.lookup.revisions import is_recorded_by
from registry.lookup.tags import list_tags
from registry.stated_times import WORDS

_RESERVED_NAMES = {"beginning", "newest", *WORDS}
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")  # a letter first: neither a number nor a time


def add_tag(change: Change, name: str, revision: int, *, is_newest: bool = False) -> None:
    """Name a revision; no change where the same person has done just that, with the same comment.

    Parameters
    ----------
    is_newest
        It is named because it is the newest one: a tag makes a newer one, so the newest may be that of this very tag.

    Raises
    ------
    ConflictError
        The name is that of a revision already.
    """
    if not _TAG_NAME.fullmatch(name):
        raise RequestError(
            f"{quote(name)} is not a name for a tag: a letter, then letters, digits, '_', '.' and '-' are expected,"
            " 64 at most",
            tag=name,
        )
    if name in _RESERVED_NAMES:
        raise RequestError(
            f"{quote(name)} is not a name for a tag: it stands for a time or a revision", tag=name
        )
    tags = {tag.tag: tag for tag in list_tags(change.connection, change.visible_revision)}
    known = tags.get(name)
    if known is not None:
        is_same = known.revision == revision or (is_newest and known.recorded_in == revision)
        author = change.signature.author
        if is_same and is_recorded_by(change.connection, known.recorded_in, author, change.comment):
            change.notes.append(f"revision {known.recorded_in} has recorded that tag")
            return
        raise ConflictError(
            f"tag {name} names revision {known.revision} already, and a tag never moves",
            tag=name,
            revision=known.revision,
        )
    seal = find_head(change.connection, revision).seal
    change.record(schema.tag, [{"name": name, "revision": revision, "seal": seal}])

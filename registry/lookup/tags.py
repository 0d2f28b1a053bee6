"""Tags: names of revisions."""

from __future__ import annotations

from collections.abc import Iterable

from registry import schema
from registry.database.seals import read_head
from registry.errors import NotFoundError, RequestError
from registry.identifiers import find_near, quote, suggestion
from registry.instants import Instant
from registry.records import Tag
from registry.sql import sa


def list_tags(connection: sa.Connection, revision: int) -> list[Tag]:
    """Return the tags recorded as of a revision, in the order of the revisions that they name.

    Tags that were recorded before there were seals have the seal that their revision has by now. The tag by which a
    snapshot was requested is the last one, where its newest revision is asked about.
    """
    tag, seal = schema.tag, schema.seal
    query = (
        sa.select(
            tag.c.name,
            tag.c.revision,
            tag.c.recorded_in,
            sa.func.coalesce(tag.c.seal, seal.c.digest).label("seal"),
        )
        .outerjoin(seal, seal.c.revision == tag.c.revision)
        .where(tag.c.recorded_in <= revision)
        .order_by(tag.c.revision, tag.c.name)
    )
    tags = [Tag(row.name, row.revision, row.recorded_in, row.seal) for row in connection.execute(query)]
    name = read_snapshot_tag(connection)
    if name is not None and name not in {known.tag for known in tags}:
        newest = read_head(connection)
        tags += [Tag(name, newest.number, None, newest.seal)] if newest.number <= revision else []
    return tags


def read_snapshot_tag(connection: sa.Connection) -> str | None:
    """Return the tag by which a snapshot was requested, None for another database."""
    closure = schema.closure
    query = sa.select(closure.c.tag).where(closure.c.reason == "snapshot").order_by(closure.c.number.desc())
    name: str | None = connection.execute(query.limit(1)).scalar()
    return name


def unknown_tag_error(name: str, known: Iterable[Tag]) -> NotFoundError:
    """Return the refusal of a tag that is not known, with similar ones."""
    tags = [tag.tag for tag in known]
    return NotFoundError(
        f"there is no tag {quote(name)}{suggestion(name, tags)}", tag=name, near=find_near(name, tags)
    )


def refuse_tagged_word(connection: sa.Connection, word: str, instant: Instant) -> None:
    """Refuse a word that means an instant where it is a tag too, of the time before such names were refused."""
    tag = schema.tag
    number = connection.execute(sa.select(tag.c.revision).where(tag.c.name == word)).scalar()
    if number is None and read_snapshot_tag(connection) == word:
        number = read_head(connection).number
    if number is not None:
        raise word_and_tag_error(word, number, instant)


def word_and_tag_error(word: str, number: int, instant: Instant) -> RequestError:
    """Return the refusal of a word that is the tag of a revision, too."""
    return RequestError(
        f"{word} is {instant}, and the tag of revision {number} too; write the one that is meant",
        tag=word,
        revision=number,
        instant=str(instant),
    )

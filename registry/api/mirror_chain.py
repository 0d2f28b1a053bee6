"""The chain of seals that a mirror follows: every revision is compared with its seal, and that with the one before it.

What comes is put together from its pages, by the recipe of docs/seals.md, before a row of it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from registry import schema
from registry.database.mirrored_rows import MirroredRows
from registry.database.seal_text import RECORDED_TABLES, digest_lines, link_export, seal_text, write_text
from registry.database.sealed_lines import Row, encode_text, list_columns, parse_lines, parse_numbers
from registry.errors import CorruptionError, RegistryError, SchemaError
from registry.heads import Head
from registry.identifiers import quote
from registry.lookup.history_pages import HistoryPage, SealedRevision


class Page(Struct, frozen=True):
    """Revisions that follow each other, and the text that seal 0 is the digest of."""

    registry: str
    revisions: tuple[SealedRevision, ...]


ReadPage = Callable[[Head, int], Page | HistoryPage]
"""Returns the revisions after a head, the first of them without so many lines."""

Link = tuple[int, str]
"""An export and its link in the chain of exports."""

_LATE, _LINKS, _REVISION = "late", schema.export_seal.name, schema.revision.name
_FORMAT = "calreg seal 1\n"


class _ExportLink(Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    export: int
    link: str


def read_revisions(read_page: ReadPage, after: Head, last: int) -> Iterator[SealedRevision]:
    """Yield the revisions after a head up to the last one, or until there are no more; each whole.

    Raises
    ------
    CorruptionError
        The pages do not follow each other.
    """
    pending: SealedRevision | None = None
    while after.number < last:
        skip = 0 if pending is None else count_lines(pending)
        page = read_page(after, skip)
        if not page.revisions:
            return
        for piece in page.revisions:
            if piece.revision != after.number + 1 or piece.skipped != skip:
                raise CorruptionError(
                    f"revision {after.number + 1} was expected from line {skip + 1} on, and revision"
                    f" {piece.revision} came from line {piece.skipped + 1} on",
                    revision=after.number + 1,
                )
            if not piece.is_complete and not piece.parts:
                raise CorruptionError(f"revision {piece.revision} comes to no end", revision=piece.revision)
            whole = piece if pending is None else _join(pending, piece)
            if not piece.is_complete:
                pending = whole
                break
            yield whole
            after, pending, skip = Head(whole.revision, whole.seal), None, 0


def _join(first: SealedRevision, rest: SealedRevision) -> SealedRevision:
    parts = dict(first.parts)
    for name, lines in rest.parts.items():
        parts[name] = parts.get(name, "") + lines
    return replace(first, parts=parts, is_complete=rest.is_complete)


def count_lines(revision: SealedRevision) -> int:
    """Return how many lines of a revision have come."""
    return sum(lines.count("\n") for lines in revision.parts.values())


@dataclass(slots=True)
class SealChain:
    """A history, of which the newest head and the newest link of an export are known.

    Attributes
    ----------
    origin
        Seal 0.
    """

    origin: str
    head: Head
    link: Link | None = None

    def take(self, revision: SealedRevision) -> None:
        """Compare the next revision with its seal, and go on to it.

        Raises
        ------
        CorruptionError
            Its texts have another seal, or it follows another revision.
        SchemaError
            Its text is of a form that only newer software knows.
        """
        if not revision.text.startswith(_FORMAT):
            raise SchemaError(
                f"the text of the seal of revision {revision.revision} is not of the form that this software knows",
                revision=revision.revision,
            )
        link = self._follow_exports(revision)
        facts = {
            name: digest_lines(lines.count("\n"), encode_text(lines))
            for name, lines in revision.parts.items()
            if name not in {_LATE, _LINKS}
        }
        exports = link if _has_exports(revision) else None
        number = self.head.number + 1
        text = write_text(number, self.head.seal, facts, exports, find_late(revision))
        seal = seal_text(text)
        if (revision.revision, revision.seal, revision.text) != (number, seal, text):
            raise CorruptionError(
                f"revision {number} is not as it was sealed: its texts have the seal {seal}, and it came with"
                f" {quote(revision.seal[:64])}",
                revision=number,
                seal=seal,
            )
        self.head, self.link = Head(number, seal), link

    def _follow_exports(self, revision: SealedRevision) -> Link | None:
        """Return the newest link after the exports that the revision seals."""
        link = self.link
        for row in read_links(revision):
            number, previous = (1, self.origin) if link is None else (link[0] + 1, link[1])
            expected = link_export(number, previous, row.digest)
            if (row.export, row.link) != (number, expected):
                raise CorruptionError(
                    f"export {number} is not as it was sealed: its link is {expected}, and"
                    f" {quote(row.link[:64])} of export {row.export} came",
                    revision=revision.revision,
                )
            link = number, expected
        return link


def read_links(revision: SealedRevision) -> list[_ExportLink]:
    """Return the exports that a revision seals, and the one before it does not."""
    lines = encode_text(revision.parts.get(_LINKS, ""))
    try:
        return msgspec.json.Decoder(_ExportLink).decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptionError(
            f"the links of the exports of revision {revision.revision} cannot be read",
            revision=revision.revision,
        ) from None


def _has_exports(revision: SealedRevision) -> bool:
    return "\nexports " in revision.text


def find_late(revision: SealedRevision) -> str | None:
    """Return who sealed a revision late, None where its writer did."""
    late = revision.parts.get(_LATE)
    return None if late is None else late.removesuffix("\n")


def add_rows(batch: MirroredRows, revision: SealedRevision, link: Link | None) -> None:
    """Add the rows of a revision that is as it was sealed, `link` being the newest one then.

    Raises
    ------
    CorruptionError
        A line is not a row of its table, or a row is of another revision.
    SchemaError
        A table or a column is not known to this software.
    """
    number = revision.revision
    try:
        recorded = _add_parts(batch, revision)
    except RegistryError as error:
        error.message = f"revision {number}: {error.message}"
        raise
    if _REVISION not in recorded:
        raise CorruptionError(f"revision {number} has no row of its own", revision=number)
    batch.links += [(row.export, row.digest, row.link) for row in read_links(revision)]
    export = link[0] if link is not None and _has_exports(revision) else None
    batch.seals.append((number, revision.seal, revision.text, export, find_late(revision)))


def _add_parts(batch: MirroredRows, revision: SealedRevision) -> dict[str, set[object]]:
    """Add the rows of all parts; return the keys of those that others belong to, by table."""
    keys: dict[str, set[object]] = {}
    for name, lines in sorted(revision.parts.items()):  # a part comes after the table that it belongs to
        table_name = name.removeprefix("withdrawn ")
        if table_name != name:
            _add_withdrawn(batch, table_name, lines, revision.revision)
        elif name not in {_LATE, _LINKS}:
            rows = parse_lines(name, lines)
            columns = list_columns(name)
            _refuse_other_revisions(name, columns, rows, revision.revision, keys)
            keys[name] = {row[columns.index("id")] for row in rows} if "id" in columns else set()
            batch.rows.setdefault(name, []).extend(rows)
    return keys


def _add_withdrawn(batch: MirroredRows, table_name: str, lines: str, number: int) -> None:
    table = RECORDED_TABLES.get(table_name)
    if table is None or not table.info.get("fact"):
        raise SchemaError(f"rows of {quote(table_name[:64])} are withdrawn, which have no withdrawal")
    withdrawn = batch.withdrawn.setdefault(table_name, {})
    for fact in parse_numbers(lines):
        if withdrawn.setdefault(fact, number) != number:
            raise CorruptionError(f"row {fact} of {table_name} is withdrawn twice")


def _refuse_other_revisions(
    table_name: str, columns: list[str], rows: list[Row], number: int, keys: Mapping[str, set[object]]
) -> None:
    """Refuse rows that another revision recorded, or that belong to a row of another one."""
    recorder = "number" if table_name == _REVISION else "recorded_in"
    known: Container[object] = (number,)
    if recorder not in columns:
        parent, recorder = RECORDED_TABLES[table_name].info["parent"]
        known = keys.get(parent, ())
    place = columns.index(recorder)
    if not all(row[place] in known for row in rows):
        raise CorruptionError(f"a row of {table_name} is of another revision")

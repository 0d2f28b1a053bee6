"""The chain of seals that a mirror follows: every revision is compared with its seal, and that with the one before it.

What comes is put together from its pages, by the recipe of docs/seals.md, before a row of it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from registry import schema
from registry.database.mirrored_rows import MirroredRows
from registry.database.seal_text import digest_lines, link_export, seal_text, write_text
from registry.database.sealed_lines import Row, encode_text, list_columns, parse_lines, parse_numbers
from registry.database.sealed_tables import RECORDED_TABLES
from registry.errors import CorruptionError, SchemaError
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
_WITHDRAWN = "withdrawn "


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

    def take(self, revision: SealedRevision) -> dict[str, str]:
        """Compare the next revision with its seal, and go on to it; return the digests of its parts.

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
        return facts

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
    if _LINKS not in revision.parts:
        return []
    lines = encode_text(revision.parts[_LINKS])
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


@dataclass(slots=True)
class SealedBatch:
    """Revisions that follow each other and are as they were sealed: they are written together.

    Attributes
    ----------
    seals
        The rows of their seals.
    size
        How many characters all lines have.
    """

    seals: list[Row] = field(default_factory=list)
    size: int = 0
    _parts: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    _links: list[Row] = field(default_factory=list)
    _withdrawn: dict[str, dict[int, int]] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _numbers: dict[str, list[int]] = field(default_factory=dict)  # of the revision that each line is of

    def add(self, revision: SealedRevision, link: Link | None, parts: Mapping[str, str]) -> None:
        """Add the next revision, `link` being the newest one then, and `parts` the digests of its parts."""
        number = revision.revision
        for name, digest in parts.items():
            self._parts.setdefault(name, []).append((number, name, digest))
        if _REVISION not in revision.parts:
            raise CorruptionError(f"revision {number} has no row of its own", revision=number)
        for name, lines in revision.parts.items():
            self.size += len(lines)
            if name.startswith(_WITHDRAWN):
                self._add_withdrawn(name.removeprefix(_WITHDRAWN), lines, number)
            elif name not in {_LATE, _LINKS}:
                self._lines.setdefault(name, []).append(lines)
                self._numbers.setdefault(name, []).extend([number] * lines.count("\n"))
        self._links += [(row.export, row.digest, row.link) for row in read_links(revision)]
        export = link[0] if link is not None and _has_exports(revision) else None
        self.seals.append((number, revision.seal, revision.text, export, find_late(revision)))

    def _add_withdrawn(self, table_name: str, lines: str, number: int) -> None:
        table = RECORDED_TABLES.get(table_name)
        if table is None or not table.info.get("fact"):
            raise SchemaError(f"rows of {quote(table_name[:64])} are withdrawn, which have no withdrawal")
        withdrawn = self._withdrawn.setdefault(table_name, {})
        for fact in parse_numbers(lines):
            if withdrawn.setdefault(fact, number) != number:
                raise CorruptionError(f"row {fact} of {table_name} is withdrawn twice", revision=number)

    def count_files(self) -> int:
        """Return how many files come with the revisions."""
        return len(self._numbers.get(schema.blob.name, ()))

    def build_rows(self) -> MirroredRows:
        """Return the rows that the lines stand for.

        Raises
        ------
        CorruptionError
            A line is not a row of its table, or a row is of another revision than it came with.
        SchemaError
            A table or a column is not known to this software.
        """
        rows = {name: _parse(name, lines) for name, lines in self._lines.items()}
        for name, numbers in self._numbers.items():
            for recorder, number in zip(_list_recorders(name, rows), numbers, strict=True):
                if recorder != number:
                    raise CorruptionError(
                        f"a row of {name} came with revision {number}, and is of another one"
                    )
        return MirroredRows(rows, self._withdrawn, self._links, self.seals, self._parts)


def _parse(table_name: str, lines: list[str]) -> list[Row]:
    """Return the rows of a table: parsed at once, which is quicker than revision by revision."""
    return parse_lines(table_name, "".join(lines))


def _list_recorders(table_name: str, rows: Mapping[str, list[Row]]) -> list[object]:
    """Return the revisions that recorded the rows of a table, None where that is none of the batch."""
    columns = list_columns(table_name)
    recorder = "number" if table_name == _REVISION else "recorded_in"
    if recorder in columns:
        return list(map(itemgetter(columns.index(recorder)), rows[table_name]))
    parent, key = RECORDED_TABLES[table_name].info["parent"]
    of_parent, place = list_columns(parent), columns.index(key)
    number, recorded_in = of_parent.index("id"), of_parent.index("recorded_in")
    known = {row[number]: row[recorded_in] for row in rows.get(parent, ())}
    return [known.get(row[place]) for row in rows[table_name]]

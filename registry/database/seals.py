"""Seals in the database: of the newest revision, of a revision that is asked about, and of the one that is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from registry import schema
from registry.database import seal_text
from registry.database.driver_connections import use_sqlalchemy
from registry.database.kept_statements import keep_text
from registry.database.seal_text import NAMES_OF_EXPORT_TABLES, Digest, SealText, lines_of
from registry.errors import CorruptionError, Remedy
from registry.heads import LARGEST_NUMBER, Head
from registry.sql import sa

_UNORDERED = {"blob", "tag"}  # their keys are texts, in another order than the rows are recorded


class SealDraft:
    """The lines of what a transaction records and withdraws: the seal of its revision, without reading a row again.

    Rows are added in the order of their keys, except those whose keys are texts.
    """

    def __init__(self) -> None:
        self._digests: dict[str, Digest] = {}
        self._unordered: dict[str, list[Mapping[str, Any]]] = {name: [] for name in sorted(_UNORDERED)}
        self._withdrawn: dict[str, list[int]] = {}
        self._export = Digest()

    def add_rows(self, table_name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows that were inserted into a table."""
        if table_name in _UNORDERED:
            self._unordered[table_name] += rows
            return
        lines, is_export = lines_of(table_name), table_name in NAMES_OF_EXPORT_TABLES
        in_order = sorted(rows, key=lambda row: [row[name] for name in lines.keys])
        digest = self._export if is_export else self._digests.setdefault(table_name, Digest())
        digest.add(len(rows), lines.encode_mappings(in_order))

    def add_tuples(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows that were inserted as the driver takes them, in the order of their keys.

        First come the columns that are sealed, by their names; floats and bytes are not among them.
        """
        lines = seal_text.lines_of(table.name)
        names = [column.name for column in lines.columns]
        if list(columns[: len(names)]) != names:
            raise ValueError(f"the columns of {table.name} are not in the order in which they are sealed")
        digest = self._digests.setdefault(table.name, Digest())
        digest.add(len(rows), lines.encode_plain_rows([row[: len(names)] for row in rows]))

    def add_withdrawn(self, table: sa.Table, ids: Sequence[int]) -> None:
        """Add facts that were withdrawn."""
        self._withdrawn.setdefault(table.name, []).extend(ids)

    def build_text(self, number: int, previous: str, exports: tuple[int, str] | None) -> SealText:
        """Return the text of the revision's seal."""
        for name, rows in self._unordered.items():
            if rows:
                of_table, digest = lines_of(name), self._digests.setdefault(name, Digest())
                key = of_table.keys[0]
                rows.sort(key=lambda row: str(row[key]))
                digest.add(len(rows), of_table.encode_mappings(rows))
        facts = {name: str(digest) for name, digest in self._digests.items()}
        for name, ids in self._withdrawn.items():
            lines = seal_text.encode_numbers(sorted(ids))
            facts[f"withdrawn {name}"] = seal_text.digest_lines(len(ids), lines)
        return SealText(number, previous, facts, exports)

    @property
    def export_digest(self) -> str:
        """The digest of the export that was recorded."""
        return self._export.sha256


def read_registry_seal(connection: sa.Connection) -> str:
    """Return seal 0, that of the registry without facts."""
    row = connection.execute(sa.select(schema.registry).limit(1)).one()
    return seal_text.seal_registry(row.id, row.created_at)


def read_seal(connection: sa.Connection, number: int) -> str | None:
    """Return the seal of a revision, None where there is none; that of revision 0 is the registry's."""
    if number == 0:
        return read_registry_seal(connection)
    if number > LARGEST_NUMBER:  # databases refuse larger ones than their columns hold
        return None
    digest: str | None = connection.execute(_select_seal(), {"number": number}).scalar()
    return digest


def read_head(connection: sa.Connection) -> Head:
    """Return the newest sealed revision and its seal."""
    row = connection.execute(_select_newest()).one_or_none()
    return Head(0, read_registry_seal(connection)) if row is None else Head(row.revision, row.digest)


def find_head(connection: sa.Connection, number: int) -> Head:
    """Return a revision with its seal, as it can be quoted; refuse one that was never sealed."""
    seal = read_seal(connection, number)
    if seal is None:
        raise missing_seal_error(number)
    return Head(number, seal)


def missing_seal_error(number: int) -> CorruptionError:
    """Return the refusal to go on from a revision without a seal."""
    return CorruptionError(
        f"revision {number} has no seal: it was not recorded by calreg, or not completely",
        remedy=Remedy.SEAL_REVISION,
        revision=number,
    )


def read_newest_link(connection: sa.Connection) -> tuple[int, str] | None:
    """Return the newest sealed export and its link in the chain of exports, None before the first."""
    row = connection.execute(_select_newest_link()).one_or_none()
    return None if row is None else (row.export, row.link)


def read_registry_id(connection: sa.Connection, as_of: int | None = None) -> str | None:
    """Return the Id of the registry as of a revision, that of its newest fork; None where there is no registry yet."""
    ids = connection.execute(_select_registry_id(), {"as_of": as_of}).scalars().all()
    if len(ids) > 1:
        raise CorruptionError("the database is damaged: it holds the rows of several registries")
    return str(ids[0]) if ids else None


def read_owner(connection: sa.Connection) -> str | None:
    """Return the Id of the registry in a database of this schema or an older one, which has no forks."""
    if sa.inspect(use_sqlalchemy(connection)).has_table(schema.lineage.name):
        return read_registry_id(connection)
    owner: str | None = connection.execute(sa.select(schema.registry.c.id)).scalar_one_or_none()
    return owner


@keep_text({})
def _select_seal() -> sa.Select[Any]:
    return sa.select(schema.seal.c.digest).where(schema.seal.c.revision == sa.bindparam("number"))


@cache
def _select_newest() -> sa.Select[Any]:
    seal = schema.seal
    return sa.select(seal.c.revision, seal.c.digest).order_by(seal.c.revision.desc()).limit(1)


@cache
def _select_newest_link() -> sa.Select[Any]:
    export_seal = schema.export_seal
    return sa.select(export_seal.c.export, export_seal.c.link).order_by(export_seal.c.export.desc()).limit(1)


@keep_text({})
def _select_registry_id() -> sa.Select[Any]:
    lineage, recorded_in = schema.lineage, schema.lineage.c.recorded_in
    as_of: sa.BindParameter[int | None] = sa.bindparam("as_of", type_=sa.Integer)
    newest = (
        sa.select(lineage.c.registry)
        .where(lineage.c.registry.is_not(None), recorded_in <= sa.func.coalesce(as_of, recorded_in))
        .order_by(lineage.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(sa.func.coalesce(newest, schema.registry.c.id))

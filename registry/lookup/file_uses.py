"""Live versions that use a file, and of which modules they are: a file of two modules is a mix-up of one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup.m_numbers import select_m_number
from registry.lookup.values_table import (
    is_not_listed,
    number_list_parameters,
    values_table_parameters,
    values_table_template,
)


class Module(NamedTuple):
    """A module as a version tells it: by the M-number that its panel bears at its start, else by its serial number."""

    m_number: str | None
    serial_number: str

    def is_same(self, other: Module) -> bool:
        """Tell whether both are one module; where one bears no M-number, their serial numbers tell."""
        if self.m_number is not None and other.m_number is not None:
            return self.m_number == other.m_number
        return self.serial_number == other.serial_number

    @property
    def name(self) -> str:
        """The M-number, or the serial number, by which it is recorded."""
        return self.m_number or self.serial_number

    def __str__(self) -> str:
        return self.m_number or f"the module with the serial number {self.serial_number}"


class LiveUse(NamedTuple):
    """The use of a file by live versions of a panel, the first that was recorded of them.

    Attributes
    ----------
    module
        That of the panel at the start of the version.
    median
        Of the file's values, in the unit of the kind.
    """

    sha256: str
    kind: str
    gain_range: int
    version: int
    panel: str
    module: Module
    valid_from: Instant
    median: float | None

    def __str__(self) -> str:
        return f"version {self.version} of {self.panel}, from {self.valid_from}"


def list_live_uses(
    connection: sa.Connection,
    files: Iterable[str],
    revision: int | None = None,
    *,
    superseded: Collection[int] = (),
) -> list[LiveUse]:
    """Return the uses of files (SHA-256) by versions that are not withdrawn, one for each panel and M-number.

    Versions that are about to be `superseded` count as withdrawn.
    """
    dialect, column = connection.dialect.name, schema.constants_file.c.sha256
    parameters = {
        **values_table_parameters(dialect, [(sha256,) for sha256 in dict.fromkeys(files)], column),
        **number_list_parameters(dialect, superseded),
    }
    if revision is not None:
        parameters["revision"] = revision
    rows = connection.execute(_select_uses(dialect, is_newest=revision is None), parameters)
    return [
        LiveUse(
            row.sha256,
            row.kind,
            row.gain_range,
            row.id,
            row.identifier,
            Module(row.m_number, row.serial_number),
            Instant(row.valid_from),
            row.median,
        )
        for row in rows
    ]


@cache
def _select_uses(dialect: str, *, is_newest: bool) -> sa.Select[Any]:
    version, panel, part, blob = schema.version, schema.panel, schema.constants_file, schema.blob
    revision = None if is_newest else sa.bindparam("revision", type_=sa.Integer)
    wanted = values_table_template(dialect, part.c.sha256)
    uses = (
        sa.select(
            part.c.sha256,
            part.c.gain_range,
            version.c.panel_id,
            version.c.id,
            select_m_number(version.c.panel_id, version.c.valid_from, revision),
        )
        .join(wanted, wanted.c.sha256 == part.c.sha256)
        .join(version, version.c.constants_id == part.c.constants_id)
        .where(schema.live_condition(version, revision), is_not_listed(dialect, version.c.id))
        .subquery("uses")
    )
    key = [uses.c.sha256, uses.c.gain_range, uses.c.panel_id, uses.c.m_number]
    first = sa.select(*key, sa.func.min(uses.c.id).label("id")).group_by(*key).subquery("first_use")
    return (
        sa.select(
            first.c.sha256,
            version.c.kind,
            first.c.gain_range,
            version.c.id,
            panel.c.identifier,
            first.c.m_number,
            panel.c.serial_number,
            version.c.valid_from,
            blob.c.median,
        )
        .join_from(first, version, version.c.id == first.c.id)
        .join(panel, panel.c.id == first.c.panel_id)
        .join(blob, blob.c.sha256 == first.c.sha256)
        .order_by(version.c.id, first.c.gain_range)
    )

"""Facts that one change records together: a few like any others, many by the driver with the guards lifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from registry.database.change import Change
from registry.database.guards.batches import LiftedGuards, lift_guards

_FEW = 1000  # fewer rows take less time with the guards than these take to be lifted and restored


class FactBatch:
    """Facts of one table, as rows in the order of `columns`; meanwhile nothing else comes into the table.

    Attributes
    ----------
    revision
        The revision that records them.
    next_id
        The Id of the next row.
    """

    def __init__(self, change: Change, table: sa.Table, columns: Sequence[str]) -> None:
        self.revision = change.ensure_revision()
        self._change = change
        self._table = table
        self._columns = columns
        self._first = change.get_next_id(table)
        self._written = 0
        self._rows: list[tuple[Any, ...]] = []
        self._lifted: LiftedGuards | None = None

    @property
    def next_id(self) -> int:
        """The Id of the next row."""
        return self._first + self._written + len(self._rows)

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, numbered from `next_id` on; the values are those of the driver, booleans are numbers."""
        self._rows += rows
        if len(self._rows) >= _FEW:
            self._write()

    def finish(self) -> None:
        """Record what is left, and restore the guards.

        Raises
        ------
        ConflictError
            The guards would have refused a row.
        """
        if self._rows and self._written:
            self._write()
        elif self._rows:
            self._change.record(self._table, [self._build_row(row) for row in self._rows])
        if self._lifted is not None:
            self._lifted.restore(self._first, self._written)
            self._change.is_unguarded = False

    def _write(self) -> None:
        if not self._written:
            self._lifted = lift_guards(self._change.connection, self._table)
            self._change.is_unguarded = self._lifted is not None
        self._change.record_tuples(self._table, self._columns, self._rows)
        self._written += len(self._rows)
        self._rows = []

    def _build_row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Return a row as `Change.record` takes it: without what that adds, and with booleans."""
        row = dict(zip(self._columns, values, strict=True))
        for name in ("id", "recorded_in"):
            del row[name]
        return {
            name: bool(value)
            if value is not None and isinstance(self._table.c[name].type, sa.Boolean)
            else value
            for name, value in row.items()
        }

"""The versions of a plan as rows, of which one change may record hundreds of thousands."""

from __future__ import annotations

from typing import Any

import msgspec

from registry import schema
from registry.database.change import Change
from registry.database.fact_batches import FactBatch
from registry.records import Conversion
from registry.registration.planning import Plan

# Those that are sealed, by name; then the one that is derived.
_COLUMNS = (
    "carried_from",
    "comment",
    "constants_id",
    "conversion",
    "id",
    "kind",
    "nonfinite_allowed",
    "odd_allowed",
    "panel_id",
    "pattern_allowed",
    "recorded_in",
    "same_as",
    "source_path",
    "valid_from",
    "latest_start",
)


class VersionBatch:
    """The versions of a batch without conflicts; the panels and constants that they name are recorded already."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._batch: FactBatch | None = None
        self._latest_starts: dict[tuple[int, str], int] = {}  # by panel and kind

    def record(self, plan: Plan) -> None:
        """Record the next piece of the plan."""
        self._change.unchanged += plan.unchanged
        if plan.superseded:
            self._change.withdraw(schema.version, plan.superseded)
        if plan.new:
            if self._batch is None:
                self._batch = FactBatch(self._change, schema.version, _COLUMNS)
            self._batch.add(self._build_rows(plan, self._batch))

    def finish(self) -> None:
        """Record what is left; see `FactBatch.finish`."""
        if self._batch is not None:
            self._batch.finish()

    def _build_rows(self, plan: Plan, batch: FactBatch) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        latest_starts, revision = self._latest_starts, batch.revision
        for number, statement in enumerate(plan.new, start=batch.next_id):
            recorded = plan.recorded[statement.key]
            if statement.constants is not None and recorded.constants_id is None:
                # It would become a gap.
                raise LookupError(f"the constants {statement.constants} are not recorded")
            line, start = (recorded.panel_id, statement.kind), int(statement.valid_from)
            latest_start = max(start, latest_starts.get(line, recorded.latest_start))
            latest_starts[line] = latest_start
            rows.append(
                (
                    statement.carried_from,
                    statement.comment,
                    recorded.constants_id,
                    statement.conversion and _encode_conversion(statement.conversion),
                    number,
                    statement.kind,
                    int(statement.nonfinite_allowed),
                    1 if statement.odd_allowed else None,
                    recorded.panel_id,
                    1 if statement.pattern_allowed else None,
                    revision,
                    statement.same_as,
                    statement.source_path,
                    start,
                    latest_start,
                )
            )
        return rows


def _encode_conversion(conversion: Conversion) -> str:
    return msgspec.json.encode(conversion).decode()

"""The recorded exports, the newest first, held against what would be made now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup.stale_exports import Staleness, find_stale_exports
from registry.lookup.value_lists import is_listed
from registry.records import RecordedExport, RecordedOutput


def list_recorded_exports(
    connection: sa.Connection,
    revision: int,
    below: int,
    count: int,
    experiment: str | None = None,
    run: int | None = None,
) -> list[RecordedExport]:
    """Return the `count` exports with the greatest numbers below a number, of an experiment, of its run, or of all.

    Those that were made as of this revision or an earlier one. `stale` is what is known as of this revision.
    """
    export = schema.export
    query = sa.select(export).where(export.c.id < below, export.c.revision <= revision)
    if experiment is not None:
        query = query.where(export.c.experiment == experiment)
    if run is not None:
        query = query.where(export.c.run == run)
    rows = connection.execute(query.order_by(export.c.id.desc()).limit(count)).all()
    if not rows:
        return []
    outputs = _read_outputs(connection, [row.id for row in rows])
    stale = find_stale_exports(connection, rows, revision)
    return [_build_export(row, outputs[row.id], stale.get(row.id)) for row in rows]


def _build_export(row: Any, outputs: Sequence[RecordedOutput], stale: Staleness | None) -> RecordedExport:
    return RecordedExport(
        export=row.id,
        revision=row.revision,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
        host=row.host,
        detector_id=row.detector_id,
        experiment=row.experiment,
        run=row.run,
        source=row.source,
        instant=Instant(row.instant),
        outputs=tuple(outputs),
        provenance=row.provenance_path,
        first_run=row.first_run,
        last_run=row.last_run,
        stale=None if stale is None else str(stale),
        is_refused=stale is not None and stale.is_refused,
    )


def _read_outputs(
    connection: sa.Connection, numbers: Sequence[int]
) -> defaultdict[int, list[RecordedOutput]]:
    output = schema.export_output
    query = sa.select(output).where(is_listed(output.c.export_id, numbers))
    outputs: defaultdict[int, list[RecordedOutput]] = defaultdict(list)
    for row in connection.execute(query.order_by(output.c.export_id, output.c.type)):
        outputs[row.export_id].append(RecordedOutput(row.type, row.path, row.sha256))
    return outputs

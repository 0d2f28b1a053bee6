"""The recorded statistics of a panel's constants, version by version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.records import Statistics, StoredFile


def list_files_of_versions(
    connection: sa.Connection, panels: Sequence[str], kinds: Sequence[str], revision: int
) -> dict[int, tuple[StoredFile, ...]]:
    """Return by number of the version the files of its constants, in the order of the gain ranges; of gaps nothing.

    One query, however many versions there are: those of the panels and kinds that are live as of the revision.
    """
    version, part, blob = schema.version, schema.constants_file, schema.blob
    query = (
        sa.select(version.c.id, part.c.gain_range, *blob.c)
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .join(part, part.c.constants_id == version.c.constants_id)
        .join(blob, blob.c.sha256 == part.c.sha256)
        .where(schema.panel.c.identifier.in_(panels), version.c.kind.in_(kinds))
        .where(schema.live_condition(version, revision))
        .order_by(version.c.id, part.c.gain_range)
    )
    files: dict[int, list[StoredFile]] = defaultdict(list)
    for row in connection.execute(query):
        statistics = Statistics(row.minimum, row.median, row.maximum, row.zeros, row.nonfinite)
        files[row.id].append(StoredFile(row.gain_range, row.sha256, row.size, statistics, row.blake3))
    return {number: tuple(found) for number, found in files.items()}

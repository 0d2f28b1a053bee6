"""The constants that recorded exports were made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa

from registry import schema
from registry.lookup.value_lists import is_listed


def read_exported_constants(
    connection: sa.Connection, exports: Iterable[int]
) -> defaultdict[int, dict[tuple[str, str], str]]:
    """Return by export the SHA-256 of the constants that it was made from, by panel Id and kind."""
    used, version, panel, constants = schema.export_input, schema.version, schema.panel, schema.constants
    query = (
        sa.select(used.c.export_id, panel.c.identifier, version.c.kind, constants.c.sha256)
        .join(version, version.c.id == used.c.version_id)
        .join(panel, panel.c.id == version.c.panel_id)
        .join(constants, constants.c.id == version.c.constants_id)
        .where(is_listed(used.c.export_id, exports))
    )
    by_export: defaultdict[int, dict[tuple[str, str], str]] = defaultdict(dict)
    for number, identifier, kind, sha256 in connection.execute(query):
        by_export[number][identifier, kind] = sha256
    return by_export

"""The tables in SQLAlchemy Core. The migrations create them; a test compares the two.

*Facts* can be withdrawn: their rows have the revision that recorded them and, if so, the one that withdrew
them. The rows of panel, blob, blob_pattern, constants and tag have only ``recorded_in``. Other rows belong to one of
these.
Nothing is ever updated or deleted, except that ``withdrawn_in`` is set once; triggers in the database
guarantee it (`database.guards`). ``seal`` has the digest of each revision's facts and of the seal before it,
``export_seal`` that of each export (``docs/seals.md``).

``closure`` describes the database, not the registry: where it came from, and whether it takes writes.

Instants are microseconds since 1970 UTC, ``beginning`` the smallest BIGINT.
"""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import metadata
from registry.schema.exports import export, export_input, export_output, export_seal
from registry.schema.history import closure, lineage, registry, revision, seal, tag
from registry.schema.panels import alias, panel, timezone
from registry.schema.runs import configuration, configuration_panel, detector_name, detector_name_panel, run
from registry.schema.versions import blob, blob_pattern, constants, constants_file, version

__all__ = [
    "alias",
    "blob",
    "blob_pattern",
    "closure",
    "configuration",
    "configuration_panel",
    "constants",
    "constants_file",
    "detector_name",
    "detector_name_panel",
    "export",
    "export_input",
    "export_output",
    "export_seal",
    "lineage",
    "live_condition",
    "metadata",
    "panel",
    "registry",
    "revision",
    "run",
    "seal",
    "tag",
    "timezone",
    "version",
]


def live_condition(table: sa.FromClause, as_of: int | sa.ColumnElement[int] | None) -> sa.ColumnElement[bool]:
    """Return the condition that a fact was recorded and not withdrawn as of a revision; None is the newest.

    For the newest the condition is that of the indexes of live facts.
    """
    if as_of is None:
        return table.c.withdrawn_in.is_(None)
    return sa.and_(
        table.c.recorded_in <= as_of, sa.or_(table.c.withdrawn_in.is_(None), table.c.withdrawn_in > as_of)
    )

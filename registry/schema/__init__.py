"""The schema of the database: its tables, made when one of them is used for the first time.

See `schema.tables`. The tables need SQLAlchemy, which takes longer to import than most commands need for their work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.schema.tables import (
        alias,
        blob,
        blob_pattern,
        closure,
        configuration,
        configuration_panel,
        constants,
        constants_file,
        detector_name,
        detector_name_panel,
        export,
        export_input,
        export_output,
        export_seal,
        lineage,
        live_condition,
        metadata,
        panel,
        registry,
        revision,
        run,
        seal,
        tag,
        timezone,
        version,
    )

__all__ = [
    "REVISION",
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

REVISION = "0012"
"""The Alembic revision that this software reads and writes."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from registry.schema import tables

    value = globals()[name] = getattr(tables, name)
    return value

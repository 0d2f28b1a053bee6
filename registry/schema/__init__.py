"""The schema of the database: its tables, made when one of them is used for the first time.

See `schema.tables`. The tables need SQLAlchemy, which takes longer to import than most commands need for their work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.schema.tables import *  # noqa: F403 - they are listed there

REVISION = "0012"
"""The Alembic revision that this software reads and writes."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    tables = import_module(f"{__name__}.tables")  # `from` would look for it here first, without end
    if name not in tables.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(tables, name)
    return value

"""Lists of values in statements: one parameter for any number of them.

An IN list has a parameter for each value, and databases limit their number: SQLite to 32,766, PostgreSQL to 65,535.
The list is sent as one text, which is an array for PostgreSQL: its driver would look at each value for itself, and take
as long for fifty panels as for their answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from registry.sql import sa


def list_parameter(name: str, item_type: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    """Return the parameter of that name of a statement that is kept, for `is_listed`."""
    from registry.lookup.value_list_types import ValueList

    return sa.bindparam(name, type_=ValueList(item_type))


def is_listed(
    column: sa.ColumnElement[Any], values: Iterable[Any] | sa.BindParameter[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that the column has one of the values, or of those of a `list_parameter`."""
    from registry.lookup.value_list_types import IsListed, ValueList

    if not isinstance(values, sa.BindParameter):
        values = sa.bindparam(None, list(values), ValueList(column.type), unique=True)
    return IsListed(column, values)

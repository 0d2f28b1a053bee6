"""The types and the condition of `lookup.value_lists`, for SQLAlchemy to compile."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class ArrayText(sa.types.UserDefinedType[Any]):
    """The type of a parameter that is the text of an array of PostgreSQL."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, item_type: sa.types.TypeEngine[Any]) -> None:
        self.item_type = item_type

    def get_col_spec(self, **_options: Any) -> str:
        """Return the type that the parameter is cast to."""
        return f"{self.item_type.compile()}[]"


def format_array(values: Iterable[Any]) -> str:
    """Return the text of an array: ``{"a","b",NULL}``."""
    elements = list(values)
    with suppress(TypeError):  # not all of them are texts
        text = '","'.join(elements)
        if elements and "\\" not in text and text.count('"') == 2 * (len(elements) - 1):
            return (
                f'{{"{text}"}}'  # nothing needs to be escaped, as is usual: this takes a seventh of the time
            )
    return "{" + ",".join(map(_format_element, elements)) + "}"


def _format_element(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "NULL" if value is None else str(int(value))


class ValueList(sa.types.TypeDecorator[Any]):
    """The type of a parameter that is a list: an array on PostgreSQL, JSON on SQLite."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, item_type: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        # A text is not cut to the length of a column, as the server would do in silence.
        self.item_type = sa.Text() if isinstance(item_type, sa.String) else item_type

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return the type of a dialect."""
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(ArrayText(self.item_type) if is_array else sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """Return the list as the dialect takes it."""
        return format_array(value) if dialect.name == "postgresql" else json.dumps(list(value))


class IsListed(FunctionElement[Any]):
    """The condition that a column has one of the values of a list."""

    # Not Boolean: on SQLite that is compared with 1, which no index serves.
    type: sa.types.TypeEngine[Any] = sa.types.NULLTYPE
    inherit_cache = True
    name = "is_listed"


@compiles(IsListed, "postgresql")
def _compile_array(element: IsListed, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(IsListed, "sqlite")
def _compile_json(element: IsListed, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"

"""Statements whose text is kept in a file of this package: to execute them, SQLAlchemy need not be imported.

A statement is built by a function, from the tables, as any other. Where it is marked by `keep_text`, ``python -m
documentation`` writes its text for SQLite into ``kept_texts.json``, and a test compares that with what would be written
now. The function then returns a stand-in: it is the statement itself for SQLAlchemy and for who goes on building with
it, and only its text for a `DriverConnection`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial, wraps
from operator import itemgetter
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import msgspec

FILE = Path(__file__).with_name("kept_texts.json")

_Arguments = ParamSpec("_Arguments")
_Statement = TypeVar("_Statement")


class KeptText(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of a statement for SQLite.

    Attributes
    ----------
    lines
        The text.
    parameters
        Their names, in the order of the text.
    fixed
        Those whose values belong to the statement.
    lists
        Those that are sent as JSON.
    columns
        The names of its columns.
    booleans
        The places of the columns that are booleans, which SQLite has as numbers.
    """

    lines: tuple[str, ...]
    parameters: tuple[str, ...]
    fixed: dict[str, Any] = {}
    lists: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    booleans: tuple[int, ...] = ()


class LineForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """The form of the lines of a table's rows, see `seal_text`: the names of its columns, in order, and its key.

    And the places of the columns that are doubles, booleans, texts, bytes.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    doubles: tuple[int, ...] = ()
    booleans: tuple[int, ...] = ()
    texts: tuple[int, ...] = ()
    binaries: tuple[int, ...] = ()


class KeptTexts(msgspec.Struct, frozen=True):
    """The file: texts of statements by the calls that return them, and forms of lines by table."""

    statements: dict[str, KeptText]
    lines: dict[str, LineForm]


class PreparedText:
    """A kept text, ready to be executed."""

    def __init__(self, kept: KeptText) -> None:
        self.text = "\n".join(kept.lines)
        self._kept = kept
        properties = {name: property(itemgetter(index)) for index, name in enumerate(kept.columns)}
        self._row_class = type("Row", (tuple,), {"__slots__": (), "_fields": kept.columns, **properties})

    def arrange(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values of parameters in the order of the text."""
        kept = self._kept
        named = {**kept.fixed, **parameters}
        for name in kept.lists:
            named[name] = json.dumps(list(named[name]))
        return [named[name] for name in kept.parameters]

    def make_rows(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the driver's rows with the names of their columns, and with booleans."""
        if self._kept.booleans:
            rows = [self._read_booleans(row) for row in rows]
        return list(map(self._row_class, rows))

    def _read_booleans(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for index in self._kept.booleans:
            values[index] = None if values[index] is None else bool(values[index])
        return tuple(values)


class KeptStatement:
    """A statement that is built where something else than its kept text is needed."""

    is_clause_element = False  # so that SQLAlchemy asks for the statement

    def __init__(self, key: str, build: Callable[[], Any]) -> None:
        self.key = key
        self._build = build
        self._built: Any = None

    def build(self) -> Any:
        """Return the statement of SQLAlchemy."""
        if self._built is None:
            self._built = self._build()
        return self._built

    def find_text(self) -> PreparedText | None:
        """Return the kept text, None where there is none."""
        return _prepare_text(self.key)

    def __clause_element__(self) -> Any:
        return self.build()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.build(), name)

    def _execute_on_connection(self, connection: Any, parameters: Any, options: Any) -> Any:
        return self.build()._execute_on_connection(connection, parameters, options)  # noqa: SLF001 - it has no other name


def build_statement(statement: _Statement) -> _Statement:
    """Return the statement of SQLAlchemy itself."""
    return cast("_Statement", statement.build()) if isinstance(statement, KeptStatement) else statement


class KeptCall(msgspec.Struct, frozen=True):
    """A call of a function whose statement is kept."""

    key: str
    build: Callable[[], Any]


_calls: list[KeptCall] = []


def keep_text(
    *calls: Mapping[str, Any],
) -> Callable[[Callable[_Arguments, _Statement]], Callable[_Arguments, _Statement]]:
    """Keep the texts of the statements that a function returns when it is called with these arguments.

    Each statement is built once in a process at most, as by `functools.cache`.
    """

    def mark(build: Callable[_Arguments, _Statement]) -> Callable[_Arguments, _Statement]:
        code = build.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        name = f"{build.__module__.removeprefix('registry.')}.{build.__name__}"

        def write_key(values: Mapping[str, Any]) -> str:
            return f"{name}({', '.join(f'{argument}={values[argument]!r}' for argument in names)})"

        @cache
        @wraps(build)
        def find(*values: _Arguments.args, **options: _Arguments.kwargs) -> _Statement:
            arguments = {**dict(zip(names, values, strict=False)), **options}
            key = write_key(_defaults(build) | arguments)
            return cast("_Statement", KeptStatement(key, lambda: build(*values, **options)))

        _calls.extend(KeptCall(write_key(call), partial(build, **call)) for call in calls)
        return cast("Callable[_Arguments, _Statement]", find)

    return mark


def _defaults(build: Callable[..., Any]) -> dict[str, Any]:
    return dict(build.__kwdefaults__ or {})


def list_kept_calls() -> Iterator[KeptCall]:
    """Yield the calls whose statements are kept, of the modules that are imported."""
    yield from sorted(_calls, key=lambda call: call.key)


@cache
def read_kept_texts() -> KeptTexts:
    """Return what is kept."""
    return msgspec.json.decode(FILE.read_bytes(), type=KeptTexts)


@cache
def _prepare_text(key: str) -> PreparedText | None:
    kept = read_kept_texts().statements.get(key)
    return None if kept is None else PreparedText(kept)


class KeptResult:
    """The rows of a statement, as SQLAlchemy's results have them."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Return all rows."""
        return self._rows

    def first(self) -> Any:
        """Return the first row, None without any."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        """Return the only row, None without any."""
        if len(self._rows) > 1:
            from sqlalchemy.exc import MultipleResultsFound

            raise MultipleResultsFound("Multiple rows were found when one or none was required")
        return self.first()

    def one(self) -> Any:
        """Return the only row."""
        if not self._rows:
            from sqlalchemy.exc import NoResultFound

            raise NoResultFound("No row was found when one was required")
        return self.one_or_none()

    def scalar(self) -> Any:
        """Return the first value of the first row, None without any."""
        return self._rows[0][0] if self._rows else None

    def scalars(self) -> KeptResult:
        """Return the first values of all rows."""
        return KeptResult([row[0] for row in self._rows])

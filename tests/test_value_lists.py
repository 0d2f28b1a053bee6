from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.instants import parse_instant
from registry.lookup.fact_lines import Subject
from registry.lookup.log import LogScope, list_revisions
from registry.lookup.panels import find_known_panels
from registry.lookup.stored_files import list_files_of_versions, list_stored_files
from registry.lookup.validity import versions_at
from registry.lookup.value_list_types import format_array
from registry.lookup.value_lists import is_listed
from registry.lookup.versions import list_recorded_versions, list_validity_ranges
from testing.panels import PANEL_A
from testing.registries import RegistryLocation

_AT = parse_instant("2030-01-01T00:00:00Z")
_MANY = 70_000  # more than the 65,535 parameters of PostgreSQL, and the 32,766 of SQLite
_PANELS = [f"1-2-{number:x}" for number in range(_MANY)]
_DIGESTS = [hashlib.sha256(name.encode()).hexdigest() for name in _PANELS]

_LONG_LISTS: dict[str, Callable[[sa.Connection, list[str]], Any]] = {
    "panels by Id": lambda connection, panels: find_known_panels(connection, panels, None),
    "what is valid at an instant": lambda connection, panels: versions_at(
        connection, panels, ["gain"], _AT, 8
    ),
    "ranges": lambda connection, panels: list_validity_ranges(connection, panels, ["gain"], 8),
    "recorded versions": lambda connection, panels: list_recorded_versions(connection, panels, 8),
    "files of versions": lambda connection, panels: list_files_of_versions(connection, panels, ["gain"], 8),
}


@pytest.mark.parametrize("what", _LONG_LISTS)
def test_a_list_is_longer_than_the_parameters_that_a_statement_takes(
    sample: RegistryLocation, what: str
) -> None:
    engine = sample.engine()
    with engine.connect() as connection:
        expected = _LONG_LISTS[what](connection, [PANEL_A])
        assert expected
        assert _LONG_LISTS[what](connection, [*_PANELS, PANEL_A]) == expected
    engine.dispose()


def test_files_of_more_constants_are_looked_up_than_a_statement_takes_parameters(
    sample: RegistryLocation,
) -> None:
    engine = sample.engine()
    with engine.connect() as connection:
        known = list(connection.execute(sa.select(schema.constants.c.sha256)).scalars())
        files = list_stored_files(connection, known)
        assert files.keys() == set(known)
        assert list_stored_files(connection, [*_DIGESTS, *known]) == files
    engine.dispose()


def test_the_log_is_of_more_panels_than_a_statement_takes_parameters(sample: RegistryLocation) -> None:
    engine = sample.engine()
    with engine.connect() as connection:
        known = list(connection.execute(sa.select(schema.panel.c.id)).scalars())
        expected = list_revisions(connection, 99, 50, LogScope(Subject(known)))
        assert expected[0]
        assert list_revisions(connection, 99, 50, LogScope(Subject(list(range(1, _MANY))))) == expected
    engine.dispose()


def test_a_text_is_not_cut_to_the_length_of_its_column(sample: RegistryLocation) -> None:
    engine = sample.engine()
    column = schema.panel.c.identifier
    with engine.connect() as connection:
        longer = f"{PANEL_A:<128}x"
        assert connection.execute(sa.select(column).where(is_listed(column, [longer]))).all() == []
        assert connection.execute(sa.select(column).where(is_listed(column, []))).all() == []
        others = connection.execute(sa.select(column).where(~is_listed(column, [PANEL_A]))).scalars().all()
        assert others
        assert PANEL_A not in others
    engine.dispose()


_ARRAYS = {
    "nothing": ([], "{}"),
    "an empty text": ([""], '{""}'),
    "texts": (["a", "b"], '{"a","b"}'),
    "a quotation mark": (['a"', "b"], '{"a\\"","b"}'),
    "what stands between two texts": (['a","b'], '{"a\\",\\"b"}'),
    "a backslash": (["a\\", "b"], '{"a\\\\","b"}'),
    "no value": ([None, "a"], '{NULL,"a"}'),
    "numbers": ([1, True], "{1,1}"),
}


@pytest.mark.parametrize(("values", "text"), _ARRAYS.values(), ids=_ARRAYS)
def test_an_array_is_written_as_a_server_reads_it(values: list[Any], text: str) -> None:
    assert format_array(values) == text

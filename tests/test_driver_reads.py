from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.database.driver_reads import read_rows
from registry.database.engine import autocommit_read, make_engine, read_transaction
from registry.lookup.value_lists import is_listed, list_parameter
from testing.registries import RegistryLocation

_ODD = [
    "",
    "a",
    '"',
    "\\",
    '\\"',
    "a,b",
    "{}",
    "NULL",
    "ü\N{SNOWMAN}",
    " a ",
    "a\nb",
    "'",
    "%",
    "%(a)s",
    ":a",
]


def test_rows_are_those_of_sqlalchemy_whatever_is_in_a_list(sample: RegistryLocation) -> None:
    column = schema.revision.c.author
    statement = sa.select(column, schema.revision.c.number).where(
        is_listed(column, list_parameter("names", column.type))
    )
    statement = statement.where(schema.revision.c.number >= sa.bindparam("first", type_=sa.Integer))
    engine = make_engine(sample.database)
    with read_transaction(engine) as connection:
        authors = list(connection.execute(sa.select(column).distinct()).scalars())
        for names in ([*_ODD, *authors], _ODD, []):
            expected = connection.execute(statement, {"names": names, "first": 2}).all()
            assert read_rows(connection, statement, {"names": names, "first": 2}) == [
                tuple(row) for row in expected
            ]
    engine.dispose()


@pytest.mark.parametrize("text", _ODD)
def test_a_text_in_a_list_is_the_text_that_is_compared(sample: RegistryLocation, text: str) -> None:
    literal: sa.ColumnElement[str] = sa.literal(text, sa.Text)
    engine = make_engine(sample.database)
    with autocommit_read(engine) as connection:
        matches = connection.execute(sa.select(sa.literal(1)).where(is_listed(literal, _ODD))).scalars().all()
        others = [other for other in _ODD if other != text]
        others_matched = (
            connection.execute(sa.select(sa.literal(1)).where(is_listed(literal, others))).scalars().all()
        )
    engine.dispose()
    assert (matches, others_matched) == ([1], [])


def test_who_listens_to_statements_hears_it_and_errors_are_those_of_sqlalchemy(
    sample: RegistryLocation,
) -> None:
    statement = sa.select(sa.literal_column("1")).select_from(sa.table("nowhere"))
    heard: list[Any] = []
    engine = make_engine(sample.database)
    with autocommit_read(engine) as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *args: heard.append(args[2]))
        with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
            read_rows(connection, statement, {})
    engine.dispose()
    assert [text.split() for text in heard] == [["SELECT", "1", "FROM", "nowhere"]]


def test_a_transaction_that_reads_by_the_driver_first_sees_one_moment(location: RegistryLocation) -> None:
    statement: sa.Select[Any] = sa.select(sa.func.count()).select_from(schema.panel)
    engine = make_engine(location.database)
    with read_transaction(engine) as connection:
        assert read_rows(connection, statement, {}) == [(0,)]
        with location.open() as registry:
            registry.panels.add("170505-149520170815-3d00b0")
        assert read_rows(connection, statement, {}) == [(0,)]
        assert connection.execute(statement).scalar() == 0
    with autocommit_read(engine) as connection:
        assert read_rows(connection, statement, {}) == [(1,)]
    engine.dispose()

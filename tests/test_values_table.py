from __future__ import annotations

import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registry import schema
from registry.instants import BEGINNING
from registry.lookup.lazy_lines import LazyLines
from registry.lookup.values_table import read_keys, values_table
from testing.registries import RegistryLocation
from tests.selection import examples


def test_a_listed_table_holds_the_rows_as_they_were_given(location: RegistryLocation) -> None:
    rows = [("gain", int(BEGINNING), True), ('o"ff\\s\u00e9t\n', 2**63 - 1, False), ("{a,b}", 0, False)]
    version = schema.version
    engine = location.engine()
    with engine.connect() as connection:
        table = values_table(
            connection, rows, version.c.kind, version.c.valid_from, version.c.nonfinite_allowed
        )
        assert [tuple(row) for row in connection.execute(sa.select(table))] == rows
        assert connection.execute(sa.select(values_table(connection, [], version.c.kind))).all() == []
    engine.dispose()


def test_more_texts_are_looked_up_than_a_statement_takes_parameters(location: RegistryLocation) -> None:
    with location.open() as registry:
        registry.panels.add("1-2-3")
    panel = schema.panel
    engine = location.engine()
    with engine.connect() as connection:
        texts = (f"1-2-{number:x}" for number in range(70_000))
        assert read_keys(connection, panel.c.identifier, panel.c.id, texts) == {"1-2-3": 1}
    engine.dispose()


@hypothesis_settings(max_examples=examples(30))
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4), st.slices(12))
def test_lines_are_a_sequence_like_the_tuple_of_them(parts: list[list[int]], chosen: slice) -> None:
    lines = LazyLines(*((part, lambda number: f"{number}!") for part in parts))
    model = tuple(f"{number}!" for part in parts for number in part)
    assert tuple(lines) == model
    assert len(lines) == len(model)
    assert lines == model
    assert model == lines
    assert lines != (*model, "another")
    assert lines[chosen] == model[chosen]
    assert [lines[index] for index in range(-len(model), len(model))] == [*model, *model]
    assert repr(lines) == repr(model)

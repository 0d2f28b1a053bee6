from __future__ import annotations

import copy
import pickle
from importlib import import_module
from pkgutil import iter_modules

import pytest
from msgspec import Struct, structs

from registry import records
from registry.instants import Instant

MODULES = [import_module(f"registry.records.{each.name}") for each in iter_modules(records.__path__)]
RECORDS = [
    found
    for module in MODULES
    for found in vars(module).values()
    if isinstance(found, type) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_a_frozen_struct_that_says_what_it_is(record: type[Struct]) -> None:
    # No dataclass: it would be slow to define, and the command line would not know it for a record.
    assert issubclass(record, Struct)
    assert record.__struct_config__.frozen
    assert record.__doc__


def test_a_record_cannot_be_changed_and_takes_nothing_more() -> None:
    run = records.Run("xcs1", 1, None, None, recorded_in=1, withdrawn_in=None)
    with pytest.raises(AttributeError, match="immutable"):
        run.begin = Instant(0)
    with pytest.raises(AttributeError, match="immutable"):
        run.place = "here"
    with pytest.raises(TypeError, match="recorded_in"):
        records.Run("xcs1", 1, None, None, withdrawn_in=None)


def test_records_are_equal_where_their_values_and_sorts_are() -> None:
    problem = records.Problem("0" * 64, "objects/00", "missing")
    assert problem == records.Problem(sha256="0" * 64, path="objects/00", problem="missing")
    assert len({problem, copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))}) == 1  # noqa: S301 - our own
    assert problem != structs.replace(problem, problem="cut")
    assert records.Tag("a", 1, 2) != records.Alias("a", 1, 2, None)
    assert repr(records.Tag("final", 1, 2)) == "Tag(tag='final', revision=1, recorded_in=2)"

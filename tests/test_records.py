from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from registry import records
from registry.instants import BEGINNING, LATEST, Instant
from registry.records import json as records_json
from tests.selection import examples

MODULES = [import_module(f"registry.records.{module.name}") for module in iter_modules(records.__path__)]
LISTS = "registry.records.record_lists"  # its classes contain records
RECORDS = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and value.__module__ == module.__name__ and module.__name__ != LISTS
]

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
SAMPLES = {
    str: "\x1b[31m\u00e9",
    int: 7,
    float: 0.5,
    bool: True,
    Instant: LATEST,
    Path: Path("/store"),
    bytes: b"\xff\x00",
}


def build_sample(hint: Any) -> Any:
    """Return a value of a type that records have, with something in every container."""
    if hint in SAMPLES:
        return SAMPLES[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint(**{name: build_sample(inner) for name, inner in get_type_hints(hint).items()})
    first, *_ = arguments = get_args(hint)
    if get_origin(hint) is dict:
        return {build_sample(first): build_sample(arguments[1])}
    if get_origin(hint) is Literal:
        return first
    return (build_sample(first),) if get_origin(hint) in {tuple, Sequence} else build_sample(first)


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_a_frozen_struct_with_a_docstring(record: type[Struct]) -> None:
    # No dataclass: it would be slow to define, and the command line would not know it for a record.
    assert issubclass(record, Struct)
    assert record.__struct_config__.frozen
    assert record.__doc__


def test_a_record_cannot_be_changed_or_extended() -> None:
    run = records.Run("xcs1", 1, None, None, recorded_in=1, withdrawn_in=None)
    with pytest.raises(AttributeError, match="immutable"):
        run.begin = Instant(0)
    with pytest.raises(AttributeError, match="immutable"):
        run.place = "here"
    with pytest.raises(TypeError, match="recorded_in"):
        records.Run("xcs1", 1, None, None, withdrawn_in=None)


def test_records_are_equal_if_their_values_and_types_are() -> None:
    problem = records.Problem("0" * 64, "objects/00", "missing")
    assert problem == records.Problem(sha256="0" * 64, path="objects/00", problem="missing")
    assert len({problem, copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))}) == 1  # noqa: S301 - our own
    assert problem != structs.replace(problem, problem="cut")
    assert records.Tag("a", 1, 2) != records.Alias("a", 1, 2, None)
    assert repr(records.Tag("final", 1, 2)) == "Tag(tag='final', revision=1, recorded_in=2, seal=None)"


@pytest.mark.parametrize("record", RECORDS)
def test_every_record_has_the_same_json_from_every_function(record: type[Struct]) -> None:
    value = build_sample(record)
    encoded = records_json.encode(value)
    assert msgspec.json.encode(value, enc_hook=records_json.encode_hook) == encoded
    assert list(json.loads(encoded)) == list(record.__struct_fields__)
    assert json.loads(encoded) == records_json.to_builtins(value)
    assert "".join(records_json.iterate_text(value)) == json.dumps(records_json.to_builtins(value), indent=2)


def test_instants_and_paths_in_records_are_texts_and_the_beginning_is_null() -> None:
    run = records.Run("xcs1", 1, BEGINNING, Instant(0), recorded_in=1, withdrawn_in=None)
    values = json.loads(records_json.encode([run, Path("/store"), {2}]))
    assert [values[0]["begin"], values[0]["end"], *values[1:]] == [
        None,
        "1970-01-01T00:00:00Z",
        "/store",
        [2],
    ]
    with pytest.raises(NotImplementedError, match="object"):
        records_json.encode(object())


@hypothesis_settings(max_examples=examples(40))
@given(JSON_VALUES)
def test_json_written_piece_by_piece_is_that_of_the_standard_library(value: object) -> None:
    assert "".join(records_json.iterate_text(value)) == json.dumps(value, indent=2)

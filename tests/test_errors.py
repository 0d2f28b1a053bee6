"""The interface of errors for scripts: exit codes, messages, values."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from registry import errors
from registry.errors import RegistryError

PUBLISHED = {
    "RegistryError": 1,
    "RequestError": 2,
    "IdentifierError": 2,
    "InstantError": 2,
    "ArrayError": 2,
    "DocumentError": 2,
    "ImportHazardError": 2,
    "NotFoundError": 3,
    "NotValidError": 4,
    "ConflictError": 5,
    "ClosedError": 5,
    "CorruptionError": 6,
    "SchemaError": 7,
    "UnavailableError": 8,
    "DeniedError": 8,
    "CacheError": 8,
}
CLASSES = {
    name: error_class
    for name, error_class in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error_class, Exception)
}


def test_the_exit_codes_are_exactly_as_published() -> None:
    codes = {name: error_class.code for name, error_class in CLASSES.items()}
    # The codes are only ever added to: what stands above stays, also where classes join.
    assert {name: codes.get(name) for name in PUBLISHED} == PUBLISHED
    assert set(codes.values()) <= {1, 2, 3, 4, 5, 6, 7, 8}


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_a_registry_error(name: str) -> None:
    assert issubclass(CLASSES[name], RegistryError)


def test_the_tree_at_the_top_draws_every_class_with_its_code_below_its_parent() -> None:
    drawn: dict[str, tuple[str, int | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        error_class = re.fullmatch(r"    ((?:[│ ]   )*)(?:[├└]── )(\w+)(?:\s+(\d))?\s.*", line)
        if error_class:
            depth = len(error_class[1]) // 4
            path[depth:] = [error_class[2]]
            drawn[error_class[2]] = (
                path[depth - 1] if depth else "RegistryError",
                error_class[3] and int(error_class[3]),
            )
    assert set(drawn) == set(CLASSES) - {"RegistryError"}
    for name, (parent, code) in drawn.items():
        assert CLASSES[name].__bases__ == (CLASSES[parent],)
        assert CLASSES[name].code == (code or CLASSES[parent].code)


@pytest.mark.parametrize("name", CLASSES)
def test_the_sentence_and_the_values_are_kept(name: str) -> None:
    error = CLASSES[name]("no gain of p is valid", panel="p", kinds=["gain"])
    assert str(error) == error.message == "no gain of p is valid"
    assert error.values == {"panel": "p", "kinds": ["gain"]}


def test_an_error_without_values_has_an_empty_set_of_them() -> None:
    assert errors.NotFoundError("no such run").values == {}


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_a_copy_of_an_error_keeps_its_sentence_and_values(again) -> None:
    error = again(errors.ConflictError("two", store="a", database="b"))
    assert type(error) is errors.ConflictError
    assert (str(error), error.message) == ("two", "two")
    assert error.values == {"store": "a", "database": "b"}

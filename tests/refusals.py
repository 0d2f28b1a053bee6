"""Assertions about refusals: their class, remedy and values; their words may change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from registry.errors import RegistryError, Remedy

_Error = TypeVar("_Error", bound=RegistryError)


@contextmanager
def assert_refused(
    error_class: type[_Error],
    *names: object,
    problems: int | None = None,
    remedy: Remedy | None = None,
    **values: Any,
) -> Iterator[pytest.ExceptionInfo[_Error]]:
    """Expect exactly this class of refusal with at least these values.

    Parameters
    ----------
    names
        The names and numbers that the message must contain: what it is about, never phrases.
    problems
        How many things are refused at once, if that is asserted.
    remedy
        What the refusal must advise, if that is asserted.
    """
    with pytest.raises(error_class) as caught:
        yield caught
    error = caught.value
    assert type(error) is error_class
    assert error.message
    assert [name for name in names if str(name) not in str(error)] == []
    assert {name: error.values.get(name) for name in values} == values
    if problems is not None:
        assert (len(error.details) or 1) == problems
    if remedy is not None:
        assert error.remedy is remedy

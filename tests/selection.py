"""Parameters of tests of which the first stay in the default selection and the others are exhaustive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def keep_first(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Return the values of one parameter; those after the first are exhaustive."""
    return keep_first_rows(((value,) for value in values), count)


def keep_first_rows(rows: Iterable[Iterable[Any]], count: int = 1) -> list[Any]:
    """Return the values of several parameters; the rows after the first are exhaustive."""
    return [
        pytest.param(*row, marks=[pytest.mark.exhaustive] if number >= count else [])
        for number, row in enumerate(rows)
    ]

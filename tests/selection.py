"""The part of a test that runs by default, and the part that is exhaustive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

READERS = frozenset(
    f"test_{name}"
    for name in (
        *(
            "validity",
            "targets",
            "show",
            "detector_names",
            "panels",
            "versions",
            "aliases",
            "runs",
            "configurations",
        ),
        *(
            "segments",
            "paging",
            "revisions",
            "recorded_exports",
            "outcomes",
            "consequences",
            "deployed_ranges",
        ),
        "stated_instants",
    )
)
"""The modules whose tests ask an open registry what it knows: what they ask is compared through a service.

Not those about its own store or files (they damage or replace them between two looks), about statements of SQL,
revisions without seals (which no service pins), or a service already.
"""

_is_exhaustive = False


def select_exhaustive() -> None:
    """Let `examples` return whole numbers from now on."""
    global _is_exhaustive  # noqa: PLW0603 - an option of the whole run
    _is_exhaustive = True


def examples(count: int) -> int:
    """Return how many examples hypothesis tries of so many: a quarter by default."""
    return count if _is_exhaustive else max(5, count // 4)


def keep_first(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Return the values of one parameter; those after the first are exhaustive."""
    return keep_first_rows(((value,) for value in values), count)


def keep_first_rows(rows: Iterable[Iterable[Any]], count: int = 1) -> list[Any]:
    """Return the values of several parameters; the rows after the first are exhaustive."""
    return [
        pytest.param(*row, marks=[pytest.mark.exhaustive] if number >= count else [])
        for number, row in enumerate(rows)
    ]


def repeat_first(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Return the values of one parameter, all of which run on SQLite; those after the first suffice there."""
    return repeat_first_rows(((value,) for value in values), count)


def repeat_first_rows(rows: Iterable[Iterable[Any]], count: int = 1) -> list[Any]:
    """Return the values of several parameters; of the rows after the first SQLite suffices."""
    return [
        pytest.param(*row, marks=[pytest.mark.sqlite_suffices] if number >= count else [])
        for number, row in enumerate(rows)
    ]

"""How long work tells how far it is: a description and a total, then a call for each step, from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Called when a step is done, or several at once."""

    def __call__(self, steps: int = 1, /) -> None:
        """Count them."""


Progress = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def no_progress(description: str, total: int) -> Iterator[Advance]:  # noqa: ARG001 - the shape of every Progress
    """Show nothing."""
    yield lambda _steps=1: None

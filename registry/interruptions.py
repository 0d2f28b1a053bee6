"""Attempts to write: after an interruption, each tells what has become of it.

An interruption can come at any moment, also between a commit and its answer. So an attempt is noted before it is
made, as a function that looks afterwards. Nothing is noted outside `follow_attempts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from registry.errors import RegistryError

Describe = Callable[[], str | None]
"""Returns a clause about the result of an attempt, None where it left nothing to mention."""

_attempts: ContextVar[list[tuple[str, Describe]] | None] = ContextVar("attempts", default=None)


@contextmanager
def follow_attempts() -> Iterator[Callable[[], str]]:
    """Note the attempts in this context; yield the function that describes them."""
    attempts: list[tuple[str, Describe]] = []
    token = _attempts.set(attempts)
    try:
        yield lambda: _describe_attempts(attempts)
    finally:
        _attempts.reset(token)


def note_attempt(what: str, describe: Describe, *, is_repeated: bool = False) -> None:
    """Note what is about to be written, in the form "the export", before it is.

    Where it `is_repeated`, for as long as a program runs, the last attempt tells of all of them.
    """
    attempts = _attempts.get()
    if attempts is not None:
        if is_repeated:
            attempts[:] = [attempt for attempt in attempts if attempt[0] != what]
        attempts.append((what, describe))


def _describe_attempts(attempts: list[tuple[str, Describe]]) -> str:
    clauses = [clause for what, describe in attempts if (clause := _describe_attempt(what, describe))]
    return "; ".join(clauses) or "nothing was recorded"


def _describe_attempt(what: str, describe: Describe) -> str | None:
    try:
        return describe()
    except RegistryError as error:
        return f"whether {what} is complete is not known: {error}"
    except KeyboardInterrupt:
        return f"whether {what} is complete is not known"

"""Inputs that cannot be read: the first one ends the work, and the refusal names all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from registry.errors import (
    CorruptionError,
    DeniedError,
    LeftOutError,
    OfflineError,
    Remedy,
    StoreServerError,
    UnavailableError,
)
from registry.identifiers import shorten
from registry.parallel import map_in_threads
from registry.records import FileUse, MissingFile
from registry.store import ContentStore

Input = tuple[str, int, FileUse]
"""The SHA-256 and the size of a stored file, and its use."""

_OF_ALL_FILES = frozenset({"service", "cache"})
"""Values of refusals of the service, or of the cache, which say nothing of the stored files."""


@contextmanager
def name_missing_inputs(store: ContentStore, list_inputs: Callable[[], Iterable[Input]]) -> Iterator[None]:
    """Name every input that cannot be read, once one of them is needed and cannot.

    Raises
    ------
    CorruptionError
        Inputs are missing or damaged: ``values["missing"]`` has them, and those that this user may not read.
    UnavailableError
        They are not damaged as far as is known, but cannot be read.
    """
    try:
        yield
    except StoreServerError:
        raise
    except (CorruptionError, UnavailableError) as error:
        if "sha256" not in error.values and not _OF_ALL_FILES.isdisjoint(error.values):
            raise
        try:
            missing = find_missing_inputs(store, list_inputs())
        except StoreServerError:  # nothing is known of the others
            raise error from None
        if not missing:
            raise
        first = error.values if type(error) is CorruptionError else {}
        remedy = error.remedy if isinstance(error, OfflineError) else None
        raise build_error(missing, remedy=remedy, **(first if len(missing) == 1 else {})) from None


def find_missing_inputs(store: ContentStore, inputs: Iterable[Input]) -> tuple[MissingFile, ...]:
    """Read every input, and return those that cannot be read, each once with all its uses.

    Raises
    ------
    DeniedError
        All are refused in the same sentence, which so speaks of none of them.
    StoreServerError
        The server of the store does not answer as it should.
    """
    uses: dict[tuple[str, int], list[FileUse]] = {}
    for sha256, size, use in inputs:
        uses.setdefault((sha256, size), []).append(use)
    problems = list(map_in_threads(lambda file: store.find_error(*file), uses, store.threads))
    first = problems[0] if problems else None
    if isinstance(first, DeniedError) and len(problems) > 1 and {*map(str, problems)} == {str(first)}:
        raise first
    return tuple(
        MissingFile(
            sha256,
            f"{problem}; it is {shorten(list(map(str, dict.fromkeys(used))))}",
            tuple(dict.fromkeys(used)),
            is_damaged=isinstance(problem, CorruptionError),
            is_left_out=isinstance(problem, LeftOutError),
        )
        for ((sha256, _), used), problem in zip(uses.items(), problems, strict=True)
        if problem is not None
    )


def build_error(
    missing: Sequence[MissingFile], message: str | None = None, *, remedy: Remedy | None = None, **values: Any
) -> CorruptionError | UnavailableError:
    """Return the refusal that names every file; corruption, unless all are sound as far as is known."""
    are_damaged = [file.is_damaged for file in missing]
    are_left_out = all(file.is_left_out for file in missing)
    error_class = CorruptionError if any(are_damaged) else LeftOutError if are_left_out else UnavailableError
    sentences = [file.problem for file in missing]
    values |= {"missing": tuple(missing), "remedy": Remedy.REPAIR_STORE if any(are_damaged) else remedy}
    if message is not None:
        return error_class(message, details=sentences, **values)
    what = "damaged or missing" if all(are_damaged) else "unreadable or damaged"
    what = "left out on purpose" if are_left_out else what
    if remedy is Remedy.FETCH and not any(are_damaged):
        error_class, what = OfflineError, "not in the cache"
    return error_class.combine(f"stored files are {what}", sentences, **values)

"""Follow another registry again and again, so many seconds apart."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from registry.api.arguments import check_arguments
from registry.api.mirrors import mirror_registry
from registry.errors import RegistryError, RequestError
from registry.records import Followed
from registry.records.refusals import may_pass


@check_arguments
def iterate_mirror(
    upstream: str,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    upstream_store: str | Path | None = None,
    files: bool | None = None,
    every: float,
) -> Iterator[Followed | str]:
    """Follow another registry again and again, so many seconds apart; yield what was taken over each time.

    Where it does not answer, or has a damaged file, that is yielded as a sentence, once as long as it stays the same,
    and tried again. Everything else ends it. Parameters and errors are those of `mirror_registry`.
    """
    rounds = follow_in_rounds(
        upstream, database, store, upstream_store=upstream_store, files=files, every=every
    )
    return _name_new_problems(rounds)


def _name_new_problems(rounds: Iterable[Followed | RegistryError]) -> Iterator[Followed | str]:
    shown: set[str] = set()
    for done in rounds:
        if isinstance(done, RegistryError):
            sentences = [str(done)]
        else:
            yield done
            sentences = list(done.warnings)
        yield from (sentence for sentence in sentences if sentence not in shown)
        shown = set(sentences)


@check_arguments
def follow_in_rounds(
    upstream: str,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    upstream_store: str | Path | None = None,
    files: bool | None = None,
    every: float,
) -> Iterator[Followed | RegistryError]:
    """Follow as `iterate_mirror` does; yield of every time what was taken over, or why it did not answer."""
    if not every > 0:
        raise RequestError("the time between two requests is a number of seconds above 0")

    def follow() -> Iterator[Followed | RegistryError]:
        while True:
            try:
                yield mirror_registry(upstream, database, store, upstream_store=upstream_store, files=files)
            except RegistryError as error:
                if not may_pass(error) and "missing" not in error.values:
                    raise
                yield error
            time.sleep(every)

    return follow()

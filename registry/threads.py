"""Work of several threads, handed out in the order of what it was made from.

Reading, hashing, writing and syncing release the interpreter's lock, so threads share the processors.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")

PROCESSORS = os.cpu_count() or 1


def in_threads(
    make: Callable[[_Item], _Made],
    items: Iterable[_Item],
    threads: int = PROCESSORS,
    waiting: int | None = None,
) -> Iterator[_Made]:
    """Yield ``make(item)`` of every item in their order, while threads make what comes next.

    At most `threads` items beyond the one at hand, or as many as `waiting` says, are made or wait to be made or
    taken, however many there are: more even out items and threads that take now longer, now shorter. What
    the first failing item raises is raised in its turn; then, and when the caller stops, no further item is begun.
    """
    made: deque[Future[_Made]] = deque()
    most = threads if waiting is None else waiting
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                made.append(pool.submit(make, item))
                if len(made) > most:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()
        finally:
            for future in made:
                future.cancel()


def share_out(make: Callable[[_Item], object], items: Iterable[_Item], threads: int = PROCESSORS) -> None:
    """Call ``make(item)`` for every item, in this thread and in others, whoever comes next taking the next one.

    Cheaper than `in_threads` where nobody waits for what is made. What the first failing item raises is raised when
    those before it are done; after a failure no further item is begun.
    """
    shared = _Shared(items)
    try:
        with ThreadPoolExecutor(max(1, threads - 1)) as pool:
            others = [pool.submit(shared.take, make) for _ in range(threads - 1)]
            shared.take(make)
        for other in others:
            other.result()
    finally:
        if shared.failed:
            raise shared.failed[min(shared.failed)]


class _Shared(Generic[_Item]):
    """Items that several threads take, each once, and what became of those that failed, by their place."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._coming = enumerate(items)
        self._one_at_a_time = threading.Lock()
        self.failed: dict[int, BaseException] = {}

    def take(self, make: Callable[[_Item], object]) -> None:
        while (taken := self._next()) is not None:
            with self._noting_failure(taken[0]):
                make(taken[1])

    def _next(self) -> tuple[int, _Item] | None:
        with self._one_at_a_time:
            return None if self.failed else next(self._coming, None)

    @contextmanager
    def _noting_failure(self, place: int) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failed[place] = error
            raise

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

CPU_COUNT = os.cpu_count() or 1


def map_in_threads(
    function: Callable[[_Item], _Made],
    items: Iterable[_Item],
    threads: int = CPU_COUNT,
    max_pending: int | None = None,
) -> Iterator[_Made]:
    """Yield ``make(item)`` of every item in their order, while threads make what comes next.

    At most `threads` items beyond the one at hand, or as many as `waiting` says, are made or wait to be made or
    taken, however many there are: more even out items and threads that take now longer, now shorter. What
    the first failing item raises is raised in its turn; then, and when the caller stops, no further item is begun.
    """
    made: deque[Future[_Made]] = deque()
    most = threads if max_pending is None else max_pending
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                made.append(pool.submit(function, item))
                if len(made) > most:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()
        finally:
            for future in made:
                future.cancel()


def parallel_for_each(
    function: Callable[[_Item], object], items: Iterable[_Item], threads: int = CPU_COUNT
) -> None:
    """Call ``make(item)`` for every item, in this thread and in others, whoever comes next taking the next one.

    Cheaper than `map_in_threads` where nobody waits for what is made. What the first failing item raises is raised when
    those before it are done; after a failure no further item is begun.
    """
    shared = _WorkQueue(items)
    try:
        with ThreadPoolExecutor(max(1, threads - 1)) as pool:
            others = [pool.submit(shared.run_all, function) for _ in range(threads - 1)]
            shared.run_all(function)
        for other in others:
            other.result()
    finally:
        if shared.failures:
            raise shared.failures[min(shared.failures)]


class _WorkQueue(Generic[_Item]):
    """Items that several threads take, each once, and what became of those that failed, by their place."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = enumerate(items)
        self._lock = threading.Lock()
        self.failures: dict[int, BaseException] = {}

    def run_all(self, make: Callable[[_Item], object]) -> None:
        while (taken := self._next_item()) is not None:
            with self._record_failure(taken[0]):
                make(taken[1])

    def _next_item(self) -> tuple[int, _Item] | None:
        with self._lock:
            return None if self.failures else next(self._items, None)

    @contextmanager
    def _record_failure(self, place: int) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failures[place] = error
            raise

"""Work of several threads, handed out in the order of what it was made from.

Reading, hashing, writing and syncing release the interpreter's lock, so threads share the processors.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

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

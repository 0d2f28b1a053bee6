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
    make: Callable[[_Item], _Made], items: Iterable[_Item], threads: int = PROCESSORS
) -> Iterator[_Made]:
    """Yield ``make(item)`` of every item in their order, while threads make what comes next.

    At most `threads` items beyond the one at hand are made or wait to be taken, however many there are. What
    the first failing item raises is raised in its turn; then, and when the caller stops, no further item is begun.
    """
    made: deque[Future[_Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                made.append(pool.submit(make, item))
                if len(made) > threads:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()
        finally:
            for future in made:
                future.cancel()

from __future__ import annotations

import gc
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.parallel import WorkerPool, map_in_threads, parallel_for_each
from tests.selection import examples


@pytest.mark.slow
@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
@settings(max_examples=examples(40))
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int) -> None:
    assert list(map_in_threads(lambda item: (item, -item), items, threads)) == [
        (item, -item) for item in items
    ]


def test_more_items_may_wait_than_there_are_threads() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1, 21):
            begun.append(item)
            yield item

    results = map_in_threads(lambda item: item, items(), threads=1, max_pending=6)
    assert max(len(begun) - taken for taken in results) == 6
    assert begun == list(range(1, 21))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_no_more_items_are_begun_ahead_than_there_are_threads(threads: int) -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            begun.append(item)
            yield item

    for taken in map_in_threads(lambda item: item, items(), threads):
        assert len(begun) <= taken + 1 + threads


def test_items_are_worked_on_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)
    assert sorted(map_in_threads(lambda _: both.wait(), range(2), threads=2)) == [0, 1]


def test_a_failure_is_raised_in_its_turn_and_nothing_is_begun_after_it() -> None:
    results: list[int] = []

    def make(item: int) -> int:
        if item == 3:
            raise ValueError(item)
        results.append(item)
        return item

    taken: list[int] = []
    with pytest.raises(ValueError, match="3"):
        taken.extend(map_in_threads(make, range(1000), threads=2))
    assert taken == [0, 1, 2]
    assert max(results) <= 3 + 2


def test_a_caller_that_stops_iterating_stops_the_work_and_no_thread_is_left() -> None:
    before = threading.active_count()
    results: list[int] = []
    for item in map_in_threads(results.append, range(1000), threads=2):
        assert item is None
        break
    assert threading.active_count() == before
    assert len(results) <= 3


def test_an_interruption_leaves_no_thread() -> None:
    def take() -> None:
        for item in map_in_threads(lambda item: item, range(1000), threads=3):
            if item == 10:
                raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        take()
    assert threading.active_count() == before


def test_headers_are_read_by_many_threads_without_a_warning(tmp_path: Path) -> None:
    """Python's filter of warnings is one for all threads, and numpy remarks on headers of Python 2."""
    from registry.arrays import parse_array

    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }".ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24)
    before, interval = warnings.filters[:], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        arrays = list(map_in_threads(lambda _: parse_array(content, tmp_path, (2, 3), "<f4"), range(400), 8))
    finally:
        sys.setswitchinterval(interval)
    assert {array.shape for array in arrays} == {(2, 3)}
    assert warnings.filters == before


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
@settings(max_examples=examples(40))
def test_every_item_is_taken_once(items: list[int], threads: int) -> None:
    taken: list[int] = []
    parallel_for_each(taken.append, items, threads)
    assert sorted(taken) == sorted(items)


def test_the_calling_thread_works_beside_the_others() -> None:
    together = threading.Barrier(2, timeout=30)
    workers: set[threading.Thread] = set()

    def make(_: int) -> None:
        together.wait()
        workers.add(threading.current_thread())

    parallel_for_each(make, range(2), threads=2)
    assert len(workers) == 2
    assert threading.current_thread() in workers
    parallel_for_each(lambda _: workers.add(threading.current_thread()), range(20), threads=1)
    assert len(workers) == 2


def test_the_error_of_the_first_failing_item_is_raised_whichever_thread_was_faster() -> None:
    begun: list[int] = []
    later_failed = threading.Event()

    def make(item: int) -> None:
        begun.append(item)
        if item == 2:
            later_failed.wait(30)
            raise ValueError(item)
        if item == 3:
            later_failed.set()
            raise ValueError(item)

    with pytest.raises(ValueError, match="2"):
        parallel_for_each(make, range(20), threads=2)
    assert sorted(begun) == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_of_the_iterator_is_raised_whichever_thread_asked_for_the_item(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(6)
        raise KeyError("seventh")

    for _ in range(20):
        with pytest.raises(KeyError, match="seventh"):
            parallel_for_each(lambda _: None, items(), threads)


@pytest.mark.parametrize("permitted", [0, 1])
def test_work_is_done_with_as_many_threads_as_the_system_permits(
    permitted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under `ulimit -u`, which does not hold for root."""
    begun: list[int] = []
    start = threading.Thread.start

    def start_few(thread: threading.Thread) -> None:
        if len(begun) >= permitted:
            raise RuntimeError("can't start new thread")
        begun.append(1)
        start(thread)

    done: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_few)
        assert list(map_in_threads(lambda item: -item, range(20), 4)) == [-item for item in range(20)]
        begun.clear()
        parallel_for_each(done.append, range(20), 4)
        begun.clear()
        with WorkerPool(3) as pool:
            assert list(pool.map(abs, [-1, 2, -3, 4])) == [1, 2, 3, 4]
        begun.clear()
        with pytest.raises(ZeroDivisionError):
            list(map_in_threads(lambda item: 1 / item, [1, 0, 2], 4))
    assert sorted(done) == list(range(20))


def test_the_collector_waits_for_no_thread() -> None:
    # It may run while CPython starts a thread, and holds what the end of another thread needs.
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number:
            begun.set()
            may_end.wait(60)
            ended.set()
        return number

    circle: list[object] = [map_in_threads(work, range(9), threads=1)]
    assert next(circle[0]) == 0  # type: ignore[call-overload]
    circle.append(circle)
    assert begun.wait(60)
    del circle
    assert gc.collect() > 0
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(60)

"""One open registry in forked and spawned processes and in many threads: no write is lost, no answer is another's."""

import asyncio
import copy
import importlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import Registry, open_registry, runs
from registry.api.runs import Runs
from registry.authorship import build_signature
from registry.errors import RequestError, UnavailableError
from testing.panels import PANEL_A
from testing.registries import RegistryFactory, RegistryLocation
from tests.refusals import assert_refused
from tests.selection import keep_first

WORKERS = 4


@pytest.fixture
def registry(location: RegistryLocation) -> Iterator[Registry]:
    """A registry that has been used, so that connections are in its pool."""
    with location.open() as opened:
        opened.panels.add(PANEL_A)
        yield opened


def fork(work: Callable[[], object]) -> int:
    """Do the work in a forked process, and return its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    except UnavailableError:
        code = UnavailableError.code
    except BaseException:  # noqa: BLE001 - pytest must not go on in the child
        traceback.print_exc()
    finally:
        os._exit(code)


def wait_for(processes: list[int]) -> list[int]:
    """Return the exit codes of forked processes."""
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]


def add_tags(registry: Registry, prefix: str, count: int = 5) -> None:
    """Record tags, and check that the answer to each is its own."""
    for number in range(count):
        outcome = registry.tags.add(f"{prefix}-{number}")
        assert registry.log()[0].revision >= (outcome.revision or 0) > 0
        assert [tag.tag for tag in registry.tags.list() if tag.tag.startswith(prefix)][
            -1
        ] == f"{prefix}-{number}"


def check_tags(location: RegistryLocation, expected: int) -> None:
    """Check what a process that was never forked sees: every tag, one revision per change, no problem."""
    with location.open() as registry:
        assert len(registry.tags.list()) == expected
        assert [entry.revision for entry in registry.log()] == list(range(expected + 1, 0, -1))
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_what_forked_workers_and_their_parent_record_is_all_there(
    location: RegistryLocation, registry: Registry
) -> None:
    workers = [fork(lambda name=f"worker{number}": add_tags(registry, name)) for number in range(WORKERS)]
    add_tags(registry, "parent")
    assert wait_for(workers) == [0] * WORKERS
    check_tags(location, 5 * (WORKERS + 1))


@pytest.mark.slow
def test_a_worker_goes_on_when_the_parent_has_closed_and_the_other_way_round(
    location: RegistryLocation, registry: Registry
) -> None:
    reader, writer = os.pipe()

    def record_when_told() -> None:
        os.read(reader, 1)
        add_tags(registry, "late")
        registry.close()

    worker = fork(record_when_told)
    registry.close()
    os.write(writer, b"!")
    assert wait_for([worker]) == [0]
    add_tags(registry, "parent")
    check_tags(location, 10)


@pytest.mark.slow
def test_a_fork_within_a_read_transaction_leaves_parent_and_worker_a_view_of_their_own(
    location: RegistryLocation, registry: Registry
) -> None:
    count = sa.text("SELECT count(*) FROM tag")
    with registry._backend.read_transaction() as view:
        assert view.connection.execute(count).scalar() == 0
        assert wait_for([fork(lambda: add_tags(registry, "worker"))]) == [0]
        assert view.connection.execute(count).scalar() == 0
    assert len(registry.tags.list()) == 5
    check_tags(location, 5)


def test_a_worker_cannot_continue_the_transaction_of_its_parent(registry: Registry) -> None:
    def continue_in_the_worker() -> None:
        with pytest.raises(sa.exc.StatementError):
            change.connection.execute(sa.text("SELECT 1"))

    with registry._backend.database.write_transaction(build_signature()) as change:
        assert wait_for([fork(continue_in_the_worker)]) == [0]
        assert change.connection.execute(sa.text("SELECT count(*) FROM panel")).scalar() == 1


@pytest.mark.slow
def test_a_worker_forked_within_a_write_on_sqlite_is_refused(sqlite_location: RegistryLocation) -> None:
    with sqlite_location.open() as registry:
        with registry._backend.database.write_transaction(build_signature()):
            assert wait_for([fork(registry.log), fork(sqlite_location.open)]) == [UnavailableError.code] * 2
        registry.panels.add(PANEL_A)
        assert registry.verify().problems == ()


def test_a_closed_connection_that_is_still_referenced_does_not_stop_a_worker(registry: Registry) -> None:
    with registry._backend.read_transaction() as view:
        connection = view.connection.connection.dbapi_connection
    assert connection is not None
    connection.close()
    assert wait_for([fork(lambda: add_tags(registry, "worker"))]) == [0]


@pytest.mark.slow
def test_a_worker_forked_within_a_write_on_postgresql_can_use_sqlite(
    postgresql_factory: RegistryFactory, sqlite_location: RegistryLocation
) -> None:
    with (
        postgresql_factory.make("postgresql").open() as registry,
        registry._backend.database.write_transaction(build_signature()),
    ):
        assert wait_for([fork(lambda: sqlite_location.open().close())]) == [0]


@pytest.mark.slow
def test_forks_while_another_thread_writes_lose_nothing(
    location: RegistryLocation, registry: Registry
) -> None:
    stop = threading.Event()
    recorded = []

    def keep_writing() -> None:
        while not stop.wait(0.01):  # a thread that never pauses keeps SQLite's lock from all others
            recorded.append(registry.tags.add(f"thread-{len(recorded)}").revision)

    thread = threading.Thread(target=keep_writing)
    thread.start()
    workers = [fork(lambda name=f"worker{number}": add_tags(registry, name)) for number in range(WORKERS)]
    codes = wait_for(workers)
    stop.set()
    thread.join()
    assert codes == [0] * WORKERS
    check_tags(location, 5 * WORKERS + len(recorded))


def test_a_worker_does_not_wait_for_a_noun_that_another_thread_was_about_to_make(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class SlowRuns(Runs):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            entered.set()
            go_on.wait()

    def list_runs() -> None:
        signal.alarm(20)
        assert registry.runs.list() == []

    with sqlite_location.open() as registry, ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(runs, "Runs", SlowRuns)
            beside = pool.submit(lambda: registry.runs)
            entered.wait()
        worker = fork(list_runs)
        go_on.set()
        assert wait_for([worker]) == [0]
        assert beside.result().list() == []


_shared: dict[str, Registry] = {}


def _add_in_pool(name: str) -> int | None:
    return _shared["registry"].tags.add(name).revision


def _open_in_worker(database: str, store: str) -> None:
    _shared["registry"] = open_registry(database, store)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.parametrize("method", keep_first(["fork", "spawn", "forkserver"], count=2))
def test_a_pool_of_processes_records_every_task_once(
    location: RegistryLocation, registry: Registry, method: str
) -> None:
    _shared["registry"] = registry
    opening = (location.database, str(location.store)) if method != "fork" else ()
    context = multiprocessing.get_context(method)
    with context.Pool(2, _open_in_worker if opening else None, opening) as pool:
        revisions = pool.map(_add_in_pool, [f"tag{number}" for number in range(20)])
    assert sorted(filter(None, revisions)) == list(range(2, 22))
    check_tags(location, 20)


def test_forty_threads_have_their_view_at_once(registry: Registry) -> None:
    at_once = threading.Barrier(40)
    revisions = []

    def hold_a_view() -> None:
        with registry._backend.read_transaction() as view:
            at_once.wait(60)
            revisions.append(view.revision)

    threads = [threading.Thread(target=hold_a_view) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert revisions == [1] * 40


@pytest.mark.slow
def test_a_server_that_has_no_connection_left_is_a_refusal(
    postgres_server: str, postgresql_factory: RegistryFactory
) -> None:
    psycopg = pytest.importorskip("psycopg")
    location = postgresql_factory.make("postgresql")
    with ExitStack() as stack:
        with suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(postgres_server))
        with assert_refused(UnavailableError):
            location.open()


def test_a_database_whose_file_was_replaced_is_refused_in_parent_and_worker(
    sqlite_location: RegistryLocation, sqlite_factory: RegistryFactory
) -> None:
    assert sqlite_location.file is not None
    other = sqlite_factory.make("sqlite").file
    assert other is not None
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        sqlite_location.file.rename(sqlite_location.folder / "former.sqlite")
        with assert_refused(UnavailableError, str(sqlite_location.file)):  # there is none
            registry.tags.add("lost")
        other.rename(sqlite_location.file)
        assert wait_for([fork(lambda: registry.tags.add("lost"))]) == [UnavailableError.code]
        with assert_refused(UnavailableError, str(sqlite_location.file)):
            registry.panels.list()


def test_an_open_registry_is_neither_pickled_nor_copied(registry: Registry) -> None:
    for thing in (registry, registry.panels):
        with assert_refused(RequestError):
            pickle.dumps(thing)
        with assert_refused(RequestError):
            copy.deepcopy(thing)


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_writes_takes_nothing_with_it(
    location: RegistryLocation, registry: Registry
) -> None:
    reader, writer = os.pipe()

    def record_for_ever() -> None:
        for number in itertools.count():
            registry.tags.add(f"doomed-{number}")
            os.write(writer, b"!")

    worker = fork(record_for_ever)
    acknowledged = sum(len(os.read(reader, 1)) for _ in range(5))
    os.kill(worker, signal.SIGKILL)
    assert wait_for([worker]) == [-signal.SIGKILL]
    add_tags(registry, "parent")
    with location.open() as opened:
        tags = [tag.tag for tag in opened.tags.list()]
        assert len([tag for tag in tags if tag.startswith("doomed")]) >= acknowledged == 5
        assert len([tag for tag in tags if tag.startswith("parent")]) == 5
        assert [entry.revision for entry in opened.log()] == list(range(len(tags) + 1, 0, -1))
        assert opened.verify().problems == ()


@pytest.mark.slow
def test_forks_from_threads_iterators_and_other_workers_work_too(
    location: RegistryLocation, registry: Registry
) -> None:
    entries = registry.iterate_log()
    next(entries)

    def fork_again() -> None:
        list(entries)
        assert wait_for([fork(lambda: add_tags(registry, "grandchild"))]) == [0]
        registry.close()
        add_tags(registry, "child")

    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.extend(wait_for([fork(fork_again)])))
    thread.start()
    add_tags(registry, "parent")
    thread.join()
    assert codes == [0]
    assert list(entries) == []
    check_tags(location, 15)


@pytest.mark.slow
def test_sixty_four_threads_and_an_event_loop_record_everything(
    location: RegistryLocation, registry: Registry
) -> None:
    async def record_at_once() -> None:
        add = [asyncio.to_thread(registry.tags.add, f"loop-{number}") for number in range(20)]
        await asyncio.gather(*add)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda number: registry.tags.add(f"thread-{number}"), range(64)))
    asyncio.run(record_at_once())
    check_tags(location, 84)


def test_a_fork_waits_until_no_other_thread_imports_a_module(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(0.5)\nvalue = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with sqlite_location.open(), ThreadPoolExecutor(1) as pool:
        loading = pool.submit(importlib.import_module, "slow_to_load")
        while "slow_to_load" not in sys.modules:
            time.sleep(0.001)

        def use() -> None:
            signal.alarm(20)  # a child that waits for ever is ended
            assert importlib.import_module("slow_to_load").value == 1

        assert wait_for([fork(use)]) == [0]
        assert loading.result().value == 1

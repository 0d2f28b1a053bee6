"""Rows of a store in a bucket, on this machine and 20 ms away, against the same store in a folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import works
from benchmarks.bench import Bench
from benchmarks.many_files import record_files
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry.api import Registry, create_registry
from registry.api.backups import restore_registry
from registry.records import Outcome, Verification
from testing.buckets import BucketServer, delay_requests, run_seaweed
from testing.programs import MissingProgramError
from testing.registries import RegistryLocation

_DISTANCE_SECONDS = 0.02
_ROUNDS = 5
_CONSTANTS_REACH = {"on this machine": 2.0, "20 ms away": 3.0}
_EXPORT_REACH = {"on this machine": 1.3, "20 ms away": 1.6}
_REGISTER_REACH = 1.5
_VERIFY_REACH = 2.0  # half of the folder's speed
_MEMORY_REACH = 64
_FILES = 10_000
_REQUESTS = 16


def measure_stores(bench: Bench) -> Iterator[Row]:
    """Measure reading, registering and verifying with files in a bucket, beside a folder."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(run_seaweed())
        except MissingProgramError:
            yield Row(work="a store in a bucket", remark="without SeaweedFS")
            return
        stack.enter_context(mock.patch.dict(os.environ, server.list_variables()))
        yield from measure_bucket(bench, server)
        yield from measure_many_files(bench, server)


def measure_bucket(bench: Bench, server: BucketServer) -> Iterator[Row]:
    """Measure the detector's files in the bucket of a server, to which the variables of the environment lead."""
    copy = copy_registry(bench, bench.detector.location, server)
    with delay_requests(server, _DISTANCE_SECONDS) as far:
        for where, place in (("on this machine", server), ("20 ms away", far)):
            with mock.patch.dict(os.environ, place.list_variables()):
                yield from _measure_reading(bench, copy, place, where)
    yield _measure_registration(bench, server)


def measure_many_files(bench: Bench, server: BucketServer) -> Iterator[Row]:
    """Measure the verification of very many small files in time and memory."""
    count = round(_FILES * bench.scale.effort)
    location = bench.factory.make("sqlite")
    record_files(location, count)
    copy = copy_registry(bench, location, server)
    work = f"verify {count:,} files, bucket on this machine"
    yield _measure_verification(bench, location, copy, work)
    ours = bench.measure_peak(works.verify, _list_no_arguments, lambda: copy)
    baseline = bench.measure_peak(works.verify, _list_no_arguments, lambda: location)
    yield Row(work=f"peak memory, {work}", unit="MiB", ours=ours, baseline=baseline, reach=_MEMORY_REACH)


def copy_registry(bench: Bench, location: RegistryLocation, server: BucketServer) -> RegistryLocation:
    """Restore a backup of a registry with its files in the bucket."""
    name = f"bench-{secrets.token_hex(4)}"
    backup = bench.folder / name
    with location.open() as registry:
        registry.backup(backup)
    copy = RegistryLocation(f"sqlite:///{bench.folder / name}.sqlite", Path(f"s3://{server.bucket}/{name}"))
    restore_registry(backup, copy.database, str(copy.store))
    return copy


def _measure_reading(bench: Bench, copy: RegistryLocation, server: BucketServer, where: str) -> Iterator[Row]:
    original = bench.detector.location
    with original.open() as folder, copy.open() as bucket:
        for panels in bench.scale.panels[1:]:
            target = bench.detector.dataset(panels)
            tasks = {
                "ours": Task(partial(_read, bucket, target)),
                "baseline": Task(partial(_read, folder, target)),
                "copied": Task(_make_download(folder, target, copy, server)),
            }
            work = f"arrays, {panels} panels, bucket {where}"
            yield make_timed_row(work, bench.time(tasks, _ROUNDS), reach=_CONSTANTS_REACH[where])
            tasks = {
                "ours": Task(partial(_export, bucket, target)),
                "baseline": Task(partial(_export, folder, target)),
            }
            work = f"export .npy, {panels} panels, bucket {where}"
            yield make_timed_row(work, bench.time(tasks, _ROUNDS), reach=_EXPORT_REACH[where])
    yield _measure_verification(bench, original, copy, f"verify, bucket {where}")


def _make_download(
    registry: Registry, target: str, copy: RegistryLocation, server: BucketServer
) -> Callable[[Path], int]:
    """Return a function that gets the files of a dataset from the bucket, and leaves them as they come."""
    import obstore
    from obstore.store import S3Store

    resolution = registry.constants(target, lazy=True).provenance.resolution
    files = [file for panel in resolution.panels for constants in panel.constants for file in constants.files]
    keys = [f"objects/{file.sha256[:2]}/{file.sha256}.npy" for file in files]
    variables: Any = {name.lower(): value for name, value in server.list_variables().items()}
    store = S3Store(
        server.bucket, prefix=copy.store_folder.name, config=variables, client_options={"allow_http": True}
    )

    def get(key: str) -> int:
        return len(obstore.get(store, key).bytes())

    def download(_: Path) -> int:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            return sum(pool.map(get, keys))

    return download


def _measure_registration(bench: Bench, server: BucketServer) -> Row:
    """Measure the import of all panels at once into new registries."""
    panels = max(bench.scale.panels)
    tasks = {
        "ours": _make_import(bench, lambda folder: Path(f"s3://{server.bucket}/{folder.name}")),
        "baseline": _make_import(bench, lambda folder: folder / "store"),
    }
    work = f"register {panels} panels at once, bucket on this machine"
    return make_timed_row(work, bench.time(tasks, 3), database="sqlite", reach=_REGISTER_REACH)


def _make_import(bench: Bench, find_store: Callable[[Path], Path]) -> Task:
    panels = max(bench.scale.panels)

    def find_location(folder: Path) -> RegistryLocation:
        return RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", find_store(folder))

    def prepare(folder: Path) -> None:
        location = find_location(folder)
        create_registry(location.database, location.store_folder)

    def run(folder: Path) -> Outcome:
        with find_location(folder).open() as registry:
            return works.import_tree(registry, str(bench.detector.tree))

    def check(_: Path, outcome: Outcome) -> None:
        if len(outcome.versions) != 2 * panels:
            raise AssertionError("an import did not record a version of each kind for every panel")

    return Task(run, prepare, check)


def _measure_verification(bench: Bench, original: RegistryLocation, copy: RegistryLocation, work: str) -> Row:
    with original.open() as folder, copy.open() as bucket:
        tasks = {
            "ours": Task(lambda _: works.verify(bucket), check=_refuse_problems),
            "baseline": Task(lambda _: works.verify(folder), check=_refuse_problems),
        }
        return make_timed_row(work, bench.time(tasks, 3), reach=_VERIFY_REACH)


def _read(registry: Registry, target: str, _folder: Path) -> object:
    return works.constants(registry, target)


def _export(registry: Registry, target: str, folder: Path) -> object:
    return works.export(registry, target, str(folder))


def _refuse_problems(_: Path, verification: Verification) -> None:
    if verification.problems or not verification.checked:
        raise AssertionError(f"what was restored is not what was recorded: {verification.problems[:3]}")


def _list_no_arguments(_: Path) -> list[object]:
    return []

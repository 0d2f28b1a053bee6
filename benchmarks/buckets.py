"""Rows of a store in a bucket, on this machine and 20 ms away, against the same store in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest import mock

from benchmarks import works
from benchmarks.bench import Bench
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry import open_registry
from registry.api import Registry
from registry.api.backups import restore_registry
from registry.settings import Settings
from registry.storage import parse_place
from testing.buckets import BucketServer, delay_requests, run_seaweed
from testing.servers import MissingProgramError

_DISTANCE_SECONDS = 0.02
_ROUNDS = 5
_CONSTANTS_REACH = {"on this machine": 2.0, "20 ms away": 3.0}
_EXPORT_REACH = {"on this machine": 1.3, "20 ms away": 1.6}
_VERIFY_REACH = 2.0  # half of the folder's speed


def measure_stores(bench: Bench) -> Iterator[Row]:
    """Measure arrays in memory, exports and a verification with files in a bucket, beside a folder."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(run_seaweed())
        except MissingProgramError:
            yield Row(work="a store in a bucket", remark="without SeaweedFS")
            return
        far = stack.enter_context(delay_requests(server, _DISTANCE_SECONDS))
        stack.enter_context(mock.patch.dict(os.environ, server.list_variables()))
        settings = _copy_registry(bench, server)
        for where, place in (("on this machine", server), ("20 ms away", far)):
            os.environ["AWS_ENDPOINT_URL"] = place.endpoint
            yield from _measure_place(bench, settings, where)


def _copy_registry(bench: Bench, server: BucketServer) -> Settings:
    """Restore a backup of the detector with its files in the bucket."""
    backup = bench.folder / "bucket-backup"
    with bench.detector.location.open() as registry:
        registry.backup(backup)
    url, place = f"sqlite:///{bench.folder / 'bucket.sqlite'}", parse_place(f"s3://{server.bucket}/bench")
    restore_registry(backup, url, str(place))
    return Settings(url, place)


def _measure_place(bench: Bench, settings: Settings, where: str) -> Iterator[Row]:
    with (
        bench.detector.location.open() as folder,
        open_registry(settings.database, str(settings.store)) as bucket,
    ):
        for panels in bench.scale.panels[1:]:
            target = bench.detector.dataset(panels)
            tasks = {
                "ours": Task(partial(_read, bucket, target)),
                "baseline": Task(partial(_read, folder, target)),
            }
            work = f"arrays, {panels} panels, bucket {where}"
            yield make_timed_row(work, bench.time(tasks, _ROUNDS), reach=_CONSTANTS_REACH[where])
            tasks = {
                "ours": Task(partial(_export, bucket, target)),
                "baseline": Task(partial(_export, folder, target)),
            }
            work = f"export .npy, {panels} panels, bucket {where}"
            yield make_timed_row(work, bench.time(tasks, _ROUNDS), reach=_EXPORT_REACH[where])
        tasks = {
            "ours": Task(lambda _: bucket.verify(), check=_refuse_problems),
            "baseline": Task(lambda _: folder.verify(), check=_refuse_problems),
        }
        yield make_timed_row(f"verify, bucket {where}", bench.time(tasks, 3), reach=_VERIFY_REACH)


def _read(registry: Registry, target: str, _folder: Path) -> object:
    return works.constants(registry, target)


def _export(registry: Registry, target: str, folder: Path) -> object:
    return works.export(registry, target, str(folder))


def _refuse_problems(_: Path, verification: object) -> None:
    if getattr(verification, "problems", ()):
        raise AssertionError("what was restored is not what was recorded")

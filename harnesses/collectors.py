"""A collector of unreferenced files beside a writer, which removes them at once: no registered file is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Container
from contextlib import suppress
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
import numpy as np

from harnesses.processes import CONTEXT
from registry.api import collecting
from registry.api.backend import Backend, open_backend
from registry.detectors.jungfrau import JUNGFRAU
from registry.files import TEMPORARY_PREFIX
from registry.instants import Instant, parse_instant
from registry.lookup import stored_files
from registry.settings import find_settings
from registry.storage import is_bucket
from registry.store import ContentStore
from testing.registries import RegistryLocation
from testing.stores import list_object_paths

_FIRST_START = parse_instant("2000-01-01T00:00:00Z")  # before all others
_MINUTE = 60_000_000
_AGE_SECONDS = 2 * 24 * 3600


class CollectorResult(msgspec.Struct):
    """Number of files removed while the writer worked, and the problems found."""

    files: int = 0
    problems: list[str] = []


def register_beside_collector(
    location: RegistryLocation, folder: Path, panel: str, rounds: int
) -> CollectorResult:
    """Register new content in each round while another process removes every file that no row refers to."""
    done = CONTEXT.Event()
    file = location.folder / "collector.json"
    process = CONTEXT.Process(target=run_collector, args=(location, done, file))
    process.start()
    problems = []
    path = folder / JUNGFRAU.file_name("gain", 0)
    array = np.load(path)
    with location.open() as registry:
        for number in range(rounds):
            array[0, number % JUNGFRAU.panel_shape[1]] += np.float32(1)
            np.save(path, array)
            try:
                registry.versions.add(panel, folder, valid_from=_start_time(number), kinds=["gain"])
            except Exception as error:  # noqa: BLE001 - any error is a finding
                problems.append(f"beside a collector: {type(error).__name__}: {error}")
    done.set()
    process.join()
    if not file.exists():
        return CollectorResult(problems=[*problems, "the collector ended without a result"])
    result = msgspec.json.decode(file.read_bytes(), type=CollectorResult)
    return CollectorResult(result.files, problems + result.problems)


def _start_time(number: int) -> Instant:
    return Instant(_FIRST_START + number * _MINUTE)


def run_collector(location: RegistryLocation, done: Event, file: Path) -> None:
    """Collect until `done` is set, and write the result into a file: the target of a process."""
    location.use_bucket()
    backend = open_backend(find_settings(location.database, str(location.store)), "UTC")
    result = CollectorResult(problems=[])
    while not done.is_set():
        try:
            result.files += _collect_unreferenced(backend)
        except Exception as error:  # noqa: BLE001 - any error is a finding
            result.problems.append(f"the collector: {type(error).__name__}: {error}")
    backend.database.close()
    file.write_bytes(msgspec.json.encode(result))


def _collect_unreferenced(backend: Backend) -> int:
    """Remove every object that no row names, as if it were days old."""
    with backend.read_transaction() as view:
        referenced = stored_files.read_file_sizes(view.connection)
    _date_back(backend.store, referenced)
    strays = collecting.find_unreferenced_files(backend.store, backend.store.list_files(), referenced)
    return sum(file.removed for file in collecting.remove_unreferenced_files(backend, strays))


def _date_back(store: ContentStore, referenced: Container[str]) -> None:
    """Let the files that no row names be days old; the objects of a bucket stay as old as they are, and so are kept."""
    if is_bucket(store.place):
        return
    for path in list_object_paths(store):
        is_temporary = path.name.startswith(TEMPORARY_PREFIX)  # still being written: cannot be old
        if path.stem not in referenced and not is_temporary:
            with suppress(FileNotFoundError):
                os.utime(path, (time.time() - _AGE_SECONDS,) * 2)

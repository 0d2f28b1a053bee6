"""Rows of the search for a sensor among stored patterns: by signs first, against reading the samples of all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.bench import Bench
from benchmarks.lookups import count_statements, format_count, make_repeated_task, require_equal
from benchmarks.rows import Row, make_timed_row
from registry import schema
from registry.api import Registry
from registry.database.change import Change
from registry.lookup.patterns import read_signs
from registry.patterns import PATTERN_SIZE, Pattern, correlate, find_candidates
from registry.records import FilePattern
from registry.registration.versions import record_patterns

_PATTERNS = 10_000
_NOISE = 1.5  # of the samples that are searched for, in standard deviations: the correlation is about a half
_REACH = 1.0


def measure_patterns(bench: Bench) -> Iterator[Row]:
    """Measure the search on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            location = bench.factory.make(dialect)
            closing.callback(bench.factory.remove, location)
            registry = closing.enter_context(location.open())
            yield _measure_search(bench, registry, dialect, min(_PATTERNS, bench.scale.links))


def _measure_search(bench: Bench, registry: Registry, dialect: str, count: int) -> Row:
    samples = _make_samples(count)
    files = _record(registry, samples)
    wanted = Pattern(_add_noise(samples[count // 2]))

    def search() -> str:
        with registry._backend.database.autocommit_read() as connection:  # noqa: SLF001
            stored = read_signs(connection)
            return str(stored.files[find_candidates(wanted, stored.signs)[0]])

    def read_all() -> str:
        with registry._backend.database.autocommit_read() as connection:  # noqa: SLF001
            pattern = schema.blob_pattern
            rows = connection.execute(sa.select(pattern.c.blob, pattern.c.samples)).all()
            known = np.frombuffer(b"".join(row[1] for row in rows), np.int8).reshape(-1, PATTERN_SIZE)
            return str(rows[int(correlate(wanted, known).max(axis=1).argmax())][0])

    require_equal([search()], [files[count // 2]])
    require_equal([read_all()], [files[count // 2]])
    seconds = bench.time(
        {
            "ours": make_repeated_task(bench.scale, search),
            "baseline": make_repeated_task(bench.scale, read_all),
        },
        11,
    )
    return make_timed_row(
        f"best twenty of {format_count(count)} patterns",
        seconds,
        database=dialect,
        reach=_REACH,
        statements=count_statements(search),
    )


def _make_samples(count: int) -> NDArray[np.int8]:
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((count, PATTERN_SIZE), np.float32)
    return np.rint(np.clip(32 * samples, -127, 127)).astype(np.int8)


def _add_noise(
    samples: NDArray[np.int8],
) -> NDArray[np.int8]:
    noise = np.random.default_rng(2).standard_normal(samples.shape)
    return np.rint(np.clip((samples + 32 * _NOISE * noise) / 2, -127, 127)).astype(np.int8)


def _record(registry: Registry, samples: NDArray[np.int8]) -> list[str]:
    """Record files with these patterns; return their checksums. There are no such files in the store."""
    files = [hashlib.sha256(row.tobytes()).hexdigest() for row in samples]

    def record(change: Change) -> None:
        blob = {"size": 128, "dtype": "<f4", "shape": "512,1024", "zeros": 0, "nonfinite": 0}
        change.record(schema.blob, [{"sha256": sha256, **blob} for sha256 in files])
        patterns = {
            sha256: FilePattern(1, Pattern(row).signs, row.tobytes())
            for sha256, row in zip(files, samples, strict=True)
        }
        record_patterns(change, patterns)

    registry._backend.record_revision(record)  # noqa: SLF001
    return files

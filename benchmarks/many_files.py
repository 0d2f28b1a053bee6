"""A registry of very many small files, recorded in one revision, which no constants need."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from registry import schema
from registry.arrays import describe_content
from registry.files import blake3_of
from registry.store import ContentStore
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from testing.stores import find_object_path

_SHAPE = (128, 128)  # 64 KiB; a real one of 4 MiB takes longer to hash than to ask for


def record_files(location: RegistryLocation, count: int) -> None:
    """Put so many arrays of random numbers into the store, and record them with all that `verify` compares."""
    store = ContentStore(location.store)
    random = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        file = io.BytesIO()
        np.save(file, random.normal(size=_SHAPE).astype("<f4"))
        content = file.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        path = find_object_path(store, sha256)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        dtype, shape, statistics = describe_content(content, path)
        rows.append(
            {
                "sha256": sha256,
                "size": len(content),
                "dtype": dtype,
                "shape": ",".join(map(str, shape)),
                "minimum": statistics.minimum,
                "median": statistics.median,
                "maximum": statistics.maximum,
                "zeros": statistics.zeros,
                "nonfinite": statistics.nonfinite,
                "blake3": blake3_of(content),
            }
        )
    with record_raw_revision(location) as (connection, number):
        connection.execute(schema.blob.insert(), [{**row, "recorded_in": number} for row in rows])

"""The field's present methods, in a few lines each, and the floors: reading, writing and hashing the bytes once.

``Sources`` are the folders of a detector's panels in order, each with ``g0_gain.npy`` and so on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KINDS = {"pixel_gain": "gain", "pixel_offset": "offset"}
GAIN_RANGES = range(3)
_BLOCK_SIZE = 2 * 2**20

Sources = list[str]


def merge_kind(sources: Sources, kind: str) -> NDArray[np.float32]:
    """Return the array of a detector: load every file, stack by gain range, stack the ranges; no checks."""
    return np.stack(
        [
            np.stack([np.load(Path(source) / f"g{gain_range}_{kind}.npy") for source in sources])
            for gain_range in GAIN_RANGES
        ]
    )


def merge_in_memory(sources: Sources) -> dict[str, NDArray[np.float32]]:
    """Return both arrays."""
    return {name: merge_kind(sources, kind) for name, kind in KINDS.items()}


def merge_npy(sources: Sources, folder: str, *, durable: bool = False) -> None:
    """Write both arrays with `np.save`; `durable`: and wait until they are on the disk."""
    for name, kind in KINDS.items():
        path = Path(folder) / f"{name}.npy"
        np.save(path, merge_kind(sources, kind))
        if durable:
            sync(path)


def merge_text(sources: Sources, folder: str) -> None:
    """Write both arrays with ``np.savetxt '%.4f'``, which loses digits."""
    for name, kind in KINDS.items():
        array = merge_kind(sources, kind)
        np.savetxt(Path(folder) / f"{name}.data", array.reshape(-1, array.shape[-1]), fmt="%.4f")


def copy_hash_sync(source: str, target: str) -> None:
    """Do what ``cp``, ``sha256sum`` and ``sync`` of a folder's files do."""
    for path in Path(source).iterdir():
        copy = Path(target) / path.name
        shutil.copyfile(path, copy)
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        sync(copy)


def hash_files(paths: Iterable[Path]) -> None:
    """Hash files."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def copy_once(sources: Sources, folder: str) -> None:
    """Floor: read the input bytes and write as many output bytes, once, through one small buffer."""
    buffer = memoryview(bytearray(_BLOCK_SIZE))
    for name, kind in KINDS.items():
        with (Path(folder) / name).open("wb", buffering=0) as output:
            for path in _list_files(sources, kind):
                with path.open("rb", buffering=0) as file:
                    while size := file.readinto(buffer):
                        output.write(buffer[:size])


def hash_once(sources: Sources) -> None:
    """Floor: hash bytes in memory, as many as there are in the input, once, on one core."""
    piece = bytes(_BLOCK_SIZE)
    for kind in KINDS.values():
        digest = hashlib.sha256()
        for _ in _list_files(sources, kind):
            digest.update(piece)
        digest.digest()


def _list_files(sources: Sources, kind: str) -> Iterator[Path]:
    for gain_range in GAIN_RANGES:
        for source in sources:
            yield Path(source) / f"g{gain_range}_{kind}.npy"

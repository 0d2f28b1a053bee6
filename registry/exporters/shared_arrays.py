"""Arrays that the processes of one machine share: assembled once into the cache, and mapped by every process.

What is mapped is verified as what is read: each part by the digest of its stored file.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.cache import CacheFolder, NewEntry
from registry.cache.array_entries import ArrayContent, ArrayRecord, encode_record, find_boot, read_record
from registry.errors import CacheError, RequestError
from registry.exporters.assembly import Assembly, Part, name_missing_in, read_arrays
from registry.files import new_blake3
from registry.identifiers import quote
from registry.parallel import parallel_for_each


class Verification(StrEnum):
    """The number of times that the bytes of a shared array are verified."""

    ALWAYS = "always"  # by every process that maps it
    ONCE = "once"  # by the process that makes it


def find_verification(name: str) -> Verification:
    """Return the verification of a name; raise `RequestError` where there is none of that name."""
    if name not in set(Verification):
        known = ", ".join(Verification)
        raise RequestError(f"verify: {quote(name)} is not known; known: {known}", known=list(Verification))
    return Verification(name)


def read_shared_arrays(
    assemblies: Sequence[Assembly], cache: CacheFolder | None, verification: Verification
) -> tuple[dict[str, NDArray[Any]], str | None]:
    """Return the whole arrays by calibration type, which cannot be written to; and why they are not shared, if so.

    Raises
    ------
    CorruptionError
        A stored file is missing or damaged.
    DeniedError
        The cache is not this user's alone.
    """
    arrays: dict[str, NDArray[Any]] = {}
    problem = None if cache else "the cache is switched off"
    for assembly in assemblies:
        name = assembly.kind.calibration_type
        if cache is not None and problem is None:
            try:
                arrays[name] = _obtain_array(assembly, cache, verification)
                continue
            except CacheError as error:
                problem = str(error)
        arrays |= read_arrays([assembly])
        arrays[name].flags.writeable = False
    return arrays, problem


def _obtain_array(assembly: Assembly, cache: CacheFolder, verification: Verification) -> NDArray[Any]:
    content = describe_content(assembly)
    write = partial(_write_array, assembly, content)
    read = partial(_map_array, cache, content, assembly.blake3_by_sha256, verification)
    return cache.obtain(content.name, write, read)


def describe_content(assembly: Assembly) -> ArrayContent:
    """Return what an array is assembled from: two arrays of the same content have the same bytes."""
    dtype = np.dtype(assembly.kind.dtype)
    return ArrayContent(dtype.str, dtype.itemsize, assembly.shape, tuple(assembly.list_files()))


def _write_array(assembly: Assembly, content: ArrayContent, entry: NewEntry) -> None:
    """Write the verified parts to their places, and then what is needed to verify them again."""
    starts = [b""] * assembly.part_count

    def write(place: int, part: Part) -> None:
        entry.write_at(place * content.part_size, part.payload)
        starts[place] = part.start

    with name_missing_in([assembly]):
        parallel_for_each(lambda read: read(), assembly.build_part_tasks(write), assembly.store.threads)
    entry.write_at(content.size, encode_record(content, starts))


def _map_array(
    cache: CacheFolder,
    content: ArrayContent,
    blake3s: Mapping[str, str],
    verification: Verification,
    handle: int,
) -> NDArray[Any] | None:
    """Return the array of an open entry, mapped; None where the entry is not sound."""
    record = read_record(handle)
    if record is None or record.content != content:
        return None
    try:
        mapped = mmap.mmap(handle, os.fstat(handle).st_size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise CacheError(
            f"an array of the cache {str(cache.path)!r} cannot be mapped: {error.strerror}",
            path=str(cache.path),
        ) from None
    # After the machine was started again, nobody knows whether all that was written had reached the disk.
    is_trusted = verification == Verification.ONCE and record.boot and record.boot == find_boot()
    if not is_trusted and not _is_sound(record, memoryview(mapped), blake3s):
        return None
    return np.frombuffer(mapped, content.dtype, content.size // content.item_size).reshape(content.shape)


def _is_sound(record: ArrayRecord, whole: memoryview, blake3s: Mapping[str, str]) -> bool:
    """Tell whether every part is its stored file, by the recorded digests, on all processors."""
    size = record.content.part_size
    unsound: list[int] = []

    def check(place: int) -> None:
        payload, file = whole[place * size : (place + 1) * size], record.files[place]
        if unsound:
            return
        if file is None:
            is_same = not np.frombuffer(payload, np.uint8).any()
        else:
            blake3 = blake3s.get(file)
            digest = hashlib.sha256() if blake3 is None else new_blake3()
            digest.update(record.find_start(place))
            digest.update(payload)
            is_same = digest.hexdigest() == (blake3 or file)
        if not is_same:
            unsound.append(place)

    parallel_for_each(check, range(len(record.files)))
    return not unsound

"""Arrays that are read when they are asked for: each time the files that are needed, whole and verified.

Nothing is kept between two readings, and nothing is asked of the database: a lazy array outlives its registry as long
as the store is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from registry.exporters.assembly import Assembly, build_assemblies, name_missing_in
from registry.parallel import parallel_for_each
from registry.provenance.document import Resolution
from registry.store import ContentStore


class LazyArray(NDArrayOperatorsMixin):
    """An array (gain range, panel, row, column) whose files are read when values of it are asked for.

    An index as numpy takes it, ``array[:, 3]``, reads the files of these gain ranges and panels; ``np.asarray(array)``,
    arithmetic and the functions of numpy read all. Every file is read whole and verified by its checksum before a value
    of it is returned. What is returned is an array of numpy; nothing of it is kept here, so keep it if it is needed
    again. It may be pickled, for a process that can read the same store.

    Every reading may raise `CorruptionError` where a needed file is missing or damaged, `UnavailableError` where the
    store is gone or cannot be read, and `ConflictError` where another registry's store is in its place.
    """

    __slots__ = ("_assembly", "_registry_id")
    __hash__ = None  # type: ignore[assignment] # equality is by pixel, as of every array

    def __init__(self, assembly: Assembly, registry_id: str) -> None:
        store = assembly.store.make_absolute()  # whatever the working folder is then
        self._assembly = replace(assembly, store=store)
        self._registry_id = registry_id

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape: (gain range, panel, row, column)."""
        return self._assembly.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return np.dtype(self._assembly.kind.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the whole array in memory."""
        return self._assembly.size

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        kind = self._assembly.kind
        return (
            f"<LazyArray: {kind.calibration_type} {self.shape} {self.dtype} {kind.unit}, read when asked for>"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole array."""
        if copy is False:
            raise ValueError("a lazy array is read from its files: there is no array that could be shared")
        gain_ranges, panels, *_ = map(range, self.shape)
        return self._read(gain_ranges, panels).astype(self.dtype if dtype is None else dtype, copy=False)

    def __getitem__(self, key: Any) -> Any:
        keys = _expand_key(key, self.ndim)
        if keys is None:  # a mask, or a new axis
            return np.asarray(self)[key]
        gain_ranges, first = _find_indices(keys[0], self.shape[0], "gain range")
        panels, second = _find_indices(keys[1], self.shape[1], "panel")
        np.broadcast_to(np.empty((), self.dtype), self.shape[2:])[
            tuple(keys[2:])
        ]  # refused before files are read
        return self._read(gain_ranges, panels)[first, second, *keys[2:]]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Apply a function of numpy to the whole arrays."""
        if any(isinstance(value, LazyArray) for value in options.get("out", ())):
            return NotImplemented
        arrays = (np.asarray(value) if isinstance(value, LazyArray) else value for value in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __reduce__(self) -> tuple[Callable[..., LazyArray], tuple[Any, ...]]:
        """Return what another process needs to read the same files from the same store."""
        whole = self._assembly
        return _restore, (
            whole.store,
            self._registry_id,
            whole.resolution,
            dict(whole.blake3_by_sha256),
            whole.kind.calibration_type,
        )

    def _read(self, gain_ranges: range | list[int], panels: range | list[int]) -> NDArray[Any]:
        """Return the verified parts of gain ranges and panels, both ascending and each once."""
        self._assembly.store.refuse_other_registry(self._registry_id)
        places = self._assembly.resolution.panels
        chosen = replace(self._assembly, slots=tuple(places[index] for index in panels))
        array = np.empty((len(gain_ranges), len(panels), *self.shape[2:]), self.dtype)
        with name_missing_in([chosen], gain_ranges):
            parallel_for_each(
                lambda read: read(), chosen.build_read_tasks(array, gain_ranges), chosen.store.threads
            )
        return array


def build_lazy_arrays(
    resolution: Resolution, store: ContentStore, blake3_by_sha256: Mapping[str, str], registry_id: str
) -> dict[str, LazyArray]:
    """Return the arrays of a resolution by calibration type, not read yet."""
    assemblies = build_assemblies(resolution, store, blake3_by_sha256)
    return {assembly.kind.calibration_type: LazyArray(assembly, registry_id) for assembly in assemblies}


def _restore(
    store: ContentStore, registry_id: str, resolution: Resolution, blake3s: Mapping[str, str], name: str
) -> LazyArray:
    return build_lazy_arrays(resolution, store, blake3s, registry_id)[name]


def _expand_key(key: Any, axes: int) -> list[Any] | None:
    """Return the key of every axis; None where a key is not of one axis."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(
        part is None or np.ndim(part) > 1 or _is_flag(part) for part in keys if not isinstance(part, slice)
    ):
        return None
    places = [place for place, part in enumerate(keys) if part is Ellipsis]
    if len(keys) - len(places) > axes or len(places) > 1:
        raise IndexError(f"an index of a lazy array has at most {axes} axes and one '...'")
    place = places[0] if places else len(keys)
    missing = axes - len(keys) + len(places)
    return [*keys[:place], *[slice(None)] * missing, *keys[place + 1 :]]


def _is_flag(part: Any) -> bool:
    return isinstance(part, bool | np.bool_)


def _find_indices(key: Any, length: int, axis: str) -> tuple[range | list[int], Any]:
    """Return the indices that a key selects, ascending and each once; and the key of the same ones among these."""
    if isinstance(key, slice):
        selected = range(length)[key]
        return (selected, slice(None)) if selected.step > 0 else (selected[::-1], slice(None, None, -1))
    wanted = np.asarray(key)
    if wanted.dtype == bool:
        if len(wanted) != length:
            raise IndexError(f"a mask of {len(wanted)} does not fit {length} along the axis {axis}")
        wanted = np.flatnonzero(wanted)
    if wanted.size == 0:
        return [], np.empty(wanted.shape, int)
    if wanted.dtype.kind not in "iu":
        raise IndexError(f"{key!r} is not an index along the axis {axis}")
    if wanted.min() < -length or wanted.max() >= length:
        raise IndexError(f"{key!r} is out of bounds for the axis {axis} of length {length}")
    indices, places = np.unique(np.where(wanted < 0, wanted + length, wanted), return_inverse=True)
    numbers = [int(index) for index in indices]
    return numbers, (int(places.item()) if wanted.ndim == 0 else places.reshape(wanted.shape))

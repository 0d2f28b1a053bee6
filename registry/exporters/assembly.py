"""A detector's array from its panels' files, which are verified while they are read.

The payload of the array is the payloads of the files, by gain range and then by panel.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, cycle, product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from registry import detectors
from registry.detectors import DetectorType, Kind
from registry.errors import DocumentError
from registry.exporters.missing_inputs import Input, name_missing_inputs
from registry.npy_headers import is_npy_header_of
from registry.parallel import map_in_threads, parallel_for_each
from registry.provenance.document import InputConstants, InputPanel, Output, Resolution
from registry.records import FileUse
from registry.store import ContentStore, name_use_in_errors

if TYPE_CHECKING:
    # Imported where it is used: an export that copies the bytes of files needs none of it.
    from numpy.typing import NDArray


class Part(Struct, frozen=True):
    """One panel's array of one gain range, verified; ``panel`` is its index in the whole.

    Attributes
    ----------
    payload
        The bytes of the array, as they are in its file.
    start
        What precedes the payload in its file, empty for the zeros of an absent panel.
    dtype, shape
        Of the array: (row, column).
    """

    gain_range: int
    panel: int
    payload: memoryview
    start: bytes
    dtype: str
    shape: tuple[int, ...]

    @property
    def array(self) -> NDArray[Any]:
        """The array, which is not copied."""
        import numpy as np

        return np.frombuffer(self.payload, self.dtype).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Assembly:
    """An array that can be read: of one kind, shape (gain range, panel, row, column).

    Attributes
    ----------
    blake3_by_sha256
        The digests to verify the files by; a file without one is verified by its SHA-256.
    read_ahead
        Whether a thread reads the next part while one is used; several do in any case where the store is far.
    simultaneous
        How many arrays are read at the same time: they share the requests of a store that is far.
    slots
        The panels along the second axis, None for an absent one, whose values are zeros; by default all in order.
    """

    detector: DetectorType
    kind: Kind
    resolution: Resolution
    store: ContentStore
    blake3_by_sha256: Mapping[str, str] = field(default_factory=dict)
    read_ahead: bool = True
    simultaneous: int = 1
    slots: tuple[InputPanel | None, ...] | None = None

    @property
    def _places(self) -> tuple[InputPanel | None, ...]:
        return self.resolution.panels if self.slots is None else self.slots

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the array."""
        return self.detector.array_shape(len(self._places))

    @property
    def size(self) -> int:
        """The size of the payload in bytes."""
        return math.prod(self.shape) * self.kind.item_size

    @property
    def part_size(self) -> int:
        """The size of the payload of a part in bytes."""
        return math.prod(self.shape[2:]) * self.kind.item_size

    @property
    def part_count(self) -> int:
        """The number of its parts."""
        return self.detector.gain_ranges * len(self._places)

    def find_constants(self, panel: InputPanel) -> InputConstants:
        """Return a panel's constants of the kind; refuse a document in which they lack a file."""
        for constants in panel.constants:
            if constants.kind == self.kind.name and len(constants.files) == self.detector.gain_ranges:
                return constants
        raise DocumentError(
            f"panel {panel.panel} does not have one file of {self.kind.name} per gain range",
            panel=panel.panel,
        )

    def read_parts(self, gain_ranges: Container[int] | None = None) -> Iterator[Part]:
        """Yield the verified parts in the order of the array, or only those of some gain ranges.

        Use a part before asking for the next one, which may overwrite it.

        Raises
        ------
        CorruptionError
            A file is missing or damaged; object, panel and version are named.
        """
        # Where answers are waited for, several parts are asked for at once, whatever the processors do.
        requests = self.store.requests
        threads = max(1, requests // self.simultaneous) if requests > 1 else int(self.read_ahead)
        buffers = cycle([memoryview(bytearray(self.part_size)) for _ in range(1 + threads)])
        tasks = zip(self._part_indices(gain_ranges), buffers, strict=False)
        return map_in_threads(self._read_part, tasks, threads) if threads else map(self._read_part, tasks)

    def build_read_tasks(
        self, whole: NDArray[Any], gain_ranges: Container[int] | None = None
    ) -> Iterator[Callable[[], Part]]:
        """Yield one function per part that reads and verifies it in its place in the array of these gain ranges."""
        buffers = map(_as_bytes, whole.reshape(-1, *self.shape[2:]))
        indices = self._part_indices(gain_ranges)
        return (partial(self._read_part, task) for task in zip(indices, buffers, strict=True))

    def build_part_tasks(self, use: Callable[[int, Part], object]) -> Iterator[Callable[[], object]]:
        """Yield one function per part that reads and verifies it, and calls `use` with its place and the part.

        A part is overwritten by the next one of the same thread: a buffer for each part would take longer to get from
        the system than the part to read.
        """
        buffers = threading.local()

        def read(place: int, indices: tuple[int, int]) -> object:
            if not hasattr(buffers, "own"):
                buffers.own = memoryview(bytearray(self.part_size))
            return use(place, self._read_part((indices, buffers.own)))

        return (partial(read, place, indices) for place, indices in enumerate(self._part_indices()))

    def list_files(self) -> Iterator[str | None]:
        """Yield the SHA-256 of the file of each part in the order of the array, None for zeros."""
        for gain_range, index in self._part_indices():
            panel = self._places[index]
            yield None if panel is None else self.find_constants(panel).files[gain_range].sha256

    def list_inputs(self, gain_ranges: Container[int] | None = None) -> Iterator[Input]:
        """Yield the files of the parts, with their uses."""
        for gain_range, index in self._part_indices(gain_ranges):
            panel = self._places[index]
            if panel is not None:
                constants = self.find_constants(panel)
                file = constants.files[gain_range]
                use = FileUse(constants.kind, file.gain_range, panel.panel, constants.version)
                yield file.sha256, file.size, use

    def _part_indices(self, gain_ranges: Container[int] | None = None) -> Iterator[tuple[int, int]]:
        known = range(self.detector.gain_ranges)
        wanted = known if gain_ranges is None else [number for number in known if number in gain_ranges]
        return product(wanted, range(len(self._places)))

    def _read_part(self, task: tuple[tuple[int, int], memoryview]) -> Part:
        """Read one file's payload straight into its buffer."""
        (gain_range, index), buffer = task
        panel, dtype, shape = self._places[index], self.kind.dtype, self.detector.panel_shape
        if panel is None:
            buffer[:] = bytes(len(buffer))
            return Part(gain_range, index, buffer, b"", dtype, shape)
        constants = self.find_constants(panel)
        file = constants.files[gain_range]
        blake3 = self.blake3_by_sha256.get(file.sha256)
        with name_use_in_errors(constants.kind, file.gain_range, panel.panel, constants.version):
            header = self.store.read_into(file.sha256, file.size, buffer, blake3)
        # The payload is in the buffer if the header is that of a file of this size.
        if len(header) + len(buffer) != file.size or not is_npy_header_of(header, shape, dtype):
            from registry.arrays import find_payload_start

            find_payload_start(header, file.size, self.store.locate(file.sha256), shape, dtype)
        return Part(gain_range, index, buffer, header, dtype, shape)

    def describe_output(
        self, path: str | None = None, sha256: str | None = None, size: int | None = None
    ) -> Output:
        """Return the array as the provenance document describes it."""
        return Output(
            type=self.kind.calibration_type,
            kind=self.kind.name,
            unit=self.kind.unit,
            shape=self.shape,
            dtype=self.kind.dtype_name,
            path=path,
            sha256=sha256,
            size=size,
        )


def _as_bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view("u1").data


def read_arrays(assemblies: Sequence[Assembly]) -> dict[str, NDArray[Any]]:
    """Return the whole arrays by calibration type, verified as by `Assembly.read_parts`, on all processors.

    Raises
    ------
    CorruptionError
        Files are missing or damaged: every one is named.
    """
    import numpy as np

    arrays = [np.empty(assembly.shape, assembly.kind.dtype) for assembly in assemblies]
    tasks = map(Assembly.build_read_tasks, assemblies, arrays)
    with name_missing_in(assemblies):
        threads = max((assembly.store.threads for assembly in assemblies), default=1)
        parallel_for_each(lambda read: read(), chain.from_iterable(tasks), threads)
    names = [assembly.kind.calibration_type for assembly in assemblies]
    return dict(zip(names, arrays, strict=True))


@contextmanager
def name_missing_in(
    assemblies: Sequence[Assembly], gain_ranges: Container[int] | None = None
) -> Iterator[None]:
    """Name every file of the arrays that cannot be read, where one of them is needed and cannot."""

    def list_inputs() -> Iterator[Input]:
        return chain.from_iterable(assembly.list_inputs(gain_ranges) for assembly in assemblies)

    if not assemblies:
        yield
        return
    with name_missing_inputs(assemblies[0].store, list_inputs):
        yield


def build_assemblies(
    resolution: Resolution,
    store: ContentStore,
    blake3_by_sha256: Mapping[str, str] = MappingProxyType({}),
    slots: tuple[InputPanel | None, ...] | None = None,
) -> list[Assembly]:
    """Return the arrays of a resolution, not read yet; without `slots`, its panels are in their order."""
    detector = detectors.find_detector_type(resolution.detector_type)
    return [
        Assembly(
            detector,
            detector.find_kind_of_type(name),
            resolution,
            store,
            blake3_by_sha256,
            slots=slots,
        )
        for name in resolution.types
    ]

"""A detector's array from its panels' files: every file verified while it is read, in the order of the array.

The payloads of the files, by gain range and then by panel, are the payload of the array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, cycle, product
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import detectors
from registry.arrays import find_payload_start
from registry.detectors import DetectorType, Kind
from registry.errors import DocumentError
from registry.parallel import map_in_threads, parallel_for_each
from registry.provenance.document import InputConstants, InputPanel, Output, Resolution
from registry.store import ContentStore, name_use_in_errors


@dataclass(frozen=True, slots=True)
class Part:
    """One panel's array of one gain range, verified: shape (row, column)."""

    gain_range: int
    panel: int
    array: NDArray[Any]

    @property
    def payload(self) -> memoryview:
        """The bytes of the array, as they are in its file."""
        return _as_bytes(self.array)


@dataclass(frozen=True, slots=True)
class Assembly:
    """One array to be made: of one kind, shape (gain range, panel, row, column).

    ``ahead`` says whether a thread reads the next part while one is used. ``blake3s``, by SHA-256, are the digests by
    which files are verified; SHA-256 is where there is none.
    """

    detector: DetectorType
    kind: Kind
    resolution: Resolution
    store: ContentStore
    blake3_by_sha256: Mapping[str, str] = field(default_factory=dict)
    read_ahead: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the array."""
        return self.detector.array_shape(len(self.resolution.panels))

    @property
    def file_count(self) -> int:
        """How many files it is made from."""
        return self.detector.gain_ranges * len(self.resolution.panels)

    def find_constants(self, panel: InputPanel) -> InputConstants:
        """Return the constants of the kind that answered for a panel.

        Raises
        ------
        DocumentError
            It has none, or not a file for every gain range.
        """
        for constants in panel.constants:
            if constants.kind == self.kind.name and len(constants.files) == self.detector.gain_ranges:
                return constants
        raise DocumentError(f"panel {panel.panel} has no whole set of files of {self.kind.name}")

    def read_parts(self) -> Iterator[Part]:
        """Yield the parts in the order of the array, each verified.

        A part is to be used before the next one is asked for, which takes its room.

        Raises
        ------
        CorruptionError
            A file is missing or its bytes are others; object, panel and version are named.
        """
        rooms = cycle([np.empty(self.shape[2:], self.kind.dtype) for _ in range(1 + self.read_ahead)])
        tasks = zip(self._part_indices(), rooms, strict=False)
        return (
            map_in_threads(self._read_part, tasks, threads=1)
            if self.read_ahead
            else map(self._read_part, tasks)
        )

    def build_read_tasks(self, whole: NDArray[Any]) -> Iterator[Callable[[], Part]]:
        """Yield a call for every part, which reads it into its place in the whole array, verified."""
        rooms = whole.reshape(-1, *self.shape[2:])
        return (partial(self._read_part, task) for task in zip(self._part_indices(), rooms, strict=True))

    def _part_indices(self) -> Iterator[tuple[int, InputPanel]]:
        return product(range(self.detector.gain_ranges), self.resolution.panels)

    def _read_part(self, task: tuple[tuple[int, InputPanel], NDArray[Any]]) -> Part:
        """Read one file's payload straight into its room."""
        (gain_range, panel), room = task
        constants = self.find_constants(panel)
        file = constants.files[gain_range]
        with name_use_in_errors(constants.kind, file.gain_range, panel.panel, constants.version):
            header = self.store.read_into(
                file.sha256, file.size, _as_bytes(room), self.blake3_by_sha256.get(file.sha256)
            )
        # A file of this size whose header fits has its payload in the room.
        find_payload_start(
            header, file.size, self.store.object_path(file.sha256), room.shape, self.kind.dtype
        )
        return Part(gain_range, panel.position, room)

    def describe_output(
        self, path: str | None = None, sha256: str | None = None, size: int | None = None
    ) -> Output:
        """Return what the provenance document says of the array."""
        return Output(
            type=self.kind.calibration_type,
            kind=self.kind.name,
            unit=self.kind.unit,
            shape=self.shape,
            dtype=np.dtype(self.kind.dtype).name,
            path=path,
            sha256=sha256,
            size=size,
        )


def _as_bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def read_arrays(assemblies: Sequence[Assembly]) -> dict[str, NDArray[Any]]:
    """Return the whole arrays in memory, by calibration type; all processors read.

    Raises
    ------
    CorruptionError
        As `Assembly.parts`.
    """
    wholes = {each.kind.calibration_type: np.empty(each.shape, each.kind.dtype) for each in assemblies}
    readings = chain.from_iterable(
        each.build_read_tasks(whole) for each, whole in zip(assemblies, wholes.values(), strict=True)
    )
    parallel_for_each(lambda read: read(), readings)
    return wholes


def build_assemblies(
    resolution: Resolution, store: ContentStore, blake3_by_sha256: Mapping[str, str] = MappingProxyType({})
) -> list[Assembly]:
    """Return the arrays that the resolution speaks of, not made yet; the database may know BLAKE3s of their files."""
    detector = detectors.find_detector_type(resolution.detector_type)
    return [
        Assembly(detector, detector.find_kind_of_type(name), resolution, store, blake3_by_sha256)
        for name in resolution.types
    ]

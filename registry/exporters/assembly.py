"""A detector's array from its panels' files: every file verified while it is read, in the order of the array.

The payloads of the files, by gain range and then by panel, are the payload of the array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import detectors
from registry.arrays import parse_array
from registry.detectors import DetectorType, Kind
from registry.errors import CorruptionError, DocumentError
from registry.provenance.document import InputConstants, InputFile, InputPanel, Output, Resolution
from registry.store import ContentStore


@dataclass(frozen=True, slots=True)
class Part:
    """One panel's array of one gain range, verified: shape (row, column)."""

    gain_range: int
    panel: int
    array: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Assembly:
    """One array to be made: of one kind, shape (gain range, panel, row, column)."""

    detector: DetectorType
    kind: Kind
    resolution: Resolution
    store: ContentStore

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the array."""
        return self.detector.array_shape(len(self.resolution.panels))

    @property
    def files(self) -> int:
        """How many files it is made from."""
        return self.detector.gain_ranges * len(self.resolution.panels)

    def parts(self) -> Iterator[Part]:
        """Read the parts in the order of the array, computing each file's checksum on the way.

        Raises
        ------
        CorruptionError
            A file is missing or its bytes are others; object, panel and version are named.
        """
        for gain_range in range(self.detector.gain_ranges):
            for panel in self.resolution.panels:
                constants = self._constants(panel)
                file = constants.files[gain_range]
                yield Part(gain_range, panel.position, self._read(panel, constants, file))

    def _constants(self, panel: InputPanel) -> InputConstants:
        for constants in panel.constants:
            if constants.kind == self.kind.name and len(constants.files) == self.detector.gain_ranges:
                return constants
        raise DocumentError(f"panel {panel.panel} has no whole set of files of {self.kind.name}")

    def _read(self, panel: InputPanel, constants: InputConstants, file: InputFile) -> NDArray[Any]:
        try:
            content = self.store.read(file.sha256, file.size)
        except CorruptionError as error:
            raise CorruptionError(
                f"{error}; it is {constants.kind} of gain range {file.gain_range} of panel {panel.panel},"
                f" version {constants.version}",
                **error.values,
                panel=panel.panel,
                version=constants.version,
            ) from None
        return parse_array(content, self.store.path(file.sha256), self.detector.panel_shape, self.kind.dtype)

    def array(self) -> NDArray[Any]:
        """Return the whole array in memory."""
        whole = np.empty(self.shape, np.dtype(self.kind.dtype))
        for part in self.parts():
            whole[part.gain_range, part.panel] = part.array
        return whole

    def output(self, path: str | None = None, sha256: str | None = None, size: int | None = None) -> Output:
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


def assemblies(resolution: Resolution, store: ContentStore) -> list[Assembly]:
    """Return the arrays that the resolution speaks of, not made yet."""
    detector = detectors.detector_type(resolution.detector_type)
    return [Assembly(detector, detector.kind_of_type(name), resolution, store) for name in resolution.types]

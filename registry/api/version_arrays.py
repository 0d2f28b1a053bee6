"""The arrays of one version in memory: by gain range, with the version that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.api.array_questions import resolve_version_constants
from registry.api.backend import Backend
from registry.exporters.assembly import build_assemblies, read_arrays
from registry.lookup.revisions import AsOf
from registry.records import Version
from registry.records.display import clip, render_rows


@dataclass(frozen=True, slots=True, repr=False)
class VersionArrays:
    """The arrays of a version: ``array`` has the shape (gain range, row, column), ``arrays[0]`` is of gain range 0.

    Attributes
    ----------
    version
        The version, which may have been withdrawn.
    array
        float32, uint64 for ``status``; an array of numpy, also where the whole is passed to numpy.
    unit
        Of the values: ADU/keV of ``gain``, ADU of ``offset``, ``pedestals`` and ``rms``, 1 of ``status``.
    warnings
        That the version was withdrawn, and that values were allowed that cannot be.
    """

    version: Version
    array: NDArray[Any]
    unit: str
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape: (gain range, row, column)."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.array)

    def __getitem__(self, key: Any) -> Any:
        return self.array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype, copy=copy)

    def __repr__(self) -> str:
        lines = [f"<VersionArrays: {self._title()}", f" {self.shape} {self.dtype} {self.unit}"]
        return "\n".join((*lines, *(f" {clip(warning)}" for warning in self.warnings))) + ">"

    def _repr_html_(self) -> str:
        ranges = [(number, array.shape, array.dtype, self.unit) for number, array in enumerate(self.array)]
        facts = render_rows(self._title(), ("gain range", "shape", "dtype", "unit"), ranges)
        return facts + (
            render_rows("warnings", (), [(text,) for text in self.warnings]) if self.warnings else ""
        )

    def _title(self) -> str:
        version = self.version
        alias = f" ({version.alias})" if version.alias else ""
        return (
            f"version {version.version}: {version.kind} of {version.panel}{alias} from {version.valid_from}"
        )


def read_version_arrays(backend: Backend, number: int, as_of: AsOf) -> VersionArrays:
    """Return the verified arrays of a version; see `Versions.arrays`."""
    facts = backend.answer(resolve_version_constants, number, as_of=as_of)
    version = facts.version
    (assembly,) = build_assemblies(facts.resolution, backend.store)
    array = read_arrays([assembly])[assembly.kind.calibration_type][:, 0]
    return VersionArrays(version, array, assembly.kind.unit, tuple(_list_warnings(version)))


def _list_warnings(version: Version) -> Iterator[str]:
    name = f"version {version.version}"
    if version.withdrawn_in is not None:
        yield f"{name} was withdrawn in revision {version.withdrawn_in}: it is not valid at any time"
    if version.odd_allowed:
        yield f"{name} has values that cannot be, as was allowed"
    if version.nonfinite_allowed:
        yield f"{name} may have values that are NaN or infinite, as was allowed"

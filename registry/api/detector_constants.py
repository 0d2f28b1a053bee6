"""A detector's constants in memory: arrays by calibration type, with their provenance document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from numpy.typing import NDArray

from registry.exporters import labels
from registry.exporters.lazy_arrays import LazyArray
from registry.extras import import_extra
from registry.identifiers import format_count, split_detector_id
from registry.provenance import Document, encode
from registry.records.display import clip, render_rows

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr


class _Array(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...


_AnyArray = TypeVar("_AnyArray", bound=_Array)


@dataclass(frozen=True, slots=True, repr=False)
class _Constants(Mapping[str, _AnyArray], Generic[_AnyArray]):
    """A mapping of calibration types to arrays of shape (gain range, panel, row, column), and what explains them."""

    arrays: Mapping[str, _AnyArray]
    provenance: Document
    warnings: tuple[str, ...] = ()

    def __getitem__(self, calibration_type: str) -> _AnyArray:
        try:
            return self.arrays[calibration_type]
        except KeyError:
            raise KeyError(f"there is no {calibration_type!r}; known: {', '.join(self.arrays)}") from None

    @property
    def segments(self) -> tuple[int, ...] | None:
        """The segment numbers of the panels, in their order in the arrays; None if they are not known."""
        return self.provenance.resolution.segments

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        lines = [" ".join((f" {name:<13}", *map(str, facts))) for name, *facts in self._describe_arrays()]
        return "\n".join((f"<{type(self).__name__}: {self._title()}", *lines)) + ">"

    def _repr_html_(self) -> str:
        arrays = render_rows(self._title(), ("array", "shape", "dtype", "unit"), self._describe_arrays())
        return arrays + self.provenance._repr_html_()

    def _title(self) -> str:
        document = self.provenance
        target = clip(document.request.target)
        if document.request.panels:
            whole = len(split_detector_id(document.resolution.detector_id))
            target += f", {len(document.resolution.panels)} of {format_count(whole, 'panel')},"
        return f"{target} at {document.resolution.instant}, {document.registry.revision_label}"

    def _describe_arrays(self) -> list[tuple[str, object, object, str]]:
        units = {output.type: output.unit for output in self.provenance.outputs}
        return [(name, array.shape, array.dtype, units[name]) for name, array in self.arrays.items()]

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays, not copied, with their axes named and the panels' Ids beside them.

        Returns
        -------
        xarray.Dataset
            A variable for each calibration type, with dimensions (gain_range, panel, row, column) and attributes
            ``long_name``, ``units`` (of the CF conventions, in which an ADU is a ``count``), ``unit`` (``ADU/keV``) and
            ``kind``. Coordinates: ``gain_range``, ``panel`` (the panel Ids in segment order),
            ``alias`` (their M-numbers, empty where a panel has none) and, if they are known, ``segment`` (their
            segment numbers). Attributes, texts and integers: the detector, instant, registry and revision with its
            seal, and the whole ``provenance`` document as JSON. An export in the format hdf5 has the same.

        Raises
        ------
        UnavailableError
            xarray is not installed, or cannot be imported.
        """
        xarray = import_extra("xarray", "xarray", "xarray is not installed")
        document = self.provenance
        variables = {
            output.type: (labels.AXES, self.arrays[output.type], labels.describe_array(output))
            for output in document.outputs
        }
        coordinates = {
            name: (axis, values, {"long_name": labels.COORDINATE_NAMES[name]})
            for name, (axis, values) in labels.build_coordinates(document).items()
        }
        attributes = labels.describe_document(document) | {"provenance": encode(document).decode()}
        return cast("xr.Dataset", xarray.Dataset(variables, coordinates, attributes))


@dataclass(frozen=True, slots=True, repr=False)
class DetectorConstants(_Constants[NDArray[Any]]):
    """A mapping of calibration types to arrays of shape (gain range, panel, row, column).

    Units: ADU/keV for ``pixel_gain``, ADU for ``pixel_offset``, ``pedestals`` and ``pixel_rms``; ``pixel_status``
    consists of flags. ``provenance`` is the document that explains the arrays; ``warnings`` has those in it, and what
    is odd about the database that was asked.
    """


@dataclass(frozen=True, slots=True, repr=False)
class LazyConstants(_Constants[LazyArray]):
    """`DetectorConstants` whose arrays are read when values of them are asked for: see `LazyArray`.

    They are those of the moment of the request, whatever is recorded since. `to_xarray` reads them all.
    """

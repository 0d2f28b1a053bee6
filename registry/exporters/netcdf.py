"""Layout 2 of HDF5 files: that of netCDF-4, which xarray and the tools of netCDF open without being told anything.

Every axis has a dimension scale of its name; those of ``gain_range`` and ``panel`` are their coordinates, those of
``row`` and ``column`` only their lengths. Texts are variable-length UTF-8: the C library of netCDF damages its own
memory where it reads texts of a fixed length. What readers of layout 1 use is kept: ``panels``, the labels of the axes,
and the scale ``panel Id``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from registry.exporters.assembly import Assembly
from registry.exporters.labels import (
    AXES,
    COORDINATE_NAMES,
    build_coordinates,
    describe_array,
    describe_document,
)
from registry.provenance.document import Document, Output

if TYPE_CHECKING:
    import h5py

AXIS_LABELS = ("gain range", "panel", "row", "column")  # as in layout 1
PANEL_SCALE = "panel Id"  # its name in layout 1

WriteValues = Callable[["h5py.Dataset", Assembly], Output]
"""Writes the values of an array into its dataset; returns it as the document in the file describes it."""


def write_datasets(
    file: h5py.File,
    draft: Document,
    assemblies: Sequence[Assembly],
    write_values: WriteValues,
) -> tuple[Output, ...]:
    """Write the coordinates and the arrays, and all attributes of the file but the document."""
    coordinates = build_coordinates(draft)
    file.attrs.update(describe_document(draft))
    scales = _write_coordinates(file, coordinates)
    panels = file.create_dataset("panels", data=coordinates["panel"][1], dtype=_text_type())
    panels.dims[0].attach_scale(scales["panel"])
    if "segment" in coordinates:
        panels.attrs.create("segments", coordinates["segment"][1], dtype="<i4")
    others = " ".join((*(name for name in coordinates if name not in AXES), panels.name.lstrip("/")))
    payloads = []
    for assembly in assemblies:
        dataset = file.create_dataset(assembly.kind.calibration_type, assembly.shape, assembly.kind.dtype)
        dataset.attrs.update({**describe_array(assembly.describe_output()), "coordinates": others})
        for axis, name in enumerate(AXES):
            dataset.dims[axis].label = AXIS_LABELS[axis]
            dataset.dims[axis].attach_scale(scales[name])
        payloads.append(write_values(dataset, assembly))
    return tuple(payloads)


def _write_coordinates(
    file: h5py.File, coordinates: dict[str, tuple[str, list[Any]]]
) -> dict[str, h5py.Dataset]:
    """Write the scales of the axes and the other coordinates; return the scales by axis."""
    scales = {}
    for axis in AXES:
        scales[axis] = _write_coordinate(file, axis, coordinates[axis][1])
        scales[axis].make_scale(PANEL_SCALE if axis == "panel" else axis)
    for name, (axis, values) in coordinates.items():
        if name not in AXES:
            _write_coordinate(file, name, values).dims[0].attach_scale(scales[axis])
    return scales


def _write_coordinate(file: h5py.File, name: str, values: list[Any]) -> h5py.Dataset:
    dataset = file.create_dataset(
        name, data=values, dtype=_text_type() if isinstance(values[0], str) else "<i8"
    )
    dataset.attrs["long_name"] = COORDINATE_NAMES[name]
    return dataset


def _text_type() -> Any:
    import h5py

    return h5py.string_dtype("utf-8")

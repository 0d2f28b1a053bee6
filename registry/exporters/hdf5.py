"""One HDF5 file: a dataset per array, scales of its axes, and the provenance as attribute.

Layout 2, of new exports, is that of netCDF-4 (`netcdf`). Layout 1, of documents from before, has a scale for the panels
alone: their Ids, with the segment numbers, if they are known, as its attribute.

The file contains no times, so one HDF5 library always writes the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from numpy.typing import NDArray

from registry.detectors import DETECTOR_TYPES
from registry.errors import ArrayError
from registry.exporters import netcdf
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.extras import import_extra
from registry.files import sha256_of_file, translate_os_errors
from registry.identifiers import quote
from registry.parallel import Advance
from registry.provenance import encode
from registry.provenance.document import Document, Output

if TYPE_CHECKING:
    import h5py

NAME = "hdf5"
BY_SEGMENT = False
HAS_RUN_RANGE = False
HAS_SHORT_NAME = False
LAYOUT = 2
REQUIRED_PACKAGE = "h5py"

FILE_NAME = "constants.h5"
MAGIC = b"\x89HDF\r\n\x1a\n"
_OVERHEAD_BYTES = 1 << 17  # more than the names and the document need
# Raised by h5py when it reads a damaged file.
_READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def layout(draft: Document) -> Layout:
    """Return the names of the files: one for all arrays."""
    return Layout(arrays=dict.fromkeys(draft.resolution.types, FILE_NAME))


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays; the document inside has the checksums of their payloads."""
    with _writable_path(target) as path, _translate_write_errors():
        _refuse_full_disk(path.parent, assemblies)
        with _create_file(path) as file:
            write_datasets = _write_former_layout if draft.layout == 1 else netcdf.write_datasets
            payloads = write_datasets(file, draft, assemblies, partial(_write_values, advance))
            file.attrs["provenance"] = encode(replace(draft, outputs=payloads)).decode()
        sha256, size = sha256_of_file(path), path.stat().st_size
    return WrittenFiles(tuple(assembly.describe_output(FILE_NAME, sha256, size) for assembly in assemblies))


@contextmanager
def _writable_path(target: Target) -> Iterator[Path]:
    """Yield the path to write to: a temporary one where only the checksum is needed, because HDF5 needs a file."""
    if target.staging is not None:
        yield target.staging / FILE_NAME
        return
    with (
        translate_os_errors("written", subject="a temporary file for HDF5"),
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
    ):
        yield Path(folder) / FILE_NAME


def _create_file(path: Path) -> h5py.File:
    """Create a file of HDF5 1.8, which every reader in use can read; its root has no times, whatever the library is."""
    from h5py import File, h5f, h5p

    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    creation = h5p.create(h5p.FILE_CREATE)
    order = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
    creation.set_link_creation_order(order)
    creation.set_attr_creation_order(order)
    creation.set_obj_track_times(False)  # HDF5 1.14 stores them unless it is told not to
    return File(h5f.create(os.fsencode(path), h5f.ACC_TRUNC, fcpl=creation, fapl=access))


def _refuse_full_disk(folder: Path, assemblies: Sequence[Assembly]) -> None:
    """Refuse a disk that is too full: HDF5 would only notice when it closes the file, and could not report it."""
    needed = sum(assembly.size for assembly in assemblies)
    if shutil.disk_usage(folder).free < needed + _OVERHEAD_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _translate_write_errors() -> Iterator[None]:
    """Turn HDF5's long report on a failed write into the error of the operating system."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        match = re.search(r"errno = ([0-9]+)", str(error))
        if match is None:
            raise
        raise OSError(int(match[1]), os.strerror(int(match[1]))) from None


def _write_former_layout(
    file: h5py.File, draft: Document, assemblies: Sequence[Assembly], write_values: netcdf.WriteValues
) -> tuple[Output, ...]:
    """Write the arrays and the panel Ids as in layout 1."""
    import h5py

    names = [panel.panel for panel in draft.resolution.panels]
    panels = file.create_dataset("panels", data=names, dtype=h5py.string_dtype("ascii", max(map(len, names))))
    panels.make_scale(netcdf.PANEL_SCALE)
    if draft.resolution.segments is not None:
        panels.attrs.create("segments", draft.resolution.segments, dtype="<i4")
    payloads = []
    for assembly in assemblies:
        kind = assembly.kind
        dataset = file.create_dataset(kind.calibration_type, assembly.shape, kind.dtype)
        dataset.attrs["units"] = kind.unit
        for axis, label in enumerate(netcdf.AXIS_LABELS):
            dataset.dims[axis].label = label
        dataset.dims[1].attach_scale(panels)
        payloads.append(write_values(dataset, assembly))
    return tuple(payloads)


def _write_values(advance: Advance, dataset: h5py.Dataset, assembly: Assembly) -> Output:
    """Write the values of an array; return it as the document in the file describes it."""
    digest = hashlib.sha256()
    for part in assembly.read_parts():
        dataset[part.gain_range, part.panel] = part.array
        digest.update(part.payload)
        advance()
    return assembly.describe_output(sha256=digest.hexdigest(), size=dataset.nbytes)


@contextmanager
def open_datasets(path: Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Open a user's file; yield by name its datasets that are named like a calibration type.

    No links are followed, and no data in other files is read.

    Raises
    ------
    ArrayError
        It is not an HDF5 file, or a damaged one.
    UnavailableError
        h5py is not installed.
    """
    h5py = import_extra("h5py", "hdf5", f"{str(path)!r} is HDF5, which needs h5py")
    with ExitStack() as stack:
        with _translate_read_errors(repr(str(path))):
            file = stack.enter_context(h5py.File(path, "r"))
            names = {kind.calibration_type for detector in DETECTOR_TYPES.values() for kind in detector.kinds}
            datasets = {name: file[name] for name in sorted(names) if _is_internal_dataset(file, name)}
        yield datasets


def _is_internal_dataset(file: h5py.File, name: str) -> bool:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        return False
    # Values that were never written would be read as zeros without end.
    start = dataset.id.get_offset()  # None if they are stored in chunks
    return start is not None and start + dataset.nbytes <= file.id.get_filesize()


def read_parts(dataset: h5py.Dataset, name: str) -> Iterator[NDArray[Any]]:
    """Yield the parts (row, column) of an array (gain range, panel, row, column); refuse a damaged one."""
    for gain_range in range(dataset.shape[0]):
        for panel in range(dataset.shape[1]):
            with _translate_read_errors(name):
                part = dataset[gain_range, panel]
            yield part


@contextmanager
def _translate_read_errors(name: str) -> Iterator[None]:
    try:
        yield
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split())
        raise ArrayError(f"{name} is not an HDF5 file that can be read: {quote(reason)}") from None

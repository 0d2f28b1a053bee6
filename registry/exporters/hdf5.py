"""One HDF5 file: a dataset for every array, the panel Ids as the scale of its panel axis, and the provenance inside.

The file says no times of its own, so that the same answer makes the same bytes with the same HDF5 library.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from registry import detectors
from registry.errors import ArrayError, UnavailableError
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.files import translate_os_errors
from registry.identifiers import quote
from registry.parallel import Advance
from registry.provenance import encode
from registry.provenance.document import Document, Output

if TYPE_CHECKING:
    import h5py

NAME = "hdf5"
HAS_RUN_RANGE = False
REQUIRED_PACKAGE = "h5py"

FILE_NAME = "constants.h5"
AXES = ("gain range", "panel", "row", "column")
MAGIC = b"\x89HDF\r\n\x1a\n"
_CHUNK_BYTES = 1 << 20
_OVERHEAD_BYTES = 1 << 16  # in bytes: more than names and the document need
_READ_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
)  # what h5py raises over a damaged file


def layout(draft: Document) -> Layout:
    """Return the names of the files: all arrays are in one."""
    return Layout(arrays=dict.fromkeys(draft.resolution.types, FILE_NAME))


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays; the document inside has the checksums of their payloads, not of the file."""
    import h5py

    with _writable_path(target) as path, _translate_write_errors():
        _refuse_full_disk(path.parent, assemblies)
        # Datasets are laid out as since HDF5 1.8, which every reader in use knows.
        with h5py.File(path, "w", libver=("v108", "v108"), track_order=True) as file:
            panels = _write_panels(file, [panel.panel for panel in draft.resolution.panels])
            held = tuple(_write_array(file, panels, assembly, advance) for assembly in assemblies)
            file.attrs["provenance"] = encode(replace(draft, outputs=held)).decode()
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as written:
            while piece := written.read(_CHUNK_BYTES):
                digest.update(piece)
                size += len(piece)
    sha256 = digest.hexdigest()
    return WrittenFiles(tuple(assembly.describe_output(FILE_NAME, sha256, size) for assembly in assemblies))


@contextmanager
def _writable_path(target: Target) -> Iterator[Path]:
    """Return where to write: HDF5 needs a file, even where only its checksum is wanted.

    Raises
    ------
    UnavailableError
        No temporary file can be written for the latter.
    """
    if target.staging is not None:
        yield target.staging / FILE_NAME
        return
    with (
        translate_os_errors("written", subject="a temporary file for HDF5"),
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
    ):
        yield Path(folder) / FILE_NAME


def _refuse_full_disk(folder: Path, assemblies: Sequence[Assembly]) -> None:
    """Refuse a disk that is too full before HDF5 finds out when it closes the file, which it can only complain of."""
    needed = sum(math.prod(each.shape) * np.dtype(each.kind.dtype).itemsize for each in assemblies)
    if shutil.disk_usage(folder).free < needed + _OVERHEAD_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _translate_write_errors() -> Iterator[None]:
    """Turn what HDF5 tells of a failed write, at length, into what the system said."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        found = re.search(r"errno = ([0-9]+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from None


def _write_panels(file: h5py.File, panels: list[str]) -> h5py.Dataset:
    import h5py

    longest = max(map(len, panels))
    scale = file.create_dataset("panels", data=panels, dtype=h5py.string_dtype("ascii", longest))
    scale.make_scale("panel Id")
    return scale


def _write_array(file: h5py.File, panels: h5py.Dataset, assembly: Assembly, advance: Advance) -> Output:
    """Write one array and return what the document in the file says of it."""
    kind = assembly.kind
    dataset = file.create_dataset(kind.calibration_type, assembly.shape, kind.dtype)
    dataset.attrs["units"] = kind.unit
    for axis, label in enumerate(AXES):
        dataset.dims[axis].label = label
    dataset.dims[1].attach_scale(panels)
    digest = hashlib.sha256()
    for part in assembly.read_parts():
        dataset[part.gain_range, part.panel] = part.array
        digest.update(part.payload)
        advance()
    return assembly.describe_output(sha256=digest.hexdigest(), size=dataset.nbytes)


@contextmanager
def open_datasets(path: Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Open a file from anywhere; return its arrays that bear the name of a calibration type.

    Only what lies in the file itself is read: no links, no data in other files.

    Raises
    ------
    ArrayError
        It is no HDF5 file, or a damaged one.
    UnavailableError
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise UnavailableError(
            f"{str(path)!r} is HDF5, which needs h5py: pip install 'calreg[hdf5]'"
        ) from None
    with _translate_read_errors(repr(str(path))):
        file = h5py.File(path, "r")
    with file:
        with _translate_read_errors(repr(str(path))):
            names = {
                kind.calibration_type for each in detectors.DETECTOR_TYPES.values() for kind in each.kinds
            }
            found = {name: file[name] for name in sorted(names) if _is_internal_dataset(file, name)}
        yield found


def _is_internal_dataset(file: h5py.File, name: str) -> bool:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    held = file[name]
    return (
        isinstance(held, h5py.Dataset)
        and not (held.is_virtual or held.external)
        and _is_stored_whole(file, held)
    )


def _is_stored_whole(file: h5py.File, dataset: h5py.Dataset) -> bool:
    """Tell whether the values lie in the file in one piece: what was never written has no end of zeros."""
    start = dataset.id.get_offset()  # None too where they lie in chunks
    return start is not None and start + dataset.nbytes <= file.id.get_filesize()


def read_parts(dataset: h5py.Dataset, name: str) -> Iterator[NDArray[Any]]:
    """Read an array (gain range, panel, row, column) by its last two axes.

    Raises
    ------
    ArrayError
        It cannot be read.
    """
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
        raise ArrayError(f"{name} is no HDF5 file that can be read: {quote(reason)}") from None

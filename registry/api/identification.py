"""Identify a file by its checksum, or by the values of the panels in it."""

from __future__ import annotations

from pathlib import Path

from registry.api.backend import Backend
from registry.errors import NotFoundError
from registry.exporters.detection import detect_arrays
from registry.exporters.panel_checksums import compute_npy_checksums
from registry.files import sha256_of_file
from registry.lookup import stored_files
from registry.lookup.revisions import AsOf
from registry.records import IdentifiedPart, Identity


def identify(backend: Backend, path: Path, as_of: AsOf) -> Identity:
    """Return what the registry knows of the file; see `Registry.identify`."""
    sha256 = sha256_of_file(path)
    with backend.read_transaction(as_of) as view:
        revision = view.revision
        inputs = tuple(stored_files.list_inputs_with_file(view.connection, sha256, revision))
        recorded = stored_files.list_exports_with_file(view.connection, sha256)
        converted = tuple(stored_files.list_versions_converted_from(view.connection, sha256, revision))
    exports = tuple(export for export in recorded if export.revision <= revision)
    if inputs or exports or converted:
        return Identity(str(path), sha256, inputs, exports, converted)
    parts = _identify_parts(backend, path, revision)
    if not any(part.inputs for part in parts):
        addition = ", and no panel of the array in it is registered" if parts else ""
        raise NotFoundError(
            f"{str(path)!r} (sha256 {sha256}) is neither a registered file nor a recorded export{addition}",
            sha256=sha256,
            parts=len(parts),
        )
    return Identity(str(path), sha256, (), (), parts=parts)


def _identify_parts(backend: Backend, path: Path, revision: int) -> tuple[IdentifiedPart, ...]:
    with detect_arrays(path) as arrays:  # no transaction is open while a large file is read
        parts = [
            (array.name, *divmod(index, array.shape[1]), tuple(compute_npy_checksums(part)))
            for array in arrays
            for index, part in enumerate(array.parts)
        ]
    with backend.read_transaction(revision) as view:
        inputs = {
            sha256: stored_files.list_inputs_with_file(view.connection, sha256, revision)
            for sha256 in dict.fromkeys(sha256 for *_, checksums in parts for sha256 in checksums)
        }
    return tuple(
        IdentifiedPart(
            name, gain_range, position, tuple(version for sha256 in checksums for version in inputs[sha256])
        )
        for name, gain_range, position, checksums in parts
    )

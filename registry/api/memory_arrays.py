"""The arrays of a run or a detector in memory, with their provenance."""

from __future__ import annotations

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.api.detector_constants import DetectorConstants, LazyConstants
from registry.api.exports import Draft, ExportRequest, draft_document
from registry.authorship import build_signature
from registry.cache import find_cache
from registry.errors import RequestError
from registry.exporters.assembly import build_assemblies, read_arrays
from registry.exporters.lazy_arrays import build_lazy_arrays
from registry.exporters.shared_arrays import find_verification, read_shared_arrays
from registry.provenance import Document


def assemble_constants(backend: Backend, request: ExportRequest) -> DetectorConstants:
    """Return the arrays in memory; see `Registry.constants`."""
    document, drafted = _describe_constants(backend, request)
    assemblies = build_assemblies(document.resolution, backend.store, drafted.blake3s)
    return DetectorConstants(read_arrays(assemblies), document, (*document.warnings, *drafted.warnings))


def find_constants(backend: Backend, request: ExportRequest) -> LazyConstants:
    """Return the arrays, not read yet; see `Registry.constants`."""
    document, drafted = _describe_constants(backend, request)
    arrays = build_lazy_arrays(document.resolution, backend.store, drafted.blake3s, document.registry.id)
    return LazyConstants(arrays, document, (*document.warnings, *drafted.warnings))


def share_constants(
    backend: Backend, request: ExportRequest, verify: str, *, shared: bool = True, lazy: bool = False
) -> DetectorConstants:
    """Return the arrays that the processes of this machine share; see `Registry.constants`."""
    verification = find_verification(verify)
    if not shared:
        raise RequestError("verify: only arrays that are shared may be verified once", parameter="verify")
    if lazy:
        raise RequestError(
            "lazy: arrays that are shared are assembled whole, by one process for all; leave one of the two out",
            parameter="lazy",
        )
    document, drafted = _describe_constants(backend, request)
    assemblies = build_assemblies(document.resolution, backend.store, drafted.blake3s)
    arrays, problem = read_shared_arrays(assemblies, find_cache(), verification)
    notes = [] if problem is None else [f"the arrays are not shared with other processes: {problem}"]
    return DetectorConstants(arrays, document, (*document.warnings, *drafted.warnings, *notes))


def _describe_constants(backend: Backend, request: ExportRequest) -> tuple[Document, Draft]:
    """Return the document of arrays in memory, and what else is needed to read them."""
    drafted = draft_document(backend, request, None, build_signature())
    draft = drafted.document
    assemblies = build_assemblies(draft.resolution, backend.store)
    return replace(draft, outputs=tuple(assembly.describe_output() for assembly in assemblies)), drafted

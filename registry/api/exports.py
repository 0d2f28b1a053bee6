"""Arrays for a run or a detector: in memory or in files, each with its provenance."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from registry import instants
from registry.api.backend import Backend
from registry.api.detector_constants import DetectorConstants
from registry.authorship import Signature, build_signature, find_working_folder
from registry.errors import ClosedError, RequestError, UnavailableError
from registry.exporters import npy
from registry.exporters.assembly import build_assemblies, read_arrays
from registry.exporters.formats import (
    Format,
    build_exported_file,
    find_format,
    get_software_versions,
    list_formats_with_runs,
    write_files,
)
from registry.exporters.layout import Target
from registry.exporters.publication import publish_outputs
from registry.identifiers import is_dataset, parse_source
from registry.lookup.deployments import deployment_warnings
from registry.lookup.resolution import ArrayRequest, ResolutionResult, resolve
from registry.lookup.revisions import AsOf
from registry.parallel import Progress
from registry.provenance import Document, encode
from registry.provenance.document import Creator, Deployment, RegistryReference, Request, Resolution
from registry.records import Export
from registry.registration.exports import record_export

MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class ExportRequest(ArrayRequest):
    """The arrays to export, as of a revision, in a format and for a range of runs."""

    as_of: AsOf = None
    format: str = npy.NAME
    first_run: int | None = None
    last_run: int | None = None


@dataclass(frozen=True, slots=True)
class _ResolvedExport:
    """The answer, the registry's revision that gave it, for which runs it is read, what software it needs."""

    answer: ResolutionResult
    registry: RegistryReference
    deployment: Deployment | None = None
    warnings: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)


def assemble_constants(backend: Backend, request: ExportRequest) -> DetectorConstants:
    """Return the arrays in memory; see `Registry.constants`."""
    resolved = _resolve(backend, request, None)
    made = build_assemblies(resolved.answer.resolution, backend.store, resolved.answer.blake3s)
    outputs = tuple(assembly.describe_output() for assembly in made)
    return DetectorConstants(
        read_arrays(made),
        replace(_draft_document(request, resolved, build_signature()), outputs=outputs),
    )


def export(
    backend: Backend, request: ExportRequest, folder: Path, progress: Progress, *, force: bool
) -> Export:
    """Write the arrays and their provenance into a folder; see `Registry.export`."""
    made_as = find_format(request.format)
    resolved = _resolve(backend, request, made_as)
    signature = build_signature()
    draft = _draft_document(request, resolved, signature)
    layout = made_as.layout(draft)
    home = folder / layout.folder
    made = build_assemblies(draft.resolution, backend.store, resolved.answer.blake3s)
    with publish_outputs(home, layout.file_names, journals=layout.journals, force=force) as hidden:
        written = write_files(made_as, draft, made, Target(hidden, home), progress)
        document = replace(draft, outputs=written.outputs, companions=written.companions)
        content = encode(document)
        (hidden / layout.document).write_bytes(content)
    path = (home / layout.document).absolute()
    note = _try_record(backend, document, path, hashlib.sha256(content).hexdigest(), signature)
    return Export(
        revision=resolved.registry.revision,
        instant=draft.resolution.instant,
        outputs=tuple(build_exported_file(home, output) for output in written.outputs),
        provenance=str(home / layout.document),
        recorded=note is None,
        notes=() if note is None else (note,),
        warnings=(*draft.warnings, *written.warnings),
    )


def _resolve(backend: Backend, request: ExportRequest, made_as: Format | None) -> _ResolvedExport:
    with_runs = made_as is not None and made_as.HAS_RUN_RANGE
    # With a detector Id the source only tells where the files will be read.
    source = request.source if is_dataset(request.target) or not with_runs else None
    with backend.read_transaction(request.as_of) as view:
        answer = resolve(view.connection, dataclasses.replace(request, source=source), view.revision)
        deployment = _build_deployment(request, answer.resolution, with_runs=with_runs)
        warnings = answer.warnings
        if deployment is not None:
            warnings += tuple(
                deployment_warnings(view.connection, answer.resolution, deployment, view.revision)
            )
    stamp = RegistryReference(backend.database.registry_id, view.revision, answer.recorded_at)
    return _ResolvedExport(
        answer, stamp, deployment, warnings, get_software_versions(made_as) if made_as else {}
    )


def _build_deployment(
    request: ExportRequest, resolution: Resolution, *, with_runs: bool
) -> Deployment | None:
    """Return for which runs the files are, None where the format does not say, or nobody does."""
    if not with_runs:
        if request.first_run is not None or request.last_run is not None:
            raise RequestError(
                f"files of the format {request.format} do not say for which runs they are; those of"
                f" {' and '.join(list_formats_with_runs())} do"
            )
        return None
    first = request.first_run
    if first is None and resolution.run is not None:
        first = resolution.run.run
    source = resolution.configuration.source if resolution.configuration else request.source
    if source is None or first is None:
        return None
    if first < 0 or (request.last_run is not None and request.last_run < first):
        raise RequestError(f"runs {first} to {request.last_run} are no range of runs")
    return Deployment(parse_source(source), first, request.last_run)


def _draft_document(request: ExportRequest, resolved: _ResolvedExport, signature: Signature) -> Document:
    """Return the provenance document as it is before anything is written."""
    import numpy as np
    import sqlalchemy as sa

    return Document(
        format="calreg provenance",
        format_version=1,
        created_at=str(instants.now()),
        created_by=Creator(signature.author, signature.host, signature.command, find_working_folder()),
        software={
            "calreg": signature.software.removeprefix("calreg "),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "sqlalchemy": sa.__version__,
            **resolved.software,
        },
        registry=resolved.registry,
        request=Request(
            target=request.target,
            source=request.source if resolved.answer.resolution.configuration else None,
            at=None if request.at is None else str(request.at),
            as_of=None if request.as_of is None else str(request.as_of),
            types=resolved.answer.resolution.types,
            format=request.format,
        ),
        resolution=resolved.answer.resolution,
        outputs=(),
        warnings=resolved.warnings,
        deployment=resolved.deployment,
    )


def _try_record(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return the note that says why not, where the user may not write."""
    try:
        with backend.database.write_transaction(signature) as change:
            record_export(change, document, path, sha256)
    except (ClosedError, UnavailableError) as error:
        return f"the export is not recorded: {error}"
    return None

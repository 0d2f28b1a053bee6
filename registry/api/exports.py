"""Arrays for a run or a detector: in memory or in files, each with its provenance."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from registry import instants
from registry.api.backend import At, Backend
from registry.api.detector_constants import DetectorConstants
from registry.authorship import Signature, sign, working_folder
from registry.errors import ClosedError, RequestError, UnavailableError
from registry.exporters import npy
from registry.exporters.assembly import arrays, assemblies
from registry.exporters.formats import Format, format_of, make, placed, saying_runs, software_of
from registry.exporters.layout import Target
from registry.exporters.placing import placing
from registry.identifiers import is_dataset, parse_source
from registry.lookup.deployments import outlived
from registry.lookup.resolution import Answer, Question, resolve
from registry.lookup.revisions import AsOf
from registry.progress import Progress
from registry.provenance import Document, encode
from registry.provenance.document import Deployment, Maker, RegistryStamp, Request, Resolution
from registry.records import Export
from registry.registration.exports import record_export

MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked, as it was given."""

    target: str
    source: str | None = None
    at: At | None = None
    types: Sequence[str] | None = None
    as_of: AsOf = None
    format: str = npy.NAME
    first_run: int | None = None
    last_run: int | None = None


@dataclass(frozen=True, slots=True)
class _Resolved:
    """The answer, the registry's revision that gave it, for which runs it is read, what software it needs."""

    answer: Answer
    registry: RegistryStamp
    deployment: Deployment | None = None
    warnings: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)


def constants(backend: Backend, request: ExportRequest) -> DetectorConstants:
    """Return the arrays in memory; see `Registry.constants`."""
    resolved = _resolve(backend, request, None)
    made = assemblies(resolved.answer.resolution, backend.store, resolved.answer.blake3s)
    outputs = tuple(assembly.output() for assembly in made)
    return DetectorConstants(
        arrays(made), replace(_draft(backend, request, resolved, sign()), outputs=outputs)
    )


def export(
    backend: Backend, request: ExportRequest, folder: Path, progress: Progress, *, force: bool
) -> Export:
    """Write the arrays and their provenance into a folder; see `Registry.export`."""
    made_as = format_of(request.format)
    resolved = _resolve(backend, request, made_as)
    signature = sign()
    draft = _draft(backend, request, resolved, signature)
    layout = made_as.layout(draft)
    home = folder / layout.folder
    made = assemblies(draft.resolution, backend.store, resolved.answer.blake3s)
    with placing(home, layout.names, journals=layout.journals, force=force) as hidden:
        written = make(made_as, draft, made, Target(hidden, home), progress)
        document = replace(draft, outputs=written.outputs, companions=written.companions)
        content = encode(document)
        (hidden / layout.document).write_bytes(content)
    path = (home / layout.document).absolute()
    note = _record(backend, document, path, hashlib.sha256(content).hexdigest(), signature)
    return Export(
        revision=resolved.registry.revision,
        instant=draft.resolution.instant,
        outputs=tuple(placed(home, output) for output in written.outputs),
        provenance=str(home / layout.document),
        recorded=note is None,
        notes=() if note is None else (note,),
        warnings=(*draft.warnings, *written.warnings),
    )


def _resolve(backend: Backend, request: ExportRequest, made_as: Format | None) -> _Resolved:
    with_runs = made_as is not None and made_as.SAYS_RUNS
    question = Question(
        target=request.target,
        # Beside a detector Id a source says where the files are read, not which panels are meant.
        source=request.source if is_dataset(request.target) or not with_runs else None,
        at=None if request.at is None else backend.instant(request.at),
        types=tuple(request.types) if request.types else None,
    )
    with backend.view(request.as_of) as view:
        answer = resolve(view.connection, question, view.revision)
        deployment = _deployment(request, answer.resolution, with_runs=with_runs)
        warnings = answer.warnings
        if deployment is not None:
            warnings += tuple(outlived(view.connection, answer.resolution, deployment, view.revision))
    stamp = RegistryStamp(backend.database.registry_id, view.revision, answer.recorded_at)
    return _Resolved(answer, stamp, deployment, warnings, software_of(made_as) if made_as else {})


def _deployment(request: ExportRequest, resolution: Resolution, *, with_runs: bool) -> Deployment | None:
    """Return for which runs the files are, None where the format does not say, or nobody does."""
    if not with_runs:
        if request.first_run is not None or request.last_run is not None:
            raise RequestError(
                f"files of the format {request.format} do not say for which runs they are; those of"
                f" {' and '.join(saying_runs())} do"
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


def _draft(backend: Backend, request: ExportRequest, resolved: _Resolved, signature: Signature) -> Document:
    """Return the provenance document as it is before anything is written."""
    import numpy as np
    import sqlalchemy as sa

    return Document(
        format="calreg provenance",
        format_version=1,
        created_at=str(instants.now()),
        created_by=Maker(signature.author, signature.host, signature.command, working_folder()),
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
            at=None if request.at is None else str(backend.instant(request.at)),
            as_of=None if request.as_of is None else str(request.as_of),
            types=resolved.answer.resolution.types,
            format=request.format,
        ),
        resolution=resolved.answer.resolution,
        outputs=(),
        warnings=resolved.warnings,
        deployment=resolved.deployment,
    )


def _record(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return the note that says why not, where the user may not write."""
    try:
        with backend.database.writing(signature) as change:
            record_export(change, document, path, sha256)
    except (ClosedError, UnavailableError) as error:
        return f"the export is not recorded: {error}"
    return None

"""Arrays for a run or a detector: in memory or in files, each with its provenance."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from registry import instants
from registry.api.backend import At, Backend
from registry.authorship import Signature, sign
from registry.errors import UnavailableError
from registry.exporters import npy
from registry.exporters.assembly import assemblies
from registry.exporters.formats import format_of, placed, write_all
from registry.exporters.placing import placing
from registry.lookup.resolution import Answer, Question, resolve
from registry.lookup.revisions import AsOf, recorded_at
from registry.progress import Progress
from registry.provenance import FILE_NAME, Document, encode
from registry.provenance.document import Maker, Output, RegistryStamp, Request
from registry.records import Export
from registry.registration.exports import record_export

MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class DetectorConstants(Mapping[str, NDArray[Any]]):
    """Assembled arrays by calibration type, each of shape (gain range, panel, row, column).

    ``provenance`` is the document that explains them.
    """

    arrays: Mapping[str, NDArray[Any]]
    provenance: Document

    def __getitem__(self, calibration_type: str) -> NDArray[Any]:
        return self.arrays[calibration_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked, as it was given."""

    target: str
    source: str | None = None
    at: At | None = None
    types: Sequence[str] | None = None
    as_of: AsOf = None
    format: str = npy.NAME


@dataclass(frozen=True, slots=True)
class _Resolved:
    """The answer, and the registry's revision that gave it."""

    answer: Answer
    registry: RegistryStamp


def constants(backend: Backend, request: ExportRequest) -> DetectorConstants:
    """Return the arrays in memory; see `Registry.constants`."""
    resolved = _resolve(backend, request)
    made = assemblies(resolved.answer.resolution, backend.store)
    arrays = {assembly.kind.calibration_type: assembly.array() for assembly in made}
    outputs = [assembly.output() for assembly in made]
    return DetectorConstants(arrays, _document(backend, request, resolved, outputs, sign()))


def export(
    backend: Backend, request: ExportRequest, folder: Path, progress: Progress, *, force: bool
) -> Export:
    """Write the arrays and their provenance into a folder; see `Registry.export`."""
    made_as = format_of(request.format)
    resolved = _resolve(backend, request)
    made = assemblies(resolved.answer.resolution, backend.store)
    names = [made_as.file_name(assembly.kind.calibration_type) for assembly in made]
    with placing(folder, [*names, FILE_NAME], force=force) as hidden:
        outputs = write_all(made_as, made, hidden, progress)
        signature = sign()
        document = _document(backend, request, resolved, outputs, signature)
        content = encode(document)
        (hidden / FILE_NAME).write_bytes(content)
    path = (folder / FILE_NAME).absolute()
    note = _record(backend, document, path, hashlib.sha256(content).hexdigest(), signature)
    return Export(
        revision=resolved.registry.revision,
        instant=resolved.answer.resolution.instant,
        outputs=tuple(placed(folder, output) for output in outputs),
        provenance=str(folder / FILE_NAME),
        recorded=note is None,
        notes=() if note is None else (note,),
        warnings=resolved.answer.warnings,
    )


def _resolve(backend: Backend, request: ExportRequest) -> _Resolved:
    question = Question(
        target=request.target,
        source=request.source,
        at=None if request.at is None else backend.instant(request.at),
        types=tuple(request.types) if request.types else None,
    )
    with backend.view(request.as_of) as view:
        answer = resolve(view.connection, question, view.revision)
        moment = recorded_at(view.connection, view.revision)
    stamp = RegistryStamp(
        backend.database.registry_id, view.revision, None if moment is None else str(moment)
    )
    return _Resolved(answer, stamp)


def _document(
    backend: Backend,
    request: ExportRequest,
    resolved: _Resolved,
    outputs: Sequence[Output],
    signature: Signature,
) -> Document:
    import numpy as np
    import sqlalchemy as sa

    return Document(
        format="calreg provenance",
        format_version=1,
        created_at=str(instants.now()),
        created_by=Maker(signature.author, signature.host, signature.command),
        software={
            "calreg": signature.software.removeprefix("calreg "),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "sqlalchemy": sa.__version__,
        },
        registry=resolved.registry,
        request=Request(
            target=request.target,
            source=request.source,
            at=None if request.at is None else str(backend.instant(request.at)),
            as_of=None if request.as_of is None else str(request.as_of),
            types=resolved.answer.resolution.types,
            format=request.format,
        ),
        resolution=resolved.answer.resolution,
        outputs=tuple(outputs),
        warnings=resolved.answer.warnings,
    )


def _record(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return the note that says why not, where the user may not write."""
    try:
        with backend.database.writing(signature) as change:
            record_export(change, document, path, sha256)
    except UnavailableError as error:
        return f"the export is not recorded: {error}"
    return None

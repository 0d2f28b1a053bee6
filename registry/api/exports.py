"""Write the arrays of a run or a detector into files, with their provenance."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from registry import detectors, instants
from registry.api.attempts import note_export
from registry.api.backend import Backend
from registry.api.deployment_names import complete_deployment, refuse_rivals
from registry.api.export_records import find_killed_export, find_same_export, try_record_export
from registry.api.questions import MEMORY, find_export_facts
from registry.authorship import Signature, build_signature, find_working_folder
from registry.exporters.formats import (
    Format,
    build_exported_file,
    build_format_assemblies,
    find_format,
    get_software_versions,
    list_zeroed_segments,
    write_files,
)
from registry.exporters.layout import Target
from registry.exporters.publication import publish_outputs
from registry.lookup.chosen_panels import refuse_no_panels
from registry.lookup.resolution import ArrayRequest
from registry.lookup.revisions import AsOf, RevisionRef
from registry.packages import find_version
from registry.parallel import Progress
from registry.provenance import Document, encode
from registry.provenance.document import FORMAT_VERSION, Creator, RegistryReference, Request
from registry.records import Export


@dataclass(frozen=True, slots=True)
class ExportRequest(ArrayRequest):
    """The arrays to export as of a revision, in a format and for a range of runs."""

    as_of: AsOf = None
    format: str = "npy"
    first_run: int | None = None
    last_run: int | None = None
    short_name: str | None = None
    experiment: str | None = None


class Draft(Struct, frozen=True):
    """A provenance document without outputs, the BLAKE3 of its inputs by SHA-256, and warnings that are not in it."""

    document: Document
    blake3s: Mapping[str, str]
    warnings: tuple[str, ...]


def write_export(
    backend: Backend,
    request: ExportRequest,
    folder: Path,
    progress: Progress,
    *,
    force: bool,
    checks_folder: bool = True,
) -> Export:
    """Write the arrays and their provenance into a folder; see `Registry.export`.

    `checks_folder` tells whether the other files of a calibration directory are to be looked at: a caller who plans
    many exports has done it.
    """
    export_format, signature = find_format(request.format), build_signature()
    drafted = draft_document(backend, request, export_format, signature)
    draft = drafted.document
    if export_format.HAS_RUN_RANGE:
        _refuse_conditions(draft)
    layout = export_format.layout(draft)
    home = folder / layout.folder
    _refuse_what_is_read_wrongly(draft, home)
    former = None if force else find_same_export(home / layout.document, draft)
    stamped = former if former is not None or force else find_killed_export(home, layout, draft)
    if stamped is not None:  # some formats write its time into their files
        draft = replace(draft, created_at=stamped.created_at, created_by=stamped.created_by)
    warnings = [*draft.warnings, *drafted.warnings]
    if checks_folder and export_format.NAME == "psana":
        from registry.api.folder_checks import check_folder

        warnings += check_folder(backend, draft, home, dict(layout.arrays))
    assemblies = build_format_assemblies(export_format, draft, backend.store, drafted.blake3s)
    with publish_outputs(
        home,
        layout.file_names,
        journals=layout.journals,
        force=force,
        has_own_document=former is not None,
    ) as hidden:
        target = Target(hidden, home, repeats=former is not None)
        written = write_files(export_format, draft, assemblies, target, progress)
        document = replace(draft, outputs=written.outputs, companions=written.companions)
        content = encode(document)
        (hidden / layout.document).write_bytes(content)
        path = (home / layout.document).absolute()
        if not backend.is_remote:
            note_export(backend.database, path, content)
    if request.as_of is not None:
        from registry.api.served_runs import describe_served_wrongly, list_served_wrongly

        warnings += map(describe_served_wrongly, list_served_wrongly(backend, document, path))
    note = try_record_export(backend, document, path, hashlib.sha256(content).hexdigest(), signature)
    notes = ["all files were there already, with the same bytes"] if former is not None else []
    return Export(
        revision=draft.registry.revision,
        instant=draft.resolution.instant,
        outputs=tuple(build_exported_file(home, output) for output in written.outputs),
        provenance=str(home / layout.document),
        segments=draft.resolution.segments,
        absent_segments=list_zeroed_segments(export_format, draft),
        recorded=note is None,
        notes=(*notes, *(() if note is None else (note,)), *written.notes),
        warnings=(*warnings, *(written.warnings if checks_folder else ())),
    )


def _refuse_conditions(draft: Document) -> None:
    detector = detectors.find_detector_type(draft.resolution.detector_type)
    detectors.refuse_conditions(map(detector.find_kind_of_type, draft.resolution.types))


def _refuse_what_is_read_wrongly(draft: Document, home: Path) -> None:
    """Refuse values, or files beside them, for which the reader of a format would get others."""
    if draft.request.format == "psana":
        from registry.exporters.psana import refuse_lost_bits

        refuse_lost_bits(draft)
    elif draft.request.format == "lcls2":
        from registry.exporters.lcls2 import refuse_inexact_masks

        refuse_inexact_masks(draft)
        refuse_rivals(draft, home)


def draft_document(
    backend: Backend, request: ExportRequest, export_format: Format | None, signature: Signature
) -> Draft:
    """Return the provenance document without outputs, and what else an export needs."""
    refuse_no_panels(request.panels)
    reference = backend.read_as_of(request.as_of)
    facts = backend.answer(
        find_export_facts,
        request.target,
        source=request.source,
        at=request.at,
        types=request.types,
        format=_find_question(request, export_format),
        first_run=request.first_run,
        last_run=request.last_run,
        panels=None if request.panels is None else [item for item in request.panels if isinstance(item, str)],
        segments=None
        if request.panels is None
        else [item for item in request.panels if isinstance(item, int)],
        experiment=request.experiment,
        as_of=None if reference.by == "newest" else reference,
    )
    resolution = facts.resolution
    document = Document(
        format="calreg provenance",
        format_version=FORMAT_VERSION,
        created_at=str(instants.now()),
        created_by=Creator(signature.author, signature.host, signature.command, find_working_folder()),
        software={
            "calreg": signature.software.removeprefix("calreg "),
            "python": sys.version.partition(" ")[0],
            **{name: find_version(name) for name in ("numpy", "sqlalchemy")},  # which need not be imported
            **(get_software_versions(export_format) if export_format else {}),
        },
        registry=RegistryReference(
            backend.database.registry_id, facts.head.number, facts.recorded_at, facts.head.seal
        ),
        request=Request(
            target=request.target,
            source=request.source if resolution.configuration else None,
            at=None if request.at is None else str(request.at),
            as_of=None if request.as_of is None else _format_as_of(reference, facts.head.number),
            types=resolution.types,
            format=request.format,
            panels=() if request.panels is None else tuple(panel.panel for panel in resolution.panels),
        ),
        resolution=resolution,
        outputs=(),
        warnings=facts.warnings,
        deployment=complete_deployment(request, export_format, facts),
        layout=1 if export_format is None else export_format.LAYOUT,
    )
    return Draft(document, facts.blake3s, facts.beside)


def _find_question(request: ExportRequest, export_format: Format | None) -> str:
    """Return the format whose facts are asked for: those of all that have no range of runs are the same."""
    has_runs = request.first_run is not None or request.last_run is not None
    return request.format if has_runs or (export_format and export_format.HAS_RUN_RANGE) else MEMORY


def _format_as_of(reference: RevisionRef, revision: int) -> str:
    """Return the reference to the revision that means the same wherever and whenever the document is read."""
    return str(revision if reference.by in {"back", "pinned"} else reference.value)

"""Repeat an export from its document and the store alone, without a database; checksums prove that it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from registry import provenance
from registry.api.arguments import check_arguments
from registry.api.document_detectors import refuse_contradictory_detector
from registry.api.document_stores import open_document_store
from registry.errors import (
    CorruptionError,
    DocumentError,
    NotFoundError,
    RequestError,
)
from registry.exporters import formats
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.exporters.publication import publish_outputs
from registry.files import has_content
from registry.identifiers import format_count, quote
from registry.instants import parse_instant
from registry.parallel import Progress, no_progress
from registry.provenance import Document
from registry.records import Export
from registry.store import ContentStore, manifest_sha256


@check_arguments
def replay(
    path: str | Path,
    output: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    force: bool = False,
    progress: Progress = no_progress,
) -> Export:
    """Repeat an export from its provenance document and the store; write the same bytes or nothing.

    Parameters
    ----------
    path
        The provenance document.
    output
        Folder for the files; a copy of the document is written beside them.
    database, store
        Where the store is: `store`, or by default the one that belongs to `database`, which is not opened; or the
        URL of a service, whose stored files are used.
    force
        Replace files that exist.

    Raises
    ------
    DocumentError
        The document is damaged, contradicts itself, or names arrays that were never written.
    ConflictError
        The store belongs to another registry, or a file with other bytes exists and `force` is not set.
    CorruptionError
        An input is missing or damaged, or the result differs from the bytes that the document records.
    """
    document, content = provenance.read_with_content(Path(path))
    with open_document_store(document, database, store) as objects:
        return _replay(document, content, Path(path), objects, Path(output), force=force, progress=progress)


def _replay(
    document: Document,
    content: bytes,
    path: Path,
    objects: ContentStore,
    output: Path,
    *,
    force: bool,
    progress: Progress,
) -> Export:
    plan = plan_replay(document, path, objects)
    layout, home = plan.layout, output / plan.layout.folder
    repeats = not force and has_content(home / layout.document, content)
    with publish_outputs(
        home, layout.file_names, journals=layout.journals, force=force, has_own_document=repeats
    ) as hidden:
        written = plan.write(Target(hidden, home, repeats), progress)
        for name, actual, recorded in written.pair_with(document):
            if (actual.sha256, actual.size) != (recorded.sha256, recorded.size):
                reason = plan.software_changes or "the document was changed"
                raise CorruptionError(
                    f"{name} written from the document has sha256 {actual.sha256} and"
                    f" {format_count(actual.size or 0, 'byte')}, the document says {recorded.sha256} and"
                    f" {recorded.size}: {reason}",
                    sha256=recorded.sha256,
                )
        (hidden / layout.document).write_bytes(content)
    return Export(
        revision=document.registry.revision,
        instant=document.resolution.instant,
        outputs=tuple(formats.build_exported_file(home, output) for output in written.outputs),
        provenance=str(home / layout.document),
        recorded=False,
        segments=document.resolution.segments,
        absent_segments=formats.list_zeroed_segments(plan.format, plan.draft),
        notes=written.notes,
        warnings=(*document.warnings, *written.warnings),
    )


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """The format, file names, draft of the document and arrays of an export to repeat."""

    format: formats.Format
    layout: Layout
    draft: Document
    assemblies: list[Assembly]

    @property
    def software_changes(self) -> str:
        """The packages of another version than then, which may write other bytes; empty if there are none."""
        now, then = formats.get_software_versions(self.format), self.draft.software
        return ", ".join(
            f"{name} {version} writes other bytes than {quote(then.get(name, 'none'))} did"
            for name, version in now.items()
            if version != then.get(name)
        )

    def write(self, target: Target, progress: Progress = no_progress) -> WrittenFiles:
        """Write the files of the export but its document."""
        return formats.write_files(self.format, self.draft, self.assemblies, target, progress)


def plan_replay(document: Document, path: str | Path, objects: ContentStore) -> ReplayPlan:
    """Return what is needed to repeat an export; refuse a document that is inconsistent or of arrays in memory."""
    try:
        for output in document.outputs:
            if output.path is None or output.sha256 is None:
                raise DocumentError(
                    f"{quote(output.type)} was handed out in memory; no file was written that could be replayed",
                    part="outputs",
                )
        export_format = formats.find_format(document.request.format)
        _refuse_unknown_layout(document, export_format)
        draft = replace(document, outputs=(), companions=())
        assemblies = formats.build_format_assemblies(export_format, draft, objects)
        layout = export_format.layout(draft)
        _refuse_wrong_outputs(document, assemblies, layout)
        _refuse_contradictions(document)
        refuse_contradictory_detector(document)
    except (NotFoundError, RequestError) as error:  # also an unknown detector type, array or format
        raise DocumentError(
            f"{str(path)!r} cannot be replayed: {error}", **{**error.values, "path": str(path)}
        ) from None
    return ReplayPlan(export_format, layout, draft, assemblies)


def _refuse_unknown_layout(document: Document, export_format: formats.Format) -> None:
    """Refuse files in a layout that this software does not write, as that of a later one."""
    if document.layout > export_format.LAYOUT:
        known = ", ".join(map(str, range(1, export_format.LAYOUT + 1)))
        raise DocumentError(
            f"its files have layout {document.layout} of {export_format.NAME}; this software writes {known}",
            part="layout",
        )


def _refuse_contradictions(document: Document) -> None:
    """Refuse what is not an instant, and checksums of constants that are not those of their files."""
    resolution = document.resolution
    parse_instant(resolution.instant)
    for panel in resolution.panels:
        for constants in panel.constants:
            files = [file.sha256 for file in constants.files]
            if manifest_sha256(resolution.detector_type, constants.kind, files) != constants.constants:
                raise DocumentError(
                    f"the files of {quote(constants.kind)} of {quote(panel.panel)} are not those of its constants",
                    part="constants",
                    version=constants.version,
                )


def _refuse_wrong_outputs(document: Document, assemblies: list[Assembly], layout: Layout) -> None:
    """Refuse outputs that are not, one for one, those of the arrays to write."""
    outputs = {output.type: output for output in document.outputs}
    if len(outputs) < len(document.outputs):
        raise DocumentError("it has several outputs of one type", part="outputs")
    for assembly in assemblies:
        name = assembly.kind.calibration_type
        output = outputs.pop(name, None)
        if output is None:
            raise DocumentError(f"it resolves {name} and has no output of it", missing=name)
        if output.path != layout.arrays[name]:
            raise DocumentError(
                f"{name} is said to be in {output.path!r}, where no export writes it", output=output.path
            )
        if output != assembly.describe_output(output.path, output.sha256, output.size):
            raise DocumentError(
                f"what it says of {name} (kind, unit, shape, dtype) is not what it resolves", type=name
            )
    if outputs or not assemblies:
        others = ", ".join(map(quote, outputs)) or "none at all"
        raise DocumentError(f"it has outputs that it does not resolve: {others}", part="outputs")
    if tuple(companion.path for companion in document.companions) != layout.companions:
        raise DocumentError("the files beside its arrays are not those of its format", part="companions")

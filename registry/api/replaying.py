"""An export made again from its document and the store alone, and proved by checksum. No database is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry import provenance
from registry.errors import (
    ConflictError,
    CorruptionError,
    DocumentError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from registry.exporters.assembly import Assembly, assemblies
from registry.exporters.formats import Format, format_of, placed, write_all
from registry.exporters.placing import placing
from registry.identifiers import join_detector_id, shown
from registry.progress import Progress, silent
from registry.provenance import FILE_NAME, Document
from registry.provenance.document import Output
from registry.records import Export
from registry.registration.constants import manifest
from registry.settings import find_settings
from registry.store import ContentStore


def replay(
    path: str | Path,
    output: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    force: bool = False,
    progress: Progress = silent,
) -> Export:
    """Make an export again from its provenance document and the store: the same bytes, or a refusal.

    Parameters
    ----------
    path
        The document; a copy of it is put beside the outputs.
    database
        Only says where the store is, where `store` does not.

    Raises
    ------
    DocumentError
        The document is damaged, contradicts itself, or speaks of arrays that were never written.
    ConflictError
        The store is another registry's, or a file is there already and `force` is not set.
    CorruptionError
        An input is missing or damaged, or the bytes that come out are not those of the document.
    """
    document, content = provenance.read_with_content(Path(path))
    made_as, pairs = arrays_of(document, path, store_of(document, find_settings(database, store).store))
    folder = Path(output)
    with placing(folder, [*(str(said.path) for _, said in pairs), FILE_NAME], force=force) as hidden:
        written = write_all(made_as, [assembly for assembly, _ in pairs], hidden, progress)
        for made, (_, said) in zip(written, pairs, strict=True):
            _refuse_difference(made, said)
        (hidden / FILE_NAME).write_bytes(content)
    return Export(
        revision=document.registry.revision,
        instant=document.resolution.instant,
        outputs=tuple(placed(folder, said) for _, said in pairs),
        provenance=str(folder / FILE_NAME),
        recorded=False,
        warnings=document.warnings,
    )


def arrays_of(
    document: Document, path: str | Path, objects: ContentStore
) -> tuple[Format, list[tuple[Assembly, Output]]]:
    """Return the format of an export, and each of its arrays to be made with what the document says of it.

    Raises
    ------
    DocumentError
        The document contradicts itself, or speaks of arrays that were never written.
    """
    with _unreplayable_named(path):
        _refuse_unwritten(document)
        made_as = format_of(document.request.format)
        pairs = _paired(document, assemblies(document.resolution, objects), made_as)
        _refuse_contradictions(document)
        _refuse_other_files(document)
    return made_as, pairs


def store_of(document: Document, root: Path) -> ContentStore:
    """Return the store at `root`, which must be that of the document's registry.

    Raises
    ------
    UnavailableError
        There is none.
    ConflictError
        It is another registry's.
    """
    store = ContentStore(root)
    owner = store.owner()
    if owner is None:
        raise UnavailableError(f"there is no store {str(root)!r}, and the document's inputs are in one")
    if owner != document.registry.id:
        raise ConflictError(
            f"the document is of registry {shown(document.registry.id)}, the store {str(root)!r} of registry {owner}",
            store=owner,
            document=document.registry.id,
        )
    return store


@contextmanager
def _unreplayable_named(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, RequestError) as error:  # also a detector type, array or format that is not known
        raise DocumentError(f"{str(path)!r} cannot be replayed: {error}") from None


def _refuse_unwritten(document: Document) -> None:
    for output in document.outputs:
        if output.path is None or output.sha256 is None:
            raise DocumentError(
                f"{shown(output.type)} was handed out in memory; no file was written that could be replayed"
            )


def _refuse_contradictions(document: Document) -> None:
    """Refuse a detector Id or positions that are not those of the panels."""
    panels = document.resolution.panels
    if document.resolution.detector_id != join_detector_id([panel.panel for panel in panels]):
        raise DocumentError("its detector Id is not that of its panels")
    if [panel.position for panel in panels] != list(range(len(panels))):
        raise DocumentError("the positions of its panels are not 0, 1, 2 ...")


def _refuse_other_files(document: Document) -> None:
    """Refuse constants whose SHA-256 is not that of the manifest of their files."""
    for panel in document.resolution.panels:
        for constants in panel.constants:
            files = [file.sha256 for file in constants.files]
            text = manifest(document.resolution.detector_type, constants.kind, files)
            if hashlib.sha256(text.encode()).hexdigest() != constants.constants:
                raise DocumentError(
                    f"the files of {shown(constants.kind)} of {shown(panel.panel)} are not those of its constants"
                )


def _paired(document: Document, made: list[Assembly], made_as: Format) -> list[tuple[Assembly, Output]]:
    """Return each array to be made with what the document says of it."""
    said = {output.type: output for output in document.outputs}
    if len(said) < len(document.outputs):
        raise DocumentError("it has several outputs of one type")
    pairs = []
    for assembly in made:
        name = assembly.kind.calibration_type
        output = said.pop(name, None)
        if output is None:
            raise DocumentError(f"it resolves {name} and has no output of it")
        if output.path != made_as.file_name(name):
            raise DocumentError(f"{name} is said to be in {output.path!r}, where no export writes it")
        if output != assembly.output(output.path, output.sha256, output.size):
            raise DocumentError(f"what it says of {name} (kind, unit, shape, dtype) is not what it resolves")
        pairs.append((assembly, output))
    if said or not pairs:
        others = ", ".join(map(shown, said)) or "none at all"
        raise DocumentError(f"it has outputs that it does not resolve: {others}")
    return pairs


def _refuse_difference(written: Output, said: Output) -> None:
    if written.sha256 != said.sha256:
        raise CorruptionError(
            f"{said.type} made from the document has sha256 {written.sha256}, the document says {said.sha256}:"
            " the document was changed",
            sha256=said.sha256,
        )
    if written.size != said.size:
        raise CorruptionError(
            f"{said.type} made from the document has {written.size} bytes, the document says {said.size}:"
            " the document was changed",
            sha256=said.sha256,
        )

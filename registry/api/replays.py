"""An export made again from its document and the store alone, and proved by checksum. No database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from registry import provenance
from registry.errors import (
    ConflictError,
    CorruptionError,
    DocumentError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from registry.exporters.assembly import Assembly, build_assemblies
from registry.exporters.formats import (
    Format,
    build_exported_file,
    find_format,
    get_software_versions,
    write_files,
)
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.exporters.publication import publish_outputs
from registry.identifiers import join_detector_id, quote
from registry.instants import parse_instant
from registry.parallel import Progress, no_progress
from registry.provenance import Document
from registry.provenance.document import Companion, Output
from registry.records import Export
from registry.settings import find_settings
from registry.store import ContentStore, manifest_sha256


def replay(
    path: str | Path,
    output: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    force: bool = False,
    progress: Progress = no_progress,
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
    objects = find_document_store(document, find_settings(database, store).store)
    recipe = plan_replay(document, path, objects)
    home = Path(output) / recipe.layout.folder
    with publish_outputs(
        home, recipe.layout.file_names, journals=recipe.layout.journals, force=force
    ) as hidden:
        written = recipe.write(Target(hidden, home), progress)
        for what, made, said in written.pair_with(document):
            _refuse_different_bytes(what, made, said, recipe.software_changes or "the document was changed")
        (hidden / recipe.layout.document).write_bytes(content)
    return Export(
        revision=document.registry.revision,
        instant=document.resolution.instant,
        outputs=tuple(build_exported_file(home, output) for output in written.outputs),
        provenance=str(home / recipe.layout.document),
        recorded=False,
        warnings=(*document.warnings, *written.warnings),
    )


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """All that makes an export again."""

    format: Format
    layout: Layout
    draft: Document
    assemblies: list[Assembly]

    @property
    def software_changes(self) -> str:
        """What writes now that did not write then, and may write other bytes; empty where it is the same."""
        now, then = get_software_versions(self.format), self.draft.software
        return ", ".join(
            f"{name} {version} writes otherwise than {quote(then.get(name, 'none'))} did"
            for name, version in now.items()
            if version != then.get(name)
        )

    def write(self, target: Target, progress: Progress = no_progress) -> WrittenFiles:
        """Make its files."""
        return write_files(self.format, self.draft, self.assemblies, target, progress)


def plan_replay(document: Document, path: str | Path, objects: ContentStore) -> ReplayPlan:
    """Return what makes an export again, having held what its document says against it.

    Raises
    ------
    DocumentError
        The document contradicts itself, or speaks of arrays that were never written.
    UnavailableError
        The format needs a package that is not installed.
    """
    with _translate_replay_errors(path):
        _refuse_unwritten_arrays(document)
        made_as = find_format(document.request.format)
        draft = replace(document, outputs=(), companions=())
        made = build_assemblies(document.resolution, objects)
        layout = made_as.layout(draft)
        _refuse_wrong_outputs(document, made, layout)
        _refuse_contradictions(document)
        _refuse_wrong_manifests(document)
    return ReplayPlan(made_as, layout, draft, made)


def find_document_store(document: Document, root: Path) -> ContentStore:
    """Return the store at `root`, which must be that of the document's registry.

    Raises
    ------
    UnavailableError
        There is none.
    ConflictError
        It is another registry's.
    """
    store = ContentStore(root)
    owner = store.read_owner()
    if owner is None:
        raise UnavailableError(f"there is no store {str(root)!r}, and the document's inputs are in one")
    if owner != document.registry.id:
        raise ConflictError(
            f"the document is of registry {quote(document.registry.id)}, the store {str(root)!r} of registry {owner}",
            store=owner,
            document=document.registry.id,
        )
    return store


@contextmanager
def _translate_replay_errors(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, RequestError) as error:  # also a detector type, array or format that is not known
        raise DocumentError(f"{str(path)!r} cannot be replayed: {error}") from None


def _refuse_unwritten_arrays(document: Document) -> None:
    for output in document.outputs:
        if output.path is None or output.sha256 is None:
            raise DocumentError(
                f"{quote(output.type)} was handed out in memory; no file was written that could be replayed"
            )


def _refuse_contradictions(document: Document) -> None:
    """Refuse a detector Id or positions that are not those of the panels, and an instant that is none."""
    panels = document.resolution.panels
    parse_instant(document.resolution.instant)
    if document.resolution.detector_id != join_detector_id([panel.panel for panel in panels]):
        raise DocumentError("its detector Id is not that of its panels")
    if [panel.position for panel in panels] != list(range(len(panels))):
        raise DocumentError("the positions of its panels are not 0, 1, 2 ...")


def _refuse_wrong_manifests(document: Document) -> None:
    """Refuse constants whose SHA-256 is not that of the manifest of their files."""
    for panel in document.resolution.panels:
        for constants in panel.constants:
            files = [file.sha256 for file in constants.files]
            if (
                manifest_sha256(document.resolution.detector_type, constants.kind, files)
                != constants.constants
            ):
                raise DocumentError(
                    f"the files of {quote(constants.kind)} of {quote(panel.panel)} are not those of its constants"
                )


def _refuse_wrong_outputs(document: Document, made: list[Assembly], layout: Layout) -> None:
    """Refuse outputs that are not, one for one, those of the arrays to be made."""
    said = {output.type: output for output in document.outputs}
    if len(said) < len(document.outputs):
        raise DocumentError("it has several outputs of one type")
    for assembly in made:
        name = assembly.kind.calibration_type
        output = said.pop(name, None)
        if output is None:
            raise DocumentError(f"it resolves {name} and has no output of it")
        if output.path != layout.arrays[name]:
            raise DocumentError(f"{name} is said to be in {output.path!r}, where no export writes it")
        if output != assembly.describe_output(output.path, output.sha256, output.size):
            raise DocumentError(f"what it says of {name} (kind, unit, shape, dtype) is not what it resolves")
    if said or not made:
        others = ", ".join(map(quote, said)) or "none at all"
        raise DocumentError(f"it has outputs that it does not resolve: {others}")
    if tuple(companion.path for companion in document.companions) != layout.companions:
        raise DocumentError("the files that it says are beside the arrays are not those of its format")


def _refuse_different_bytes(
    what: str, made: Output | Companion, said: Output | Companion, otherwise: str
) -> None:
    if made.sha256 != said.sha256:
        raise CorruptionError(
            f"{what} made from the document has sha256 {made.sha256}, the document says {said.sha256}:"
            f" {otherwise}",
            sha256=said.sha256,
        )
    if made.size != said.size:
        raise CorruptionError(
            f"{what} made from the document has {made.size} bytes, the document says {said.size}:"
            f" {otherwise}",
            sha256=said.sha256,
        )

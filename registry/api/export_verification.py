"""Check an export against its provenance document, its stored inputs, and the answer of the registry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from registry import provenance
from registry.api.arguments import check_arguments
from registry.api.backend import Backend
from registry.api.document_history import (
    describe_ancestor,
    describe_unchecked_history,
)
from registry.api.document_questions import (
    DocumentAnswer,
    compare_document,
    digest_resolution,
    is_export_recorded,
)
from registry.api.document_stores import open_document_registry, open_document_store
from registry.api.replays import plan_replay
from registry.api.served_runs import describe_served_wrongly, list_served_wrongly
from registry.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    LeftOutError,
    NotFoundError,
    OfflineError,
    RegistryError,
    RequestError,
    UnavailableError,
)
from registry.exporters.assembly import Assembly
from registry.exporters.detection import detect_arrays
from registry.exporters.layout import Target
from registry.files import sha256_of_file
from registry.identifiers import format_count, shorten
from registry.provenance import Document
from registry.records import FileUse, Problem, ReadRuns, Verification
from registry.store import ContentStore

_BYTES_CHANGED = "the bytes are not those that were written"


@check_arguments
def verify_export(
    path: str | Path, database: str | None = None, store: str | Path | None = None
) -> Verification:
    """Check an export against its provenance document: outputs, stored inputs, and the registry's answer.

    Files that are deployed for a range of runs may be read for runs of which the registry answers otherwise by now:
    ``serves_wrongly`` has them, with a note for each. They are as they were written, so this is not a problem.
    Where the database or the store is not there, the notes tell what was not checked; that a store is there and may
    not be read is a problem.

    Parameters
    ----------
    path
        The provenance document; its outputs are in the same folder.
    database, store
        The document's registry; by default the one of the environment.

    Raises
    ------
    DocumentError, NotFoundError
        There is no such file, or it is not a provenance document.
    ConflictError
        The store belongs to another registry.
    """
    with ExitStack() as stack:
        return _verify(Path(path), database, store, stack)


def _verify(path: Path, database: str | None, store: str | Path | None, stack: ExitStack) -> Verification:
    document, content = provenance.read_with_content(path)
    problems = list(_check_files(path.parent, document))
    served: list[ReadRuns] = []
    checked, notes = len(document.outputs) + len(document.companions), []
    try:
        objects = stack.enter_context(open_document_store(document, database, store))
    except CorruptionError as error:
        problems.append(Problem(None, "store", str(error)))
    except (DeniedError, LeftOutError) as error:
        problems.append(Problem(None, "store", str(error), denied=True))
    except UnavailableError as error:
        notes.append(f"the inputs were not checked: {error}")
    else:
        checked += len(_collect_inputs(document))
        try:
            problems += _check_inputs(objects, document) or _check_replay(objects, document, path)
            changed = {problem.path for problem in problems if problem.problem == _BYTES_CHANGED}
            notes += _describe_changed_arrays(document, path, objects, changed) if changed else []
        except UnavailableError as error:
            notes.append(f"the arrays were not made again: {error}")
    try:
        with open_document_registry(document, database, store) as backend:
            checked += 1
            problems += check_answer(backend, document)
            served = list_served_wrongly(backend, document, path)
            notes += describe_ancestor(document.registry, backend.database.registry_id)
            notes += [*_note_missing_record(backend, content), *map(describe_served_wrongly, served)]
    except RegistryError as error:
        unchecked = describe_unchecked_history(document.registry)
        notes.append(f"the registry was not asked again{unchecked}: {error}")
    return Verification(checked, tuple(problems), tuple(notes), serves_wrongly=tuple(served))


def _check_files(folder: Path, document: Document) -> Iterator[Problem]:
    """Yield the files whose checksum is another than the document's; one file may hold several arrays."""
    for output in document.outputs:
        if output.path is None:
            in_memory = "the array was handed out in memory; no file was written"
            yield Problem(output.sha256, output.type, in_memory)
    files = [(output.path, output.sha256) for output in document.outputs]
    files += [(companion.path, companion.sha256) for companion in document.companions]
    for path, sha256 in dict.fromkeys(files):
        if path is not None and (problem := _check_file(folder / path, sha256)):
            yield Problem(sha256, str(folder / path), str(problem), denied=isinstance(problem, DeniedError))


def _check_file(path: Path, sha256: str | None) -> str | DeniedError | None:
    try:
        return None if sha256_of_file(path) == sha256 else _BYTES_CHANGED
    except NotFoundError:
        return "the file is missing"
    except DeniedError as error:
        return error
    except RegistryError as error:
        return str(error)


def _collect_inputs(document: Document) -> dict[str, tuple[int, str]]:
    """Return the size and a description of the uses of every input, by SHA-256."""
    inputs: dict[str, tuple[int, list[FileUse]]] = {}
    for panel in document.resolution.panels:
        for constants in panel.constants:
            for file in constants.files:
                use = FileUse(constants.kind, file.gain_range, panel.panel, constants.version)
                inputs.setdefault(file.sha256, (file.size, []))[1].append(use)
    return {sha256: (size, shorten(list(map(str, uses)))) for sha256, (size, uses) in inputs.items()}


def _check_inputs(objects: ContentStore, document: Document) -> list[Problem]:
    problems = []
    for sha256, (size, uses) in _collect_inputs(document).items():
        is_denied = False
        try:
            problem = objects.find_problem(sha256, size)
        except (DeniedError, LeftOutError) as error:
            problem, is_denied = str(error), True
        if problem is not None:
            path = objects.locate(sha256)
            problems.append(Problem(sha256, path, f"{problem}; it is {uses}", denied=is_denied))
    return problems


def _check_replay(objects: ContentStore, document: Document, path: str | Path) -> list[Problem]:
    """Repeat the export without writing a file, and compare the results with the document."""
    if any(output.path is None for output in document.outputs):
        return []  # `_check_files` has reported these arrays
    try:
        plan = plan_replay(document, path, objects)
    except RequestError as error:
        return [Problem(None, str(path), str(error))]
    changes = f" ({plan.software_changes})" if plan.software_changes else ""
    return [
        Problem(recorded.sha256, name, f"the inputs make another array than the document says{changes}")
        for name, actual, recorded in plan.write(Target()).pair_with(document)
        if actual != recorded
    ]


def _describe_changed_arrays(
    document: Document, path: Path, objects: ContentStore, changed: set[str]
) -> list[str]:
    """Return a sentence for each array in the files that were changed, as far as they can be read."""
    try:
        plan = plan_replay(document, path, objects)
    except RequestError:
        return []  # `_check_replay` has reported it
    sentences = []
    for assembly in plan.assemblies:
        name = assembly.kind.calibration_type
        file = path.parent / plan.layout.arrays[name]
        if str(file) in changed:
            try:
                sentences.append(f"{str(file)!r}: {name} {_describe_difference(file, assembly)}")
            except RequestError as error:
                sentences.append(f"{name} cannot be compared: {error}")
    return sentences


def _describe_difference(file: Path, assembly: Assembly) -> str:
    with detect_arrays(file) as arrays:
        for array in arrays:
            if array.name in (None, assembly.kind.calibration_type) and array.shape == assembly.shape:
                different = [
                    f"gain range {part.gain_range} of panel {part.panel}"
                    for part, written in zip(assembly.read_parts(), array.parts, strict=True)
                    if part.array.tobytes() != written.astype(part.array.dtype).tobytes()
                ]
                if not different:
                    return "has the values that were written"
                return f"has other values in {shorten(different)}"
    return "is no longer in it"


def check_answer(backend: Backend, document: Document) -> list[Problem]:
    """Hold the document against the registry: the seal of its revision, and the answer as of it.

    Of the warnings only the number is compared: another version of the software may word them differently.
    """
    request, reference, resolution = document.request, document.registry, document.resolution
    deployment, precedes = document.deployment, resolution.precedes_segments
    answer = backend.answer(
        compare_document,
        request.target,
        reference.id,
        reference.revision,
        digest_resolution(resolution, precedes_segments=precedes),
        seal=reference.head.seal if reference.head else None,
        source=request.source,
        at=request.at,
        types=request.types,
        named=request.as_of,
        precedes_segments=precedes,
        deployed=deployment.source if deployment else None,
        first_run=deployment.first_run if deployment else None,
        last_run=deployment.last_run if deployment else None,
    )
    problems = [answer.foreign] if answer.foreign else []
    if answer.refused is not None:
        problems.append(f"the registry refuses the request: {answer.refused}")
    elif answer.is_known:
        problems += _list_differences(document, answer)
    return [Problem(None, f"revision {reference.revision}", problem) for problem in problems]


def _list_differences(document: Document, answer: DocumentAnswer) -> list[str]:
    documented, answered = len(document.warnings), answer.warnings
    counts = f"the document has {format_count(documented, 'warning')}, the answer {answered}"
    facts = {
        "the registry's answer is not that of the document": answer.is_same,
        counts: documented in (answered, answered + answer.former_warnings),
        "the revision was recorded at another instant": answer.recorded_at == document.registry.recorded_at,
        "the request asks as of another revision": answer.named in (None, document.registry.revision),
    }
    return [sentence for sentence, holds in facts.items() if not holds]


def _note_missing_record(backend: Backend, content: bytes) -> list[str]:
    try:
        is_recorded = backend.answer(is_export_recorded, hashlib.sha256(content).hexdigest())
    except ConflictError as error:  # of a mirror
        return [f"whether the registry has a record of this document is not known: {error}"]
    except OfflineError:
        return ["whether the registry has a record of this document is not known offline"]
    if is_recorded:
        return []
    return ["the registry has no record of this document: it was edited, or the export was not recorded"]

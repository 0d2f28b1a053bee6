"""A calibration directory for the analysis framework: one text file per calibration type and range of runs.

``<group>/<source>/<calibration type>/<first run>-<last run|end>.data``, with a line in the ``HISTORY`` beside it.
Of several files with a run in their range the framework takes the one with the highest first run, then the smallest
last; ``10-foo.data`` and ``10000-end.data`` stop it. The provenance document is one folder up, where it never looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from registry import detectors, instants
from registry.authorship import build_signature, find_working_folder
from registry.calibration_folder import MAX_RUN, parse_file_name, stops_framework
from registry.detectors.newer_names import newer_source_error
from registry.errors import NotFoundError, Remedy, RequestError
from registry.exporters import text
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles, write_sequential
from registry.exporters.origins import describe_inputs
from registry.files import Buffer, open_input, sha256_of_file
from registry.identifiers import is_newer_source, parse_source
from registry.parallel import Advance
from registry.provenance.document import Deployment, Document, Output

NAME = "psana"
BY_SEGMENT = False
HAS_RUN_RANGE = True
HAS_SHORT_NAME = False
LAYOUT = 1
REQUIRED_PACKAGE = None

_MASK_LIMIT = 1 << 16  # the framework casts masks to uint16: 65536 becomes 0


def layout(draft: Document) -> Layout:
    """Return the names of the files; refuse an export without source and runs, or of runs the framework cannot read."""
    deployment = _require_deployment(draft)
    detector = detectors.find_detector_type(draft.resolution.detector_type)
    types = draft.resolution.types
    return Layout(
        folder=detector.home_of(deployment.source),
        arrays={name: f"{name}/{deployment.runs}.data" for name in types},
        journals=tuple(f"{name}/HISTORY" for name in types),
        document=f"{deployment.runs}-{'-'.join(sorted(types))}.json",
    )


def _require_deployment(draft: Document) -> Deployment:
    deployment = draft.deployment
    if deployment is None:
        raise RequestError(
            "a calibration directory is by source and runs, which a detector Id does not have",
            remedy=Remedy.GIVE_SOURCE_AND_RUNS,
        )
    if is_newer_source(parse_source(deployment.source)):
        raise newer_source_error(deployment.source)
    last = deployment.first_run if deployment.last_run is None else deployment.last_run
    if last > MAX_RUN:
        raise RequestError(
            f"run {last} is beyond {MAX_RUN}, the last for which a calibration directory is read", run=last
        )
    return deployment


def refuse_lost_bits(draft: Document) -> None:
    """Refuse masks with bits that the framework drops: a pixel with no other bit would be a good one.

    A replay does not ask: it tells whether files that were written are those of their document.
    """
    detector = detectors.find_detector_type(draft.resolution.detector_type)
    for panel in draft.resolution.panels:
        for constants in panel.constants:
            for file in constants.files:
                refuse_wide_mask(
                    detector.find_kind(constants.kind),
                    file.statistics.maximum,
                    f"panel {panel.panel}, version {constants.version}, gain range {file.gain_range}",
                )


def refuse_wide_mask(kind: detectors.Kind, maximum: float | None, where: str) -> None:
    """Refuse one file of such a mask, which `where` names."""
    if kind.is_mask and maximum is not None and maximum >= _MASK_LIMIT:
        raise RequestError(
            f"the analysis framework reads {kind.calibration_type} as 16 bits, and higher ones are set in"
            f" {where}: {maximum:.0f} is its greatest value; it would take such pixels for good ones",
            type=kind.calibration_type,
            maximum=maximum,
        )


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the text files, and the lines to append to every ``HISTORY``."""
    names = layout(draft)
    warnings = find_folder_warnings(target.destination, names.arrays) if target.destination else []
    outputs = write_sequential(names.arrays, partial(_generate_chunks, draft), assemblies, target, advance)
    for output, journal in zip(outputs, names.journals, strict=True):
        line = build_history_line(draft, output, target.destination, f"../{names.document}")
        is_there = target.repeats and _is_in_history(output, target.destination, journal)
        with target.open_file(journal) as file:
            file.write(b"" if is_there else line.encode("ascii"))
    return WrittenFiles(outputs, warnings=tuple(warnings))


def _generate_chunks(draft: Document, assembly: Assembly, advance: Advance) -> Iterator[Buffer]:
    stamps = {
        "HOST": draft.created_by.host,
        "WORK_DIR": draft.created_by.folder or "",
        "FILE_NAME": layout(draft).arrays[assembly.kind.calibration_type],
        "DATE_TIME": draft.created_at[:19],
        "UID": draft.created_by.author,
    }
    dtype = assembly.describe_output().dtype
    yield text.build_header(assembly.shape, dtype, list(_build_comments(draft, assembly)), stamps)
    for part in assembly.read_parts():
        yield from text.format_rows(part.array)
        advance()


def _build_comments(draft: Document, assembly: Assembly) -> Iterator[str]:
    """Yield the origin of the numbers, for the header. A replay must write the same bytes: do not reword.

    Every line starts in lower case, so never with a key of the header.
    """
    kind, resolution, deployment = assembly.kind, draft.resolution, _require_deployment(draft)
    yield f"array {kind.calibration_type}, unit {kind.unit or 'none'}, axes (gain range, panel, row, column)"
    yield f"runs {deployment.runs} of {deployment.source}; times here are UTC"
    yield f"constants of {resolution.instant} ({resolution.instant_is})"
    yield str(draft.registry)
    yield f"provenance ../{layout(draft).document}"
    yield from describe_inputs(resolution, assembly)


def find_folder_warnings(folder: Path, arrays: Mapping[str, str]) -> list[str]:
    """Return a warning on every file that stops the framework, or that it takes instead of a new one.

    The folder is that of a source; `arrays` are the new files' names in it, by calibration type.
    """
    warnings = []
    for calibration_type, name in arrays.items():
        new = folder / name
        for path in sorted(new.parent.glob("*.data")):
            file, new_file = parse_file_name(path.name), parse_file_name(new.name)
            if stops_framework(path.name):
                warnings.append(f"the analysis framework stops on the name {str(path)!r}: remove the file")
            elif file is None or new_file is None:
                continue
            elif file.name != new_file.name and file.has_runs_of(new_file):
                warnings.append(
                    f"{path.name} and {new.name} are for the same runs: nobody knows from which of them the analysis"
                    f" framework takes {calibration_type}"
                )
            elif file.takes_precedence(new_file):
                warnings.append(
                    f"the analysis framework takes {calibration_type} from {path.name}, not from {new.name},"
                    f" for the runs in the range of {path.name}"
                )
    return warnings


def build_history_line(draft: Document, output: Output, folder: Path | None, copy_of: str) -> str:
    """Return the line of ``HISTORY`` for a new file, signed by the present user, not that of the first export.

    It contains the checksum of the file in `folder` that will be replaced.
    """
    signature = build_signature()
    name = Path(output.path or "").name
    fields = {
        "copy_of": copy_of,
        "ctype": output.type,
        "user": signature.author,
        "host": signature.host,
        "cptime": f"{str(instants.now())[:19]}Z",
        "cwd": find_working_folder() or "",
    }
    facts = " ".join(f"{key}:{_escape_field(value)}" for key, value in fields.items())
    comment = f"calreg registry {draft.registry.id} revision {draft.registry.revision} sha256 {output.sha256}"
    replaced = ""
    with suppress(NotFoundError):
        replaced = f" replaced {sha256_of_file(folder / (output.path or ''))}" if folder else ""
    return f"file:{name}   {facts} cmt:{text.escape_line(comment)}{replaced}\n"


def _is_in_history(output: Output, folder: Path | None, journal: str) -> bool:
    """Tell whether ``HISTORY`` has a line of the file with these bytes."""
    if folder is None:
        return False
    name, checksum = f"file:{Path(output.path or '').name} ".encode(), f"sha256 {output.sha256}".encode()
    with suppress(NotFoundError), open_input(folder / journal, "a text") as file:
        return any(line.startswith(name) and checksum in line for line in file)
    return False


def _escape_field(value: str) -> str:
    """Return the text without spaces, which separate the fields."""
    return text.escape_line(value).replace(" ", r"\x20")

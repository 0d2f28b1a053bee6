"""A calibration directory, as the analysis framework reads it: one text a calibration type and range of runs.

``<group>/<source>/<calibration type>/<first run>-<last run|end>.data``, with a line in the ``HISTORY`` beside it.
Of several files that contain a run the framework takes the one with the highest first run, then the smallest last;
any other name that ends in ``.data`` stops it. The provenance document lies one folder up, where it never looks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from registry import detectors, instants
from registry.authorship import build_signature, find_working_folder
from registry.errors import RequestError
from registry.exporters import text
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles, write_sequential
from registry.files import Buffer, open_regular
from registry.identifiers import parse_source
from registry.parallel import Advance
from registry.provenance.document import Deployment, Document, InputConstants, InputPanel, Output

NAME = "psana"
HAS_RUN_RANGE = True
REQUIRED_PACKAGE = None

MAX_RUN = 9999
_FILE_NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,9}|end)\.data")


def layout(draft: Document) -> Layout:
    """Return the names of the files.

    Raises
    ------
    RequestError
        It is not known for which runs of which source the files are, or the framework knows no such runs.
    """
    deployment = _require_deployment(draft)
    group = detectors.find_detector_type(draft.resolution.detector_type).group_of(deployment.source)
    types = draft.resolution.types
    return Layout(
        folder=f"{group}/{deployment.source}",
        arrays={name: f"{name}/{deployment.runs}.data" for name in types},
        journals=tuple(f"{name}/HISTORY" for name in types),
        document=f"{deployment.runs}-{'-'.join(sorted(types))}.json",
    )


def _require_deployment(draft: Document) -> Deployment:
    found = draft.deployment
    if found is None:
        raise RequestError(
            "a calibration directory is by source and runs, which a detector Id does not have:"
            " give --source and --first-run"
        )
    parse_source(found.source)
    last = found.first_run if found.last_run is None else found.last_run
    if last > MAX_RUN:
        raise RequestError(
            f"run {last} is beyond {MAX_RUN}, the last for which a calibration directory is read"
        )
    return found


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the texts, and the lines that are to be added to each ``HISTORY``."""
    names = layout(draft)
    warnings = find_folder_warnings(target.destination, names.arrays) if target.destination else []
    outputs = write_sequential(names.arrays, partial(_generate_chunks, draft), assemblies, target, advance)
    for output, journal in zip(outputs, names.journals, strict=True):
        with target.open_file(journal) as file:
            file.write(
                build_history_line(draft, output, target.destination, f"../{names.document}").encode("ascii")
            )
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
    """Say where the numbers come from. Each line begins in lower case, so never with a key of the header."""
    kind, resolution, deployment = assembly.kind, draft.resolution, _require_deployment(draft)
    yield f"array {kind.calibration_type}, unit {kind.unit or 'none'}, axes (gain range, panel, row, column)"
    yield f"runs {deployment.runs} of {deployment.source}; times here are UTC"
    yield f"constants of {resolution.instant} ({resolution.instant_is})"
    yield f"registry {draft.registry.id}, revision {draft.registry.revision}"
    yield f"provenance ../{layout(draft).document}"
    for panel in resolution.panels:
        constants = assembly.find_constants(panel)
        yield f"panel {panel.position} {_format_panel(panel)}: {_format_version(constants)}"
        for file in constants.files:
            yield f"panel {panel.position} gain range {file.gain_range}: sha256 {file.sha256}"


def _format_panel(panel: InputPanel) -> str:
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel


def _format_version(constants: InputConstants) -> str:
    return (
        f"version {constants.version} of {constants.kind}, valid from {constants.valid_from or 'the beginning'},"
        f" {'still valid' if constants.valid_to is None else f'until {constants.valid_to}'},"
        f" constants {constants.constants}"
    )


def find_folder_warnings(folder: Path, arrays: Mapping[str, str]) -> list[str]:
    """Return what of the files that are there stops the framework, or is taken before the new ones.

    Parameters
    ----------
    home
        The folder of a source.
    arrays
        The new files' names in it, by calibration type.
    """
    warnings = []
    for calibration_type, name in arrays.items():
        new = folder / name
        for path in sorted(new.parent.glob("*.data")):
            runs = _parse_run_range(path)
            if runs is None:
                warnings.append(
                    f"{str(path)!r} is a name on which the analysis framework stops: take it away"
                )
            elif _takes_precedence(runs, _parse_run_range(new) or runs):
                warnings.append(
                    f"of {calibration_type} {path.name} goes before {new.name} for the runs that it contains"
                )
    return warnings


def _parse_run_range(path: Path) -> tuple[int, int] | None:
    """Return the first and the last run for which a file is read, None where the framework stops on its name."""
    found = _FILE_NAME.fullmatch(path.name)
    if found is None:
        return None
    runs = int(found[1]), MAX_RUN if found[2] == "end" else int(found[2])
    return runs if max(runs) <= MAX_RUN else None


def _takes_precedence(there: tuple[int, int], new: tuple[int, int]) -> bool:
    """Tell whether the framework takes the file that is there for some of the new one's runs."""
    if there[0] == new[0]:
        return there[1] < new[1]
    return new[0] < there[0] <= new[1]


def build_history_line(draft: Document, output: Output, folder: Path | None, copy_of: str) -> str:
    """Return the line of ``HISTORY`` for a new file: by who deploys it now, which may be years after its export.

    It names the checksum of the file in `home` that is going to be replaced.
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
    stated = " ".join(f"{key}:{_escape_field(value)}" for key, value in fields.items())
    comment = f"calreg registry {draft.registry.id} revision {draft.registry.revision} sha256 {output.sha256}"
    replaced = _compute_checksum(folder / (output.path or "")) if folder else None
    return f"file:{name}   {stated} cmt:{text.escape_line(comment)}{f' replaced {replaced}' if replaced else ''}\n"


def _escape_field(value: str) -> str:
    """Return the text without spaces: these part the fields."""
    return text.escape_line(value).replace(" ", r"\x20")


def _compute_checksum(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None

"""What lies in a folder of a calibration directory: files named by their runs, and the history of deployments.

Of several files that contain a run the analysis framework takes the one with the highest first run, then the one with
the smallest last. On any other name that ends in ``.data`` it stops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from registry import instants
from registry.authorship import build_signature, find_working_folder
from registry.exporters.text import escape_line
from registry.provenance.document import Document, Output
from registry.reading import open_regular

MAX_RUN = 9999
_FILE_NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,9}|end)\.data")


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
    return f"file:{name}   {stated} cmt:{escape_line(comment)}{f' replaced {replaced}' if replaced else ''}\n"


def _escape_field(value: str) -> str:
    """Return the text without spaces: these part the fields."""
    return escape_line(value).replace(" ", r"\x20")


def _compute_checksum(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None

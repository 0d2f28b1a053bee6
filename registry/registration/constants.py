"""Constants, the immutable sets of files that versions name, are recorded: once, whoever names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database import Change
from registry.lookup.listing import keys_of
from registry.records import CheckedConstants, CheckedFile
from registry.store import manifest_sha256


def check_in(
    detector_type: str, kind: str, files: Sequence[CheckedFile], warnings: Sequence[str]
) -> CheckedConstants:
    """Return the files of one kind, in the order of the gain ranges, as constants not recorded yet."""
    sha256 = manifest_sha256(detector_type, kind, [file.sha256 for file in files])
    return CheckedConstants(detector_type, kind, sha256, tuple(files), tuple(warnings))


def record_constants(change: Change, constants: Iterable[CheckedConstants]) -> None:
    """Record the constants, and their files, that are not recorded yet."""
    wanted = {each.sha256: each for each in constants}
    files = {file.sha256: file for each in wanted.values() for file in each.files}
    new_files = _unrecorded(change, schema.blob, list(files))
    change.record(schema.blob, [_blob(files[sha256]) for sha256 in new_files])
    new = [wanted[sha256] for sha256 in _unrecorded(change, schema.constants, list(wanted))]
    keys = change.record(
        schema.constants,
        [{"sha256": each.sha256, "detector_type": each.detector_type, "kind": each.kind} for each in new],
    )
    change.add(
        schema.constants_file,
        [
            {"constants_id": key, "gain_range": gain_range, "sha256": file.sha256}
            for key, each in zip(keys, new, strict=True)
            for gain_range, file in enumerate(each.files)
        ],
    )


def _unrecorded(change: Change, table: sa.Table, sha256s: Sequence[str]) -> list[str]:
    found = keys_of(change.connection, table.c.sha256, table.c.sha256, sha256s)
    return [sha256 for sha256 in sha256s if sha256 not in found]


def _blob(file: CheckedFile) -> dict[str, Any]:
    seen = file.statistics
    return {
        "sha256": file.sha256,
        "size": file.size,
        "dtype": file.dtype,
        "shape": ",".join(map(str, file.shape)),
        "minimum": seen.minimum,
        "median": seen.median,
        "maximum": seen.maximum,
        "zeros": seen.zeros,
        "nonfinite": seen.nonfinite,
        "blake3": file.blake3,
    }

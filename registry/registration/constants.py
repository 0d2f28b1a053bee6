"""Constants, the immutable sets of files that versions name, are recorded: once, whoever names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.records import CheckedConstants, CheckedFile
from registry.store import manifest_sha256


def build_constants(
    detector_type: str, kind: str, files: Sequence[CheckedFile], warnings: Sequence[str]
) -> CheckedConstants:
    """Return the files of one kind, in the order of the gain ranges, as constants not recorded yet."""
    sha256 = manifest_sha256(detector_type, kind, [file.sha256 for file in files])
    return CheckedConstants(detector_type, kind, sha256, tuple(files), tuple(warnings))


def record_constants(change: Change, constants: Iterable[CheckedConstants]) -> None:
    """Record the constants, and their files, that are not recorded yet."""
    wanted = {each.sha256: each for each in constants}
    files = {file.sha256: file for each in wanted.values() for file in each.files}
    known_files, known = _find_recorded(change.connection, [*files, *wanted])
    change.record(
        schema.blob, [_build_blob_row(file) for sha256, file in files.items() if sha256 not in known_files]
    )
    new = [each for sha256, each in wanted.items() if sha256 not in known]
    keys = change.record(
        schema.constants,
        [{"sha256": each.sha256, "detector_type": each.detector_type, "kind": each.kind} for each in new],
    )
    change.insert(
        schema.constants_file,
        [
            {"constants_id": key, "gain_range": gain_range, "sha256": file.sha256}
            for key, each in zip(keys, new, strict=True)
            for gain_range, file in enumerate(each.files)
        ],
    )


def _find_recorded(connection: sa.Connection, sha256s: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return of which of the checksums there are files, and of which there are constants."""
    dialect, column = connection.dialect.name, schema.blob.c.sha256
    rows = connection.execute(
        _select_recorded(dialect), values_table_parameters(dialect, [(each,) for each in sha256s], column)
    )
    found = [(row[0], row[1]) for row in rows]
    return {sha256 for sha256, is_file in found if is_file}, {
        sha256 for sha256, is_file in found if not is_file
    }


@cache
def _select_recorded(dialect: str) -> sa.CompoundSelect[Any]:
    blob, constants = schema.blob.c.sha256, schema.constants.c.sha256
    asked = values_table_template(dialect, blob)
    return sa.union_all(
        sa.select(blob, sa.true()).join(asked, blob == asked.c.sha256),
        sa.select(constants, sa.false()).join(asked, constants == asked.c.sha256),
    )


def _build_blob_row(file: CheckedFile) -> dict[str, Any]:
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

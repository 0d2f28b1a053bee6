"""Files that come back with versions, and that have become another module's since: a mix-up is not undone twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change, Row
from registry.errors import ConflictError
from registry.lookup import versions
from registry.lookup.file_uses import LiveUse, list_live_uses
from registry.lookup.value_lists import is_listed
from registry.records import Version
from registry.registration.stated_constants import build_module


def refuse_shared_files(change: Change, number: int, rows: Sequence[Row]) -> None:
    """Refuse to state versions again whose files are live under another module since a revision, byte for byte.

    What it was said of that these files are meant (``same_as``) comes back, and so does what was shared before.
    """
    files = _read_files(change, [row["constants_id"] for row in rows if row["same_as"] is None])
    if not files:
        return
    uses: dict[str, list[LiveUse]] = defaultdict(list)
    for use in list_live_uses(change.connection, {sha256 for part in files.values() for sha256 in part}):
        uses[use.sha256].append(use)
    known = versions.find_largest_number(change.connection, number)
    constants = {
        row["id"]: row["constants_id"]
        for row in rows
        if row["same_as"] is None and row["constants_id"] in files
    }
    sentences = []
    for version in versions.list_versions_with_numbers(
        change.connection, sorted(constants), change.visible_revision
    ):
        shared = [use for sha256 in files[constants[version.version]] for use in uses[sha256]]
        later = _find_later_use(version, shared, known)
        if later is not None:
            sentences.append(
                f"version {version.version}, {version.kind} of {version.panel} from {version.valid_from}, has files"
                f" that {later.module} has since, in {later}: one of the two is a mix-up"
            )
    if sentences:
        raise ConflictError.combine("versions have files of other modules", sentences, conflicts=sentences)


def _find_later_use(version: Version, uses: Sequence[LiveUse], known: int) -> LiveUse | None:
    """Return a use by another module that is later than the versions up to a number, if its own module has none."""
    module = build_module(version.panel, version.alias)
    if any(use.module.is_same(module) for use in uses):
        return None
    return next((use for use in uses if use.version > known), None)


def _read_files(change: Change, constants: Sequence[int | None]) -> dict[int, list[str]]:
    """Return the files by constants, without those that have one value in every pixel."""
    keys = sorted({key for key in constants if key is not None})
    if not keys:
        return {}
    part, blob = schema.constants_file, schema.blob
    query = (
        sa.select(part.c.constants_id, part.c.sha256)
        .join(blob, blob.c.sha256 == part.c.sha256)
        .where(is_listed(part.c.constants_id, keys))
        .where(blob.c.minimum.is_distinct_from(blob.c.maximum))
        .order_by(part.c.constants_id, part.c.gain_range)
    )
    files: dict[int, list[str]] = defaultdict(list)
    for key, sha256 in change.connection.execute(query):
        files[key].append(sha256)
    return dict(files)

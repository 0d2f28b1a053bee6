"""What the registry knows of a file's content, and what it keeps: files, constants, exports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup.listing import values_table
from registry.lookup.suggestions import shorten
from registry.lookup.versions import list_versions_with_constants, list_versions_with_numbers
from registry.records import IdentifiedExport, IdentifiedInput, RecordedFile, Statistics, Version
from registry.store import describe_use


def list_inputs_with_file(connection: sa.Connection, sha256: str, revision: int) -> list[IdentifiedInput]:
    """Return the constants in which the file stands, as far as recorded by then."""
    constants, part = schema.constants, schema.constants_file
    query = (
        sa.select(constants.c.sha256, constants.c.kind, part.c.gain_range)
        .join(part, part.c.constants_id == constants.c.id)
        .where(part.c.sha256 == sha256, constants.c.recorded_in <= revision)
        .order_by(constants.c.id, part.c.gain_range)
    )
    return [
        IdentifiedInput(
            kind=row.kind,
            gain_range=row.gain_range,
            constants=row.sha256,
            versions=tuple(list_versions_with_constants(connection, row.sha256, revision)),
        )
        for row in connection.execute(query).all()
    ]


def list_versions_converted_from(connection: sa.Connection, sha256: str, revision: int) -> list[Version]:
    """Return the versions whose constants were converted from the file, withdrawn ones too, by number."""
    version = schema.version
    query = (
        sa.select(version.c.id)
        .where(version.c.conversion.contains(sha256), version.c.recorded_in <= revision)
        .order_by(version.c.id)
    )
    numbers = list(connection.execute(query).scalars())
    return [
        each
        for each in list_versions_with_numbers(connection, numbers, revision)
        if each.conversion is not None and each.conversion.sha256 == sha256
    ]


def list_exports_with_file(connection: sa.Connection, sha256: str) -> list[IdentifiedExport]:
    """Return the recorded exports that wrote the file, as an array or as their provenance document."""
    export, output = schema.export, schema.export_output
    arrays = (
        sa.select(export, output.c.type.label("wrote"), output.c.path.label("place"))
        .join(output, output.c.export_id == export.c.id)
        .where(output.c.sha256 == sha256)
        .order_by(export.c.id)
    )
    documents = (
        sa.select(export, sa.literal("provenance").label("wrote"), export.c.provenance_path.label("place"))
        .where(export.c.provenance_sha256 == sha256)
        .order_by(export.c.id)
    )
    return [_build_export(row) for query in (arrays, documents) for row in connection.execute(query)]


def _build_export(row: Any) -> IdentifiedExport:
    return IdentifiedExport(
        export=row.id,
        type=row.wrote,
        path=row.place,
        detector_id=row.detector_id,
        instant=Instant(row.instant),
        revision=row.revision,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
    )


def read_file_sizes(connection: sa.Connection) -> dict[str, int]:
    """Return the size in bytes of every recorded file, by SHA-256."""
    return {
        row.sha256: row.size
        for row in connection.execute(sa.select(schema.blob.c.sha256, schema.blob.c.size))
    }


def list_recorded_files(connection: sa.Connection) -> list[RecordedFile]:
    """Return what is recorded of every file, by SHA-256."""
    blob = schema.blob
    return [
        RecordedFile(
            row.sha256,
            row.size,
            row.dtype,
            row.shape,
            Statistics(row.minimum, row.median, row.maximum, row.zeros, row.nonfinite),
            row.blake3,
        )
        for row in connection.execute(sa.select(blob).order_by(blob.c.sha256))
    ]


def describe_uses(connection: sa.Connection, sha256s: Sequence[str]) -> dict[str, str]:
    """Return of each of the files, as far as a version uses it, which do: panel, version, kind and gain range."""
    if not sha256s:
        return {}
    part, constants, version, panel = schema.constants_file, schema.constants, schema.version, schema.panel
    wanted = values_table(connection, [(sha256,) for sha256 in sha256s], part.c.sha256)
    query = (
        sa.select(part.c.sha256, part.c.gain_range, constants.c.kind, version.c.id, panel.c.identifier)
        .join(wanted, wanted.c.sha256 == part.c.sha256)
        .join(constants, constants.c.id == part.c.constants_id)
        .join(version, version.c.constants_id == constants.c.id)
        .join(panel, panel.c.id == version.c.panel_id)
        .order_by(part.c.sha256, version.c.id, part.c.gain_range)
    )
    uses: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query):
        uses[row.sha256].append(describe_use(row.kind, row.gain_range, row.identifier, row.id))
    return {sha256: shorten(found) for sha256, found in uses.items()}


def list_manifests(connection: sa.Connection) -> list[tuple[str, str, str, list[str]]]:
    """Return (SHA-256 of the manifest, detector type, kind, SHA-256 by gain range) of all constants."""
    constants, part = schema.constants, schema.constants_file
    query = (
        sa.select(
            constants.c.sha256, constants.c.detector_type, constants.c.kind, part.c.sha256.label("file")
        )
        .outerjoin(part, part.c.constants_id == constants.c.id)
        .order_by(constants.c.id, part.c.gain_range)
    )
    files: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in connection.execute(query):
        files[row.sha256, row.detector_type, row.kind].append(row.file)
    return [(*key, found) for key, found in files.items()]

"""Recorded files and constants: what they consist of, and which versions and exports use them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from registry import detectors, schema
from registry.database.kept_statements import keep_text
from registry.errors import CorruptionError
from registry.identifiers import shorten
from registry.instants import Instant
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.versions import list_versions_with_constants, list_versions_with_numbers
from registry.records import (
    FileUse,
    IdentifiedExport,
    IdentifiedInput,
    RecordedFile,
    Statistics,
    StoredFile,
    Version,
)
from registry.sql import sa
from registry.store import manifest_sha256


def list_verified_files(
    connection: sa.Connection, versions: Iterable[Version]
) -> dict[str, tuple[StoredFile, ...]]:
    """Return by constants the stored files of these versions; refuse files that do not match their manifest."""
    by_constants = [(version.constants, version) for version in versions if version.constants is not None]
    files = list_stored_files(connection, {constants for constants, _ in by_constants})
    for constants, version in by_constants:
        parts = files.get(constants, ())
        detector = detectors.find_panel_type(version.panel).name
        sha256 = manifest_sha256(detector, version.kind, [file.sha256 for file in parts])
        if sha256 != constants or any(file.gain_range != index for index, file in enumerate(parts)):
            raise CorruptionError(
                f"the database is damaged: the files of constants {constants} are not those of its"
                f" manifest; it is {version.kind} of panel {version.panel}, version {version.version}",
                constants=constants,
                panel=version.panel,
                version=version.version,
            )
    return files


def list_stored_files(
    connection: sa.Connection, constants: Iterable[str]
) -> dict[str, tuple[StoredFile, ...]]:
    """Return by constants their stored files, in the order of the gain ranges."""
    rows = connection.execute(_select_files_of_constants(), {"wanted": list(constants)})
    return _group_files(rows)


@keep_text({})
def _select_files_of_constants() -> sa.Select[Any]:
    constants, blob, part = schema.constants, schema.blob, schema.constants_file
    return (
        sa.select(constants.c.sha256.label("owner"), part.c.gain_range, *blob.c)
        .join(part, part.c.constants_id == constants.c.id)
        .join(blob, blob.c.sha256 == part.c.sha256)
        .where(is_listed(constants.c.sha256, list_parameter("wanted", constants.c.sha256.type)))
        .order_by(constants.c.sha256, part.c.gain_range)
    )


def list_files_of_versions(
    connection: sa.Connection, panels: Sequence[str], kinds: Sequence[str], revision: int
) -> dict[int, tuple[StoredFile, ...]]:
    """Return by number the files of every live version of these panels and kinds, in the order of the gain ranges.

    One query, however many versions there are; a gap has no entry.
    """
    version, part, blob = schema.version, schema.constants_file, schema.blob
    query = (
        sa.select(version.c.id.label("owner"), part.c.gain_range, *blob.c)
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .join(part, part.c.constants_id == version.c.constants_id)
        .join(blob, blob.c.sha256 == part.c.sha256)
        .where(is_listed(schema.panel.c.identifier, panels), version.c.kind.in_(kinds))
        .where(schema.live_condition(version, revision))
        .order_by(version.c.id, part.c.gain_range)
    )
    return _group_files(connection.execute(query))


def _group_files(rows: Iterable[Any]) -> dict[Any, tuple[StoredFile, ...]]:
    files: dict[Any, list[StoredFile]] = defaultdict(list)
    for row in rows:
        if not isinstance(row.size, int):  # SQLite keeps any value in any column
            raise CorruptionError(
                f"the database is damaged: the size of object {row.sha256} is not a number", sha256=row.sha256
            )
        files[row.owner].append(
            StoredFile(row.gain_range, row.sha256, row.size, _build_statistics(row), row.blake3)
        )
    return {owner: tuple(parts) for owner, parts in files.items()}


def _build_statistics(row: Any) -> Statistics:
    return Statistics(row.minimum, row.median, row.maximum, row.zeros, row.nonfinite)


def list_inputs_with_files(
    connection: sa.Connection, sha256s: Iterable[str], revision: int
) -> dict[str, tuple[IdentifiedInput, ...]]:
    """Return by file the constants that contain it, as of a revision; other files have no entry.

    Two queries, however many files there are.
    """
    constants, part = schema.constants, schema.constants_file
    query = (
        sa.select(part.c.sha256.label("file"), constants.c.sha256, constants.c.kind, part.c.gain_range)
        .join(part, part.c.constants_id == constants.c.id)
        .where(is_listed(part.c.sha256, sha256s), constants.c.recorded_in <= revision)
        .order_by(constants.c.id, part.c.gain_range)
    )
    rows = connection.execute(query).all()
    versions = list_versions_with_constants(connection, {row.sha256 for row in rows}, revision)
    inputs: dict[str, list[IdentifiedInput]] = defaultdict(list)
    for row in rows:
        inputs[row.file].append(
            IdentifiedInput(
                kind=row.kind,
                gain_range=row.gain_range,
                constants=row.sha256,
                versions=tuple(versions[row.sha256]),
            )
        )
    return {file: tuple(group) for file, group in inputs.items()}


def list_versions_converted_from(connection: sa.Connection, sha256: str, revision: int) -> list[Version]:
    """Return the versions whose constants were converted from the file, withdrawn ones too, by number."""
    version = schema.version
    query = (
        sa.select(version.c.id)
        .with_hint(version, "INDEXED BY ix_version_conversion", "sqlite")
        .where(version.c.conversion.is_not(None), version.c.conversion.contains(sha256))
        .where(version.c.recorded_in <= revision)
        .order_by(version.c.id)
    )
    numbers = list(connection.execute(query).scalars())
    return [
        version
        for version in list_versions_with_numbers(connection, numbers, revision)
        if version.conversion is not None
        and sha256 in (version.conversion.sha256, *(stage.sha256 for stage in version.conversion.stages))
    ]


def list_exports_with_file(connection: sa.Connection, sha256: str) -> list[IdentifiedExport]:
    """Return the recorded exports that wrote the file, as an array or as their provenance document."""
    queries = _select_exports_of_array(), _select_exports_of_document()
    rows = (row for query in queries for row in connection.execute(query, {"file": sha256}))
    return [_build_export(row) for row in rows]


@keep_text({})
def _select_exports_of_array() -> sa.Select[Any]:
    export, output = schema.export, schema.export_output
    return (
        sa.select(export, output.c.type.label("type"), output.c.path.label("path"))
        .join(output, output.c.export_id == export.c.id)
        .where(output.c.sha256 == sa.bindparam("file"))
        .order_by(export.c.id)
    )


@keep_text({})
def _select_exports_of_document() -> sa.Select[Any]:
    export = schema.export
    kind = sa.literal("provenance").label("type")
    return (
        sa.select(export, kind, export.c.provenance_path.label("path"))
        .where(export.c.provenance_sha256 == sa.bindparam("file"))
        .order_by(export.c.id)
    )


def _build_export(row: Any) -> IdentifiedExport:
    return IdentifiedExport(
        export=row.id,
        type=row.type,
        path=row.path,
        detector_id=row.detector_id,
        instant=Instant(row.instant),
        revision=row.revision,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
    )


def read_file_sizes(connection: sa.Connection) -> dict[str, int]:
    """Return the size in bytes of every recorded file, by SHA-256."""
    rows = connection.execute(sa.select(schema.blob.c.sha256, schema.blob.c.size))
    return {row.sha256: row.size for row in rows}


def list_recorded_files(connection: sa.Connection) -> list[RecordedFile]:
    """Return what is recorded of every file, by SHA-256."""
    blob = schema.blob
    return [
        RecordedFile(row.sha256, row.size, row.dtype, row.shape, _build_statistics(row), row.blake3)
        for row in connection.execute(sa.select(blob).order_by(blob.c.sha256))
    ]


def list_uses(connection: sa.Connection, sha256s: Sequence[str]) -> dict[str, list[FileUse]]:
    """Return by file the versions that use it, withdrawn ones too, by number; unused files have no entry."""
    if not sha256s:
        return {}
    part, constants, version, panel = schema.constants_file, schema.constants, schema.version, schema.panel
    query = (
        sa.select(part.c.sha256, part.c.gain_range, constants.c.kind, version.c.id, panel.c.identifier)
        .join(constants, constants.c.id == part.c.constants_id)
        .join(version, version.c.constants_id == constants.c.id)
        .join(panel, panel.c.id == version.c.panel_id)
        .where(is_listed(part.c.sha256, sha256s))
        .order_by(part.c.sha256, version.c.id, part.c.gain_range)
    )
    uses: dict[str, list[FileUse]] = defaultdict(list)
    for row in connection.execute(query):
        uses[row.sha256].append(FileUse(row.kind, row.gain_range, row.identifier, row.id))
    return uses


def describe_uses(uses: Sequence[FileUse]) -> str:
    """Return the uses of a file as they follow "it is" in a sentence."""
    return shorten(list(map(str, uses))) or "of no version"


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
    return [(*key, parts) for key, parts in files.items()]

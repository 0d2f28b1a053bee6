"""Exports: recorded at the revision that they were made from, in no revision of their own."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import asdict

from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.instants import parse_instant
from registry.provenance.document import Document


def record_export(change: Change, document: Document, path: Path, sha256: str) -> None:
    """Record an export's outputs and the versions they came from; `path` and `sha256` are those of its document."""
    resolution = document.resolution
    (key,) = change.insert_into(
        "export",
        [
            {
                "revision": document.registry.revision,
                "recorded_at": parse_instant(document.created_at),
                "database_role": change.role,
                **asdict(change.signature),
                "detector_id": resolution.detector_id,
                "experiment": resolution.run.experiment if resolution.run else None,
                "run": resolution.run.run if resolution.run else None,
                "source": resolution.configuration.source if resolution.configuration else None,
                "instant": parse_instant(resolution.instant),
                "provenance_path": escape_undecodable(str(path)),
                "provenance_sha256": sha256,
                "first_run": document.deployment.first_run if document.deployment else None,
                "last_run": document.deployment.last_run if document.deployment else None,
            }
        ],
    )
    change.insert_into(
        "export_output",
        [
            {
                "export_id": key,
                "type": output.type,
                "path": escape_undecodable(str(path.parent / (output.path or ""))),
                "sha256": output.sha256,
                "size": output.size,
            }
            for output in document.outputs
        ],
    )
    used = {constants.version for panel in resolution.panels for constants in panel.constants}
    change.insert_into(
        "export_input", [{"export_id": key, "version_id": version} for version in sorted(used)]
    )

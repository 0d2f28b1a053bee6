"""Deploy all constants of an experiment to a calibration directory: every file once, each for its range of runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from registry.api.backend import Backend
from registry.api.deployment_checks import DeploymentRequest
from registry.api.deployment_plan import PlannedFile, SourcePlan
from registry.api.exports import ExportRequest, write_export
from registry.api.stale_copies import StoreWitness
from registry.errors import CorruptionError, UnavailableError
from registry.exporters import psana
from registry.exporters.missing_inputs import build_error
from registry.files import translate_os_errors
from registry.identifiers import Dataset, format_count
from registry.lookup.deployable_sources import list_deployable_sources
from registry.parallel import Progress
from registry.records import DeployedFile, Deployment, Export, MissingFile


def deploy(
    backend: Backend,
    request: DeploymentRequest,
    folder: Path,
    progress: Progress,
    *,
    dry_run: bool,
    force: bool,
) -> Deployment:
    """Write all files of an experiment; see `Registry.deploy`.

    Everything that would be refused is refused before the first file is written.
    """
    _refuse_files_as_folders(folder)
    witness = StoreWitness(backend, request.as_of)
    with backend.read_transaction(request.as_of) as view:
        revision = view.revision
        warnings = witness.list_warnings(view.connection)
        sources = list_deployable_sources(
            view.connection, request.experiment, request.source, request.types, revision
        )
        plans = [SourcePlan(backend, view, source, folder) for source in sources]
        for plan in plans:
            plan.refuse_wide_masks(view.connection)
    with progress("reading files", sum(plan.count_parts() for plan in plans)) as advance:
        problems = [plan.compare_with_folder(revision, advance) for plan in plans]
    for plan, problem in zip(plans, problems, strict=True):
        problem.refuse(plan.home, force=force)
        warnings += problem.list_warnings()
    files = [file for plan in plans for file in plan.files]
    exports = [] if dry_run else _write_files(backend, request, files, folder, progress, revision)
    return Deployment(
        experiment=request.experiment,
        folder=str(folder),
        revision=revision,
        dry_run=dry_run,
        files=tuple(_build_record(file) for file in files),
        left_out=tuple(left_out for plan in plans for left_out in plan.left_out),
        provenance=tuple(export.provenance for export in exports),
        notes=tuple(dict.fromkeys(note for export in exports for note in export.notes)),
        warnings=tuple(
            dict.fromkeys([*warnings, *(warning for export in exports for warning in export.warnings)])
        ),
    )


def _refuse_files_as_folders(folder: Path) -> None:
    """Refuse a folder that cannot be made because a file is there: a dry run says so too."""
    with translate_os_errors("written", folder):
        for path in (folder, *folder.parents):
            if path.exists():
                if not path.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
                return


def _write_files(
    backend: Backend,
    request: DeploymentRequest,
    files: Iterable[PlannedFile],
    folder: Path,
    progress: Progress,
    revision: int,
) -> list[Export]:
    """Write the files that are not there, those of one range of runs with one provenance document.

    A range whose constants cannot be read does not stop the others.

    Raises
    ------
    CorruptionError
        Stored files are missing or damaged: every one is named, after all other files were written.
    """
    groups: dict[tuple[str, int, int | None], list[PlannedFile]] = {}
    for file in files:
        if file.action != "unchanged":
            groups.setdefault((file.source, file.first_run, file.last_run), []).append(file)
    exports: list[Export] = []
    missing: dict[str, MissingFile] = {}
    left_out: list[str] = []
    for (source, first, last), group in groups.items():
        export_request = ExportRequest(
            str(Dataset(request.experiment, group[0].run)),
            source,
            types=tuple(file.type for file in group),
            as_of=revision,
            format=psana.NAME,
            first_run=first,
            last_run=last,
        )
        try:
            # Refused before, if it was not asked for to replace files.
            export = write_export(backend, export_request, folder, progress, force=True, checks_folder=False)
        except (CorruptionError, UnavailableError) as error:
            if "missing" not in error.values:  # the folder or the database
                raise
            missing |= {file.sha256: file for file in error.values["missing"]}
            left_out += [str(file.path) for file in group]
        else:
            exports.append(export)
    if missing:
        total = sum(map(len, groups.values()))
        message = (
            f"{len(left_out)} of {format_count(total, 'file')} could not be written, because stored files"
        )
        written = [export.provenance for export in exports]
        raise build_error(
            tuple(missing.values()), f"{message} cannot be read", files=left_out, provenance=written
        )
    return exports


def _build_record(file: PlannedFile) -> DeployedFile:
    return DeployedFile(file.source, file.type, str(file.path), file.first_run, file.last_run, file.action)

"""The commands of the facility that put exported files into the database of the newer data system."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from registry.detectors.jungfrau import JUNGFRAU
from registry.instants import parse_instant
from registry.provenance.document import Deployment, Document

MERGING_TOOL = "jungfrau_deploy_constants"
"""It takes all files of an experiment and a run at once; other detector types have none like it."""


def describe_deployment(
    draft: Document, short_name: str, experiment: str, folder: Path, arrays: Mapping[str, str]
) -> str:
    """Return a note with the commands that deploy the files of an export, in the folder that was asked for.

    The last run and the comment are repeated, because the tool replaces those of the documents by its options.
    """
    deployment = draft.deployment
    assert deployment is not None  # noqa: S101 - the layout refuses it
    if draft.resolution.detector_type == JUNGFRAU.name:
        return f"to deploy: {_build_merging_command(draft, deployment, experiment, folder)}"
    home = folder / draft.resolution.detector_type
    commands = [
        _build_command(draft, deployment, (short_name, experiment), name, home / path)
        for name, path in arrays.items()
    ]
    return f"to deploy: {'; '.join(commands)}"


def _build_merging_command(draft: Document, deployment: Deployment, experiment: str, folder: Path) -> str:
    words = [
        MERGING_TOOL,
        *("-k", f"exp={experiment},run={deployment.first_run}"),
        *("-o", str(folder)),
        "-F",
        "-D",
        *(() if deployment.last_run is None else ("-R", str(deployment.last_run))),
        *("-C", str(draft.registry)),
    ]
    return shlex.join(words)


def _build_command(
    draft: Document, deployment: Deployment, names: tuple[str, str], calibration_type: str, path: Path
) -> str:
    short_name, experiment = names
    words = [
        *("cdb", "add", "-e", experiment, "-d", short_name, "-c", calibration_type),
        *("-r", str(deployment.first_run)),
        *(() if deployment.last_run is None else ("-R", str(deployment.last_run))),
        *("-s", str(int(parse_instant(draft.resolution.instant).datetime.timestamp()))),
        *("-v", f"calreg {draft.software.get('calreg', '')}"),
        *("-f", str(path), "-m", str(draft.registry)),
    ]
    return shlex.join(words)

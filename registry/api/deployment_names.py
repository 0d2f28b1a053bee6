"""The names that the newer data system finds the files of an export by: stated, or recorded, and never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from registry.api.questions import ExportFacts
from registry.detectors.newer_names import build_long_name, find_own_short_name, parse_short_name
from registry.errors import ConflictError, Remedy, RequestError
from registry.exporters.formats import Format, list_formats_with_short_names
from registry.identifiers import parse_experiment, quote
from registry.provenance.document import Deployment, Document, Resolution

if TYPE_CHECKING:
    from registry.api.exports import ExportRequest


def complete_deployment(
    request: ExportRequest, export_format: Format | None, facts: ExportFacts
) -> Deployment | None:
    """Return what the files are named for, with the names that their format has; refuse names that it has not."""
    resolution, deployment = facts.resolution, facts.deployment
    if export_format is None or not export_format.HAS_SHORT_NAME:
        _refuse_idle_names(request)
        return deployment
    experiment = request.experiment
    if experiment is not None:
        if resolution.run is not None:
            raise RequestError(
                f"{quote(request.target)} is of {resolution.run.experiment}: an experiment is stated for a detector Id"
                " alone, which has none",
                experiment=experiment,
            )
        experiment = parse_experiment(experiment)
    if deployment is None or (experiment is None and resolution.run is None):
        raise RequestError(
            "the newer data system has constants by experiment, source and runs, which a detector Id does not have",
            remedy=Remedy.GIVE_EXPERIMENT_AND_RUNS,
        )
    short_name = _find_short_name(resolution, request.short_name, facts.short_names)
    return replace(deployment, short_name=short_name, experiment=experiment)


def _refuse_idle_names(request: ExportRequest) -> None:
    for option, value in (("short name", request.short_name), ("experiment", request.experiment)):
        if value is not None:
            formats = list_formats_with_short_names()
            raise RequestError(
                f"files of the format {request.format} have no {option} to be found by; those of"
                f" {' and '.join(formats)} have",
                known=formats,
            )


def _find_short_name(resolution: Resolution, stated: str | None, recorded: dict[str, bool]) -> str:
    """Return the short name of the detector; refuse one that is recorded for another, and any of several."""
    panels = [panel.panel for panel in resolution.panels]
    own = [name for name, is_own in recorded.items() if is_own]
    brief = find_own_short_name(resolution.detector_type, panels)
    if stated is not None:
        parse_short_name(stated, resolution.detector_type, panels)
        if own and stated not in own:
            raise ConflictError(
                f"the detector is recorded as {', '.join(own)}, not as {stated}", short_name=stated, known=own
            )
        if recorded.get(stated) is False:
            raise ConflictError(f"{stated} is recorded as the name of another detector", short_name=stated)
        return stated
    if brief is not None:
        return brief
    if len(own) == 1:
        return own[0]
    long_name = quote(build_long_name(resolution.detector_type, panels))
    known = f"; {', '.join(own)} are recorded" if own else "; none is recorded"
    raise RequestError(
        f"the newer data system finds the constants of {long_name} by its short name, like"
        f" {resolution.detector_type}_000003, which it gave itself{known}",
        remedy=Remedy.GIVE_SHORT_NAME,
        example=f"{resolution.detector_type}_NUMBER",
        panels=panels,
        known=own,
    )


def refuse_rivals(draft: Document, home: Path) -> None:
    """Refuse a folder with other files of the same arrays, detector and runs: the tool would deploy both."""
    from registry.exporters import lcls2  # with numpy, which other formats may not need

    rivals = lcls2.find_rivals(home, draft)
    if rivals:
        raise ConflictError(
            f"{str(home / lcls2.FOLDER)!r} has other files of these arrays, of the same detector and first run, and the"
            f" deploy tool takes both: {', '.join(rivals)}; remove these, or choose another folder",
            files=rivals,
        )

"""``calreg show``: one screen of a run, a detector, a panel, a module, or anything else that has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import local_times, output, reports
from registry.cli.log import print_log
from registry.cli.options import AsOf, Context, Json, Source, Timezone, open_from_context
from registry.cli.provenance import print_identity
from registry.cli.recorded_exports import print_exports
from registry.cli.versions import print_version
from registry.detectors import find_panel_type
from registry.identifiers import format_count, shorten
from registry.instants import BEGINNING, Instant, format_range

if TYPE_CHECKING:
    from registry.records import (
        Correction,
        DetectorState,
        PanelState,
        PanelSummary,
        RunSummary,
        Subject,
        Tag,
        Version,
        VersionContents,
    )

_SENTENCES_SHOWN = 3  # on what is missing, and on corrections
_DATE_LENGTH = len("2018-02-10")


def show(
    ctx: Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|PANEL|DETECTOR_ID|NAME",
            help="A run, panel Id, M-number, detector, tag or file; version:12, revision:12, export:12.",
        ),
    ],
    source: Source = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show what is known of a run, a panel, or any other name.

    One screen for a run of 32 panels, too.
    Where a name is that of several things, put one of run:, detector:, panel:, tag: or file: before it.
    """
    with open_from_context(ctx, timezone) as registry:
        subject = registry.show(name, source=source, as_of=as_of)
    print_subject(subject, as_json=json)


def print_subject(subject: Subject, *, as_json: bool) -> None:
    """Print what is known of a thing."""
    if as_json:
        output.print_json(subject.list_fields())
        return
    for field, print_field in _PRINTERS.items():
        value = getattr(subject, field)
        if value:
            print_field(value)


def _print_run(run: RunSummary) -> None:
    state = "not registered" if run.recorded_in is None else f"revision {run.recorded_in}"
    begin = "start time not known" if run.begin is None else f"from {run.begin}"
    end = "" if run.end is None else f" to {run.end}"
    output.print_folded(f"exp={run.experiment}:run={run.run}  {begin}{end}  ({state})")
    for detector in run.detectors:
        _print_detector(detector)
    if not run.detectors:
        output.print_folded("no detector is configured for this run")
    for export in run.exports:
        stale = f", stale: {export.stale}" if export.stale else ""
        output.print_folded(
            f"export {export.export} of {export.recorded_at} by {export.author}, as of revision"
            f" {export.revision}{stale}"
        )


def _print_detector(detector: DetectorState) -> None:
    configuration = detector.configuration
    names = "".join(f", {name}" for name in detector.names)
    if configuration is not None:
        runs = f"runs {configuration.runs} (revision {configuration.recorded_in})"
        panels = format_count(len(detector.panels), "panel")
        output.print_folded(f"{configuration.source}  {panels}, {runs}{names}")
        if not detector.panels:
            output.print_folded(f"{configuration.object_name} carries no panel Ids")
    else:
        output.print_folded(f"{format_count(len(detector.panels), 'panel')} at {detector.instant}{names}")
    if detector.panels:
        _print_panels(detector.panels, is_timed=detector.instant is not None)
        _print_missing(detector.panels)
    _print_corrections(detector.corrections)
    output.print_notes(warnings=detector.warnings)


def _print_panels(panels: Sequence[PanelState], *, is_timed: bool) -> None:
    """Print a line for each panel, with the versions of the required kinds; then how many panels have other kinds."""
    required = find_panel_type(panels[0].panel).required_kinds
    rows = [
        (
            "?" if panel.segment is None else panel.segment,
            panel.alias or "",
            panel.panel,
            *(_format_version(panel.versions, kind) if is_timed else "?" for kind in required),
        )
        for panel in panels
    ]
    output.print_table(("", "module", "panel", *required), rows)
    others: dict[str, int] = {}
    for version in (version for panel in panels for version in panel.versions if not version.is_gap):
        if version.kind not in required:
            others[version.kind] = others.get(version.kind, 0) + 1
    if others:
        counts = [f"{kind} of {format_count(count, 'panel')}" for kind, count in others.items()]
        output.print_folded(f"also valid: {', '.join(counts)}")


def _format_version(versions: Iterable[Version], kind: str) -> str:
    """Return the number and the date of the start of what is valid: the whole instant is too long for one line."""
    version = next((version for version in versions if version.kind == kind), None)
    if version is None:
        return "none"
    return f"{'gap' if version.is_gap else version.version} {_format_date(version.valid_from)}"


def _format_date(start: Instant) -> str:
    return "always" if start == BEGINNING else local_times.rewrite(str(start))[:_DATE_LENGTH]


def _print_missing(panels: Sequence[PanelState]) -> None:
    sentences = [sentence for panel in panels for sentence in panel.missing]
    if len(sentences) > _SENTENCES_SHOWN:
        required = find_panel_type(panels[0].panel).required_kinds
        counts = {kind: sum(_lacks(panel, kind) for panel in panels) for kind in required}
        texts = [f"{kind} of {format_count(count, 'panel')}" for kind, count in counts.items() if count]
        output.print_folded(f"missing: {', '.join(texts)}")
    _print_some("missing: ", sentences)


def _lacks(panel: PanelState, kind: str) -> bool:
    return not any(version.kind == kind and not version.is_gap for version in panel.versions)


def _print_corrections(corrections: Sequence[Correction]) -> None:
    sentences = [
        _describe_corrections(list(group)) for _, group in groupby(corrections, lambda row: row.revision)
    ]
    _print_some("corrected: ", sentences)


def _describe_corrections(corrections: Sequence[Correction]) -> str:
    first = corrections[0]
    changes = [
        f"{row.kind} of {row.alias or row.panel} {row.before} -> {'none' if row.after is None else row.after}"
        for row in corrections
    ]
    why = f": {first.comment}" if first.comment else ""
    return (
        f"{shorten(changes)} in revision {first.revision}, {_format_date(first.recorded_at)},"
        f" by {first.author}{why}"
    )


def _print_some(label: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_SENTENCES_SHOWN]:
        output.print_folded(f"{label}{sentence}")
    if len(sentences) > _SENTENCES_SHOWN:
        output.print_folded(f"{label}{len(sentences) - _SENTENCES_SHOWN} more; --json lists all")


def _print_summaries(panels: Iterable[PanelSummary]) -> None:
    for number, panel in enumerate(panels):
        if number:
            output.print_text()
        _print_panel(panel)


def _print_panel(panel: PanelSummary) -> None:
    counts = [f"{count} of {kind}" for kind, count in panel.version_count.items()]
    output.print_fields(
        panel=panel.panel,
        alias=[f"{alias.alias}{format_range(alias.valid_from, alias.valid_to)}" for alias in panel.aliases]
        or "none",
        detector_type=panel.detector_type,
        recorded_in=f"revision {panel.recorded_in}",
        versions=", ".join(counts) or "none",
        read_out_in=[f"{row.experiment} {row.source}, runs {row.runs}" for row in panel.configurations]
        or "no configuration",
        detectors=", ".join(panel.detector_names) or None,
    )
    rows = [
        (
            version.version,
            version.kind,
            version.valid_from,
            reports.format_end(version.valid_to),
            reports.format_constants(version),
        )
        for version in panel.state.versions
    ]
    if rows:
        output.print_table(("N", "valid now", "from", "until", "constants"), rows)
    _print_some("missing: ", panel.state.missing)


def _print_version(contents: VersionContents) -> None:
    print_version(contents.version, contents.files)


def _print_tag(tag: Tag) -> None:
    output.print_folded(f"tag {tag.tag} names revision {tag.revision}")


_PRINTERS: dict[str, Callable[[Any], None]] = {
    "run": _print_run,
    "detector": _print_detector,
    "panels": _print_summaries,
    "version": _print_version,
    "tag": _print_tag,
    "revision": lambda revision: print_log([revision]),
    "export": lambda export: print_exports([export]),
    "identity": print_identity,
}
"""By field of a subject, in the order of the screen."""

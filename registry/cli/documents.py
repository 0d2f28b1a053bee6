"""Provenance documents as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from registry.cli import output, reports

if TYPE_CHECKING:
    from registry.provenance import Document
    from registry.provenance.document import InputConstants


def print_document(document: Document) -> None:
    """Print a provenance document for people."""
    output.print_fields(**dict(_describe_export(document)))
    for panel in document.resolution.panels:
        output.print_text()
        place = f"segment {panel.segment}" if isinstance(panel.segment, int) else f"position {panel.position}"
        output.print_text(f"{place}: {panel.panel}  {panel.alias or ''}".rstrip())
        for constants in panel.constants:
            _print_constants(constants)
    output.print_text()
    rows = [(row.type, row.unit, row.dtype, row.shape, (row.sha256 or "")[:16]) for row in document.outputs]
    output.print_table(("output", "unit", "dtype", "shape", "sha256"), rows)
    for warning in document.warnings:
        output.print_text(f"warning: {warning}")


def _describe_export(document: Document) -> Iterator[tuple[str, str]]:
    """Yield names and values that describe the export as a whole."""
    request, resolution, origin = document.request, document.resolution, document.created_by
    yield "request", request.target + (f", source {request.source}" if request.source else "")
    yield "constants of", f"{resolution.instant} ({resolution.instant_is})"
    yield "answered by", f"registry {document.registry.id}, revision {document.registry.revision}"
    if document.registry.head:
        yield "seal", document.registry.head.seal
    yield "written", f"{document.created_at} by {origin.author} on {origin.host}"
    yield "command", origin.command
    yield "software", ", ".join(f"{name} {version}" for name, version in document.software.items())
    if run := resolution.run:
        yield "run", f"{run.experiment} {run.run}, begin {run.begin or 'not known'}"
    if configuration := resolution.configuration:
        last = "end" if configuration.last_run is None else configuration.last_run
        runs = f"{configuration.first_run}-{last}"
        yield "detector", f"{configuration.source} in {configuration.experiment}, runs {runs}"
    if document.deployment:
        yield "files for", f"runs {document.deployment.runs} of {document.deployment.source}"


def _print_constants(constants: InputConstants) -> None:
    start = constants.valid_from or "beginning"
    end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
    output.print_text(f"  {constants.kind}: version {constants.version}, valid from {start}, {end}")
    stamp = constants.registered
    comment = f": {stamp.comment}" if stamp.comment else ""
    registered = f"revision {stamp.revision}, {stamp.recorded_at}, {stamp.author}{comment}"
    output.print_text(f"    registered in {registered}")
    if constants.conversion:
        output.print_text(
            f"    converted from {constants.conversion.file}, sha256 {constants.conversion.sha256}"
        )
    rows = [
        (row.gain_range, reports.format_number(row.statistics.median), row.statistics.zeros, row.sha256[:16])
        for row in constants.files
    ]
    output.print_table(("gain range", "median", "zeros", "sha256"), rows, indent="    ")

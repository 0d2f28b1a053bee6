"""Layout 1 of lcls2 files, of documents from before: ``.npy`` arrays with a JSON that no tool of the facility takes.

A replay must write the same bytes: do not change the fields.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from registry.exporters import npy
from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.exporters.slots import list_absent_segments
from registry.instants import parse_instant
from registry.parallel import Advance
from registry.provenance.document import Companion, Document, Output


def layout(draft: Document) -> Layout:
    """Return the names of the files, two per calibration type."""
    arrays = npy.layout(draft).arrays
    return Layout(arrays=arrays, companions=tuple(f"{name}.json" for name in arrays))


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays and their side files."""
    written = npy.write(draft, assemblies, target, advance)
    document = replace(draft, outputs=written.outputs)
    pairs = zip(layout(draft).companions, written.outputs, strict=True)
    return WrittenFiles(written.outputs, tuple(_write_side_file(document, *pair, target) for pair in pairs))


def _write_side_file(document: Document, name: str, output: Output, target: Target) -> Companion:
    with target.open_file(name) as file:
        file.write(json.dumps(_build_fields(document, output), indent=2).encode() + b"\n")
    return Companion(name, file.sha256, file.size)


def _build_fields(document: Document, output: Output) -> dict[str, Any]:
    """Return the fields of a side file; the document in it has no side files."""
    resolution, deployment, segments = document.resolution, document.deployment, document.resolution.segments
    run = resolution.run.run if resolution.run else None
    name = f"{resolution.detector_type}_{resolution.detector_id}"
    moment = parse_instant(resolution.instant).datetime
    stamp = f"{moment:%Y%m%d%H%M%S}"
    return {
        "experiment": resolution.run.experiment if resolution.run else None,
        "run": run,
        "run_beg": deployment.first_run if deployment else None,
        "run_end": deployment and ("end" if deployment.last_run is None else deployment.last_run),
        "run_orig": run,
        "detector": name,
        "detname": deployment.source if deployment else None,
        "longname": name,
        "shortname": None,
        "dettype": resolution.detector_type,
        "ctype": output.type,
        "dtype": output.dtype,
        "time_sec": int(moment.timestamp()),
        "time_stamp": f"{moment:%Y-%m-%dT%H:%M:%S%z}",
        "tsshort": stamp,
        "tstamp_orig": stamp,
        "version": f"calreg {document.software.get('calreg', '')}",
        "comment": str(document.registry),
        "iofname": output.path,
        "extpars": _build_parameters(document),
        "segment_ids": [panel.panel for panel in resolution.panels],
        "segment_inds": [
            panel.position if segments is None else segments[panel.position] for panel in resolution.panels
        ],
        "shape_as_daq": [len(resolution.panels), *output.shape[2:]],
    }


def _build_parameters(document: Document) -> dict[str, Any]:
    """Return the fields that the database keeps together, as a text."""
    parameters = {"provenance": msgspec.to_builtins(document)}
    if document.resolution.segments is None:  # only a document from before they were stated: see `find_slots`
        return parameters
    return {**parameters, "absent_segments": list_absent_segments(document)}

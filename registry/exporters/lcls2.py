"""Files that the deploy tool of the newer data system puts into its database: a text for each array, a JSON beside it.

The tool looks in ``<detector type>/merge_tmp`` for names with ``-<experiment>-r<run>-`` and ``.json``, and loads the
``.txt`` of the same stem (slac-lcls/lcls2, ``detector/UtilsJungfrauCalib.py``). The reader finds a document by
``detector``, which is the short name, and takes ``run`` to ``run_end`` for its range of runs (``pscalib/calib``:
``MDBUtils.py``, ``CalibDoc.py``). It takes a panel's constants by segment number, from the array of a whole detector.
Those of absent panels, which it does not read, are zeros as the facility writes them. The provenance document is one
folder up, where the tool never looks.

Layout 1, of documents from before, is that of `lcls2_arrays`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from registry import detectors
from registry.calibration_folder import MAX_RUN
from registry.detectors.newer_names import build_long_name, parse_short_name
from registry.errors import Remedy, RequestError
from registry.exporters import lcls2_arrays, text
from registry.exporters.assembly import Assembly
from registry.exporters.deploy_commands import describe_deployment
from registry.exporters.layout import Layout, Target, WrittenFiles, write_sequential
from registry.exporters.origins import describe_inputs
from registry.exporters.slots import list_absent_segments
from registry.files import Buffer
from registry.identifiers import parse_experiment
from registry.instants import parse_instant
from registry.parallel import Advance
from registry.provenance.document import Companion, Deployment, Document, Output

NAME = "lcls2"
BY_SEGMENT = True
HAS_RUN_RANGE = True
HAS_SHORT_NAME = True
LAYOUT = 2
REQUIRED_PACKAGE = None

FOLDER = "merge_tmp"
_EXACT_LIMIT = 1 << 53  # the tool reads every number as float64


@dataclass(frozen=True, slots=True)
class Names:
    """The names and runs that the files of an export are found by, checked."""

    short_name: str
    experiment: str
    deployment: Deployment
    stamp: str

    @classmethod
    def of(cls, draft: Document) -> Names:
        """Return those of a document; refuse one without runs or names, or of runs that are not read."""
        deployment, resolution = draft.deployment, draft.resolution
        experiment = None
        if deployment is not None:
            experiment = resolution.run.experiment if resolution.run else deployment.experiment
        if deployment is None or experiment is None:
            raise RequestError(
                "the newer data system has constants by experiment and runs, which a detector Id does not have",
                remedy=Remedy.GIVE_EXPERIMENT_AND_RUNS,
            )
        last = deployment.first_run if deployment.last_run is None else deployment.last_run
        if last > MAX_RUN:
            raise RequestError(
                f"run {last} is beyond {MAX_RUN}, the last for which the newer data system finds constants",
                run=last,
            )
        panels = [panel.panel for panel in resolution.panels]
        short_name = parse_short_name(deployment.short_name or "", resolution.detector_type, panels)
        moment = parse_instant(resolution.instant).datetime
        return cls(short_name, parse_experiment(experiment), deployment, f"{moment:%Y%m%d%H%M%S}")

    @property
    def sought(self) -> str:
        """The part of a name by which the tool finds the files of an experiment and a run."""
        return f"-{self.experiment}-r{self.deployment.first_run:04d}-"

    @property
    def prefix(self) -> str:
        """The start of every name."""
        return f"{self.short_name}-{self.stamp}{self.sought}"


def layout(draft: Document) -> Layout:
    """Return the names of the files; refuse an export without what the newer data system finds them by."""
    if draft.layout == 1:
        return lcls2_arrays.layout(draft)
    names, types = Names.of(draft), draft.resolution.types
    last = names.deployment.runs.partition("-")[2]
    return Layout(
        folder=detectors.find_detector_type(draft.resolution.detector_type).name,
        arrays={name: f"{FOLDER}/{names.prefix}{name}.txt" for name in types},
        companions=tuple(f"{FOLDER}/{names.prefix}{name}.json" for name in types),
        document=f"{names.prefix}{last}-{'-'.join(sorted(types))}.json",
    )


def refuse_inexact_masks(draft: Document) -> None:
    """Refuse masks that the tool does not read exactly. A replay does not ask."""
    detector = detectors.find_detector_type(draft.resolution.detector_type)
    for panel in draft.resolution.panels:
        for constants in panel.constants:
            kind = detector.find_kind(constants.kind)
            for file in constants.files if kind.is_mask else ():
                maximum = file.statistics.maximum
                if maximum is not None and maximum >= _EXACT_LIMIT:
                    raise RequestError(
                        f"the newer data system reads a text exactly up to 2^53, and {kind.calibration_type} has"
                        f" {maximum:.0f} in panel {panel.panel}, version {constants.version},"
                        f" gain range {file.gain_range}",
                        type=kind.calibration_type,
                        maximum=maximum,
                    )


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays and their side files."""
    if draft.layout == 1:
        return lcls2_arrays.write(draft, assemblies, target, advance)
    names, files = Names.of(draft), layout(draft)

    def generate_chunks(assembly: Assembly, advance: Advance) -> Iterator[Buffer]:
        dtype = assembly.describe_output().dtype
        yield text.build_header(assembly.shape, dtype, list(_build_comments(draft, names, assembly)))
        for part in assembly.read_parts():
            yield from text.format_rows(part.array)
            advance()

    outputs = write_sequential(files.arrays, generate_chunks, assemblies, target, advance)
    document = replace(draft, outputs=outputs)
    companions = tuple(
        _write_side_file(_build_fields(document, names, output), name, target)
        for name, output in zip(files.companions, outputs, strict=True)
    )
    if target.destination is None:
        return WrittenFiles(outputs, companions)
    deployment = describe_deployment(
        draft, names.short_name, names.experiment, target.destination.parent, files.arrays
    )
    warnings = _list_others(target.destination / FOLDER, names, files)
    return WrittenFiles(outputs, companions, tuple(warnings), (deployment,))


def _build_comments(draft: Document, names: Names, assembly: Assembly) -> Iterator[str]:
    """Yield the origin of the numbers. A replay must write the same bytes: do not reword."""
    kind, resolution, deployment = assembly.kind, draft.resolution, names.deployment
    yield f"array {kind.calibration_type}, unit {kind.unit or 'none'}, axes (gain range, segment, row, column)"
    yield f"runs {deployment.runs} of {deployment.source} in {names.experiment}; times here are UTC"
    yield f"constants of {resolution.instant} ({resolution.instant_is})"
    yield str(draft.registry)
    yield from describe_inputs(resolution, assembly)


def _write_side_file(fields: dict[str, Any], name: str, target: Target) -> Companion:
    with target.open_file(name) as file:
        file.write(json.dumps(fields, indent=2).encode() + b"\n")
    return Companion(name, file.sha256, file.size)


def _build_fields(document: Document, names: Names, output: Output) -> dict[str, Any]:
    """Return the fields of a side file."""
    resolution, deployment = document.resolution, names.deployment
    panels = [panel.panel for panel in resolution.panels]
    moment = parse_instant(resolution.instant).datetime
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S%z}"
    return {
        "experiment": names.experiment,
        "run": deployment.first_run,
        "run_beg": deployment.first_run,
        "run_end": "end" if deployment.last_run is None else deployment.last_run,
        "run_orig": resolution.run.run if resolution.run else deployment.first_run,
        "detector": names.short_name,
        "detname": deployment.source,
        "longname": build_long_name(resolution.detector_type, panels),
        "shortname": names.short_name,
        "dettype": resolution.detector_type,
        "ctype": output.type,
        "dtype": "ndarray",
        "time_sec": int(moment.timestamp()),
        "time_stamp": stamp,
        "tsshort": names.stamp,
        "tstamp_orig": stamp,
        "version": f"calreg {document.software.get('calreg', '')}",
        "comment": str(document.registry),
        "iofname": Path(output.path or "").name,
        "extpars": _build_parameters(document, output),
        "segment_ids": panels,
        "segment_inds": list(resolution.segments or ()),
        "shape_as_daq": list(output.shape[1:]),
    }


def _build_parameters(document: Document, output: Output) -> dict[str, Any]:
    """Return the fields that the database keeps together, as a text: what the array is made from.

    The whole document would be a hundred times as long, and every job reads those of all runs.
    """
    return {
        "registry": document.registry.id,
        "revision": document.registry.revision,
        "seal": document.registry.seal or None,
        "instant": document.resolution.instant,
        "sha256": output.sha256,
        "constants": {
            panel.panel: constants.constants
            for panel in document.resolution.panels
            for constants in panel.constants
            if constants.kind == output.kind
        },
        "absent_segments": list_absent_segments(document),
    }


def find_rivals(folder: Path, draft: Document) -> list[str]:
    """Return the names of other files of the same detector, runs and arrays in an export's folder."""
    names, files = Names.of(draft), layout(draft)
    others = _list_sought(folder / FOLDER, names, files)
    ends = tuple(f"{names.sought}{name}.json" for name in files.arrays)
    return [name for name in others if name.startswith(f"{names.short_name}-") and name.endswith(ends)]


def _list_others(folder: Path, names: Names, files: Layout) -> list[str]:
    """Return a warning on the files that the tool takes beside those of the export."""
    others = _list_sought(folder, names, files)
    if not others:
        return []
    return [f"the same command deploys other files of {str(folder)!r}, too: {', '.join(others)}"]


def _list_sought(folder: Path, names: Names, files: Layout) -> list[str]:
    """Return the names of other documents in a folder that the tool takes for the experiment and run."""
    own = {Path(name).name for name in files.companions}
    known = (path.name for path in folder.glob("*.json*"))
    return sorted(name for name in known if names.sought in name and name not in own)

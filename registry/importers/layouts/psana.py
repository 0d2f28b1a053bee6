"""The calibration directory of the older analysis framework: a text for each source, calibration type and runs.

``<group>/<source>/<calibration type>/<first run>-<last run|end>.data``, as the ``psana`` format of exports writes it,
and whatever else has. A file names runs, not times, and no panels: both are those that the registry has for the source
in these runs. From the start of each run in which the framework would take another file, that file's constants are
valid; where it finds none any more, nothing is: a gap.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from registry.calibration_folder import MAX_RUN, choose_files, parse_file_name, stops_framework
from registry.detectors import DETECTOR_TYPES, DetectorType, Kind
from registry.errors import ArrayError, RegistryError, Remedy, RequestError
from registry.files import list_folder, open_input
from registry.identifiers import format_count, parse_source, quote
from registry.importers.layouts.contents import (
    ArrayFile,
    Context,
    KnownRun,
    LayoutEntry,
    LayoutTree,
    Part,
    PartOfFile,
)
from registry.importers.layouts.panel_repositories import refuse_empty_tree, start_tree
from registry.importers.legacy_tree import Hazard
from registry.instants import Instant, refuse_unlikely
from registry.text_arrays import TextReader

HAS_LOCAL_TIMES = False
NEEDS_EXPERIMENT = True

_EXPECTED = "Jungfrau::CalibV1/XcsEndstation.0:Jungfrau.0/pixel_gain/631-end.data is expected"
_CHECKSUM = re.compile(r"panel ([0-9]{1,4}) gain range ([0-9]{1,2}): sha256 ([0-9a-f]{64})")


def find_entries(root: Path, context: Context) -> LayoutTree:
    """Read a calibration directory, or the folder that has it under the name ``calib``."""
    content = start_tree(root)
    calib = root / "calib" if (root / "calib").is_dir() else root
    groups = {
        detector.group_of(f"a.0:{device.name}.0"): detector
        for detector in DETECTOR_TYPES.values()
        for device in detector.devices
    }
    for group in list_folder(calib, "a calibration directory"):
        if group.name not in groups or not group.is_dir():
            content.tree.notes.append(
                f"{quote(group.name)} is not a group of a known detector; it is left out"
            )
            continue
        for item in list_folder(Path(group.path), "the folder of a group"):
            name = Path(item.path).relative_to(root).as_posix()
            try:
                _Source(content, context, groups[group.name], Path(item.path), name).read()
            except RegistryError as error:
                content.tree.hazards.append(Hazard(name, error.message, remedy=error.remedy))
    return refuse_empty_tree(content, _EXPECTED)


@dataclass(frozen=True, slots=True)
class _DeployedFile:
    """A file of one calibration type, with the number of panels in it; None if it cannot be taken."""

    file: ArrayFile
    panels: int | None
    last_run: int

    def list_parts(self, position: int) -> tuple[PartOfFile, ...]:
        """Return the arrays of the panel at a position."""
        step = self.panels or 1
        return tuple(
            PartOfFile(self.file, number * step + position)
            for number in range(self.file.detector.gain_ranges)
        )

    def for_run(self, run: KnownRun) -> _DeployedFile:
        """Return the file; one that is refused if the source reads out another number of panels in the run."""
        if self.panels in (None, len(run.panels)):
            return self
        return self.fail(
            f"it has {format_count(self.panels or 0, 'panel')}, and the source"
            f" {format_count(len(run.panels), 'panel')} in run {run.run}"
        )

    def fail(self, reason: str) -> _DeployedFile:
        """Return the file so that reading it is refused, and with it the versions that it states."""

        def refuse() -> Iterator[Part]:
            raise ArrayError(f"{self.file.name!r}: {reason}", path=self.file.name)

        return _DeployedFile(replace(self.file, read=refuse), None, self.last_run)


_State = tuple[_DeployedFile, int] | None
"""The file, and the position in it, from which a panel has its constants in a run; None if there is none."""


@dataclass(slots=True)
class _Source:
    """Reads the folder of one source."""

    content: LayoutTree
    context: Context
    detector: DetectorType
    folder: Path
    name: str
    changes: dict[tuple[str, Instant], dict[str, _State]] = field(default_factory=lambda: defaultdict(dict))
    runs: dict[Instant, int] = field(default_factory=dict)

    def read(self) -> None:
        """Add what the files of the source state."""
        source = parse_source(self.folder.name)
        if not self.detector.has_source(source):
            raise RequestError(f"{quote(source)} is not a source of {self.detector.name}")
        experiment = self.context.experiment or ""
        recorded = [run for run in self.context.list_runs(experiment, source) if run.run <= MAX_RUN]
        if not recorded:
            raise RequestError(
                f"no run of {experiment} is recorded in which {source} reads out known panels: of which panels its"
                " files are, and when they start, is not known"
            )
        for item in list_folder(self.folder, "the folder of a source"):
            if not item.is_dir():
                continue  # HISTORY and documents
            kind = next((kind for kind in self.detector.kinds if kind.calibration_type == item.name), None)
            if kind is None:
                self.content.tree.notes.append(
                    f"{self.name}/{item.name} is not a calibration type of {self.detector.name} that is known here; it"
                    " is left out"
                )
            else:
                self._read_type(Path(item.path), kind, recorded)
        self._add_entries()

    def _read_type(self, folder: Path, kind: Kind, recorded: Sequence[KnownRun]) -> None:
        names = [item.name for item in list_folder(folder, "the folder of a calibration type")]
        self._note_odd_names(folder, names)
        chosen = choose_files(names, [run.run for run in recorded])
        self._note_idle(folder, names, chosen)
        files = {name: self._open(folder / name, kind) for name in set(chosen.values()) if name}
        by_count: dict[tuple[str | None, int], _DeployedFile] = {}
        states: dict[str, _State] = {}
        starts: dict[str, Instant] = {}
        for run in recorded:
            name = chosen[run.run]
            file = by_count.get((name, len(run.panels)))
            if file is None and name:
                file = by_count[name, len(run.panels)] = files[name].for_run(run)
            for position, panel in enumerate(run.panels):
                state = None if file is None else (file, position)
                if states.get(panel) == state:
                    continue
                start = self._find_start(run, file.file.name if file else f"{self.name}/{folder.name}")
                if start is not None:
                    self.changes[panel, start][kind.name] = state
                    self.runs[start] = run.run
                    states[panel], starts[panel] = state, start
        self._refuse_disorder(kind, recorded, chosen)
        for panel, state in states.items():
            if state is not None and state[0].last_run < MAX_RUN:
                reason = (
                    f"it ends with run {state[0].last_run}, and no later run than {recorded[-1].run} of"
                    f" {self.context.experiment} is recorded: when its constants end is not known"
                )
                self.changes[panel, starts[panel]][kind.name] = state[0].fail(reason), state[1]

    def _refuse_disorder(
        self, kind: Kind, recorded: Sequence[KnownRun], chosen: Mapping[int, str | None]
    ) -> None:
        """Refuse starts by which a run would have the constants of another file, or of another place in its file."""
        starts: defaultdict[str, list[Instant]] = defaultdict(list)
        states: defaultdict[str, list[_State]] = defaultdict(list)
        for panel, start in sorted(self.changes):
            if kind.name in self.changes[panel, start]:
                starts[panel].append(start)
                states[panel].append(self.changes[panel, start][kind.name])
        for run in recorded:
            for position, panel in enumerate(run.panels if run.begin is not None else ()):
                place = bisect_right(starts[panel], run.begin or 0)
                state = states[panel][place - 1] if place else None
                other = (Path(state[0].file.name).name, state[1]) if state else None
                name = chosen[run.run]
                if other != ((name, position) if name else None):
                    raise RequestError(
                        f"run {run.run} of {self.context.experiment} starts at {run.begin}, where the order of the runs"
                        f" is not that of their numbers: {panel} would have {kind.name} of"
                        f" {other[0] if other else 'no file'} in it, not of {name or 'no file'}"
                    )

    def _note_odd_names(self, folder: Path, names: Sequence[str]) -> None:
        for name in names:
            path = f"{self.name}/{folder.name}/{name}"
            if stops_framework(name):
                self._add_hazard(path, "the analysis framework stops on this name")
            elif name.endswith(".data") and parse_file_name(name) is None:
                self.content.tree.notes.append(
                    f"{path} is not the name of runs; the framework leaves it out, too"
                )

    def _note_idle(self, folder: Path, names: Sequence[str], chosen: Mapping[int, str | None]) -> None:
        """Name the files that no recorded run would take: others hide them, or their runs are not known."""
        for name in sorted(set(names) - {name for name in chosen.values() if name}):
            file = parse_file_name(name)
            if file is None:
                continue
            path = f"{self.name}/{folder.name}/{name}"
            if any(file.first_run <= run <= file.last_run for run in chosen):
                self.content.tree.notes.append(
                    f"{path} is hidden by other files in all recorded runs; it is left out"
                )
            else:
                self.content.tree.hazards.append(
                    Hazard(
                        path,
                        f"no run of {self.context.experiment} in its range is recorded: its start is not known",
                    )
                )

    def _open(self, path: Path, kind: Kind) -> _DeployedFile:
        """Return a file with the number of panels in it; one that cannot be taken is refused when it is read."""
        name = path.relative_to(self.content.tree.root).as_posix()
        runs = parse_file_name(path.name)
        last_run = runs.last_run if runs else MAX_RUN
        file = ArrayFile(name, path, self.detector, kind, {}, partial(read_array_text, path, kind))
        try:
            with open_input(path, "an array", ArrayError) as stream:
                shape = TextReader(stream, repr(str(path))).shape
        except RegistryError as error:
            return _DeployedFile(file, None, last_run).fail(error.message)
        panels = shape[1] if len(shape) == 4 else 0
        if not panels or shape != self.detector.array_shape(panels):
            reason = f"it has the shape {shape}, which is not that of {self.detector.name}"
            return _DeployedFile(file, None, last_run).fail(reason)
        gain_ranges = {number: number // panels for number in range(panels * self.detector.gain_ranges)}
        return _DeployedFile(replace(file, gain_ranges=gain_ranges), panels, last_run)

    def _find_start(self, run: KnownRun, name: str) -> Instant | None:
        """Return the start of a run, None with a hazard if it cannot be that of constants."""
        if run.begin is None:
            self._add_hazard(name, f"the start of run {run.run} of {self.context.experiment} is not recorded")
            return None
        try:
            return refuse_unlikely(run.begin, "a start of validity", any_time=self.context.any_time)
        except RequestError as error:
            self._add_hazard(name, error.message, error.remedy)
            return None

    def _add_hazard(self, name: str, reason: str, remedy: Remedy | None = None) -> None:
        hazard = Hazard(name, reason, remedy=remedy)
        if hazard not in self.content.tree.hazards:
            self.content.tree.hazards.append(hazard)

    def _add_entries(self) -> None:
        for (panel, start), states in sorted(self.changes.items()):
            names = sorted({Path(state[0].file.name).name for state in states.values() if state})
            label = ",".join(names) or "none"
            name = f"{self.name}/*/{label} from run {self.runs[start]}, {panel}"
            constants = {
                kind: None if state is None else state[0].list_parts(state[1])
                for kind, state in states.items()
            }
            self.content.entries.append(LayoutEntry(name, panel, start, constants))


def read_array_text(path: Path, kind: Kind, segments: Sequence[int] | None = None) -> Iterator[Part]:
    """Yield the arrays of a text, by gain range and panel.

    Parameters
    ----------
    segments
        The place of each panel in the array, where that is not its position.
    """
    with open_input(path, "an array", ArrayError) as file:
        reader = TextReader(file, repr(str(path)))
        required = np.dtype(kind.dtype)
        if reader.dtype.kind != required.kind:
            raise ArrayError(
                f"{str(path)!r} holds {reader.dtype.name}; {kind.calibration_type} is {required.name}",
                path=str(path),
            )
        sums = dict(_list_checksums(reader, segments))
        for place, table in enumerate(reader.read_tables()):
            yield Part(place, table.values, is_text=True, digits=table.digits, sha256=sums.get(place))


def _list_checksums(reader: TextReader, segments: Sequence[int] | None) -> Iterator[tuple[int, str]]:
    """Yield the checksums of the files from which an export of calreg was made, by the place of the array."""
    for comment in reader.comments:
        if match := _CHECKSUM.fullmatch(comment):
            position = int(match[1])
            if segments is not None:
                position = segments[position] if position < len(segments) else position
            yield int(match[2]) * reader.shape[1] + position, match[3]

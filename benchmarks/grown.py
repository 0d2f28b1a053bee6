"""Registries that have grown in every table, to be loaded in bulk: panels, versions with files, runs and exports.

Every experiment has the first panel in its detector, and panels of its own; the last panel is in none. Runs and starts
of versions are spread over the same years. The files do not exist where what is measured reads none of them; else each
has a single number.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detector import module_name, panel_id
from benchmarks.loading import Tables
from registry.instants import BEGINNING, parse_instant
from registry.store import manifest_sha256

SOURCE = "XcsEndstation.0:Jungfrau.0"
KINDS = ("gain", "offset")
_GAIN_RANGES = 3
_FIRST = parse_instant("2010-01-01T00:00:00Z")
_SPAN = parse_instant("2020-01-01T00:00:00Z") - _FIRST
_STARTS_OF_CONSTANTS = 8  # so often a panel is given the same constants
_RUNS_OF_EXPERIMENT = 1000
_PANELS_OF_EXPERIMENT = 16
# Of an array of numpy with one value.
_HEADER = (
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }".ljust(117)
    + b"\n"
)


@dataclass(frozen=True, slots=True)
class Growth:
    """The contents of a registry that has grown to a size."""

    panels: int
    versions: int
    runs: int
    revisions: int
    has_files: bool = False

    @property
    def starts(self) -> int:
        """The number of starts of each panel and kind."""
        return self.versions // (len(KINDS) * self.panels)

    @property
    def experiments(self) -> list[str]:
        """The experiments, in the order of their runs."""
        return [f"xcs{number:05}" for number in range(-(-self.runs // self.runs_of_experiment))]

    @property
    def runs_of_experiment(self) -> int:
        """The number of runs of each experiment."""
        return min(_RUNS_OF_EXPERIMENT, max(1, self.runs // 3))

    @property
    def exports(self) -> int:
        """The number of recorded exports."""
        return self.runs // 20

    def members(self, experiment: int) -> list[int]:
        """Return the keys of the panels of an experiment's detector: the first panel, and others in their turn."""
        others = self.panels - 2
        size = min(_PANELS_OF_EXPERIMENT - 1, others)
        return [1, *(2 + (experiment * size + place) % others for place in range(size))]

    def start_at(self, start: int) -> int:
        """Return the start time of the versions of that number."""
        return _FIRST + _SPAN * start // self.starts

    def run_at(self, run: int) -> int:
        """Return the start time of the run of that number among all."""
        return _FIRST + _SPAN * (run + 1) // (self.runs + 1)

    def find_revision(self, part: int, whole: int) -> int:
        """Return the revision that recorded a row of so many, spread over all revisions but the first."""
        return 2 + part * (self.revisions - 1) // whole

    def tables(self) -> Tables:
        """Return by table, parents first, the columns that are filled and their rows."""
        fields = [panel_id(number).split("-") for number in range(self.panels)]
        panels = enumerate(fields, start=1)
        experiments = list(enumerate(self.experiments))
        return {
            "revision": (
                ("number", "recorded_at", "author", "host", "command", "comment", "software"),
                (
                    (number, _FIRST + _SPAN + number * 1_000_000, "ana", "beamline", "calreg", None, "calreg")
                    for number in range(1, self.revisions + 1)
                ),
            ),
            "panel": (
                (
                    "id",
                    "identifier",
                    "detector_type",
                    "module_version",
                    "firmware_version",
                    "serial_number",
                    "recorded_in",
                ),
                ((key, "-".join(three), "jungfrau", *three, 1) for key, three in panels),
            ),
            "alias": (
                ("id", "recorded_in", "m_number", "panel_id", "valid_from"),
                ((key, 1, module_name(key - 1), key, BEGINNING) for key in range(1, self.panels + 1)),
            ),
            "blob": (
                (
                    "sha256",
                    "size",
                    "dtype",
                    "shape",
                    "minimum",
                    "median",
                    "maximum",
                    "zeros",
                    "nonfinite",
                    "recorded_in",
                ),
                sorted(
                    (*self._describe_file(number, gain_range), 0, 0, recorded)
                    for number, recorded in self._constants()
                    for gain_range in range(_GAIN_RANGES)
                ),
            ),
            "blob_pattern": (
                ("blob", "algorithm", "recorded_in"),
                sorted(
                    (self._file_digest(number, gain_range), 1, recorded)
                    for number, recorded in self._constants()
                    for gain_range in range(_GAIN_RANGES)
                    if _kind_of(number) == "gain"
                ),
            ),
            "constants": (
                ("id", "sha256", "detector_type", "kind", "recorded_in"),
                (
                    (number, self._constants_digest(number), "jungfrau", _kind_of(number), recorded)
                    for number, recorded in self._constants()
                ),
            ),
            "constants_file": (
                ("constants_id", "gain_range", "sha256"),
                (
                    (number, gain_range, self._file_digest(number, gain_range))
                    for number, _ in self._constants()
                    for gain_range in range(_GAIN_RANGES)
                ),
            ),
            "version": (
                (
                    "id",
                    "recorded_in",
                    "panel_id",
                    "kind",
                    "valid_from",
                    "constants_id",
                    "source_path",
                    "nonfinite_allowed",
                    "latest_start",
                ),
                self._versions(),
            ),
            "configuration": (
                ("id", "recorded_in", "experiment", "source", "first_run"),
                ((number + 1, 1, name, SOURCE, 1) for number, name in experiments),
            ),
            "configuration_panel": (
                ("configuration_id", "position", "panel_id", "segment"),
                (
                    (number + 1, position, panel, position)
                    for number, _ in experiments
                    for position, panel in enumerate(self.members(number))
                ),
            ),
            "run": (
                ("id", "recorded_in", "experiment", "number", "begin_at", "end_at"),
                (
                    (
                        number + 1,
                        self.find_revision(number, self.runs),
                        experiments[number // self.runs_of_experiment][1],
                        1 + number % self.runs_of_experiment,
                        self.run_at(number),
                        self.run_at(number) + 1_000_000,
                    )
                    for number in range(self.runs)
                ),
            ),
        }

    def write_files(self, store: Path) -> None:
        """Write the files into a store."""
        for number, _ in self._constants():
            for gain_range in range(_GAIN_RANGES):
                content = _file_content(number, gain_range)
                digest = hashlib.sha256(content).hexdigest()
                path = store / "objects" / digest[:2] / f"{digest}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o444)

    def _describe_file(self, constants: int, gain_range: int) -> tuple[object, ...]:
        """Return the digest of a file, its size, dtype and shape, the least, the median and the greatest value."""
        digest = self._file_digest(constants, gain_range)
        if not self.has_files:
            return digest, 2097280, "<f4", "512x1024", 1.0, 2.0, 3.0
        value = _file_value(constants, gain_range)
        return digest, len(_file_content(constants, gain_range)), "<f4", "1,1", value, value, value

    def _file_digest(self, constants: int, gain_range: int) -> str:
        content = f"{constants} {gain_range}".encode()
        if self.has_files:
            content = _file_content(constants, gain_range)
        return hashlib.sha256(content).hexdigest()

    def _constants_digest(self, constants: int) -> str:
        files = [self._file_digest(constants, gain_range) for gain_range in range(_GAIN_RANGES)]
        return manifest_sha256("jungfrau", _kind_of(constants), files)

    def _constants(self) -> Iterator[tuple[int, int]]:
        """Yield the numbers of the constants, and the revisions that recorded them."""
        pairs = self.panels * len(KINDS)
        for start in range(0, self.starts, _STARTS_OF_CONSTANTS):
            for place in range(pairs):
                number = start // _STARTS_OF_CONSTANTS * pairs + place + 1
                yield number, self.find_revision(start * pairs + place, self.starts * pairs)

    def _versions(self) -> Iterable[tuple[object, ...]]:
        pairs = self.panels * len(KINDS)
        for start in range(self.starts):
            begin = self.start_at(start)
            for place in range(pairs):
                panel, kind = place // len(KINDS) + 1, KINDS[place % len(KINDS)]
                row = start * pairs + place
                yield (
                    row + 1,
                    self.find_revision(row, self.starts * pairs),
                    panel,
                    kind,
                    begin,
                    start // _STARTS_OF_CONSTANTS * pairs + place + 1,
                    f"/made/by/hand/{start}",
                    False,
                    begin,
                )


SMALL = Growth(50, 1_000, 300, 1_000)
GROWING = Growth(100, 5_000, 2_000, 2_000)
MEDIUM = Growth(500, 50_000, 20_000, 20_000)
LARGE = Growth(2_000, 1_000_000, 200_000, 200_000)


def _kind_of(constants: int) -> str:
    return KINDS[(constants - 1) % len(KINDS)]


def _file_value(constants: int, gain_range: int) -> float:
    return float(constants * _GAIN_RANGES + gain_range)


def _file_content(constants: int, gain_range: int) -> bytes:
    return _HEADER + struct.pack("<f", _file_value(constants, gain_range))

"""The files of a calibration directory: the ranges of runs in their names, and which one is read for a run.

Of several files with a run in their range the analysis framework takes the one with the highest first run, then the
smallest last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_RUN = 9999
"""The last run for which the framework reads a file."""

_FILE_NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,9}|end)\.data", re.ASCII)
_NUMBERED_NAME = re.compile(r"[0-9]+-[^-]*\.data", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file for a range of runs, both inclusive."""

    name: str
    first_run: int
    last_run: int

    def has_runs_of(self, other: RunFile) -> bool:
        """Tell whether both files are for the same runs, as ``1-end.data`` and ``1-9999.data`` are."""
        return (self.first_run, self.last_run) == (other.first_run, other.last_run)

    def takes_precedence(self, other: RunFile) -> bool:
        """Tell whether the framework takes this file, not the other, for some of the other one's runs."""
        if self.first_run == other.first_run:
            return self.last_run < other.last_run
        return other.first_run < self.first_run <= other.last_run


def parse_file_name(name: str) -> RunFile | None:
    """Return the range of runs of a file, None where the framework does not read one from its name."""
    match = _FILE_NAME.fullmatch(name)
    if match is None:
        return None
    first, last = int(match[1]), MAX_RUN if match[2] == "end" else int(match[2])
    return RunFile(name, first, last) if max(first, last) <= MAX_RUN else None


def stops_framework(name: str) -> bool:
    """Tell whether a file of this name stops the framework for every run: a first run with anything else behind."""
    return _NUMBERED_NAME.fullmatch(name) is not None and parse_file_name(name) is None


def format_file_name(first_run: int, last_run: int | None) -> str:
    """Return the name of the file for a range of runs."""
    return f"{first_run}-{'end' if last_run is None else last_run}.data"


def choose_files(names: Iterable[str], runs: Iterable[int]) -> dict[int, str | None]:
    """Return by run the name of the file that the framework takes, None where it finds none."""
    files = [file for file in map(parse_file_name, names) if file is not None]
    chosen: list[str | None] = [None] * (MAX_RUN + 1)
    for file in sorted(files, key=lambda file: (file.first_run, -file.last_run, file.name)):
        if file.first_run <= file.last_run:  # a later one hides those before it
            chosen[file.first_run : file.last_run + 1] = [file.name] * (file.last_run + 1 - file.first_run)
    return {run: chosen[run] if run <= MAX_RUN else None for run in runs}

"""Ranges of runs: ``8``, ``1-8`` or ``8-end``, and lists of them, ``1-8,12``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.errors import IdentifierError
from registry.identifiers import (
    Dataset,
    format_count,
    format_run_range,
    parse_experiment,
    parse_run_number,
    quote,
    split_dataset,
)

RunRange = tuple[int, int | None]
"""The first and the last run, ``None`` where the range is open."""

_MAX_RANGES = 1000
_MAX_SHOWN = 8
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+|end))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Runs of one experiment, written ``exp=xcsls3716:run=5-9,12``."""

    experiment: str
    ranges: tuple[RunRange, ...]
    separator: str = field(default=":", compare=False, repr=False)

    def __str__(self) -> str:
        runs = ",".join(format_run_range(*limits) for limits in self.ranges)
        return f"exp={self.experiment}{self.separator}run={runs}"

    @property
    def single(self) -> Dataset | None:
        """The run, if the selection is one run and not a range or a list."""
        first, last = self.ranges[0]
        return Dataset(self.experiment, first) if len(self.ranges) == 1 and first == last else None

    @classmethod
    def parse(cls, text: str) -> RunSelection:
        """Read a dataset that may name ranges of runs."""
        experiment, runs, separator = split_dataset(text)
        parts = runs.split(",", _MAX_RANGES)
        if len(parts) > _MAX_RANGES:
            raise IdentifierError(f"{quote(text)} has more than {_MAX_RANGES} ranges of runs")
        return cls(parse_experiment(experiment), tuple(map(parse_run_range, parts)), separator)


def parse_run_range(text: str) -> RunRange:
    """Read a range of runs."""
    parts = _RANGE.fullmatch(text)
    if not parts:
        raise IdentifierError(f"{quote(text)} is not a range of runs: 8, 1-8 or 8-end is expected")
    first = parse_run_number(parts[1])
    if parts[2] is None:
        return first, first
    last = None if parts[2] == "end" else parse_run_number(parts[2])
    if last is not None and last < first:
        raise IdentifierError(f"{quote(text)} is not a range of runs: it ends before it starts")
    return first, last


def find_ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges of consecutive numbers, in order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


def format_runs(numbers: Iterable[int]) -> str:
    """Return run numbers as their ranges, ``5-9,12``; of very many ranges the first, and the number of the others."""
    texts = [format_run_range(*limits) for limits in find_ranges(numbers)]
    more = len(texts) - _MAX_SHOWN
    return ",".join(texts[:_MAX_SHOWN]) + (f" and {format_count(more, 'more range')}" if more > 0 else "")


def format_datasets(datasets: Iterable[Dataset]) -> list[str]:
    """Return a text for the runs of each experiment: ``exp=xcsls3716:run=5-9,12``."""
    by_experiment = defaultdict(list)
    for dataset in datasets:
        by_experiment[dataset.experiment].append(dataset.run)
    return [f"exp={experiment}:run={format_runs(numbers)}" for experiment, numbers in by_experiment.items()]

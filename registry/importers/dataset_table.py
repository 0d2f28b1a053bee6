"""The table of datasets that is kept by hand: dataset, runs, source, and detector Id or configuration object.

::

    Dataset                 Runs     DetInfo name                   Panel/detector Id or configuration object version
    exp=xcsls3716:run=631   1-631    XcsEndstation.0:Jungfrau.0     170505-149520170815-3d00b0_170505-...
    exp=xcs11116:run=18     4-18     XcsEndstation.0:Jungfrau.0     psana.Jungfrau.ConfigV2

Configuration objects before ConfigV3 carry no panel Ids; they are recorded by their name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from registry.detectors import parse_detector_id
from registry.errors import RegistryError, Remedy, RequestError
from registry.files import decode_text, read_bounded
from registry.identifiers import Dataset, format_count, parse_source, quote
from registry.importers.logbook import looks_like_json
from registry.registration.configurations import ConfigurationStatement
from registry.registration.runs import RunStatement
from registry.run_ranges import parse_run_range

_MAX_BYTES = 16 << 20
_MAX_LINES = 100_000
_CONFIGURATION_OBJECT = re.compile(r"psana\.[A-Za-z][A-Za-z0-9]*\.Config[A-Za-z0-9]*", re.ASCII)
_COLUMN_COUNT = 4


@dataclass(frozen=True, slots=True)
class DatasetTable:
    """The statements of the table: a run and a configuration for each row."""

    runs: tuple[RunStatement, ...]
    configurations: tuple[ConfigurationStatement, ...]


def read_dataset_table(path: Path) -> DatasetTable:
    """Read the table; a `RequestError` lists all rows that cannot be understood, by line."""
    runs, configurations, problems = [], [], []
    for number, line in enumerate(_read_lines(path), start=1):
        if not line.strip() or line.split()[0] == "Dataset" or not line.strip("-= "):
            continue
        try:
            run, configuration = _parse_row(line)
        except RegistryError as error:
            problems.append(f"line {number}: {error}")
        else:
            runs.append(run)
            configurations.append(configuration)
    name = repr(str(path))
    if problems:
        raise RequestError(f"{name} cannot be imported", details=problems, problems=problems)
    if not runs:
        raise RequestError(f"{name} holds no dataset")
    return DatasetTable(tuple(runs), tuple(configurations))


def _read_lines(path: Path) -> list[str]:
    content = read_bounded(path, _MAX_BYTES, "a table of datasets")
    if looks_like_json(content):
        raise RequestError(
            f"{str(path)!r} is JSON, not a table of datasets; a logbook's list of runs does not name its experiment",
            remedy=Remedy.GIVE_EXPERIMENT,
        )
    try:
        text = decode_text(content)
    except UnicodeDecodeError:
        raise _encoding_error(path) from None
    if text.count("\0") * 3 > len(text):  # UTF-16 without a mark, or UTF-32
        raise _encoding_error(path)
    # Where files were joined, the mark of the next one is at the start of a line.
    lines = [line.removeprefix("\ufeff") for line in text.splitlines()]
    if len(lines) > _MAX_LINES:
        raise RequestError(
            f"{str(path)!r} has {format_count(len(lines), 'line')}; at most {_MAX_LINES} are expected"
        )
    return lines


def _encoding_error(path: Path) -> RequestError:
    return RequestError(
        f"{str(path)!r} is not a text in UTF-8, or in UTF-16 with a byte order mark, so not a table of datasets"
    )


def _parse_row(line: str) -> tuple[RunStatement, ConfigurationStatement]:
    cells = line.split()
    if len(cells) != _COLUMN_COUNT:
        raise RequestError(
            f"{quote(line)} has {format_count(len(cells), 'column')}; dataset, runs, source, and detector Id are"
            " expected"
        )
    dataset = Dataset.parse(cells[0])
    first, last = parse_run_range(cells[1])
    if dataset.run < first or (last is not None and dataset.run > last):
        raise RequestError(f"run {dataset.run} is not one of the runs {cells[1]} in its row")
    is_object = _CONFIGURATION_OBJECT.fullmatch(cells[3]) is not None
    configuration = ConfigurationStatement(
        experiment=dataset.experiment,
        source=parse_source(cells[2]),
        first_run=first,
        last_run=last,
        panels=() if is_object else tuple(parse_detector_id(cells[3])),
        object_name=cells[3] if is_object else None,
    )
    configuration.refuse_contradiction()
    return RunStatement(dataset), configuration

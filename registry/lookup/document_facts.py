"""Facts that a provenance document copies from the database: the run, its configuration, the inputs by panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry import schema
from registry.database.kept_statements import keep_text
from registry.detectors import Kind
from registry.errors import CorruptionError
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.validity import ValidVersions
from registry.lookup.value_lists import is_listed, list_parameter
from registry.provenance.document import (
    InputConfiguration,
    InputConstants,
    InputFile,
    InputPanel,
    InputRun,
    RevisionReference,
)
from registry.records import Configuration, Panel, Run, StoredFile, Version
from registry.sql import sa

RevisionReferences = Mapping[int, RevisionReference]
"""By number."""


def read_revision_references(connection: sa.Connection, numbers: set[int]) -> RevisionReferences:
    """Return by number the revisions that recorded facts; refuse a database where one is missing."""
    rows = connection.execute(_select_revisions(), {"numbers": sorted(numbers)})
    references = {
        row.number: RevisionReference(row.number, str(Instant(row.recorded_at)), row.author, row.comment)
        for row in rows
    }
    if missing := sorted(numbers - references.keys()):
        listed = ", ".join(map(str, missing))
        raise CorruptionError(
            f"the database is damaged: revision {listed}, which recorded facts, is missing", revisions=missing
        )
    return references


@keep_text({})
def _select_revisions() -> sa.Select[Any]:
    table = schema.revision
    return sa.select(table).where(is_listed(table.c.number, list_parameter("numbers", table.c.number.type)))


def build_input_run(
    dataset: Dataset | None, run: Run | None, references: RevisionReferences
) -> InputRun | None:
    """Return the run as the document states it; it need not be registered."""
    if dataset is None:
        return None
    return InputRun(
        experiment=dataset.experiment,
        run=dataset.run,
        begin=str(run.begin) if run and run.begin is not None else None,
        end=str(run.end) if run and run.end is not None else None,
        registered=references[run.recorded_in] if run else None,
    )


def build_input_configuration(
    configuration: Configuration | None, references: RevisionReferences
) -> InputConfiguration | None:
    """Return the configuration as the document states it."""
    if configuration is None:
        return None
    return InputConfiguration(
        experiment=configuration.experiment,
        source=configuration.source,
        first_run=configuration.first_run,
        last_run=configuration.last_run,
        registered=references[configuration.recorded_in],
    )


def build_input_panels(
    panels: Sequence[Panel],
    segments: Sequence[int] | None,
    kinds: Sequence[Kind],
    valid_versions: ValidVersions,
    files: Mapping[str, Sequence[StoredFile]],
    references: RevisionReferences,
    positions: Sequence[int] | None = None,
) -> tuple[InputPanel, ...]:
    """Return the panels in segment order, each with its M-number then and its valid constants, by kind.

    `positions` are theirs in the detector, by default 0, 1, 2 ...; `segments` the segment numbers of the detector's
    panels, if known.
    """
    return tuple(
        InputPanel(
            position=position,
            panel=panel.panel,
            alias=valid_versions[panel.panel, kinds[0].name].alias,
            constants=tuple(
                _build_input_constants(valid_versions[panel.panel, kind.name], files, references)
                for kind in kinds
            ),
            segment=None if segments is None else segments[position],
        )
        for position, panel in zip(positions or range(len(panels)), panels, strict=True)
    )


def _build_input_constants(
    version: Version, files: Mapping[str, Sequence[StoredFile]], references: RevisionReferences
) -> InputConstants:
    sha256 = version.constants or ""
    return InputConstants(
        kind=version.kind,
        version=version.version,
        valid_from=version.valid_from.iso,
        valid_to=None if version.valid_to is None else version.valid_to.iso,
        constants=sha256,
        registered=references[version.recorded_in],
        comment=version.comment,
        carried_from=version.carried_from,
        source_path=version.source_path,
        nonfinite_allowed=version.nonfinite_allowed,
        files=tuple(
            InputFile(file.gain_range, file.sha256, file.size, file.statistics) for file in files[sha256]
        ),
        conversion=version.conversion,
        odd_allowed=version.odd_allowed,
    )

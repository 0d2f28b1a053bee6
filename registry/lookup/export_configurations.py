"""The configurations that exports were made of, as of the revisions of these exports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from registry.lookup.runs import choose_configurations
from registry.records import Configuration


def was_live(row: Any, revision: int) -> bool:
    """Tell whether a fact was recorded and not withdrawn as of a revision."""
    return row.recorded_in <= revision and (row.withdrawn_in is None or row.withdrawn_in > revision)


def choose_configuration_of_export(known: Iterable[Configuration], export: Any) -> Configuration | None:
    """Return the configuration of an export's run and source as of its revision; `known` has the withdrawn ones too."""
    live = [row for row in known if was_live(row, export.revision)]
    return choose_configurations(live, export.run).get(export.source) if live else None

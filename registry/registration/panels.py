"""Panels are recorded."""

from __future__ import annotations

from collections.abc import Iterable

from registry import detectors, schema
from registry.database.change import Change
from registry.lookup import panels


def add_panels(change: Change, identifiers: Iterable[str]) -> list[str]:
    """Record the panels that are not known yet; return their Ids. All Ids must be canonical."""
    wanted = [(name, detectors.parse_panel_id(name)) for name in dict.fromkeys(identifiers)]
    known = panels.read_panel_keys(change.connection, [name for name, _ in wanted])
    new = [(name, parsed) for name, parsed in wanted if name not in known]
    change.record(
        schema.panel,
        [
            {
                "identifier": name,
                "detector_type": detectors.find_panel_type(name).name,
                "module_version": parsed.module_version,
                "firmware_version": parsed.firmware_version,
                "serial_number": parsed.serial_number,
            }
            for name, parsed in new
        ],
    )
    return [name for name, _ in new]

"""The origin of an array's numbers, as comments in the header of a text."""

from __future__ import annotations

from collections.abc import Iterator

from registry.exporters.assembly import Assembly
from registry.provenance.document import InputConstants, Resolution


def describe_inputs(resolution: Resolution, assembly: Assembly) -> Iterator[str]:
    """Yield the versions and files of every panel. A replay must write the same bytes: do not reword.

    Every line starts in lower case, so never with a key of the header.
    """
    for panel in resolution.panels:
        constants = assembly.find_constants(panel)
        alias = f" ({panel.alias})" if panel.alias else ""
        yield f"panel {panel.position} {panel.panel}{alias}: {_format_version(constants)}"
        for file in constants.files:
            yield f"panel {panel.position} gain range {file.gain_range}: sha256 {file.sha256}"


def _format_version(constants: InputConstants) -> str:
    return (
        f"version {constants.version} of {constants.kind}, valid from {constants.valid_from or 'the beginning'},"
        f" {'still valid' if constants.valid_to is None else f'until {constants.valid_to}'},"
        f" constants {constants.constants}"
    )

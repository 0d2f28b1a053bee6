"""The subject of a picture of constants: its panels, kinds and gain ranges, with the words for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec import UNSET

from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.plots.maps import CROSS, MARKS_FOOTNOTE, RING
from registry.plots.pixels import COLOUR_PERCENTILES, ODD_THRESHOLD, PanelMap
from registry.provenance.document import InputConstants, InputPanel


@dataclass(frozen=True, slots=True)
class Subject:
    """The constants to draw, with titles.

    Attributes
    ----------
    withdrawn
        They are a withdrawn version, whose end is not known.
    is_registered
        False if they are of files: then the one panel has no versions.
    """

    title: str
    subtitle: str
    detector: DetectorType
    kinds: tuple[Kind, ...]
    gain_ranges: tuple[int, ...]
    panels: tuple[InputPanel, ...]
    withdrawn: bool = False
    is_registered: bool = True

    def build_heading(self, kind: Kind) -> str:
        """Return the heading of the maps of a kind, with what all of its panels share."""
        parts = self.find_common_validity(kind)
        if len(self.panels) == 1 and self.is_registered:
            parts = [f"version {find_constants(kind, self.panels[0]).version}", *parts]
        return f"{kind.name} ({name_unit(kind)})" + (f": {', '.join(parts)}" if parts else "")

    def describe_validity(self, constants: InputConstants) -> list[str]:
        """Return from when and until when constants are valid."""
        end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
        return [f"from {constants.valid_from or 'beginning'}", "withdrawn" if self.withdrawn else end]

    def find_common_validity(self, kind: Kind) -> list[str]:
        """Return the validity that all panels share; nothing where they differ."""
        if not self.is_registered:
            return []
        validities = {tuple(self.describe_validity(find_constants(kind, panel))) for panel in self.panels}
        return list(validities.pop()) if len(validities) == 1 else []


PanelMaps = Mapping[tuple[str, int, int], PanelMap]
"""By kind, gain range and position of the panel."""


def name_unit(kind: Kind) -> str:
    """Return the unit of a kind, as a heading names it."""
    return "flags" if kind.zero is ZeroMeaning.GOOD else kind.unit


def label_place(panel: InputPanel) -> str:
    """Return the segment number of a panel; its position in a document from before there were any."""
    return str(panel.position) if panel.segment is UNSET else panel.segment_label


def find_constants(kind: Kind, panel: InputPanel) -> InputConstants:
    """Return the constants of a kind of a panel."""
    return next(constants for constants in panel.constants if constants.kind == kind.name)


def describe_counts(kind: Kind, panel_map: PanelMap) -> str:
    """Return how many pixels are dead and odd, or flagged."""
    if kind.zero is ZeroMeaning.GOOD:
        return f"{panel_map.odd.count} flagged {RING}"
    return f"{panel_map.dead.count} {name_dead(kind)} {CROSS}, {panel_map.odd.count} odd {RING}"


def name_dead(kind: Kind) -> str:
    """Return what pixels without a value are called."""
    return "dead" if kind.zero is ZeroMeaning.DEAD else "not finite"


def list_footnotes(subject: Subject, block_size: int) -> Iterator[str]:
    """Yield what the colours and the marks of maps mean."""
    size = "every pixel" if block_size == 1 else f"medians of {block_size} x {block_size} pixels"
    if any(kind.zero is not ZeroMeaning.GOOD for kind in subject.kinds):
        yield (
            f"Drawn: {size}. Colours: from the {COLOUR_PERCENTILES[0]:g}th to the {COLOUR_PERCENTILES[1]:g}th"
            " percentile of what is drawn of a gain range and is not odd, beyond that the colours of the ends; grey:"
            " no value."
        )
        yield (
            f"{CROSS} dead: gain 0, or not finite. {RING} odd: further than {ODD_THRESHOLD} interquartile ranges"
            " from the median of its panel."
        )
    if any(kind.zero is ZeroMeaning.GOOD for kind in subject.kinds):
        yield f"Flags: light where a square of {block_size} x {block_size} pixels holds a flagged one {RING}."
    yield MARKS_FOOTNOTE

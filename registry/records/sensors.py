"""The sensors of maps, as their patterns tell."""

from __future__ import annotations

from msgspec import Struct

from registry.instants import Instant


class SensorMatch(Struct, frozen=True):
    """The sensor that one map in a file looks like, by its pattern.

    Attributes
    ----------
    position, type
        Of the panel in the array, 0 for a single map; and the calibration type, where the file says it.
    module, panel, version, valid_from
        Of the map that fits best: its M-number or serial number, and the version that has it. None where the map looks
        like no sensor that is known.
    versions
        The versions of that module that fit, the best first.
    other_modules
        Modules, by M-number or serial number, with maps of the same sensor: a mix-up of one of them.
    correlation
        The best one, also where it is too small to mean a sensor; None where nothing could be compared.
    orientation
        In which it has that correlation.
    problem
        Why no sensor is named; None where one is.
    """

    position: int
    type: str | None = None
    module: str | None = None
    panel: str | None = None
    version: int | None = None
    valid_from: Instant | None = None
    correlation: float | None = None
    orientation: str | None = None
    versions: tuple[int, ...] = ()
    other_modules: tuple[str, ...] = ()
    problem: str | None = None


class RecordedMixUp(Struct, frozen=True):
    """A map of a live version that is not of the module that the version says, or looks so.

    Attributes
    ----------
    module
        The M-number that the panel bears at the start of the version, or its serial number.
    outcome
        ``same bytes``, ``other`` (the pattern is another sensor's) or ``turned``.
    looks_like
        The module that the map is of, as the others tell.
    with_version
        The version with the map that it is like.
    correlation, orientation
        Of the patterns; None for the same bytes.
    own_correlation
        The best one with another map of its own module; None where it has none.
    undecided
        True where the other one may as well be the mix-up: as many maps speak for it, and it was recorded before.
    allowed
        True where it was stated, when it was recorded, that the map is meant.
    """

    version: int
    panel: str
    kind: str
    gain_range: int
    module: str
    outcome: str
    looks_like: str
    with_version: int
    correlation: float | None = None
    orientation: str | None = None
    own_correlation: float | None = None
    undecided: bool = False
    allowed: bool = False

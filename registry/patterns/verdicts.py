"""Verdicts on the sensor of a map, from how well its pattern fits those of the maps that are known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.patterns.comparison import Fit
from registry.patterns.orientations import Orientation

FITTING = 0.10
"""The smallest correlation with the map of another module, or with a turned map, that means the same sensor."""

OWN_FITTING = 0.07
"""The smallest correlation with an earlier map of the same module that confirms it."""

CLEARLY_BETTER = 0.07
"""By how much a correlation must be above another to be clearly better."""


class Outcome(StrEnum):
    """The possible verdicts on a map that is said to be of a module."""

    OWN = "fits an earlier map of its module"
    NEW = "is the first map of its module, and fits no other module"
    OTHER = "fits a map of another module clearly better"
    TURNED = "fits an earlier map of its module in another orientation"
    UNLIKE = "fits no earlier map of its module, and no other module"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict with the fits that it follows from.

    Attributes
    ----------
    own
        The best fit to earlier maps of the module, None where there are none.
    rival
        The best fit to maps of other modules, None where there are none.
    """

    outcome: Outcome
    own: Fit | None
    rival: Fit | None

    @property
    def is_refused(self) -> bool:
        """Tell whether the map is not of the sensor, or not in the orientation, that it is said to be."""
        return self.outcome in {Outcome.OTHER, Outcome.TURNED}

    @property
    def has_fitting_rival(self) -> bool:
        """Tell whether a map of another module fits, clearly better or not.

        With the verdict `Outcome.OWN` both are of one sensor, or the map is made of parts of two.
        """
        return self.rival is not None and self.rival.correlation >= FITTING


def judge(own: Fit | None, other: Fit | None) -> Verdict:
    """Return the verdict from the best fit to earlier maps of the module itself, and to those of all others.

    A module with the same map as another one, which is refused elsewhere by its bytes, keeps it here: neither fits
    clearly better.
    """
    return Verdict(_choose_outcome(own, other), own, other)


def _choose_outcome(own: Fit | None, other: Fit | None) -> Outcome:
    if other is not None and _is_clear(other.correlation, own.correlation if own is not None else 0.0):
        return Outcome.OTHER
    if own is None:
        return Outcome.NEW
    if own.orientation is not Orientation.AS_IT_IS and _is_clear(own.correlation, own.as_it_is):
        return Outcome.TURNED
    return Outcome.OWN if own.as_it_is >= OWN_FITTING else Outcome.UNLIKE


def _is_clear(correlation: float, alternative: float) -> bool:
    """Tell whether a fit means the same sensor, and is clearly better than the alternative."""
    return correlation >= FITTING and correlation - max(alternative, 0.0) >= CLEARLY_BETTER

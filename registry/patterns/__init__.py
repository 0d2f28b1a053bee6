"""Patterns of sensors: the high-frequency part of a gain map, by which its sensor is known again.

Everything here is arithmetic on arrays; ``docs/patterns.md`` says why it is this one, and what it cannot tell.
"""

from registry.patterns.comparison import Fit, correlate, find_best_fit, find_candidates
from registry.patterns.orientations import Orientation, orient_samples
from registry.patterns.pattern import (
    ALGORITHM,
    FEWEST_LIVE_SAMPLES,
    SIGNS_SIZE,
    Pattern,
    compute_pattern,
    parse_pattern,
)
from registry.patterns.places import PATTERN_SIZE, Places, choose_places
from registry.patterns.verdicts import CLEARLY_BETTER, FITTING, OWN_FITTING, Outcome, Verdict, judge

__all__ = [
    "ALGORITHM",
    "CLEARLY_BETTER",
    "FEWEST_LIVE_SAMPLES",
    "FITTING",
    "OWN_FITTING",
    "PATTERN_SIZE",
    "SIGNS_SIZE",
    "Fit",
    "Orientation",
    "Outcome",
    "Pattern",
    "Places",
    "Verdict",
    "choose_places",
    "compute_pattern",
    "correlate",
    "find_best_fit",
    "find_candidates",
    "judge",
    "orient_samples",
    "parse_pattern",
]

"""Kinds of constants of a detector type, and which of their values can be.

The values of a kind can be odd in two degrees. A median that is unusual is legal, with a warning. A median that
cannot be is refused, unless somebody says that it is meant: then the file is another one than its name promises, in
another unit, or was read in another layout than it was written in. Medians are held against the limits and not single
pixels, because every real map has pixels that are dead, hot or not connected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from msgspec import Struct

from registry.errors import RequestError

# A factor of ten, and what float32 may round off it.
_LARGEST_FACTOR = 10 * (1 + 1e-6)
# The smallest number that float32 holds with its full precision; smaller ones are what other bytes look like.
_SMALLEST_NORMAL = 2.0**-126
_DTYPE_NAMES = {"f": "float", "u": "uint", "i": "int"}  # by the letter of a dtype


class ZeroMeaning(StrEnum):
    """The meaning of the value zero of a pixel.

    Where zero is an ordinary value or means a dead pixel, an array of nothing but zeros cannot be.
    """

    ORDINARY = "a value like any other"
    DEAD = "a dead pixel"
    GOOD = "a pixel without any flag"


class Condition(Struct, frozen=True):
    """A way to operate a detector in which it has darks of its own.

    Attributes
    ----------
    name
        Behind the kind: ``pedestals/hg0``; in names of files and arrays ``g0_pedestals-hg0.npy``.
    description
        What it is, in words.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of constants of a detector type, under one condition of operation where these differ.

    Attributes
    ----------
    name
        As it is recorded; in file names the slash before a condition is a hyphen: ``g0_pedestals-hg0.npy``.
    calibration_type
        The name of the assembled array, with a condition ``pedestals-hg0``.
    unit
        Of the values; ``1`` for flags.
    dtype
        Of the file and of the assembled array, as numpy writes it (``<f4``).
    expected_medians
        One pair (low, high) per gain range, or none at all. A median outside is legal, with a warning.
    typical_medians
        One value per gain range, for a kind whose values have a sign and a scale: a median of the other sign, or
        more than a factor of ten away, cannot be.
    limits
        The smallest and the largest possible median, for other kinds.
    required
        Whether it is among the kinds that are registered and looked up where none are named.
    zero
        What a zero means; dead and flagged pixels are counted in a warning.
    scales
        Whether what all values of a panel have in common in a change is a factor (gain, noise), not a summand.
    characteristic
        The gain ranges whose maps show which sensor they are of: measured in every pixel, with a pattern that hardly
        changes from one measurement to the next.
    by_condition
        Whether its values depend on the conditions of operation, as those of darks do.
    condition
        The name of its condition; None for the usual one.
    """

    name: str
    calibration_type: str
    unit: str
    dtype: str
    expected_medians: tuple[tuple[float, float], ...] = ()
    typical_medians: tuple[float, ...] = ()
    limits: tuple[float, float] = (-math.inf, math.inf)
    required: bool = False
    zero: ZeroMeaning = ZeroMeaning.ORDINARY
    scales: bool = False
    characteristic: tuple[int, ...] = ()
    by_condition: bool = False
    condition: str | None = None

    @property
    def item_size(self) -> int:
        """The size of a value in bytes."""
        return int(self.dtype[2:])

    @property
    def dtype_name(self) -> str:
        """The name of the dtype: ``float32``."""
        return f"{_DTYPE_NAMES[self.dtype[1]]}{8 * self.item_size}"

    @property
    def is_mask(self) -> bool:
        """True if the values are bits of a pixel, not measurements."""
        return self.unit == "1"

    @property
    def base(self) -> str:
        """The name of the kind without its condition."""
        return find_base(self.name)

    def possible_medians(self, gain_range: int) -> tuple[float, float]:
        """Return the smallest and the largest possible median of a gain range."""
        if not self.typical_medians:
            return self.limits
        typical = self.typical_medians[gain_range]
        low, high = sorted((typical / _LARGEST_FACTOR, typical * _LARGEST_FACTOR))
        return low, high

    def is_possible(self, gain_range: int, median: float) -> bool:
        """Tell whether the values of a gain range can have that median; no measured value is so small."""
        low, high = self.possible_medians(gain_range)
        return low <= median <= high and not 0 < abs(median) < _SMALLEST_NORMAL

    def describe_impossible(self, gain_range: int, median: float) -> str:
        """Return what is wrong with a file of that median, what is possible, and what the values may be instead."""
        sentence = (
            f"has the median {median:.4g} {self.unit}, which cannot be that of {self.name} of gain range"
            f" {gain_range}"
        )
        if not self.typical_medians:
            low, high = self.limits
            small = ", and is not so close to zero" if low <= median <= high else ""
            return f"{sentence}: it lies between {low:g} and {high:g} {self.unit}{small}"
        typical = self.typical_medians[gain_range]
        sentence += f": about {typical:g} {self.unit} is expected, of that sign and within a factor of ten"
        others = [other for other in range(len(self.typical_medians)) if self._is_expected(other, median)]
        if others:
            return f"{sentence}; it is as expected of gain range {' and '.join(map(str, others))}"
        units = {
            "inverse": 1 / median if median else 0.0,
            "thousandfold": 1000 * median,
            "thousandth": median / 1000,
        }
        fitting = [name for name, value in units.items() if self._is_expected(gain_range, value)]
        return (
            f"{sentence}; its {' and its '.join(fitting)} is as expected: another unit?"
            if fitting
            else sentence
        )

    def _is_expected(self, gain_range: int, median: float) -> bool:
        low, high = self.expected_medians[gain_range]
        return low <= median <= high


def refuse_conditions(kinds: Iterable[Kind]) -> None:
    """Refuse kinds under a condition for the analysis framework, which has one place for all darks of a kind."""
    for kind in kinds:
        if kind.condition is not None:
            usual = kind.calibration_type.removesuffix(f"-{kind.condition}")
            raise RequestError(
                f"the analysis framework knows {usual} under no condition: it would not find {kind.calibration_type},"
                f" or take it for the usual {usual} under that name; export it as npy or hdf5",
                type=kind.calibration_type,
            )


def name_kind(base: str, condition: str | None) -> str:
    """Return the name of a kind under a condition of operation, None for the usual one."""
    return base if condition is None else f"{base}/{condition}"


def name_type(base: str, condition: str) -> str:
    """Return the name of the assembled array of a kind under a condition."""
    return f"{base}-{condition}"


def find_base(kind: str) -> str:
    """Return the name of a kind without its condition."""
    return kind.partition("/")[0]


def add_conditions(kinds: Sequence[Kind], conditions: Sequence[Condition]) -> tuple[Kind, ...]:
    """Return the kinds, and after them those that depend on conditions, under each."""
    return (
        *kinds,
        *(
            replace(
                kind,
                name=name_kind(kind.name, condition.name),
                calibration_type=name_type(kind.calibration_type, condition.name),
                condition=condition.name,
            )
            for condition in conditions
            for kind in kinds
            if kind.by_condition
        ),
    )

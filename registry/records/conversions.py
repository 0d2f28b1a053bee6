"""From what constants were converted at the door, and what that did to their values."""

from __future__ import annotations

from msgspec import Struct


class ConvertedStage(Struct, frozen=True):
    """A gain stage of a converted file, the gain range that it became, and what rounding did to it.

    ``absolute_error`` is the largest, in the unit of the kind; ``relative_error`` the largest of its own.
    """

    stage: str
    gain_range: int
    absolute_error: float
    relative_error: float


class Conversion(Struct, frozen=True):
    """From which file, and how, constants were converted at the door.

    Attributes
    ----------
    file, sha256, size, dtype
        Of the original, which is not kept: its name, checksum, size in bytes, and the type of its values.
    stages, left_out
        What of it was used, and the names of what was not.
    """

    file: str
    sha256: str
    size: int
    dtype: str
    stages: tuple[ConvertedStage, ...]
    left_out: tuple[str, ...]

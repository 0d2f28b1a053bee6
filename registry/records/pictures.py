"""What drawing a picture did."""

from __future__ import annotations

from msgspec import Struct


class PixelCounts(Struct, frozen=True):
    """The dead and the odd pixels of one array, as they are marked and counted in the picture."""

    panel: str
    kind: str
    gain_range: int
    dead: int
    odd: int


class Picture(Struct, frozen=True):
    """A picture, and as of which revision it shows what; ``pixels`` where it is one of constants."""

    path: str
    revision: int
    pixels: tuple[PixelCounts, ...] = ()
    warnings: tuple[str, ...] = ()

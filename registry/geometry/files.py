"""Read a geometry file, in whichever of the known formats it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.detectors import DetectorType
from registry.files import decode_text, read_bounded, sha256_of
from registry.geometry.crystfel import parse_crystfel
from registry.geometry.numbers import geometry_error
from registry.geometry.psana import FIELDS, parse_psana
from registry.geometry.tiles import Tile

_MAX_SIZE = 2 << 20
_EXPECTED = "a geometry file"


@dataclass(frozen=True, slots=True)
class Geometry:
    """The places of a detector's segments, in mm.

    Attributes
    ----------
    name, sha256
        Of the file.
    program
        The one whose format it has: psana or CrystFEL.
    axes
        The names of the axis to the right and of the vertical one.
    points_down
        True if the vertical axis points down.
    segments
        The tiles of each segment by its number.
    """

    name: str
    sha256: str
    program: str
    axes: tuple[str, str]
    points_down: bool
    segments: Mapping[int, tuple[Tile, ...]]


def read_geometry(path: Path, detector: DetectorType) -> Geometry:
    """Return the places of a detector's segments.

    Raises
    ------
    RequestError
        It is not a geometry file of a known format, broken, or of segments of another shape.
    NotFoundError
        There is no such file.
    UnavailableError
        It cannot be read.
    """
    content, name = read_bounded(path, _MAX_SIZE, _EXPECTED), str(path)
    try:
        text = decode_text(content)
    except UnicodeDecodeError:
        raise geometry_error(name, "it is not a text") from None
    lines = [
        (number, stripped)
        for number, line in enumerate(text.splitlines(), start=1)
        if (stripped := line.partition(";")[0].strip()) and not stripped.startswith("#")
    ]
    if not lines:
        raise geometry_error(name, "it holds nothing")
    most, first = detector.whole_sizes[-1], lines[0]
    if "=" in first[1]:
        segments = parse_crystfel(lines, name, detector.panel_shape, most)
        return Geometry(path.name, sha256_of(content), "CrystFEL", ("x", "y"), False, segments)
    if len(first[1].split()) != FIELDS:
        raise geometry_error(
            name, f"neither {FIELDS} fields as of psana nor parameter = value as of CrystFEL", first[0]
        )
    segments = parse_psana(lines, name, detector.panel_shape, most)
    return Geometry(path.name, sha256_of(content), "psana", ("y", "x"), True, segments)

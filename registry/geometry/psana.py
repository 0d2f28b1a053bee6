"""Geometry files of psana: a tree of objects, each with its place and its angles in its parent.

A line has thirteen fields: parent, its index, object, its index, x0, y0, z0 in um, the angles about z, y and x in
degrees, and the tilts that are added to them. An object is turned about z, then y, then x, then moved. The objects at
the ends of the tree are segments; they are numbered in the order of the tree, and that of the lines. In the picture x
goes down and y to the right, as in the images of psana.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.errors import RequestError
from registry.geometry.numbers import geometry_error, parse_index, parse_number
from registry.geometry.segments import SEGMENT_TYPES, MatrixType, SegmentType, Stretch, find_segment_type
from registry.geometry.tiles import Tile, Vector
from registry.identifiers import format_count, quote

FIELDS = 13
_DIGITS = 12  # to which turns by right angles are exact

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Object:
    line: int
    parent: _Key
    key: _Key
    turn: NDArray[np.float64]
    origin: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The place of an object in the whole: a point of it is at ``turn @ point + origin``."""

    turn: NDArray[np.float64]
    origin: NDArray[np.float64]

    def place(self, child: _Object) -> _Frame:
        return _Frame(self.turn @ child.turn, self.turn @ child.origin + self.origin)


def parse_psana(
    lines: Sequence[tuple[int, str]], path: str, shape: tuple[int, int], most: int
) -> dict[int, tuple[Tile, ...]]:
    """Return the tiles of each segment by its number.

    Parameters
    ----------
    lines
        Those that are not empty and not comments, with their numbers.
    shape, most
        (rows, columns) that every segment must have, and how many there can be.
    """
    objects = [_parse_object(text, path, line) for line, text in lines]
    segments: dict[int, tuple[Tile, ...]] = {}
    for item, position, frame in _walk(objects, path):
        number, (name, index) = len(segments), item.key
        segment = find_segment_type(name)
        if segment is None:
            raise geometry_error(
                path, f"{quote(name)} is not a segment that is known: {', '.join(SEGMENT_TYPES)}", item.line
            )
        if segment.shape != shape:
            raise geometry_error(
                path,
                f"the pixels of {quote(name)} are {segment.shape[0]} x {segment.shape[1]},"
                f" of a panel {shape[0]} x {shape[1]}",
                item.line,
            )
        if index not in (position, number):
            raise geometry_error(
                path, f"{quote(name)} {index} stands where number {position} is expected", item.line
            )
        if number == most:
            raise geometry_error(path, f"it has more than {format_count(most, 'segment')}", item.line)
        segments[number] = tuple(_build_tiles(segment, frame))
        if not all(tile.is_flat for tile in segments[number]):
            raise geometry_error(path, f"segment {number} is seen from its edge", item.line)
    return segments


def _parse_object(text: str, path: str, line: int) -> _Object:
    fields = text.split()
    if len(fields) != FIELDS:
        raise geometry_error(path, f"{FIELDS} fields are expected, not {len(fields)}", line)
    x, y, z, *angles = (parse_number(field, path, line) for field in fields[4:])
    about_z, about_y, about_x = (angle + tilt for angle, tilt in zip(angles[:3], angles[3:], strict=True))
    return _Object(
        line,
        (fields[0], parse_index(fields[1], path, line)),
        (fields[2], parse_index(fields[3], path, line)),
        _build_turn(about_z, about_y, about_x),
        np.array([x, y, z]),
    )


def _build_turn(about_z: float, about_y: float, about_x: float) -> NDArray[np.float64]:
    (cz, sz), (cy, sy), (cx, sx) = (
        (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
        for angle in (about_z, about_y, about_x)
    )
    turn = (
        np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    )
    rounded: NDArray[np.float64] = np.round(turn, _DIGITS)
    return rounded


def _walk(objects: Sequence[_Object], path: str) -> Iterator[tuple[_Object, int, _Frame]]:
    """Yield the objects at the ends of the tree, with their positions among their siblings and their frames."""
    children: dict[_Key, list[_Object]] = {}
    for item in objects:
        children.setdefault(item.parent, []).append(item)
    start, seen = _Frame(np.eye(3), np.zeros(3)), 0
    stack = [
        (item, position, start.place(item))
        for position, item in enumerate(children[_find_top(objects, children, path)])
    ][::-1]
    while stack:
        item, position, frame = stack.pop()
        seen += 1
        below = children.get(item.key)
        if below is None:
            yield item, position, frame
            continue
        name, index = item.key
        if index != position:
            raise geometry_error(
                path, f"{quote(name)} {index} stands where number {position} is expected", item.line
            )
        stack += [(child, place, frame.place(child)) for place, child in enumerate(below)][::-1]
    if seen < len(objects):
        raise _circle_error(path, objects)


def _find_top(objects: Sequence[_Object], children: Mapping[_Key, list[_Object]], path: str) -> _Key:
    """Return the one object that is in no other; refuse an object that is in two."""
    parents: dict[_Key, _Object] = {}
    for item in objects:
        if item.key in children and parents.setdefault(item.key, item) is not item:
            raise geometry_error(path, f"{quote(item.key[0])} {item.key[1]} has two places", item.line)
    tops = [key for key in children if key not in parents]
    if not tops:
        raise _circle_error(path, objects)
    if len(tops) > 1:
        names = " and ".join(f"{quote(name)} {index}" for name, index in tops[:2])
        raise geometry_error(path, f"{names} are not in one another", children[tops[1]][0].line)
    return tops[0]


def _circle_error(path: str, objects: Sequence[_Object]) -> RequestError:
    return geometry_error(path, "objects are in one another, in a circle", objects[0].line)


def _build_tiles(segment: SegmentType | MatrixType, frame: _Frame) -> Iterator[Tile]:
    rows, columns = segment.build_axes()
    is_matrix = isinstance(segment, MatrixType)
    row_axis, column_axis = (frame.turn[:, 0], frame.turn[:, 1])[:: 1 if is_matrix else -1]
    for row in rows:
        for column in columns:
            corner = row.start * row_axis + column.start * column_axis + frame.origin
            yield Tile(
                (row.first, row.end),
                (column.first, column.end),
                _project(corner),
                _project(row.step * row_axis),
                _project(column.step * column_axis),
                _join_margins(row, column),
            )


def _join_margins(row: Stretch, column: Stretch) -> tuple[float, float, float, float]:
    return (*row.margins, *column.margins)


def _project(vector: NDArray[np.float64]) -> Vector:
    """Return a vector in um as the picture has it, in mm: y to the right, x down."""
    return float(vector[1]) / 1000, float(vector[0]) / 1000

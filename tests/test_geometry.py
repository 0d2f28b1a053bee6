"""Geometry files of psana and CrystFEL: where pixels are, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import NotFoundError, RequestError
from registry.geometry import Geometry, Tile, place_panels, read_geometry
from registry.plots.arrangement import Arrangement, arrange_in_grid, fill_canvas, locate_pixels
from testing.panels import use_small_panels
from tests.refusals import assert_refused

PSANA = """\
# HDR PARENT IND OBJECT IND X0[um] Y0[um] Z0[um] ROT-Z ROT-Y ROT-X TILT-Z TILT-Y TILT-X
QUAD:V1 0 JUNGFRAU:V1 0 -20000 0 0 90 0 0 0.3 0 0
QUAD:V1 0 JUNGFRAU:V2 1 20000 500 0 90 180 0 0 0.2 -0.1

CAMERA 0 QUAD:V1 0 1000 -2000 0 0 0 0 1.5 0 0
IP 0 CAMERA 0 0 0 -100000 90 0 0 0 0 0
"""
CRYSTFEL = """\
; made for these tests
photon_energy = 9500
res = 13333.3
dim0 = %
dim1 = ss
dim2 = fs
rigid_group_q0 = p0a0,p0a1
bad_edge/min_fs = 7

p0a0/min_fs = 0
p0a0/max_fs = 2
p0a0/min_ss = 0
p0a0/max_ss = 3
p0a0/corner_x = -10.5
p0a0/corner_y = 20
p0a0/fs = +0.0x +1.0y
p0a0/ss = -x
p0a1/min_fs = 3
p0a1/max_fs = 5
p0a1/min_ss = 0
p0a1/max_ss = 3
p0a1/corner_x = -10.5
p0a1/corner_y = 25.5
p0a1/fs = +0.0x +1.0y +0.001z
p0a1/ss = -1.0x ; as the other
"""


def write_geometry(folder: Path, text: str | bytes) -> Path:
    path = folder / "0-end.data"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def centre_of(geometry: Geometry, segment: int, row: int, column: int) -> tuple[float, ...]:
    """Return the place of the middle of a pixel."""
    places = locate_pixels(geometry.segments[segment], np.array([row]), np.array([column]))
    return tuple(float(value) for value in places[0])


# --- psana


def turn(x: float, y: float, angle: float) -> tuple[float, float]:
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    return x * cosine - y * sine, y * cosine + x * sine


def transform(point: tuple[float, ...], line: str) -> tuple[float, float, float]:
    """Return a point of an object in the frame of its parent, one turn after the other."""
    x0, y0, z0, about_z, about_y, about_x, *tilts = map(float, line.split()[4:])
    x, y, z = point
    x, y = turn(x, y, about_z + tilts[0])
    z, x = turn(z, x, about_y + tilts[1])
    y, z = turn(y, z, about_x + tilts[2])
    return x + x0, y + y0, z + z0


@pytest.mark.parametrize(
    ("segment", "row", "column"), [(0, 0, 0), (0, 300, 700), (1, 511, 1023), (1, 17, 256)]
)
def test_a_pixel_of_psana_is_where_the_turns_of_its_tree_bring_it(
    segment: int, row: int, column: int, tmp_path: Path
) -> None:
    lines = [line for line in PSANA.splitlines() if line and not line.startswith("#")]
    # The middles of pixels in the frame of the segment: two pixels of gap between ASICs.
    x = 75 * (column + 0.5 + 2 * (column // 256) - 515)
    y = 75 * (row + 0.5 + 2 * (row // 256) - 257)
    point: tuple[float, ...] = (x, y if segment == 1 else -y, 0.0)
    for line in (lines[segment], lines[2], lines[3]):
        point = transform(point, line)
    geometry = read_geometry(write_geometry(tmp_path, PSANA), JUNGFRAU)
    # In the picture y goes to the right and x down.
    assert centre_of(geometry, segment, row, column) == pytest.approx(
        (point[1] / 1000, point[0] / 1000), abs=1e-6
    )
    assert (geometry.program, geometry.axes, geometry.points_down) == ("psana", ("y", "x"), True)


@pytest.mark.parametrize(("name", "gap"), [("EPIX10KA:V1", 300.0), ("EPIX10KA:V2", 250.0)])
def test_an_epix10ka_has_four_asics_and_the_larger_pixels_between_them_fill_the_gap(
    name: str, gap: float, tmp_path: Path
) -> None:
    path = write_geometry(tmp_path, f"IP 0 {name} 0 0 0 0 0 0 0 0 0 0\n")
    geometry = read_geometry(path, EPIX10KA)
    assert [(tile.rows, tile.columns) for tile in geometry.segments[0]] == [
        ((0, 176), (0, 192)), ((0, 176), (192, 384)), ((176, 352), (0, 192)), ((176, 352), (192, 384)),
    ]  # fmt: skip
    left, right = centre_of(geometry, 0, 0, 191), centre_of(geometry, 0, 0, 192)
    # Columns go along y in the frame of the segment x: down in the picture.
    assert right[1] - left[1] == pytest.approx((100 + gap) / 1000)
    first, second = geometry.segments[0][:2]
    assert first.list_corners()[1] == pytest.approx(second.list_corners()[0])


def test_segments_are_numbered_in_the_order_of_the_tree(tmp_path: Path) -> None:
    quads = "".join(
        f"QUAD:V1 {quad} JUNGFRAU:V1 {number} {number * 50000} 0 0 0 0 0 0 0 0\n"
        for quad in (1, 0)
        for number in range(2)
    )
    tree = quads + "".join(f"IP 0 QUAD:V1 {quad} 0 {quad * 90000} 0 0 0 0 0 0 0\n" for quad in range(2))
    geometry = read_geometry(write_geometry(tmp_path, tree), JUNGFRAU)
    places = [tuple(round(value) for value in centre_of(geometry, number, 256, 512)) for number in range(4)]
    assert places == [(0, 0), (0, 50), (90, 0), (90, 50)]


# --- CrystFEL


def test_panels_of_crystfel_lie_from_their_corner_along_fs_and_ss(tmp_path: Path) -> None:
    with use_small_panels():
        geometry = read_geometry(write_geometry(tmp_path, CRYSTFEL), JUNGFRAU)
    pixel = 1000 / 13333.3
    assert (geometry.program, geometry.axes, geometry.points_down) == ("CrystFEL", ("x", "y"), False)
    assert list(geometry.segments) == [0]
    assert centre_of(geometry, 0, 0, 0) == pytest.approx((-11 * pixel, 20.5 * pixel))
    assert centre_of(geometry, 0, 3, 2) == pytest.approx((-14 * pixel, 22.5 * pixel))
    assert centre_of(geometry, 0, 0, 3) == pytest.approx((-11 * pixel, 26 * pixel))


def test_the_segment_is_a_dimension_or_a_part_of_the_stacked_rows(tmp_path: Path) -> None:
    one = """\
p{0}/min_fs = 0
p{0}/max_fs = 5
p{0}/min_ss = {1}
p{0}/max_ss = {2}
p{0}/corner_x = {0}
p{0}/corner_y = 0
p{0}/fs = x
p{0}/ss = y
"""
    stacked = "res = 1000\n" + "".join(one.format(number, 4 * number, 4 * number + 3) for number in range(3))
    selected = "res = 1000\ndim0 = %\ndim2 = ss\ndim3 = fs\n" + "".join(
        one.format(number, 0, 3) + f"p{number}/dim1 = {number}\n" for number in (2, 0, 5)
    )
    swapped = selected.replace("dim2 = ss\ndim3 = fs", "dim2 = fs\ndim3 = ss").replace("x_fs = 5", "x_fs = 3")
    swapped = swapped.replace("max_ss = 3", "max_ss = 5")
    with use_small_panels():
        geometries = [
            read_geometry(write_geometry(tmp_path, text), JUNGFRAU) for text in (stacked, selected, swapped)
        ]
    assert [list(geometry.segments) for geometry in geometries] == [[0, 1, 2], [0, 2, 5], [0, 2, 5]]
    assert centre_of(geometries[0], 2, 0, 1) == pytest.approx((3.5, 0.5))
    assert centre_of(geometries[1], 5, 1, 0) == pytest.approx((5.5, 1.5))
    assert centre_of(geometries[2], 5, 1, 0) == pytest.approx((6.5, 0.5))


# --- refusals


def crystfel(old: str, new: str) -> str:
    assert old in CRYSTFEL
    return CRYSTFEL.replace(old, new)


LINE = "IP 0 JUNGFRAU:V1 0 0 0 0 0 0 0 0 0 0\n"
BROKEN = [
    ("", "holds nothing", None),
    ("# only\n; comments\n", "holds nothing", None),
    (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "not a text", None),
    ("<html>\n<body>\n", "neither 13 fields as of psana nor parameter = value as of CrystFEL", 1),
    ("# x\n" + LINE + "IP 0 JUNGFRAU:V1 1 0 0\n", "13 fields are expected, not 6", 3),
    (LINE.replace("V1 0 0", "V1 0 nan"), "'nan' is not a number", 1),
    (LINE.replace("V1 0 0", "V1 0 1e999"), "'1e999' is not a number", 1),
    (LINE.replace("V1 0 0", "V1 0 " + "9" * 5000), "is not a number", 1),
    (LINE.replace("IP 0", "IP -1"), "'-1' is not a whole number", 1),
    (LINE.replace("JUNGFRAU:V1", "SENS2X1:V1"), "'SENS2X1:V1' is not a segment that is known", 1),
    (LINE.replace("JUNGFRAU:V1", "EPIX10KA:V1"), "352 x 384, of a panel 512 x 1024", 1),
    (LINE.replace("JUNGFRAU:V1", "MTRX:512:512:75:75"), "512 x 512, of a panel 512 x 1024", 1),
    ("IP 0 JUNGFRAU:V1 0 0 0 0 0 90 0 0 0 0\n", "segment 0 is seen from its edge", 1),
    (LINE + LINE, "'JUNGFRAU:V1' 0 stands where number 1 is expected", 2),
    (LINE + "CAMERA 0 JUNGFRAU:V1 1 0 0 0 0 0 0 0 0 0\n", "are not in one another", 2),
    ("A 0 B 0 0 0 0 0 0 0 0 0 0\nB 0 A 0 0 0 0 0 0 0 0 0 0\n", "in a circle", 1),
    (LINE + "A 0 A 0 0 0 0 0 0 0 0 0 0\n", "in a circle", 1),
    ("".join(LINE.replace("V1 0", f"V1 {n}", 1) for n in range(33)), "more than 32 segments", 33),
    ("A 0 JUNGFRAU:V1 0 0 0 0 0 0 0 0 0 0\n" + "IP 0 A 0 0 0 0 0 0 0 0 0 0\n" * 2, "'A' 0 has two places", 3),
]  # fmt: skip
BROKEN_PANELS = [
    (crystfel("p0a0/corner_x = -10.5\n", ""), "panel 'p0a0' lacks corner_x", 10),
    (crystfel("res = 13333.3\n", ""), "panel 'p0a0' lacks res", 9),
    (crystfel("res = 13333.3", "res = 0"), "res of panel 'p0a0' is not positive", 3),
    (crystfel("corner_y = 20\n", "corner_y = NaN\n"), "'NaN' is not a number", 15),
    (crystfel("ss = -x", "ss = -x-y-x"), "is not a direction", 17),
    (crystfel("ss = -x", "ss = north"), "'north' is not a direction", 17),
    (crystfel("ss = -x", "ss = +2.0y"), "are not two directions", 10),
    (crystfel("dim0 = %", "dim0 %"), "a parameter and = are expected", 4),
    (crystfel("p0a1/max_fs = 5", "p0a1/max_fs = 6"), "beyond the pixels of a segment, 4 x 6", 18),
    (crystfel("p0a1/min_fs = 3", "p0a1/min_fs = 2"), "has pixels of segment 0 of another panel", 18),
    (crystfel("p0a1/max_fs = 5", "p0a1/max_fs = 4"), "segment 0 of 4 x 6 has 4 pixels without a place", 10),
    (crystfel("p0a1/max_fs = 5", "p0a1/max_fs = 1"), "panel 'p0a1' ends before it begins", 18),
    ("clen = 0.1\n", "has no panel", None),
    (CRYSTFEL + "p0a0/dim3 = 1\np0a1/dim3 = 2\np0a1/dim4 = 1\n", "both select", None),
    (CRYSTFEL + "p0a0/dim3 = 1\n", "panel 'p0a1' has no number for dim3", 18),
    (crystfel("dim1 = ss\n", ""), "dimensions of panel 'p0a0' are not ss and fs", 9),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem", "line"), BROKEN)
def test_a_broken_file_is_refused_with_its_line(
    text: str | bytes, problem: str, line: int | None, tmp_path: Path
) -> None:
    with assert_refused(RequestError, problem, line=line):
        read_geometry(write_geometry(tmp_path, text), JUNGFRAU)


@pytest.mark.parametrize(("text", "problem", "line"), BROKEN_PANELS)
def test_a_broken_file_of_crystfel_is_refused_with_its_line(
    text: str, problem: str, line: int | None, tmp_path: Path
) -> None:
    with use_small_panels(), assert_refused(RequestError, problem, line=line):
        read_geometry(write_geometry(tmp_path, text), JUNGFRAU)


def test_a_file_that_is_missing_huge_or_a_folder_is_refused(tmp_path: Path) -> None:
    with assert_refused(NotFoundError):
        read_geometry(tmp_path / "none.geom", JUNGFRAU)
    with assert_refused(RequestError, "folder"):
        read_geometry(tmp_path, JUNGFRAU)
    with assert_refused(RequestError, "2 MiB"):
        read_geometry(write_geometry(tmp_path, b"#" * (3 << 20)), JUNGFRAU)


def test_a_deep_tree_is_walked(tmp_path: Path) -> None:
    chain = "".join(f"A {n} A {n + 1} 0 0 0 0 0 0 0 0 0\n" for n in range(2000))
    with assert_refused(RequestError, "stands where number 0 is expected"):
        read_geometry(write_geometry(tmp_path, chain), JUNGFRAU)
    chain = "".join(f"A{n} 0 A{n + 1} 0 0 0 0 0 0 0 0 0 0\n" for n in range(2000))
    text = chain + "A2000 0 JUNGFRAU:V1 0 0 0 0 0 0 0 0 0 0\n"
    assert len(read_geometry(write_geometry(tmp_path, text), JUNGFRAU).segments) == 1


# --- which panel is where


def geometry_of(*segments: int) -> Geometry:
    (tiles,) = arrange_in_grid(1, (512, 1024)).panels
    return Geometry("x.data", "0" * 64, "psana", ("y", "x"), True, dict.fromkeys(segments, tiles))


def test_panels_take_the_places_of_their_segment_numbers() -> None:
    assert place_panels(geometry_of(*range(8)), JUNGFRAU, tuple(range(8)), 8) == ()
    assert place_panels(geometry_of(*range(8)), JUNGFRAU, (0, 1, 2, 4, 5, 6, 7), 7) == (3,)
    assert place_panels(
        geometry_of(*range(16)), EPIX10KA, (0, 1, 2, 3), 4, "MfxEndstation.0:Epix10ka2M.0"
    ) == tuple(range(4, 16))


@pytest.mark.parametrize(
    ("places", "segments"),
    [
        (range(32), range(8)),
        (range(8), range(32)),
        (range(8), (0, 9)),
        (range(2), (0, 1, 3)),
        (range(4), range(2)),
    ],
)
def test_a_geometry_of_another_detector_is_refused(places: range, segments: range) -> None:
    with assert_refused(RequestError, "another detector"):
        place_panels(geometry_of(*places), JUNGFRAU, tuple(segments), len(segments))


def test_panels_without_segment_numbers_have_no_places() -> None:
    with assert_refused(RequestError, "are not known"):
        place_panels(geometry_of(*range(8)), JUNGFRAU, None, 7)


# --- dots


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.floats(0.05, 2), st.floats(-30, 30), st.booleans())
@example(0.0, 1.0, 0.0, False)
@example(-166.0, 1.0, 0.0, False)  # no dot has its middle in pixel 17
def test_every_dot_shows_the_pixel_that_its_middle_lies_in(
    angle: float, size: float, shift: float, is_mirrored: bool
) -> None:
    cosine, sine = size * math.cos(math.radians(angle)), size * math.sin(math.radians(angle))
    row_step = (sine, -cosine) if is_mirrored else (-sine, cosine)
    tile = Tile((0, 5), (0, 7), (shift, -shift), row_step, (cosine, sine), (0.0, 0.5, 0.0, 1.0))
    arrangement = Arrangement(((tile,),), "")
    blocks = fill_canvas(arrangement, (5, 7), 1).blocks
    left, right, low, high = arrangement.extent
    assert blocks.max() >= 0  # a single pixel may lie between the middles of dots, never the whole tile
    pitch = arrangement.pixel
    for (up, aside), number in np.ndenumerate(blocks):
        x, y = left + (aside + 0.5) * pitch - shift, low + (up + 0.5) * pitch + shift
        row = (x * row_step[0] + y * row_step[1]) / size**2
        column = (x * cosine + y * sine) / size**2
        near = min(abs(row + 0.0), abs(row - 5.5), abs(column), abs(column - 8)) < 1e-6
        inside = 0 <= row < 5.5 and 0 <= column < 8
        if not near:
            expected = min(int(row), 4) * 7 + min(int(column), 6) if inside else -1
            assert (
                number == expected or min(row % 1, column % 1) < 1e-6 or max(row % 1, column % 1) > 1 - 1e-6
            )
    assert right > left
    assert high > low


def test_panels_in_a_grid_stand_in_their_order_and_none_is_cut() -> None:
    arrangement = arrange_in_grid(32, (512, 1024))
    canvas = fill_canvas(arrangement, (512, 1024), 8)
    assert canvas.overlapping == 0
    shown = np.unique(canvas.blocks)
    assert shown[0] == -1
    assert shown.size == 1 + 32 * 64 * 128
    corners = [canvas.blocks[canvas.blocks // (64 * 128) == number].min() for number in range(32)]
    assert corners == [number * 64 * 128 for number in range(32)]

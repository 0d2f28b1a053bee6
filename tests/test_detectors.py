"""The detector types, and the refusals of unknown types, kinds and sources, which name the known ones."""

from __future__ import annotations

import itertools
from itertools import pairwise

import pytest

from registry.detectors import (
    DETECTOR_TYPES,
    DetectorType,
    find_detector_type,
    parse_detector_id,
)
from registry.errors import IdentifierError, NotFoundError, RequestError
from tests.refusals import assert_refused

JUNGFRAU, EPIX10KA = DETECTOR_TYPES["jungfrau"], DETECTOR_TYPES["epix10ka"]
PANELS = [
    "9000000000000-230921-3007f0217",
    "9000000000000-230921-3001c01f5",
    "9000000000000-230921-3007f0239",
    "9000000000000-230921-3007f01c7",
]
QUAD = [
    "3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0174824449-0268435478-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0175552257-3456106518-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0176373505-4043309078-0000000000-0000000000-0000000000-0000000000",
]
every_type = pytest.mark.parametrize("known", DETECTOR_TYPES.values(), ids=DETECTOR_TYPES)


@every_type
def test_a_type_is_found_by_its_name(known: DetectorType) -> None:
    assert find_detector_type(known.name) is known


@every_type
def test_a_type_has_one_expected_range_for_each_gain_range_of_each_kind_that_is_measured(
    known: DetectorType,
) -> None:
    for kind in known.kinds:
        is_measured = not kind.is_mask and kind.base not in {"min", "max"}  # for which nothing usual is known
        assert len(kind.expected_medians) == (known.gain_ranges if is_measured else 0)
        assert all(low < high for low, high in kind.expected_medians)


@every_type
def test_kinds_and_calibration_types_are_unambiguous_and_the_required_come_first(known: DetectorType) -> None:
    assert len({kind.name for kind in known.kinds}) == len(known.kinds)
    assert len({kind.calibration_type for kind in known.kinds}) == len(known.kinds)
    required = [kind.required for kind in known.kinds]
    assert required == sorted(required, reverse=True)
    assert known.required_kinds[0] == "gain"


@every_type
def test_a_kind_is_found_by_its_name_and_by_its_calibration_type(known: DetectorType) -> None:
    for kind in known.kinds:
        assert known.find_kind(kind.name) is kind
        assert known.find_kind_of_type(kind.calibration_type) is kind


@every_type
def test_no_two_files_of_a_type_have_one_name(known: DetectorType) -> None:
    names = [name for kind in known.kinds for name in known.file_names(kind.name)]
    assert len(set(names)) == len(names) == len(known.kinds) * known.gain_ranges


def test_jungfrau_is_as_the_field_knows_it() -> None:
    assert (JUNGFRAU.name, JUNGFRAU.group) == ("jungfrau", "Jungfrau::CalibV1")
    assert (JUNGFRAU.gain_ranges, JUNGFRAU.panel_shape) == (3, (512, 1024))
    assert JUNGFRAU.required_kinds == ("gain", "offset")
    assert JUNGFRAU.file_names("gain") == ["g0_gain.npy", "g1_gain.npy", "g2_gain.npy"]
    assert JUNGFRAU.file_name("offset", 2) == "g2_offset.npy"
    gain, offset = JUNGFRAU.find_kind("gain"), JUNGFRAU.find_kind("offset")
    assert (gain.calibration_type, gain.unit, gain.dtype) == ("pixel_gain", "ADU/keV", "<f4")
    assert (offset.calibration_type, offset.unit, offset.dtype) == ("pixel_offset", "ADU", "<f4")


def test_epix10ka_is_as_the_field_knows_it() -> None:
    assert (EPIX10KA.name, EPIX10KA.group) == ("epix10ka", "Epix10ka::CalibV1")
    assert (EPIX10KA.gain_ranges, EPIX10KA.panel_shape) == (7, (352, 384))
    assert EPIX10KA.required_kinds == ("gain",)
    assert EPIX10KA.file_names("gain") == [f"g{number}_gain.npy" for number in range(7)]
    assert EPIX10KA.array_shape(16) == (7, 16, 352, 384)


def test_the_nominal_gains_of_epix10ka_are_expected_and_those_of_other_modes_are_not() -> None:
    nominal = (16.4, 5.466, 0.164, 16.4, 5.466, 0.164, 0.164)  # FH, FM, FL, AHL-H, AML-M, AHL-L, AML-L
    limits = EPIX10KA.find_kind("gain").expected_medians
    for value, mode in itertools.product(nominal, range(7)):
        low, high = limits[mode]
        assert (low < value < high) == (value == nominal[mode])


@pytest.mark.parametrize(
    ("known", "source", "group"),
    [
        (JUNGFRAU, "XcsEndstation.0:Jungfrau.0", "Jungfrau::CalibV1"),
        (EPIX10KA, "MecTargetChamber.0:Epix10ka.1", "Epix10ka::CalibV1"),
        (EPIX10KA, "NoDetector.0:Epix10kaQuad.0", "Epix10kaQuad::CalibV1"),
        (EPIX10KA, "MfxEndstation.0:Epix10ka2M.0", "Epix10ka2M::CalibV1"),
    ],
)
def test_the_group_of_a_source_is_that_of_its_device(known: DetectorType, source: str, group: str) -> None:
    assert known.group_of(source) == group


@pytest.mark.parametrize("source", ["XcsEndstation.0:Epix10ka.0", "", "a.0:jungfrau.0", "x" * 10_000])
def test_a_source_of_another_device_has_no_group(source: str) -> None:
    with assert_refused(RequestError, "jungfrau", "Jungfrau") as error:
        JUNGFRAU.group_of(source)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 250


@every_type
def test_the_dark_constants_of_a_type_are_those_of_the_field(known: DetectorType) -> None:
    dark_kinds = {
        kind.name: (kind.calibration_type, kind.unit, kind.dtype)
        for kind in known.kinds
        if kind.name not in ("gain", "offset") and kind.condition is None
    }
    assert dark_kinds == {
        "pedestals": ("pedestals", "ADU", "<f4"),
        "rms": ("pixel_rms", "ADU", "<f4"),
        "status": ("pixel_status", "1", "<u8"),
        "status_extra": ("status_extra", "1", "<u8"),
        "min": ("pixel_min", "ADU", "<u8"),
        "max": ("pixel_max", "ADU", "<u8"),
        "mask": ("pixel_mask", "1", "|u1"),
    }


@pytest.mark.parametrize("panels", [1, 2, 8, 32])
def test_an_assembled_array_is_gain_range_panel_row_column(panels: int) -> None:
    assert JUNGFRAU.array_shape(panels) == (3, panels, 512, 1024)


@pytest.mark.parametrize(
    ("kind", "typical"), [("gain", (41.5, -1.39, -0.11)), ("offset", (0.01, 300.0, 50.0))]
)
def test_typical_values_of_the_field_are_expected(kind: str, typical: tuple[float, ...]) -> None:
    for value, (low, high) in zip(typical, JUNGFRAU.find_kind(kind).expected_medians, strict=True):
        assert low < value < high


@pytest.mark.parametrize(
    "wrong", [lambda gain: -gain, lambda gain: 10 * gain, lambda gain: gain / 10, lambda _: 0.0]
)
def test_a_gain_of_another_sign_or_size_is_not_expected(wrong) -> None:
    for value, (low, high) in zip(
        (41.5, -1.39, -0.11), JUNGFRAU.find_kind("gain").expected_medians, strict=True
    ):
        assert not low <= wrong(value) <= high


def test_the_gains_of_two_gain_ranges_cannot_be_exchanged_unnoticed() -> None:
    ranges = sorted(JUNGFRAU.find_kind("gain").expected_medians)
    assert all(high < low for (_, high), (low, _) in pairwise(ranges))


@pytest.mark.parametrize("name", ["", "Jungfrau", "jungfrau\n", "cspad", "\x1b[31m", "x" * 10_000])
def test_an_unknown_type_is_not_found_and_the_known_ones_are_named(name: str) -> None:
    with assert_refused(NotFoundError, ", ".join(DETECTOR_TYPES)) as error:
        find_detector_type(name)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 250


@pytest.mark.parametrize("name", ["", "pixel_gain", "Gain", "gain\n", "\x1b[31m", "x" * 10_000])
def test_an_unknown_kind_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with assert_refused(RequestError, "jungfrau", "gain, offset") as error:
        JUNGFRAU.find_kind(name)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 350


@pytest.mark.parametrize("name", ["", "gain", "pixel_gains", "\x1b[31m", "x" * 10_000])
def test_an_unknown_calibration_type_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with assert_refused(RequestError, "jungfrau", "pixel_gain, pixel_offset") as error:
        JUNGFRAU.find_kind_of_type(name)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 350


# Detector Ids


@pytest.mark.parametrize("prefix", ["", "jungfrau_"])
@pytest.mark.parametrize("panels", [1, 2, 4])
def test_a_detector_id_is_read_as_its_panels_in_order_with_or_without_its_type(
    prefix: str, panels: int
) -> None:
    assert parse_detector_id(prefix + "_".join(PANELS[:panels])) == PANELS[:panels]


def test_a_detector_of_32_panels_is_read() -> None:
    panels = [f"{n:x}-0-{n:x}" for n in range(32)]
    assert parse_detector_id("_".join(panels)) == panels


@pytest.mark.parametrize(
    "text", [f"{PANELS[0]}_{PANELS[1]}_{PANELS[0]}", f"jungfrau_{PANELS[0]}_{PANELS[0]}"]
)
def test_a_panel_that_stands_twice_in_a_detector_id_is_named(text: str) -> None:
    with assert_refused(IdentifierError, PANELS[0]):
        parse_detector_id(text)


@pytest.mark.parametrize("prefix", ["", "epix10ka_"])
@pytest.mark.parametrize("panels", [1, 2, 4])
def test_a_detector_id_of_epix10ka_is_read_as_its_panels_in_order(prefix: str, panels: int) -> None:
    assert parse_detector_id(prefix + "_".join(QUAD[:panels])) == QUAD[:panels]


@pytest.mark.parametrize(
    ("text", "panel", "own_type", "wanted"),
    [
        (f"{PANELS[0]}_{QUAD[0]}", QUAD[0], "epix10ka", "jungfrau"),
        (f"{QUAD[0]}_{QUAD[1]}_{PANELS[0]}", PANELS[0], "jungfrau", "epix10ka"),
        (f"jungfrau_{QUAD[0]}", QUAD[0], "epix10ka", "jungfrau"),
        (f"epix10ka_{PANELS[0]}_{PANELS[1]}", PANELS[0], "jungfrau", "epix10ka"),
    ],
)
def test_a_panel_of_another_type_than_the_detectors_is_named(text, panel, own_type, wanted) -> None:
    with assert_refused(IdentifierError, panel, own_type, wanted):
        parse_detector_id(text)


def test_a_missing_segment_is_refused() -> None:
    text = f"epix10ka_{QUAD[0]}_-_{QUAD[1]}"
    with assert_refused(IdentifierError, "'-'"):
        parse_detector_id(text)


@pytest.mark.parametrize("prefix", ["epix", "foo", "jungfrau2", "m068"])
def test_a_detector_id_of_another_type_is_refused_and_the_known_types_are_named(prefix: str) -> None:
    with assert_refused(IdentifierError, repr(prefix), ", ".join(DETECTOR_TYPES)):
        parse_detector_id(f"{prefix}_{PANELS[0]}")


def test_a_part_that_is_not_canonical_is_refused_with_the_canonical_form() -> None:
    with assert_refused(IdentifierError, canonical=PANELS[1]):
        parse_detector_id(f"{PANELS[0]}_{PANELS[1].upper()}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "M068",
        "jungfrau",
        "jungfrau_",
        f"Jungfrau_{PANELS[0]}",
        f"_{PANELS[0]}",
        f"{PANELS[0]}_",
        f"{PANELS[0]}__{PANELS[1]}",
        f"{PANELS[0]}\n",
        f"{PANELS[0]},{PANELS[1]}",
        f"jungfrau_jungfrau_{PANELS[0]}",
        "\x1b[31m_" + PANELS[0],
        "1" * 10_000,
        "_" * 10_000,
    ],
)
def test_a_text_with_a_part_that_is_not_a_panel_id_is_refused(text: str) -> None:
    with assert_refused(IdentifierError) as error:
        parse_detector_id(text)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 400

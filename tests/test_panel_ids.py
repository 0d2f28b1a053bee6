"""Panel Ids: each detector type spells its own, one spelling is canonical, and no text is of two types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from registry.detectors import DETECTOR_TYPES, DetectorType, find_panel_type, parse_panel_id
from registry.errors import IdentifierError
from tests.hostile import HOSTILE_TEXTS
from tests.refusals import assert_refused
from tests.selection import examples

JUNGFRAU, EPIX10KA = DETECTOR_TYPES["jungfrau"].panel_id_format, DETECTOR_TYPES["epix10ka"].panel_id_format
JUNGFRAU_PANELS = [
    "171113-154920171025-3d00fb",
    "170505-149520170815-3d00b0",
    "170505-149520170815-3d00f7",
    "171113-154920171025-3d00b0",
    "171113-154920171025-3d00f7",
    "190408-181206-50c246df50010d",
    "190408-181206-50c246de810058",
    "8000000020000-230920-20004002c",
    "9000000000000-230921-3007f0217",
    "9000000000000-230921-3001c01f5",
    "9000000000000-230921-3007f0239",
    "9000000000000-230921-3007f01c7",
]
EPIX10KA_PANELS = [
    "3925999616-0996663297-3791650826-1232098304-0953206283-2655595777-0520093719",
    "3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0174824449-0268435478-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0175552257-3456106518-0000000000-0000000000-0000000000-0000000000",
    "3926196238-0176373505-4043309078-0000000000-0000000000-0000000000-0000000000",
]
REAL = [
    *((text, "jungfrau") for text in JUNGFRAU_PANELS),
    *((text, "epix10ka") for text in EPIX10KA_PANELS),
]
FIELDS = st.one_of(
    st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 15, 16, 2**32, 2**63, 2**64 - 2, 2**64 - 1])
)
SHORT_FIELDS = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 10, 2**31, 2**32 - 1]))
every_type = pytest.mark.parametrize("known", DETECTOR_TYPES.values(), ids=DETECTOR_TYPES)


def hexadecimal(fields: list[int]) -> str:
    return "-".join(f"{field:x}" for field in fields)


def decimal(fields: list[int]) -> str:
    return "-".join(f"{field:010}" for field in fields)


def refusal(text: str) -> IdentifierError:
    with pytest.raises(IdentifierError) as caught:
        parse_panel_id(text)
    assert str(caught.value).isprintable()
    return caught.value


# Of which type


@pytest.mark.parametrize(("text", "name"), REAL)
def test_a_real_panel_id_reads_and_writes_back_and_is_of_one_type(text: str, name: str) -> None:
    assert str(parse_panel_id(text)) == text
    assert [known.name for known in DETECTOR_TYPES.values() if known.panel_id_format.owns(text)] == [name]
    assert find_panel_type(text).name == name


@every_type
def test_the_example_of_a_type_is_a_panel_id_of_that_type_alone(known: DetectorType) -> None:
    assert known.panel_id_format.parse(known.panel_id_format.example).text == known.panel_id_format.example
    assert find_panel_type(known.panel_id_format.example) is known


def add_made_up_type(monkeypatch: pytest.MonkeyPatch, owns: Callable[[str], bool]) -> DetectorType:
    jungfrau = DETECTOR_TYPES["jungfrau"]
    made_up = replace(
        jungfrau, name="made-up", panel_id_format=structs.replace(jungfrau.panel_id_format, owns=owns)
    )
    monkeypatch.setitem(DETECTOR_TYPES, made_up.name, made_up)
    return made_up


def test_a_type_is_found_by_what_it_calls_its_own_however_many_fields_there_are(monkeypatch) -> None:
    made_up = add_made_up_type(monkeypatch, lambda text: text.startswith("up:"))
    assert find_panel_type("up:1-2") is made_up
    assert find_panel_type(JUNGFRAU_PANELS[0]) is DETECTOR_TYPES["jungfrau"]


def test_a_panel_id_that_two_types_call_their_own_is_refused_and_both_are_named(monkeypatch) -> None:
    add_made_up_type(monkeypatch, lambda text: text.startswith("17"))
    with assert_refused(IdentifierError, detector_types=["jungfrau", "made-up"]):
        parse_panel_id(JUNGFRAU_PANELS[0])
    assert find_panel_type(JUNGFRAU_PANELS[-1]) is DETECTOR_TYPES["jungfrau"]


@every_type
def test_a_format_refuses_the_panels_of_the_other_types(known: DetectorType) -> None:
    for text, name in REAL:
        if name != known.name:
            with pytest.raises(IdentifierError):
                known.panel_id_format.parse(text)


@pytest.mark.parametrize(
    "text", ["", "M068", "1-2", "1-2-3-4", "1-2-3-4-5-6", "1-2-3-4-5-6-7-8", "170505_149520170815_3d00b0"]
)
def test_a_text_with_another_number_of_fields_is_refused_with_an_example_of_each_type(text: str) -> None:
    assert str(refusal(text)) == (
        f"{text!r} is not a panel Id: three hexadecimal fields joined by '-', as in 170505-149520170815-3d00b0"
        " (jungfrau), or seven fields of ten decimal digits, as in"
        " 3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000 (epix10ka), are expected"
    )


# Jungfrau


def test_the_fields_of_a_jungfrau_panel_id_are_kept_as_hexadecimal_numbers() -> None:
    panel = parse_panel_id("171113-154920171025-3d00fb")
    assert (panel.module_version, panel.firmware_version, panel.serial_number) == (
        "171113",
        "154920171025",
        "3d00fb",
    )


@pytest.mark.slow
@given(st.lists(FIELDS, min_size=3, max_size=3))
@settings(deadline=None, max_examples=examples(40))
def test_any_three_64_bit_numbers_make_a_jungfrau_panel_id(fields: list[int]) -> None:
    panel = parse_panel_id(hexadecimal(fields))
    assert panel.text == hexadecimal(fields)
    assert [
        int(part, 16) for part in (panel.module_version, panel.firmware_version, panel.serial_number)
    ] == (fields)


@given(st.lists(FIELDS, min_size=3, max_size=3), st.data())
@settings(deadline=None, max_examples=examples(40))
def test_any_other_spelling_of_a_jungfrau_panel_id_is_refused_with_the_canonical_one(fields, data) -> None:
    canonical = hexadecimal(fields)
    spelled = "-".join(
        data.draw(st.sampled_from(["", "0", "000", "0x", "0X", "0x00"]))
        + data.draw(st.sampled_from([field, field.upper()]))
        for field in canonical.split("-")
    )
    assert JUNGFRAU.read(spelled).text == canonical
    if spelled != canonical:
        error = refusal(spelled)
        assert error.values["canonical"] == canonical
        assert f"is not in its canonical form; write {canonical}" in str(error)


@given(st.lists(FIELDS, min_size=3, max_size=3), st.sets(st.integers(0, 2), min_size=1))
@settings(deadline=None, max_examples=examples(40))
def test_an_empty_field_is_refused_and_the_message_explains_the_old_formatter(fields, emptied) -> None:
    spelled = "-".join("" if i in emptied else f"{field:x}" for i, field in enumerate(fields))
    meant = hexadecimal([0 if i in emptied else field for i, field in enumerate(fields)])
    error = refusal(spelled)
    assert "has an empty field, which is how the old formatter wrote the value 0" in str(error)
    assert str(error).endswith(f"; write {meant}")
    assert error.values == {"canonical": meant}


def test_the_old_formatters_id_with_an_empty_serial_number_is_refused_with_the_canonical_one() -> None:
    assert str(refusal("170505-149520170815-")) == (
        "panel Id '170505-149520170815-' has an empty field,"
        " which is how the old formatter wrote the value 0; write 170505-149520170815-0"
    )


def test_the_spelling_advised_for_an_empty_field_is_canonical_in_the_other_fields_too() -> None:
    assert str(refusal("0ABC--1")).endswith("; write abc-0-1")


def test_an_empty_field_beside_a_field_of_10000_digits_is_refused_in_a_short_sentence() -> None:
    error = refusal(f"-{'1' * 10_000}-")
    assert "has more than 64 bits" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("field", ["10000000000000000", "0x10000000000000000", "f" * 10_000])
def test_a_jungfrau_field_of_more_than_64_bits_is_refused(field: str) -> None:
    error = refusal(f"1-{field}-3")
    assert "has more than 64 bits" in str(error)
    assert len(str(error)) < 300


def test_leading_zeros_do_not_count_as_bits() -> None:
    assert JUNGFRAU.read("0" * 10_000 + "1-2-3").text == "1-2-3"
    assert EPIX10KA.read("0" * 10_000 + EPIX10KA_PANELS[0]).text == EPIX10KA_PANELS[0]


@pytest.mark.parametrize("field", ["g", "0x", "+1", "1_0", " 1", "1 ", "1\n", "1.0", "\u0661", "\uff11"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_jungfrau_field_that_is_not_hexadecimal_is_named(field: str, position: int) -> None:
    fields = ["1", "2", "3"]
    fields[position] = field
    error = refusal("-".join(fields))
    assert str(error).endswith(f"is not a panel Id: {field!r} is not a hexadecimal number")


# ePix10ka


def test_the_carrier_of_an_epix10ka_panel_is_its_serial_number() -> None:
    panel = parse_panel_id(EPIX10KA_PANELS[0])
    assert int(panel.firmware_version, 16) == 3925999616
    assert int(panel.serial_number, 16) == 996663297 << 32 | 3791650826
    assert int(panel.module_version, 16) == 1232098304 << 32 | 953206283


def test_the_panels_of_a_quad_share_firmware_and_cards_and_have_serial_numbers_of_their_own() -> None:
    quad = [parse_panel_id(text) for text in EPIX10KA_PANELS[1:]]
    assert (
        len({panel.firmware_version for panel in quad}) == len({panel.module_version for panel in quad}) == 1
    )
    assert len({panel.serial_number for panel in quad}) == 4


@given(st.lists(SHORT_FIELDS, min_size=7, max_size=7))
@settings(deadline=None, max_examples=examples(40))
def test_any_seven_32_bit_numbers_make_an_epix10ka_panel_id_whose_parts_fit_the_database(fields) -> None:
    panel = parse_panel_id(decimal(fields))
    assert panel.text == decimal(fields)
    assert len(panel.text) == 76
    for part in (panel.module_version, panel.firmware_version, panel.serial_number):
        assert len(part) <= 16
        assert part == f"{int(part, 16):x}"


@given(st.lists(SHORT_FIELDS, min_size=7, max_size=7), st.data())
@settings(deadline=None, max_examples=examples(40))
def test_any_other_spelling_of_an_epix10ka_panel_id_is_refused_with_the_canonical_one(fields, data) -> None:
    canonical = decimal(fields)
    widths = data.draw(st.lists(st.integers(1, 14), min_size=7, max_size=7))
    spelled = "-".join(f"{field:0{width}}" for field, width in zip(fields, widths, strict=True))
    if spelled != canonical:
        error = refusal(spelled)
        assert error.values["canonical"] == canonical
        assert str(error).endswith(f"is not in its canonical form; write {canonical}")


@pytest.mark.parametrize("field", ["4294967296", "9999999999", "1" * 10_000])
@pytest.mark.parametrize("position", [0, 6])
def test_an_epix10ka_field_of_more_than_32_bits_is_refused(field: str, position: int) -> None:
    fields = EPIX10KA_PANELS[0].split("-")
    fields[position] = field
    error = refusal("-".join(fields))
    assert "has more than 32 bits" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "field", ["", "a", "0x12345678", "+1", "1_0", " 1", "1\n", "1.0", "\u0661", "\uff11"]
)
def test_an_epix10ka_field_that_is_not_decimal_is_named(field: str) -> None:
    fields = EPIX10KA_PANELS[0].split("-")
    fields[3] = field
    assert str(refusal("-".join(fields))).endswith(f"is not a panel Id: {field!r} is not a decimal number")


# Hostile texts


@pytest.mark.parametrize(
    "text", [*HOSTILE_TEXTS, "-" * 6, "\x1b[31m" + "-" * 6], ids=lambda text: repr(text[:20])
)
def test_a_hostile_text_is_refused_in_a_short_printable_sentence(text: str) -> None:
    assert len(str(refusal(text))) < 400


@given(st.one_of(st.text(max_size=80), st.text("0123456789abx-", max_size=90)))
@settings(deadline=None, max_examples=examples(60))
def test_any_text_at_all_is_read_as_it_stands_or_refused(text: str) -> None:
    try:
        parsed = parse_panel_id(text)
    except IdentifierError as error:
        assert str(error).isprintable()  # noqa: PT017 - most texts are refused
    else:
        assert parsed.text == text

"""Names: one spelling is canonical, every other is refused and the message gives the canonical one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry import identifiers
from registry.errors import IdentifierError
from registry.identifiers import Dataset
from testing.panels import PANEL_A
from tests.hostile import HOSTILE_TEXTS
from tests.selection import examples

PARSERS = [
    identifiers.parse_m_number,
    identifiers.parse_experiment,
    identifiers.parse_run_number,
    identifiers.parse_source,
    Dataset.parse,
]


def refusal(parse, text: str) -> IdentifierError:
    with pytest.raises(IdentifierError) as caught:
        parse(text)
    return caught.value


def outcome(parse, text: str) -> tuple[object, str]:
    """Return what is read and no sentence, or nothing and the sentence of the refusal."""
    try:
        return parse(text), ""
    except IdentifierError as error:
        return None, str(error)


# Detector Ids


@pytest.mark.parametrize("prefix", ["", "jungfrau_", "epix10ka_"])
@pytest.mark.parametrize("panels", [1, 2, 8, 32])
def test_a_detector_id_splits_into_its_panels_in_order(prefix: str, panels: int) -> None:
    texts = [f"{n:x}-2-3" for n in reversed(range(panels))]
    assert identifiers.split_detector_id(prefix + "_".join(texts)) == texts


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=7), min_size=1, max_size=32))
@settings(deadline=None, max_examples=examples(40))
def test_joining_panels_and_splitting_again_gives_the_same_panels(panels: list[list[int]]) -> None:
    texts = ["-".join(f"{part:x}" for part in parts) for parts in panels]
    assert identifiers.split_detector_id(identifiers.join_detector_id(texts)) == texts
    assert identifiers.split_detector_id("jungfrau_" + identifiers.join_detector_id(tuple(texts))) == texts


def test_a_prefix_without_panels_is_not_dropped() -> None:
    assert identifiers.split_detector_id("jungfrau_") == ["jungfrau", ""]
    assert identifiers.split_detector_id("") == [""]


# M-numbers


@given(st.integers(0, 999_999))
@example(0)
@example(99)
@example(100)
@example(999)
@example(1000)
@settings(deadline=None)
def test_one_spelling_of_each_m_number_is_accepted_and_the_refusal_of_others_names_it(number: int) -> None:
    canonical = f"M{number:03d}"
    assert identifiers.parse_m_number(canonical) == canonical
    assert identifiers.parse_typed_m_number(f"m{number:03d}") == canonical
    for width in range(1, 7):
        for letter in "Mm":
            spelled = f"{letter}{number:0{width}d}"
            if spelled != canonical:
                error = refusal(identifiers.parse_m_number, spelled)
                assert str(error) == (f"M-number {spelled!r} is not in its canonical form; write {canonical}")
                assert error.values == {"canonical": canonical}


def test_a_longer_number_with_leading_zeros_is_not_another_module() -> None:
    assert str(refusal(identifiers.parse_m_number, "M0068")).endswith("write M068")


@pytest.mark.parametrize(
    "text",
    ["", "M", "068", "M1234567", "M-68", "M 68", "N068", "M068\n", "M068 ", "M06a", "M\u0660\u0666\u0668"],
)
def test_a_text_that_is_not_an_m_number_is_refused_with_an_example(text: str) -> None:
    error = refusal(identifiers.parse_m_number, text)
    assert str(error) == f"{text!r} is not an M-number: M and three digits or more are expected, as in M068"
    assert not identifiers.is_m_number(text)


@pytest.mark.parametrize("text", ["M068", "m68", "M1", "M000068"])
def test_an_m_number_is_recognised_in_any_spelling(text: str) -> None:
    assert identifiers.is_m_number(text)


@pytest.mark.parametrize("text", [PANEL_A, "exp=xcsls3716:run=631", "XcsEndstation.0:Jungfrau.0"])
def test_no_other_name_is_taken_for_an_m_number(text: str) -> None:
    assert not identifiers.is_m_number(text)


# Experiments, runs, datasets

EXPERIMENTS = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)


@pytest.mark.slow
@given(EXPERIMENTS, st.one_of(st.integers(1, 2**31 - 1), st.sampled_from([1, 9, 10, 2**31 - 1])))
@settings(deadline=None)
def test_a_dataset_reads_and_writes_back(experiment: str, run: int) -> None:
    text = f"exp={experiment}:run={run}"
    assert Dataset.parse(text) == Dataset(experiment, run)
    assert str(Dataset.parse(text)) == text
    assert identifiers.is_dataset(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xcsls3716:run=631",
        "exp=xcsls3716",
        "exp=xcsls3716:run=631:dir=/data",
        "exp=xcsls3716:run=631:idx",
        "exp=xcsls3716,run=631,dir=/data",
        "exp=xcsls3716;run=631",
        "exp=xcsls3716,:run=631",
        "run=631:exp=xcsls3716",
        " exp=xcsls3716:run=631",
        "exp==xcsls3716:run=631",
    ],
)
def test_a_text_that_is_not_a_dataset_is_refused_with_an_example(text: str) -> None:
    assert str(refusal(Dataset.parse, text)) == (
        f"{text!r} is not a dataset: exp=EXPERIMENT:run=NUMBER is expected, as in exp=xcsls3716:run=631"
    )


@pytest.mark.parametrize(
    "run", ["", "0", "-1", "+1", "0631", "6.0", "6 ", "six", "1_0", "631\n", "\u0666", "9" * 10_000]
)
def test_a_text_that_is_not_a_run_number_is_refused_with_the_range(run: str) -> None:
    for parse, text in ((identifiers.parse_run_number, run), (Dataset.parse, f"exp=xcsls3716:run={run}")):
        assert str(refusal(parse, text)).endswith("is not a run number: 1, 2, 3 ... 2147483647 is expected")


def test_the_largest_run_number_is_what_every_database_can_hold() -> None:
    assert identifiers.parse_run_number("2147483647") == 2**31 - 1
    refusal(identifiers.parse_run_number, "2147483648")
    refusal(identifiers.parse_run_number, "9999999999")


@pytest.mark.parametrize("text", ["XCSLS3716", "Xcsls3716", "xcsLS3716"])
def test_an_experiment_in_capitals_is_refused_with_the_canonical_name(text: str) -> None:
    error = refusal(identifiers.parse_experiment, text)
    assert str(error) == f"experiment {text!r} is not in its canonical form; write xcsls3716"
    assert error.values == {"canonical": "xcsls3716"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3716",
        "_x",
        "xcs-ls",
        "xcs ls",
        "xcsls3716\n",
        "x" * 33,
        "X" * 33,
        "xcs/ls",
        "\xe9xp",
        "x" * 10_000,
    ],
)
def test_a_text_that_is_not_an_experiment_is_refused_with_an_example(text: str) -> None:
    assert str(refusal(identifiers.parse_experiment, text)).endswith(
        "is not an experiment: a name like xcsls3716 is expected"
    )


@pytest.mark.parametrize("text", ["M068", PANEL_A, "", "Exp=x:run=1", " exp=x:run=1"])
def test_a_text_that_does_not_begin_like_a_dataset_is_not_meant_as_one(text: str) -> None:
    assert not identifiers.is_dataset(text)


def test_a_malformed_dataset_is_still_meant_as_one() -> None:
    assert identifiers.is_dataset("exp=nonsense")


# Sources


@pytest.mark.parametrize(
    "text", ["XcsEndstation.0:Jungfrau.0", "MfxEndstation.0:Epix10ka4M.0", "DetLab_2.10:Jungfrau.999999999"]
)
def test_a_source_is_taken_as_it_stands(text: str) -> None:
    assert identifiers.parse_source(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Jungfrau.0",
        "XcsEndstation.0:Jungfrau",
        "XcsEndstation.0|Jungfrau.0",
        "XcsEndstation.0:Jungfrau.0:x.0",
        "XcsEndstation.0:Jungfrau.0\n",
        "../x.0:Jungfrau.0",
        "XcsEndstation.0:Jungfrau.\u0660",
        "X" * 65 + ".0:Jungfrau.0",
        "XcsEndstation.0:Jungfrau." + "1" * 10_000,
    ],
)
def test_a_text_that_is_not_a_source_is_refused_with_an_example(text: str) -> None:
    assert str(refusal(identifiers.parse_source, text)).endswith(
        "is not a source: a name like XcsEndstation.0:Jungfrau.0 is expected"
    )


@pytest.mark.parametrize("text", ["XcsEndstation.00:Jungfrau.1", "XcsEndstation.0:Jungfrau.01"])
def test_a_source_with_leading_zeros_is_refused_with_the_canonical_name(text: str) -> None:
    error = refusal(identifiers.parse_source, text)
    assert error.values == {"canonical": "XcsEndstation.0:Jungfrau.1"}
    assert str(error) == f"source {text!r} is not in its canonical form; write XcsEndstation.0:Jungfrau.1"


@pytest.mark.parametrize(
    "part",
    [
        "XcsEndstation.0:Jungfrau.1",
        "Jungfrau.1",
        "Jungfrau",
        "XcsEndstation",
        "XcsEndstation.0",
        "0:Jungfrau",
    ],
)
def test_a_whole_part_of_a_source_matches_it(part: str) -> None:
    assert identifiers.source_matches(part, "XcsEndstation.0:Jungfrau.1")


@pytest.mark.parametrize(
    "part", ["", "Jungfrau.10", "ungfrau.1", "Jung", "jungfrau.1", ".", ":", ".*", "Jungfrau.1\n", "J|X"]
)
def test_any_other_text_does_not_match_a_source(part: str) -> None:
    assert not identifiers.source_matches(part, "XcsEndstation.0:Jungfrau.1")


def test_the_first_digit_of_a_device_number_does_not_match_it() -> None:
    assert not identifiers.source_matches("Jungfrau.1", "XcsEndstation.0:Jungfrau.10")


# Hostile texts


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__qualname__)
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:20]))
def test_a_hostile_text_is_refused_in_a_short_printable_sentence(parse, text: str) -> None:
    message = str(refusal(parse, text))
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.slow
@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__qualname__)
@given(text=st.text(max_size=80))
@settings(deadline=None, max_examples=examples(50))
def test_any_text_at_all_is_read_or_refused_in_a_printable_sentence(parse, text: str) -> None:
    parsed, sentence = outcome(parse, text)
    assert sentence.isprintable()
    if not sentence:
        assert str(parsed) == text


def test_a_text_in_a_message_is_quoted_escaped_and_cut() -> None:
    assert identifiers.quote("M068") == "'M068'"
    assert identifiers.quote("\x1b[2J\n") == r"'\x1b[2J\n'"
    assert identifiers.quote("x" * 80) == repr("x" * 80)
    assert identifiers.quote("x" * 81) == f"'{'x' * 80}'... (81 characters)"

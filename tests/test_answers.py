"""Answers for all recorded runs of a source, in segments of runs that get the same."""

from __future__ import annotations

import pytest

from registry.api import Registry
from registry.lookup.answers import AnswerSegment, Refusal, list_answer_segments
from testing.panels import PANEL_A, PANEL_B, PANEL_C
from tests.test_outcomes import DETECTOR, EARLY, LATE, MIDDLE, SHA256, SOURCE, SOURCES, begin, newest, record

pytestmark = pytest.mark.small_panels


def list_segments(
    registry: Registry, kinds: list[str] | None = None, source: str = SOURCE, as_of: int | None = None
) -> list[AnswerSegment]:
    with registry._backend.read_transaction(as_of) as view:
        return list_answer_segments(view.connection, ("xcs1", source), kinds, view.revision)


def show(segments: list[AnswerSegment], kinds: list[str]) -> list[tuple[tuple[int, ...], str | None]]:
    return [(segment.runs, segment.answer.describe_refusal(kinds)) for segment in segments]


def fill(registry: Registry) -> None:
    begin(registry)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=2, last_run=8)
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=9)
    for number, instant in (
        (1, EARLY),
        (2, EARLY),
        (3, MIDDLE),
        (4, MIDDLE),
        (7, LATE),
        (9, LATE),
        (10, LATE),
    ):
        registry.runs.add(f"exp=xcs1:run={number}", begin=instant)
    registry.runs.add("exp=xcs1:run=5")
    record(registry, [PANEL_A, PANEL_B], "A", MIDDLE)
    record(registry, [PANEL_B], "B", LATE, kinds=["offset"])


@pytest.mark.slow
def test_a_segment_ends_where_constants_configuration_or_the_knowledge_of_the_start_time_end(
    registry: Registry,
) -> None:
    fill(registry)
    both = ["gain", "offset"]
    assert show(list_segments(registry), both) == [
        ((1,), "no detector is configured for it"),
        ((2,), f"no gain of {PANEL_A} is valid, and 3 more"),
        ((3, 4), None),
        ((5,), "its start time is not known"),
        ((7,), None),
        ((9, 10), None),
    ]
    segments = list_segments(registry)
    assert [segment.answer.refusal for segment in segments] == [
        Refusal.NO_DETECTOR,
        None,
        None,
        Refusal.NO_START,
        None,
        None,
    ]
    assert segments[2].answer.panels == (PANEL_A, PANEL_B)
    assert segments[2].answer.constants["offset"] == (SHA256["offset", "A"], SHA256["offset", "A"])
    assert segments[4].answer.constants["offset"] == (SHA256["offset", "A"], SHA256["offset", "B"])
    assert [segment.configuration and segment.configuration.runs for segment in segments] == [
        None,
        *["2-8"] * 4,
        "9-end",
    ]
    assert (segments[5].first_run, segments[5].last_run) == (9, 10)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_only_the_kinds_in_question_end_a_segment(registry: Registry) -> None:
    fill(registry)
    registry.runs.withdraw("exp=xcs1:run=5", comment="never taken")
    assert show(list_segments(registry, ["gain"]), ["gain"])[2:] == [((3, 4, 7), None), ((9, 10), None)]
    assert show(list_segments(registry, ["offset"]), ["offset"])[2:4] == [((3, 4), None), ((7,), None)]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_segments_are_those_of_the_revision_asked(registry: Registry) -> None:
    fill(registry)
    before = newest(registry)
    record(registry, [PANEL_A], None, LATE, kinds=["gain"])
    assert show(list_segments(registry), ["gain"])[-1] == (
        (9, 10),
        f"no gain of {PANEL_A} is valid: there is a gap",
    )
    assert show(list_segments(registry, as_of=before), ["gain"])[-1] == ((9, 10), None)
    assert list_segments(registry, source=SOURCES[1])[0].runs == (1, 2, 3, 4, 5, 7, 9, 10)


@pytest.mark.slow
def test_panels_that_bear_one_m_number_then_have_no_answer(registry: Registry) -> None:
    fill(registry)
    registry.aliases.add("M068", [PANEL_A])
    registry.aliases.add("M068", [PANEL_B], valid_from=LATE, same_module=True, comment="a new board")
    assert [segment.answer.refusal for segment in list_segments(registry)][2:] == [
        None,
        Refusal.NO_START,
        Refusal.MODULE_TWICE,
        None,
    ]
    assert PANEL_C not in list_segments(registry)[2].answer.panels

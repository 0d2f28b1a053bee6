"""Timelines: what is valid at an instant, asked at and around every boundary."""

from registry.lookup.timelines import Timeline, build_timelines


def test_a_value_is_valid_from_its_start_until_the_next_start() -> None:
    timeline = build_timelines([("gain", 10, "first"), ("gain", 20, "second"), ("offset", 5, "other")])[
        "gain"
    ]
    answers = {instant: timeline.at(instant) for instant in (9, 10, 11, 19, 20, 21)}
    assert answers == {9: None, 10: "first", 11: "first", 19: "first", 20: "second", 21: "second"}
    following = {instant: timeline.next_after(instant) for instant in (9, 10, 19, 20)}
    assert following == {9: "first", 10: "second", 19: "second", 20: None}
    assert list(timeline.ranges()) == [("first", 20), ("second", None)]


def test_an_unknown_key_has_an_empty_timeline() -> None:
    empty = build_timelines([("gain", 10, "first")])["offset"]
    assert (empty.at(10), empty.next_after(10), list(empty.ranges())) == (None, None, [])
    assert empty == Timeline()

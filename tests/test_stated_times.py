"""Times as people state them: read in a zone, relative to one present, echoed as the instant that they are."""
# ruff: noqa: DTZ001 - a stated time is a local time: what a naive datetime is

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import InstantError
from registry.instants import Instant, parse_instant
from registry.stated_times import is_stated_time, parse_stated_time

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
PRESENT = parse_instant(
    "2018-03-13T09:30:00.500000Z"
)  # two days after the clocks were put forward, 02:30 there

READINGS = {
    "2018-02-10": "2018-02-10T08:00:00Z",
    "2018-02-10 14:30": "2018-02-10T22:30:00Z",
    "2018-02-10 14:30:05": "2018-02-10T22:30:05Z",
    "2018-02-10T14:30": "2018-02-10T22:30:00Z",
    "2018-02-10t14:30:05,25": "2018-02-10T22:30:05.250000Z",
    "20180210T143000": "2018-02-10T22:30:00Z",
    "20180210143000": "2018-02-10T22:30:00Z",
    "2018-02-10 14:30:00-05:00": "2018-02-10T19:30:00Z",
    "2018-02-10T14:30:00Z": "2018-02-10T14:30:00Z",
    "now": "2018-03-13T09:30:00.500000Z",
    "today": "2018-03-13T07:00:00Z",
    "yesterday": "2018-03-12T07:00:00Z",
    "0 days ago": "2018-03-13T09:30:00.500000Z",
    "1 day ago": "2018-03-12T09:30:00.500000Z",
    "3 days ago": "2018-03-10T10:30:00.500000Z",  # the same time of day, 73 hours earlier
    "72 hours ago": "2018-03-10T09:30:00.500000Z",
    "90 minutes ago": "2018-03-13T08:00:00.500000Z",
    "1 week ago": "2018-03-06T10:30:00.500000Z",
    "2 weeks ago": "2018-02-27T10:30:00.500000Z",
}


@pytest.mark.parametrize(("text", "instant"), READINGS.items(), ids=READINGS)
def test_a_stated_time_is_read_in_the_zone_and_relative_to_the_present(text: str, instant: str) -> None:
    assert str(parse_stated_time(text, LOS_ANGELES, PRESENT)) == instant
    assert is_stated_time(text)


@pytest.mark.parametrize("text", ["now", "5 minutes ago", "3 hours ago", "2018-02-10T14:30:00Z"])
def test_the_zone_is_not_looked_up_for_what_needs_none(text: str) -> None:
    def find_zone() -> ZoneInfo:
        raise AssertionError

    parse_stated_time(text, find_zone, PRESENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Now",
        "tomorrow",
        "beginning",
        "latest",
        "2018",
        "2018-02",
        "2018-2-1",
        "2018-02-10Z",
        "2018-02-10 14",
        "10.02.2018",
        "02/10/2018",
        "20180210",
        "14:30",
        "3 days",
        "three days ago",
        "-3 days ago",
        "3 days  ago",
        "3 months ago",
        "12345678 days ago",
        " today",
        "now\n",
        "\u0663 days ago",
        "2018-02-10T14:30:00+01:99",
        "yesterday 14:30",
    ],
)
def test_any_other_text_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(InstantError) as caught:
        parse_stated_time(text, LOS_ANGELES, PRESENT)
    assert "instant" in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "text", ["2018-02-30", "2018-13-01 10:00", "0000-01-01", "2018-02-10 24:00", "2018-02-10 10:60"]
)
def test_a_date_or_time_of_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(InstantError, match="does not exist"):
        parse_stated_time(text, LOS_ANGELES, PRESENT)


def test_local_times_that_exist_twice_or_not_at_all_are_refused_whoever_computes_them() -> None:
    skipped = datetime(2018, 3, 14, 2, 30, tzinfo=LOS_ANGELES)
    for text, zone, present in (
        ("2018-03-11 02:30", LOS_ANGELES, PRESENT),
        ("2 days ago", LOS_ANGELES, PRESENT),
        ("1 week ago", LOS_ANGELES, Instant(int(skipped.timestamp() + 4 * 86_400) * 1_000_000)),
        ("2018-11-04", SAO_PAULO, PRESENT),  # its midnight was left out
        ("yesterday", SAO_PAULO, parse_instant("2018-11-05T12:00:00Z")),
        ("today", SAO_PAULO, parse_instant("2018-11-04T12:00:00Z")),
    ):
        with pytest.raises(InstantError, match="does not exist in"):
            parse_stated_time(text, zone, present)
    with pytest.raises(InstantError, match="happened twice"):
        parse_stated_time("2018-11-04 01:30", LOS_ANGELES, PRESENT)
    with pytest.raises(InstantError, match="happened twice"):
        parse_stated_time("1 day ago", LOS_ANGELES, parse_instant("2018-11-05T09:30:00Z"))


@pytest.mark.parametrize("text", ["9999999 weeks ago", "9999999 days ago", "0001-01-01"])
def test_what_is_before_the_year_1_is_refused(text: str) -> None:
    with pytest.raises(InstantError, match="year"):
        parse_stated_time(text, ZoneInfo("Asia/Tokyo"), PRESENT)


STATED = st.one_of(
    st.sampled_from(["now", "today", "yesterday"]),
    st.builds(
        lambda count, unit, plural: f"{count} {unit}{plural} ago",
        st.integers(0, 9_999_999),
        st.sampled_from(["minute", "hour", "day", "week"]),
        st.sampled_from(["", "s"]),
    ),
    st.builds(
        lambda moment, separator, spec: moment.isoformat(separator, spec),
        st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
        st.sampled_from(["T", " "]),
        st.sampled_from(["minutes", "seconds", "auto"]),
    ),
    st.dates().map(str),
    st.text(max_size=12),
)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(
    lambda moment: parse_instant(f"{moment.isoformat()}Z")
)


@pytest.mark.slow
@given(
    STATED,
    INSTANTS,
    st.sampled_from([LOS_ANGELES, SAO_PAULO, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe")]),
)
@example("1 day ago", parse_instant("2018-03-12T09:30:00Z"), LOS_ANGELES)
@example("1 day ago", parse_instant("2018-11-05T09:30:00Z"), LOS_ANGELES)
@example("now", parse_instant("2018-11-04T09:30:00Z"), LOS_ANGELES)
@example("today", parse_instant("2018-11-04T12:00:00Z"), SAO_PAULO)
@settings(deadline=None)
def test_every_accepted_text_is_the_instant_that_its_echo_is(
    text: str, present: Instant, zone: ZoneInfo
) -> None:
    try:
        instant = parse_stated_time(text, zone, present)
    except InstantError:
        return
    assert parse_stated_time(str(instant), zone, Instant(present + 1)) == instant
    assert parse_stated_time(text, zone, present) == instant

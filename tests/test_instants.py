"""Instants: exact, in UTC, and never guessed where a local time exists twice or not at all."""
# ruff: noqa: DTZ001 - a stamp is a local time: what a naive datetime is

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import CorruptionError, InstantError, Remedy, UnavailableError
from registry.instants import (
    BEGINNING,
    Instant,
    instant_from_datetime,
    now,
    parse_instant,
    parse_start,
    refuse_unlikely,
)
from registry.timezones import find_recorded_zone, find_zone, list_zone_names
from tests.refusals import assert_refused

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = int(instant_from_datetime(datetime(1, 1, 1, tzinfo=UTC)))
LAST = int(instant_from_datetime(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)))
NOT_AN_INSTANT = (
    "is not an instant: a stamp of 14 digits (YYYYMMDDHHMMSS) or an ISO 8601 time with its"
    " offset (2017-10-25T00:00:00Z) is expected"
)
# Ordinary summer time, one of half an hour, a negative one, one in Ramadan, a day left out, odd minutes.
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/Los_Angeles",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Europe/Zurich",
    )
]
CHANGES = [
    datetime(2017, 3, 12, 10, tzinfo=UTC),  # Los Angeles, forward
    datetime(2017, 11, 5, 9, tzinfo=UTC),  # Los Angeles, back
    datetime(2017, 4, 1, 15, tzinfo=UTC),  # Lord Howe, back by half an hour
    datetime(2017, 9, 30, 15, 30, tzinfo=UTC),  # Lord Howe, forward by half an hour
    datetime(2017, 10, 29, 1, tzinfo=UTC),  # Dublin and Zurich, back
    datetime(2018, 5, 13, 2, tzinfo=UTC),  # Casablanca
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out 30 December
    datetime(1883, 11, 18, 20, tzinfo=UTC),  # Los Angeles leaves its mean solar time
]
LOCAL_TIMES = st.one_of(
    st.datetimes(datetime(1850, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    st.builds(
        lambda change, tz, seconds: (change.astimezone(tz) + timedelta(seconds=seconds)).replace(
            tzinfo=None, fold=0
        ),
        st.sampled_from(CHANGES),
        st.sampled_from(ZONES),
        st.one_of(
            st.integers(-100_000, 100_000), st.sampled_from([-3601, -3600, -1, 0, 1, 1799, 1800, 3599, 3600])
        ),
    ),
)


def refusal(read, *args) -> str:
    with pytest.raises(InstantError) as caught:
        read(*args)
    return str(caught.value)


def outcome(read, *args) -> tuple[Instant | None, str]:
    """Return what is read and no sentence, or nothing and the sentence of the refusal."""
    try:
        return read(*args), ""
    except InstantError as error:
        return None, str(error)


def readings(naive: datetime, tz: ZoneInfo) -> list[datetime]:
    """Return every UTC moment at which clocks of the zone show this time, by trying all offsets nearby."""
    nearby = [naive.replace(tzinfo=UTC) + timedelta(hours=hours) for hours in range(-50, 51)]
    moments = {
        naive.replace(tzinfo=UTC) - (moment.astimezone(tz).utcoffset() or timedelta()) for moment in nearby
    }
    return sorted(moment for moment in moments if moment.astimezone(tz).replace(tzinfo=None, fold=0) == naive)


# ISO texts


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2017-10-25T00:00:00Z", "2017-10-25T00:00:00Z"),
        ("2017-10-25 00:00:00Z", "2017-10-25T00:00:00Z"),
        ("2017-10-25T00:00Z", "2017-10-25T00:00:00Z"),
        ("2017-10-25T00:00:00-07:00", "2017-10-25T07:00:00Z"),
        ("2017-10-25T00:00:00+05:45", "2017-10-24T18:15:00Z"),
        ("2017-10-25T00:00:00+23:59", "2017-10-24T00:01:00Z"),
        ("2017-10-25T00:00:00.5Z", "2017-10-25T00:00:00.500000Z"),
        ("2017-10-25T00:00:00.000001Z", "2017-10-25T00:00:00.000001Z"),
        ("2017-10-25T00:00:00.000000Z", "2017-10-25T00:00:00Z"),
        ("2017-10-25T00:00:00+0000", "2017-10-25T00:00:00Z"),
        ("2017-10-25T00:00:00-0700", "2017-10-25T07:00:00Z"),
        ("2017-10-25T00:00:00+07", "2017-10-24T17:00:00Z"),
        ("2017-10-25T00:00-0700", "2017-10-25T07:00:00Z"),
        ("2017-10-25t00:00:00z", "2017-10-25T00:00:00Z"),
        ("20171025T000000Z", "2017-10-25T00:00:00Z"),
        ("20171025T0000-0700", "2017-10-25T07:00:00Z"),
        ("2017-10-25T00:00:00,5Z", "2017-10-25T00:00:00.500000Z"),
        ("20171025T000000.25+05:45", "2017-10-24T18:15:00.250000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2016-02-29T12:00:00Z", "2016-02-29T12:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_iso_text_with_its_offset_is_read_and_written_in_utc(text: str, written: str) -> None:
    instant = parse_instant(text)
    assert str(instant) == instant.iso == written
    assert parse_instant(text, LOS_ANGELES) == instant  # the zone is for stamps alone


@pytest.mark.slow
@given(st.datetimes(timezones=st.one_of(st.just(UTC), st.sampled_from(ZONES))))
@settings(deadline=None)
def test_an_aware_datetime_becomes_an_instant_and_back_without_loss(moment: datetime) -> None:
    exact = (moment - EPOCH) // timedelta(microseconds=1)
    if not FIRST <= exact <= LAST:
        assert refusal(instant_from_datetime, moment).endswith("is outside the years 1 to 9999 in UTC")
        return
    instant = instant_from_datetime(moment)
    assert instant == exact
    assert instant.datetime == moment.astimezone(UTC)
    assert instant.datetime.tzinfo is UTC
    assert parse_instant(str(instant)) == instant


@given(st.integers(FIRST, LAST))
@example(FIRST)
@example(LAST)
@example(-1)
@example(0)
@settings(deadline=None)
def test_every_instant_of_the_years_1_to_9999_is_written_and_read_back(microseconds: int) -> None:
    assert parse_instant(str(Instant(microseconds))) == microseconds


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    st.integers(-1439, 1439),
)
@settings(deadline=None)
def test_every_offset_of_whole_minutes_below_a_day_is_read(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_instant(moment.isoformat()) == instant_from_datetime(moment)


@pytest.mark.parametrize("text", ["2017-10-25T00:00:00", "2017-10-25 00:00", "2017-10-25T00:00:00.5"])
def test_an_iso_text_without_its_offset_is_refused_with_what_to_add(text: str) -> None:
    assert refusal(parse_instant, text) == f"{text!r} has no UTC offset; add Z or one like -07:00"


@pytest.mark.parametrize("text", ["2017-10-25T00:00:00.1234567Z", f"2017-10-25T00:00:00.{'0' * 10_000}Z"])
def test_an_iso_text_finer_than_a_microsecond_is_refused(text: str) -> None:
    assert refusal(parse_instant, text).endswith("is finer than a microsecond")


@pytest.mark.parametrize(
    "text",
    [
        "2017-02-29T00:00:00Z",
        "2017-13-01T00:00:00Z",
        "2017-00-01T00:00:00Z",
        "2017-10-32T00:00:00Z",
        "2017-10-25T24:00:00Z",
        "20171025T240000Z",
        "2017-10-25T25:00:00Z",
        "2017-10-25T00:60:00Z",
        "2017-10-25T00:00:60Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_an_iso_text_of_no_real_date_or_time_is_refused_with_the_reason(text: str) -> None:
    assert refusal(parse_instant, text).startswith(f"{text!r} does not exist: ")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_an_iso_text_outside_the_years_in_utc_is_refused(text: str) -> None:
    assert refusal(parse_instant, text) == f"{text} is outside the years 1 to 9999 in UTC"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "latest",
        "beginning",
        "2017-10-25",
        "2017-10-25Z",
        "2017-1-1T00:00:00Z",
        "2017-10-25T00Z",
        "2017-W43-3T00:00:00Z",
        "2017-10-25T00:00:00 Z",
        "2017-10-25T00:00:00Z\n",
        " 2017-10-25T00:00:00Z",
        "2017-10-25T00:00:00+01:99",
        "2017-10-25T00:00:00+0199",
        "2017-10-25T00:00:00+7",
        "2017-10-25T000000Z",
        "20171025T00:00:00Z",
        "20171025 000000Z",
        "2017-10-25T00:00:00 +0000",
        "2017-10-25T00:00:00UTC",
        "2017-10-25T00:00:00+24:00",
        "2017-10-25T00:00:00+01:00:00",
        "2017-10-25T00:00:00.Z",
        "-2017-10-25T00:00:00Z",
        "12017-10-25T00:00:00Z",
        "\u0662017-10-25T00:00:00Z",
        "1508889600",
        "\x1b[31m",
        "2017-10-25T00:00:00Z\x00",
        "../../etc/localtime",
    ],
)
def test_a_text_that_is_neither_stamp_nor_iso_text_is_refused_with_both_forms(text: str) -> None:
    message = refusal(parse_instant, text)
    assert message.startswith(f"{text!r} {NOT_AN_INSTANT}")
    assert message.isprintable()


@pytest.mark.parametrize("digits", [8, 13, 15, 10_000])
def test_a_stamp_of_another_length_is_refused_with_its_length(digits: int) -> None:
    message = refusal(parse_instant, "2" * digits)
    assert message.endswith(f"{NOT_AN_INSTANT}; this has {digits} digits")
    assert len(message) < 300


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_text_at_all_is_an_instant_or_refused_in_a_printable_sentence(text: str) -> None:
    for read in (parse_instant, parse_start):
        instant, sentence = outcome(read, text)
        assert sentence.isprintable()
        assert sentence or parse_start(str(instant)) == instant


# Stamps


def test_a_stamp_is_read_in_utc_unless_a_zone_is_given() -> None:
    assert str(parse_instant("20171025000000")) == "2017-10-25T00:00:00Z"
    assert str(parse_instant("20171025000000", LOS_ANGELES)) == "2017-10-25T07:00:00Z"
    assert str(parse_instant("20180306000000", LOS_ANGELES)) == "2018-03-06T08:00:00Z"


@pytest.mark.slow
@given(LOCAL_TIMES, st.sampled_from(ZONES))
@example(datetime(2017, 11, 5, 1), LOS_ANGELES)
@example(datetime(2017, 11, 5, 0, 59, 59), LOS_ANGELES)
@example(datetime(2017, 11, 5, 1, 59, 59), LOS_ANGELES)
@example(datetime(2017, 11, 5, 2), LOS_ANGELES)
@example(datetime(2017, 3, 12, 1, 59, 59), LOS_ANGELES)
@example(datetime(2017, 3, 12, 2), LOS_ANGELES)
@example(datetime(2017, 3, 12, 2, 59, 59), LOS_ANGELES)
@example(datetime(2017, 3, 12, 3), LOS_ANGELES)
@settings(deadline=None)
def test_a_stamp_is_the_one_instant_when_clocks_showed_it_or_is_refused(
    naive: datetime, tz: ZoneInfo
) -> None:
    text = naive.strftime("%Y%m%d%H%M%S")
    moments = readings(naive, tz)
    if len(moments) == 1:
        assert parse_instant(text, tz) == instant_from_datetime(moments[0])
    elif not moments:
        assert refusal(parse_instant, text, tz) == (
            f"{text} does not exist in {tz.key}: the clocks were put forward over it"
        )
    else:
        first, second = (instant_from_datetime(moment) for moment in moments)
        assert refusal(parse_instant, text, tz) == (
            f"{text} happened twice in {tz.key}, at {first} and at {second}; write the one that is meant"
        )


@pytest.mark.slow
@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from(ZONES)))
@settings(deadline=None)
def test_the_stamp_of_a_moment_is_never_read_as_another_moment(moment: datetime) -> None:
    real = instant_from_datetime(moment.replace(microsecond=0)).datetime
    tz = moment.tzinfo
    assert tz is not None
    text = real.astimezone(tz).strftime("%Y%m%d%H%M%S")
    instant, sentence = outcome(parse_instant, text, tz)
    assert instant == instant_from_datetime(real) or "happened twice" in sentence


def test_an_ambiguous_stamp_names_both_instants_and_both_can_be_given() -> None:
    assert refusal(parse_instant, "20171105013000", LOS_ANGELES) == (
        "20171105013000 happened twice in America/Los_Angeles, at 2017-11-05T08:30:00Z and at"
        " 2017-11-05T09:30:00Z; write the one that is meant"
    )
    assert parse_instant("2017-11-05T09:30:00Z") - parse_instant("2017-11-05T08:30:00Z") == 3_600_000_000


def test_a_day_that_a_zone_left_out_does_not_exist_there() -> None:
    assert refusal(parse_instant, "20111230120000", ZoneInfo("Pacific/Apia")) == (
        "20111230120000 does not exist in Pacific/Apia: the clocks were put forward over it"
    )


@pytest.mark.parametrize(
    "text",
    [
        "20170229000000",
        "20171301000000",
        "20170001000000",
        "20171025240000",
        "20171025006000",
        "20171025000060",
        "00000101000000",
    ],
)
def test_a_stamp_of_no_real_date_or_time_is_refused(text: str) -> None:
    assert refusal(parse_instant, text) == f"{text} is a date or time that does not exist"


@pytest.mark.parametrize(
    ("text", "name"), [("00010101000000", "Asia/Tokyo"), ("99991231235959", "America/Los_Angeles")]
)
def test_a_stamp_outside_the_years_in_utc_is_refused(text: str, name: str) -> None:
    assert refusal(parse_instant, text, find_zone(name)) == f"{text} is outside the years 1 to 9999 in UTC"


@pytest.mark.parametrize("text", ["20171025000000\n", "2017102500000\u0660", "\uff12" * 14, "+2017102500000"])
def test_a_stamp_is_14_ascii_digits_and_nothing_else(text: str) -> None:
    assert refusal(parse_instant, text).endswith(NOT_AN_INSTANT)


# The beginning


def test_the_beginning_is_before_every_instant_and_is_written_as_a_word() -> None:
    assert parse_start("beginning") is BEGINNING
    assert str(BEGINNING) == "beginning"
    assert repr(BEGINNING) == "Instant(beginning)"
    assert BEGINNING.iso is None
    assert parse_instant("0001-01-01T00:00:00Z") > BEGINNING
    assert int(BEGINNING) + 2**63 == 0


def test_a_start_is_an_instant_too() -> None:
    assert parse_start("20171025000000", LOS_ANGELES) == parse_instant("2017-10-25T07:00:00Z")


@pytest.mark.parametrize("text", ["Beginning", "beginning\n", "", "start"])
def test_only_the_word_itself_is_the_beginning(text: str) -> None:
    assert NOT_AN_INSTANT in refusal(parse_start, text)


# Datetimes, zones, the clock


def test_a_naive_datetime_is_refused() -> None:
    assert refusal(instant_from_datetime, datetime(2017, 10, 25)) == ("2017-10-25T00:00:00 has no UTC offset")


def test_instants_are_ordered_as_numbers_and_shown_as_times() -> None:
    assert sorted([Instant(1), BEGINNING, Instant(0)]) == [BEGINNING, Instant(0), Instant(1)]
    assert repr(Instant(0)) == "Instant(1970-01-01T00:00:00Z)"


def test_now_is_the_clocks_time_to_the_microsecond() -> None:
    before = datetime.now(UTC)
    instant = now()
    assert before <= instant.datetime <= datetime.now(UTC)


@pytest.mark.parametrize("name", ["UTC", "America/Los_Angeles", "Europe/Zurich", "Asia/Kathmandu"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    assert str(find_zone(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "America",
        "America/Los_Angeles/",
        "Mars/Olympus_Mons",
        "PDT",
        "-07:00",
        "UTC\n",
        "../../etc/passwd",
        "/etc/localtime",
        "zone.tab",
        "a\x00b",
        "\x1b[31m",
        "x" * 10_000,
        "\udc80",
    ],
)
def test_a_text_that_is_not_a_zone_is_refused_with_an_example(name: str) -> None:
    message = refusal(find_zone, name)
    assert "is not a time zone; a name like " in message
    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("utc", "UTC"),
        ("america/los_angeles", "America/Los_Angeles"),
        ("America/Los_Angelas", "America/Los_Angeles"),
        ("Europe/Zuerich", "Europe/Zurich"),
    ],
)
def test_a_zone_in_another_spelling_is_refused_with_the_name_that_resembles_it(name: str, known: str) -> None:
    assert f"a name like {known} is expected" in refusal(find_zone, name)


@pytest.mark.parametrize(
    "name",
    [
        "localtime",
        "posixrules",
        "Factory",
        "posix/America/Los_Angeles",
        "right/America/Los_Angeles",
        "right/UTC",
    ],
)
def test_a_zone_that_depends_on_the_machine_is_refused(name: str) -> None:
    assert "is not the same time zone on every machine" in refusal(find_zone, name)
    assert name not in list_zone_names()


@pytest.mark.parametrize("name", ["EST", "PST8PDT", "GMT", "Etc/GMT+8", "US/Pacific"])
def test_an_old_name_that_the_time_zone_database_keeps_is_a_zone(name: str) -> None:
    assert str(find_zone(name)) == name


def test_a_recorded_zone_that_the_machine_lacks_is_refused_by_name() -> None:
    with assert_refused(UnavailableError, "Mars/Olympus_Mons", timezone="Mars/Olympus_Mons"):
        find_recorded_zone("Mars/Olympus_Mons")


# Years that can be meant


@pytest.mark.parametrize("text", ["1989-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "0201-08-10T00:00:00Z"])
def test_an_instant_before_1990_is_not_recorded_unless_it_is_meant(text: str) -> None:
    instant = parse_instant(text)
    with assert_refused(InstantError, "before 1990", remedy=Remedy.ALLOW_ANY_TIME, instant=text):
        refuse_unlikely(instant, "a start")
    assert refuse_unlikely(instant, "a start", any_time=True) == instant


def test_an_instant_more_than_a_year_ahead_is_not_recorded_unless_it_is_meant() -> None:
    day = 86_400_000_000
    soon, late = Instant(now() + 365 * day), Instant(now() + 367 * day)
    assert refuse_unlikely(soon, "a start") == soon
    with assert_refused(InstantError, "more than a year ahead", remedy=Remedy.ALLOW_ANY_TIME):
        refuse_unlikely(late, "a start")
    assert refuse_unlikely(late, "a start", any_time=True) == late


def test_the_year_1990_and_the_beginning_are_recorded() -> None:
    first = parse_instant("1990-01-01T00:00:00Z")
    assert refuse_unlikely(first, "a start") == first
    assert refuse_unlikely(BEGINNING, "a start") is BEGINNING


def test_a_zone_is_looked_up_for_a_stamp_only() -> None:
    calls = []

    def find() -> ZoneInfo:
        calls.append(1)
        return LOS_ANGELES

    assert str(parse_instant("2017-10-25T00:00:00Z", find)) == "2017-10-25T00:00:00Z"
    assert calls == []
    assert str(parse_instant("20171025000000", find)) == "2017-10-25T07:00:00Z"
    assert calls == [1]


@pytest.mark.parametrize("value", ["early", BEGINNING + 1, 2**62])
def test_a_damaged_row_is_called_that_where_its_instant_is_shown(value: Any) -> None:
    with pytest.raises(CorruptionError, match=f"'{value}' is not an instant; verify names the row"):
        str(Instant(value))

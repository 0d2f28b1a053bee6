"""Validity, asked at and around every boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import IdentifierError, InstantError, NotFoundError, NotValidError, RequestError
from registry.instants import BEGINNING, Instant, parse_instant
from registry.records import Version
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

GAIN = ["gain"]
MICROSECOND, SECOND = 1, 1_000_000
T1 = "2018-01-01T00:00:00Z"
T2 = "2018-02-01T00:00:00.000001Z"
T3 = "2018-03-01T12:30:00Z"
T4 = "2018-03-01T12:30:00.000002Z"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the six files of gain and offset."""
    return write_panel_folder(tmp_path_factory.mktemp("arrays") / "one", seed=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six other files."""
    return write_panel_folder(tmp_path_factory.mktemp("arrays") / "other", seed=2)


def number_of_gain(registry: Registry, at: Instant) -> int | str:
    """Return the number of the gain of PANEL_A that is valid, or the refusal."""
    try:
        (version,) = registry.validity(PANEL_A, kinds=GAIN, at=at).versions
    except NotValidError as refusal:
        return str(refusal)
    return version.version


def has_all(sentence: str, *words: str) -> bool:
    """Tell whether a sentence has all these names, numbers and times."""
    return all(word in sentence for word in words)


def test_a_version_is_valid_from_its_start_to_the_microsecond(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "constants")
    registry.versions.add(PANEL_A, folder, valid_from="2018-01-01T00:00:00Z")
    validity = registry.validity(PANEL_A, at="2018-01-01T00:00:00Z").versions
    assert [version.kind for version in validity] == ["gain", "offset"]
    with assert_refused(NotValidError, problems=2, panels=[PANEL_A]) as caught:
        registry.validity(PANEL_A, at="2017-12-31T23:59:59.999999Z")
    assert all("2018-01-01T00:00:00Z" in sentence for sentence in caught.value.values["missing"])


@pytest.mark.slow
def test_every_start_is_inclusive_and_every_end_exclusive(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.add(PANEL_A, one, valid_from=T4, kinds=GAIN)  # the last first: order does not matter
    registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN)
    registry.versions.gap(PANEL_A, valid_from=T3, comment="moved to another beamline")
    start, middle, gap, end = (parse_instant(text) for text in (T1, T2, T3, T4))

    before = ("gain", PANEL_A, T1)
    inside = ("gain", PANEL_A, T3, T4, "moved to another beamline")
    expected = {
        start - SECOND: before,
        start - MICROSECOND: before,
        start: 1,
        start + MICROSECOND: 1,
        start + SECOND: 1,
        middle - SECOND: 1,
        middle - MICROSECOND: 1,
        middle: 3,
        middle + MICROSECOND: 3,
        middle + SECOND: 3,
        gap - SECOND: 3,
        gap - MICROSECOND: 3,
        gap: inside,
        gap + MICROSECOND: inside,
        end: 2,
        end + MICROSECOND: 2,
        end + SECOND: 2,
        parse_instant("9999-12-31T23:59:59.999999Z"): 2,
        parse_instant("0001-01-01T00:00:00Z"): before,
    }
    for instant, answer in expected.items():
        answer_at = number_of_gain(registry, Instant(instant))
        if isinstance(answer, int):
            assert answer_at == answer, Instant(instant)
        else:
            assert has_all(str(answer_at), str(Instant(instant)), *answer), Instant(instant)
            assert (T1 in str(answer_at)) == (answer == before)


def test_a_version_from_the_beginning_is_valid_at_every_time(
    registry: Registry, one: Path, other: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from="beginning", kinds=GAIN)
    registry.versions.add(PANEL_A, other, valid_from=T1, kinds=GAIN)
    boundary = parse_instant(T1)
    for instant in (parse_instant("0001-01-01T00:00:00Z"), boundary - 1):
        assert number_of_gain(registry, Instant(instant)) == 1
    assert number_of_gain(registry, boundary) == 2
    for at in ("beginning", BEGINNING):
        with assert_refused(InstantError) as caught:
            registry.validity(PANEL_A, at=at)
        assert "beginning" in caught.value.message


@pytest.mark.slow
def test_without_an_instant_all_ranges_are_returned_with_gaps_and_ends(
    registry: Registry, one: Path, other: Path
) -> None:
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, one, valid_from=T2)
    registry.versions.add(PANEL_A, other, valid_from="beginning")
    registry.versions.gap(PANEL_A, valid_from=T3, kinds=["offset"], comment="no darks")
    registry.versions.add(NEW_A, one, valid_from=T1, kinds=GAIN)
    wrong = registry.versions.add(NEW_A, other, valid_from=T4, kinds=GAIN)
    registry.versions.withdraw(wrong.versions[0].version, comment="wrong folder")

    def rows(versions: tuple[Version, ...]) -> list[tuple[str, str, str, str | None, bool]]:
        return [
            (
                version.panel,
                version.kind,
                str(version.valid_from),
                None if version.valid_to is None else str(version.valid_to),
                version.is_gap,
            )
            for version in versions
        ]

    gain = [(PANEL_A, "gain", "beginning", T2, False), (PANEL_A, "gain", T2, None, False)]
    offset = [
        (PANEL_A, "offset", "beginning", T2, False),
        (PANEL_A, "offset", T2, T3, False),
        (PANEL_A, "offset", T3, None, True),
    ]
    new = [(NEW_A, "gain", T1, None, False)]
    assert rows(registry.validity(PANEL_A).versions) == gain + offset
    assert rows(registry.validity(PANEL_A, kinds=["offset"]).versions) == offset
    assert rows(registry.validity("M068").versions) == new + gain + offset, "in the order of recording"
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_B, one, valid_from=T1, kinds=GAIN, same_as=["M068"])
    other = [(PANEL_B, "gain", T1, None, False)]
    for target, expected in (
        (f"{PANEL_A}_{PANEL_B}", gain + offset + other),
        (f"{PANEL_B}_{PANEL_A}", other + gain + offset),
    ):
        assert rows(registry.validity(target).versions) == expected, "in segment order"
    assert registry.validity(NEW_A, kinds=["rms"]).versions == ()
    assert registry.validity("M068").without == ()


def test_unknown_panels_are_refused_with_the_names_that_are_known(registry: Registry, one: Path) -> None:
    for target in (PANEL_A, "M068", f"{PANEL_A}_{PANEL_B}"):
        with assert_refused(NotFoundError, near=[]):
            registry.validity(target, at=T1)
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T2, kinds=GAIN)
    with assert_refused(NotFoundError, problems=1, panels=[NEW_A], near=[]) as caught:
        registry.validity(NEW_A)
    assert has_all(caught.value.message, PANEL_A, PANEL_B)
    with assert_refused(NotFoundError, alias="M069", near=["M068"]):
        registry.validity("M069")
    with assert_refused(
        NotFoundError, problems=2, panels=["1-1-1", PANEL_C]
    ):  # not found goes before not valid
        registry.validity(f"{PANEL_A}_1-1-1_{PANEL_C}", at=T1)
    for target, values in {
        "jung frau": ("'jung frau'",),
        f"cspad_{PANEL_A}": ("'cspad'", "jungfrau", "epix10ka"),
        f"{PANEL_A}_": ("''",),
        f"{PANEL_A}_{PANEL_A}": (PANEL_A,),
        "M68": ("'M68'", "M068"),
    }.items():
        with assert_refused(IdentifierError) as malformed:
            registry.validity(target, at=T2)
        assert has_all(malformed.value.message, *values)
    with assert_refused(RequestError) as unknown:
        registry.validity(PANEL_A, kinds=["gain", "dark"])
    assert has_all(unknown.value.message, "'dark'", "jungfrau", "gain", "offset")


def test_everything_that_is_missing_is_listed_at_once(registry: Registry, one: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T2, kinds=GAIN)
    with assert_refused(NotValidError, problems=4, panels=[PANEL_A, PANEL_B]) as caught:
        registry.validity(f"{PANEL_A}_{PANEL_B}", at=T1)
    expected = [
        ("gain", PANEL_A, T1, T2),
        ("offset", PANEL_A, T1, "only gain is registered"),
        ("gain", PANEL_B, T1, "no version of any kind"),
        ("offset", PANEL_B, T1, "no version of any kind"),
    ]
    for sentence, words in zip(caught.value.details, expected, strict=True):
        assert has_all(sentence, *words)
    assert caught.value.values["missing"] == list(caught.value.details)
    with assert_refused(NotValidError, problems=1, panels=[PANEL_A]) as caught:
        registry.validity(PANEL_A, at=T3, kinds=["rms", "rms"])
    assert has_all(caught.value.message, "rms", PANEL_A, T3, "only gain is registered")
    twice = registry.validity(PANEL_A, at=T3, kinds=["gain", "gain"]).versions
    assert [version.version for version in twice] == [1], "a kind asked for twice is answered once"


def test_a_detector_needs_all_its_panels_and_an_m_number_one(registry: Registry, one: Path) -> None:
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T1)
    registry.versions.add(PANEL_B, one, valid_from=T1, same_as=["M068"])
    registry.versions.add(NEW_A, one, valid_from=T2)
    registry.versions.gap(PANEL_A, valid_from=T2, kinds=GAIN, comment="replaced")

    def valid(target: str, at: str, *kinds: str) -> list[tuple[str, str]]:
        validity = registry.validity(target, at=at, kinds=kinds or None)
        return [(version.panel, version.kind) for version in validity.versions]

    both = [(PANEL_B, "gain"), (PANEL_B, "offset"), (PANEL_A, "gain"), (PANEL_A, "offset")]
    assert valid(f"{PANEL_B}_{PANEL_A}", T1) == both, "by panel in segment order, and kind"
    assert valid(f"jungfrau_{PANEL_B}_{PANEL_A}", T1) == both
    assert valid(f"jungfrau_{PANEL_B}", T1) == both[:2]
    assert valid(f"{PANEL_B}_{PANEL_A}", T1, "offset", "gain") == [
        (PANEL_B, "offset"),
        (PANEL_B, "gain"),
        (PANEL_A, "offset"),
        (PANEL_A, "gain"),
    ]
    with assert_refused(NotValidError, problems=1, panels=[PANEL_A]) as caught:
        registry.validity(f"{PANEL_B}_{PANEL_A}", at=T2)
    gap = caught.value.message
    assert has_all(gap, "gap", "gain", PANEL_A, T2, "replaced")
    assert valid(f"{PANEL_B}_{PANEL_A}", T2, "offset") == [(PANEL_B, "offset"), (PANEL_A, "offset")]

    early, late = registry.validity("M068", at=T1), registry.validity("M068", at=T2)
    assert [(version.panel, version.kind) for version in early.versions] == both[2:]
    for sentence, kind in zip(early.without, ("gain", "offset"), strict=True):
        assert has_all(sentence, kind, NEW_A, T1, T2)
    assert {version.panel for version in late.versions} == {NEW_A}
    assert late.without == (gap,)
    with assert_refused(NotValidError, problems=4) as caught:
        registry.validity("M068", at="2017-12-31T23:59:59.999999Z")
    assert [NEW_A in detail for detail in caught.value.details] == [True, True, False, False]


def test_validity_is_as_of_a_revision(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN)
    registry.versions.withdraw(1, comment="wrong")

    def ranges(as_of: int) -> list[tuple[int, Instant | None, int | None]]:
        versions = registry.validity(PANEL_A, as_of=as_of).versions
        return [(version.version, version.valid_to, version.withdrawn_in) for version in versions]

    assert ranges(1) == []
    assert ranges(2) == [(1, None, None)]
    assert ranges(3) == [(1, parse_instant(T2), None), (2, None, None)]
    assert ranges(4) == [(2, None, None)]
    for as_of, number in ((2, 1), (3, 2), (4, 2)):
        (version,) = registry.validity(PANEL_A, kinds=GAIN, at=T3, as_of=as_of).versions
        assert (version.version, version.withdrawn_in) == (number, None)
    (version,) = registry.validity(PANEL_A, kinds=GAIN, at=T1, as_of=3).versions
    assert (version.version, str(version.valid_to)) == (1, T2)
    with assert_refused(NotValidError, problems=1, panels=[PANEL_A]) as caught:
        registry.validity(PANEL_A, kinds=GAIN, at=T1)
    assert has_all(caught.value.message, T1, T2)


def test_stamps_are_read_in_the_zone_of_the_registry(location: RegistryLocation, one: Path) -> None:
    with location.open(timezone="America/Los_Angeles") as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, one, valid_from="20171025000000", kinds=GAIN)
        assert str(registry.versions.show(1)[0].valid_from) == "2017-10-25T07:00:00Z"
        assert number_of_gain(registry, parse_instant("2017-10-25T07:00:00Z")) == 1
        assert registry.validity(PANEL_A, kinds=GAIN, at="20171025000000").versions[0].version == 1
        with assert_refused(NotValidError, problems=1) as caught:
            registry.validity(PANEL_A, kinds=GAIN, at="20171024235959")
        assert has_all(caught.value.message, "2017-10-25T06:59:59Z", "2017-10-25T07:00:00Z")
        with assert_refused(InstantError) as skipped:
            registry.validity(PANEL_A, at="20180311023000")
        assert has_all(skipped.value.message, "20180311023000", "America/Los_Angeles")
        with assert_refused(InstantError) as repeated:
            registry.versions.add(PANEL_A, one, valid_from="20171105013000")
        readings = ("2017-11-05T08:30:00Z", "2017-11-05T09:30:00Z")
        assert has_all(repeated.value.message, "20171105013000", "America/Los_Angeles", *readings)
    with location.open() as registry:
        with assert_refused(NotValidError, problems=1) as caught:
            registry.validity(PANEL_A, kinds=GAIN, at="20171025000000")
        assert has_all(caught.value.message, "2017-10-25T00:00:00Z", "2017-10-25T07:00:00Z")
        assert len(registry.log()) == 2


def test_an_instant_is_given_as_text_as_an_aware_datetime_or_as_itself(registry: Registry, one: Path) -> None:
    registry.panels.add(PANEL_A)
    pacific = timezone(timedelta(hours=-8))
    registry.versions.add(PANEL_A, one, valid_from=datetime(2018, 1, 1, tzinfo=pacific), kinds=GAIN)
    registry.versions.add(PANEL_A, one, valid_from=BEGINNING, kinds=["offset"])
    start = parse_instant("2018-01-01T08:00:00Z")
    assert registry.versions.show(1)[0].valid_from == start
    assert registry.versions.show(2)[0].valid_from == BEGINNING
    for at in (
        "20180101080000",
        "2018-01-01T08:00:00Z",
        "2018-01-01T00:00:00-08:00",
        datetime(2018, 1, 1, 8, tzinfo=UTC),
        datetime(2018, 1, 1, tzinfo=pacific),
        start,
    ):
        assert [version.version for version in registry.validity(PANEL_A, at=at).versions] == [1, 2]
    naive = datetime(2018, 1, 1, 8)  # noqa: DTZ001 - it is to be refused
    for ask in (
        lambda: registry.validity(PANEL_A, at=naive),
        lambda: registry.versions.add(PANEL_A, one, valid_from=naive),
        lambda: registry.versions.gap(PANEL_A, valid_from=naive, comment="no"),
        lambda: registry.validity(PANEL_A, as_of=naive),
    ):
        with assert_refused(InstantError) as without_offset:
            ask()
        assert has_all(without_offset.value.message, "2018-01-01T08:00:00", "offset")
    for text in ("2018-01", "2018010108000", "tomorrow", "", "1514764800"):
        with assert_refused(InstantError) as caught:
            registry.validity(PANEL_A, at=text)
        assert repr(text) in caught.value.message
    assert len(registry.log()) == 3

"""What is valid when, asked at and around every boundary."""

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
    """Return the number of the gain of PANEL_A that holds, or the refusal."""
    try:
        (version,) = registry.validity(PANEL_A, kinds=GAIN, at=at).versions
    except NotValidError as refusal:
        return str(refusal)
    return version.version


def test_a_version_is_valid_from_its_start_to_the_microsecond(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "constants")
    registry.versions.add(PANEL_A, folder, valid_from="2018-01-01T00:00:00Z")
    found = registry.validity(PANEL_A, at="2018-01-01T00:00:00Z").versions
    assert [version.kind for version in found] == ["gain", "offset"]
    with pytest.raises(NotValidError, match="the first begins 2018-01-01T00:00:00Z"):
        registry.validity(PANEL_A, at="2017-12-31T23:59:59.999999Z")


def test_every_start_is_inclusive_and_every_end_exclusive(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.add(PANEL_A, one, valid_from=T4, kinds=GAIN)  # the last first: order does not matter
    registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN)
    registry.versions.gap(PANEL_A, valid_from=T3, comment="moved to another beamline")
    start, middle, gap, end = (parse_instant(text) for text in (T1, T2, T3, T4))

    def before(instant: int) -> str:
        return f"no gain of {PANEL_A} is valid at {Instant(instant)}; the first begins {T1}"

    def inside(instant: int) -> str:
        return (
            f"no gain of {PANEL_A} is valid at {Instant(instant)}; a gap begins {T3} until {T4}:"
            " moved to another beamline"
        )

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
        found = number_of_gain(registry, Instant(instant))
        assert found == (answer(instant) if callable(answer) else answer), Instant(instant)


def test_what_begins_at_the_beginning_is_valid_at_every_time(
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
        with pytest.raises(InstantError, match="beginning"):
            registry.validity(PANEL_A, at=at)


def test_without_a_time_all_ranges_are_told_gaps_too_each_ending_where_the_next_begins(
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

    def told(versions: tuple[Version, ...]) -> list[tuple[str, str, str, str | None, bool]]:
        return [
            (
                each.panel,
                each.kind,
                str(each.valid_from),
                None if each.valid_to is None else str(each.valid_to),
                each.is_gap,
            )
            for each in versions
        ]

    gain = [(PANEL_A, "gain", "beginning", T2, False), (PANEL_A, "gain", T2, None, False)]
    offset = [
        (PANEL_A, "offset", "beginning", T2, False),
        (PANEL_A, "offset", T2, T3, False),
        (PANEL_A, "offset", T3, None, True),
    ]
    new = [(NEW_A, "gain", T1, None, False)]
    assert told(registry.validity(PANEL_A).versions) == gain + offset
    assert told(registry.validity(PANEL_A, kinds=["offset"]).versions) == offset
    assert told(registry.validity("M068").versions) == new + gain + offset, "in the order of recording"
    assert told(registry.validity(f"{PANEL_A}_{NEW_A}").versions) == gain + offset + new, "in segment order"
    assert registry.validity(NEW_A, kinds=["rms"]).versions == ()
    assert registry.validity("M068").without == ()


def test_what_is_not_known_is_refused_with_what_is(registry: Registry, one: Path) -> None:
    for target in (PANEL_A, "M068", f"{PANEL_A}_{PANEL_B}"):
        with pytest.raises(NotFoundError, match="none is known yet"):
            registry.validity(target, at=T1)
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T2, kinds=GAIN)
    with pytest.raises(NotFoundError, match=f"panel {NEW_A} is not known; known: {PANEL_A}, {PANEL_B}"):
        registry.validity(NEW_A)
    with pytest.raises(NotFoundError, match="no panel has the M-number M069; near: M068"):
        registry.validity("M069")
    with pytest.raises(NotFoundError, match="2 panels are not known") as caught:
        registry.validity(f"{PANEL_A}_{NEW_A}_{PANEL_C}", at=T1)
    assert caught.value.values["panels"] == [NEW_A, PANEL_C], "not found goes before not valid"
    for target, sentence in {
        "jungfrau": "neither a panel Id .* nor an M-number .* nor a detector Id",
        f"cspad_{PANEL_A}": "begins with 'cspad', which is no detector type; known: jungfrau, epix10ka",
        f"{PANEL_A}_": "three hexadecimal fields",
        f"{PANEL_A}_{PANEL_A}": f"panel {PANEL_A} stands more than once",
        "M68": "write M068",
    }.items():
        with pytest.raises(IdentifierError, match=sentence):
            registry.validity(target, at=T2)
    with pytest.raises(RequestError, match="'dark' is no kind of constants of jungfrau; known: gain, offset"):
        registry.validity(PANEL_A, kinds=["gain", "dark"])


def test_everything_that_is_missing_is_listed_at_once(registry: Registry, one: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T2, kinds=GAIN)
    with pytest.raises(NotValidError, match="4 constants are missing") as caught:
        registry.validity(f"{PANEL_A}_{PANEL_B}", at=T1)
    none = "no version of any kind is registered for this panel"
    assert caught.value.details == (
        f"no gain of {PANEL_A} is valid at {T1}; the first begins {T2}",
        f"no offset of {PANEL_A} is valid at {T1}; only gain is registered for this panel",
        f"no gain of {PANEL_B} is valid at {T1}; {none}",
        f"no offset of {PANEL_B} is valid at {T1}; {none}",
    )
    assert caught.value.values["missing"] == list(caught.value.details)
    with pytest.raises(NotValidError) as caught:
        registry.validity(PANEL_A, at=T3, kinds=["rms", "rms"])
    assert (
        str(caught.value) == f"no rms of {PANEL_A} is valid at {T3}; only gain is registered for this panel"
    )
    twice = registry.validity(PANEL_A, at=T3, kinds=["gain", "gain"]).versions
    assert [version.version for version in twice] == [1], "a kind asked for twice is answered once"


def test_a_detector_needs_all_its_panels_and_an_m_number_one(registry: Registry, one: Path) -> None:
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, one, valid_from=T1)
    registry.versions.add(PANEL_B, one, valid_from=T1)
    registry.versions.add(NEW_A, one, valid_from=T2)
    registry.versions.gap(PANEL_A, valid_from=T2, kinds=GAIN, comment="replaced")

    def held(target: str, at: str, *kinds: str) -> list[tuple[str, str]]:
        found = registry.validity(target, at=at, kinds=kinds or None)
        return [(version.panel, version.kind) for version in found.versions]

    both = [(PANEL_B, "gain"), (PANEL_B, "offset"), (PANEL_A, "gain"), (PANEL_A, "offset")]
    assert held(f"{PANEL_B}_{PANEL_A}", T1) == both, "by panel in segment order, and kind"
    assert held(f"jungfrau_{PANEL_B}_{PANEL_A}", T1) == both
    assert held(f"jungfrau_{PANEL_B}", T1) == both[:2]
    assert held(f"{PANEL_B}_{PANEL_A}", T1, "offset", "gain") == [
        (PANEL_B, "offset"),
        (PANEL_B, "gain"),
        (PANEL_A, "offset"),
        (PANEL_A, "gain"),
    ]
    with pytest.raises(NotValidError) as caught:
        registry.validity(f"{PANEL_B}_{PANEL_A}", at=T2)
    gap = f"no gain of {PANEL_A} is valid at {T2}; a gap begins {T2}: replaced"
    assert str(caught.value) == gap
    assert held(f"{PANEL_B}_{PANEL_A}", T2, "offset") == [(PANEL_B, "offset"), (PANEL_A, "offset")]

    early, late = registry.validity("M068", at=T1), registry.validity("M068", at=T2)
    assert [(version.panel, version.kind) for version in early.versions] == both[2:]
    assert early.without == tuple(
        f"no {kind} of {NEW_A} is valid at {T1}; the first begins {T2}" for kind in ("gain", "offset")
    )
    assert {version.panel for version in late.versions} == {NEW_A}
    assert late.without == (gap,)
    with pytest.raises(NotValidError, match="4 constants are missing") as caught:
        registry.validity("M068", at="2017-12-31T23:59:59.999999Z")
    assert [NEW_A in detail for detail in caught.value.details] == [True, True, False, False]


def test_an_answer_is_as_of_a_revision(registry: Registry, one: Path, other: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, one, valid_from=T1, kinds=GAIN)
    registry.versions.add(PANEL_A, other, valid_from=T2, kinds=GAIN)
    registry.versions.withdraw(1, comment="wrong")

    def ranges(as_of: int) -> list[tuple[int, Instant | None, int | None]]:
        found = registry.validity(PANEL_A, as_of=as_of).versions
        return [(version.version, version.valid_to, version.withdrawn_in) for version in found]

    assert ranges(1) == []
    assert ranges(2) == [(1, None, None)]
    assert ranges(3) == [(1, parse_instant(T2), None), (2, None, None)]
    assert ranges(4) == [(2, None, None)]
    for as_of, number in ((2, 1), (3, 2), (4, 2)):
        (found,) = registry.validity(PANEL_A, kinds=GAIN, at=T3, as_of=as_of).versions
        assert (found.version, found.withdrawn_in) == (number, None)
    (found,) = registry.validity(PANEL_A, kinds=GAIN, at=T1, as_of=3).versions
    assert (found.version, str(found.valid_to)) == (1, T2)
    with pytest.raises(NotValidError, match=f"the first begins {T2}"):
        registry.validity(PANEL_A, kinds=GAIN, at=T1)


def test_stamps_are_read_in_the_zone_of_the_registry(location: RegistryLocation, one: Path) -> None:
    with location.open(timezone="America/Los_Angeles") as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, one, valid_from="20171025000000", kinds=GAIN)
        assert str(registry.versions.show(1)[0].valid_from) == "2017-10-25T07:00:00Z"
        assert number_of_gain(registry, parse_instant("2017-10-25T07:00:00Z")) == 1
        assert registry.validity(PANEL_A, kinds=GAIN, at="20171025000000").versions[0].version == 1
        with pytest.raises(NotValidError, match="at 2017-10-25T06:59:59Z; the first begins 2017-10-25T07"):
            registry.validity(PANEL_A, kinds=GAIN, at="20171024235959")
        with pytest.raises(InstantError, match="20180311023000 does not exist in America/Los_Angeles"):
            registry.validity(PANEL_A, at="20180311023000")
        with pytest.raises(InstantError, match="20171105013000 happened twice in America/Los_Angeles"):
            registry.versions.add(PANEL_A, one, valid_from="20171105013000")
    with location.open() as registry:
        with pytest.raises(NotValidError, match="at 2017-10-25T00:00:00Z; the first begins 2017-10-25T07"):
            registry.validity(PANEL_A, kinds=GAIN, at="20171025000000")
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
    for refused in (
        lambda: registry.validity(PANEL_A, at=naive),
        lambda: registry.versions.add(PANEL_A, one, valid_from=naive),
        lambda: registry.versions.gap(PANEL_A, valid_from=naive, comment="no"),
        lambda: registry.validity(PANEL_A, as_of=naive),
        lambda: registry.validity(PANEL_A, at="2018-01-01T08:00:00"),
    ):
        with pytest.raises(InstantError, match=r"'?2018-01-01T08:00:00'? has no UTC offset"):
            refused()
    for text in ("2018-01-01", "2018010108000", "now", "", "1514764800"):
        with pytest.raises(InstantError, match="is no instant"):
            registry.validity(PANEL_A, at=text)
    assert len(registry.log()) == 3

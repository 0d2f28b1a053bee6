"""Output on a terminal, and to a pipe, where it is not folded."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.cli import folding, output, timeline
from registry.instants import BEGINNING, Instant, parse_instant
from registry.records import Version
from testing.panels import NEW_A, PANEL_A, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.terminal import run_in_terminal
from tests.cli import Calreg
from tests.conftest import make_location
from tests.selection import examples

DAY = 86_400 * 1_000_000
START = parse_instant("2017-01-01T00:00:00Z")
LONG = "calibrated again with a copper target; the logbook of the 25th tells why and by whom it was done"
CELLS = st.text(alphabet="abc_/ ", max_size=70).map(str.strip)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(
    st.integers(1, 6).flatmap(
        lambda size: st.lists(st.lists(CELLS, min_size=size, max_size=size), min_size=1, max_size=4)
    ),
    st.integers(20, 100),
)
def test_a_table_fits_any_terminal_and_loses_nothing(rows: list[list[str]], width: int) -> None:
    rows = [[f"heading {index}" for index, _ in enumerate(rows[0])], *rows]
    lines = list(folding.format_table(rows, "  ", width))
    assert [line for line in lines if len(line) > width] == []
    assert "".join(lines).replace(" ", "") == "".join("".join(row) for row in rows).replace(" ", "")


def test_a_table_in_a_pipe_is_not_folded() -> None:
    rows = [["N", "a name", "why"], ["1", "x" * 50, "because"], ["10", "y", "of " * 40 + "it"]]
    assert list(folding.format_table(rows, "  ", None)) == [
        "  N   a name  why",
        "  1   " + "x" * 50,
        "              because",
        "  10  y       " + "of " * 40 + "it",
    ]
    assert list(folding.format_table(rows, "  ", 36)) == [
        "  N   a name",
        "      why",
        "  1   " + "x" * 30,
        "      " + "x" * 20,
        "      because",
        "  10  y",
        *["      " + " ".join(["of"] * 10)] * 4,
        "      it",
    ]


@settings(max_examples=examples(40))
@given(st.text(alphabet="abc_/: ", max_size=120), st.integers(20, 80))
def test_a_folded_line_fits_and_loses_nothing(text: str, width: int) -> None:
    lines = list(folding.fold(text, width))
    assert [line for line in lines if len(line) > width] == []
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert list(folding.fold(text, None)) == [text]


def test_words_stay_whole_and_longer_ones_are_folded_at_their_marks() -> None:
    line = "    + detector of xcs runs 1-8: 170505-149520170815-3d00b0_170505-149520170815-3d00f7"
    assert list(folding.fold(line, 40)) == [
        "    + detector of xcs runs 1-8:",
        "        170505-149520170815-3d00b0_",
        "        170505-149520170815-3d00f7",
    ]


def make_version(kind: str, start: float | None, end: float | None, *, gap: bool = False) -> Version:
    first = BEGINNING if start is None else Instant(START + int(start * DAY))
    last = None if end is None else Instant(START + int(end * DAY))
    return Version(
        1, PANEL_A, None, kind, first, last, None if gap else "a" * 64, 1, None, None, None, None, False
    )


def draw_line(*versions: Version, width: int = 46) -> str | None:
    return timeline.draw_timeline(versions, timeline.fit_scale(versions), width, timeline.ASCII_SYMBOLS)


def test_a_timeline_shows_starts_gaps_and_open_ends() -> None:
    gain = [
        make_version("gain", None, 0),
        make_version("gain", 0, 100, gap=True),
        make_version("gain", 100, None),
    ]
    assert draw_line(*gain) == "2016-12-22 <#+..................|#> 2017-04-21"
    offset = make_version("offset", None, 50), make_version("offset", 50, None, gap=True)
    assert draw_line(*gain, *offset) == "2016-12-22 <#++++++++++.........|+> 2017-04-21"


def test_a_start_that_stands_alone_has_room_on_both_sides() -> None:
    assert draw_line(make_version("gain", 0, None)) == "2016-12-02  ...........|##########> 2017-01-31"
    assert draw_line(make_version("gain", None, None)) == "1969-12-02 <######################> 1970-01-31"


def test_short_times_have_minutes_and_a_narrow_terminal_no_timeline() -> None:
    hours = make_version("gain", 0, 0.25), make_version("gain", 0.25, None)
    assert (draw_line(*hours, width=54) or "").startswith("2016-12-31T23:24Z  .")
    assert draw_line(*hours, width=40) is None
    assert draw_line(width=80) is None


def test_optional_kinds_do_not_make_a_panel_look_incomplete() -> None:
    always = make_version("gain", 0, None), make_version("offset", 0, None), make_version("rms", 40, None)
    assert "+" not in (draw_line(*always) or "")
    assert draw_line(make_version("rms", 0, None)) == "2016-12-02  ...........|##########> 2017-01-31"


def test_times_at_the_ends_of_the_calendar_have_a_line() -> None:
    days = (
        (parse_instant("0001-01-01T00:00:00Z") - START) / DAY,
        (parse_instant("9999-12-31T00:00:00Z") - START) / DAY,
    )
    assert (
        draw_line(make_version("gain", days[0], days[1]), make_version("gain", days[1], None)) or ""
    ).startswith("0001-01-01 ")


@pytest.mark.parametrize(
    ("speed", "shown"),
    [(None, ""), (0.0, ""), (0.25, "0.2/s"), (9.94, "9.9/s"), (12.4, "12/s"), (12345.6, "12,346/s")],
)
def test_a_rate_has_few_digits(speed: float | None, shown: str) -> None:
    assert output.format_rate(speed) == shown


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    folder = tmp_path_factory.mktemp("shared")
    for location in make_location(request, folder, "sqlite"):
        with use_small_panels(), location.open() as registry:
            registry.panels.add(PANEL_A, alias="M068")
            registry.panels.add(NEW_A, alias="M068")
            registry.versions.add("M068", write_panel_folder(folder / "1", 1), valid_from="beginning")
            registry.versions.gap("M068", valid_from="2018-01-01T00:00:00.123456Z", comment=LONG)
        yield location


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 44])
def test_validity_fits_a_terminal_with_a_timeline_for_each_panel(
    shared: RegistryLocation, columns: int
) -> None:
    seen = run_in_terminal(["-m", "registry", "validity", "M068"], shared.environment, columns)
    assert [line for line in seen.splitlines() if len(line) > columns] == []
    assert (
        len(re.findall(r"^  \d{4}-\d\d-\d\d [<]\N{FULL BLOCK}+.*\d{4}-\d\d-\d\d$", seen, re.MULTILINE)) == 2
    )
    assert "timeline: \N{FULL BLOCK} all required kinds valid" in seen
    assert LONG.replace(" ", "") in re.sub(r"\s+", "", seen)


def test_what_goes_to_a_pipe_is_not_folded_and_has_no_timeline(
    shared: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(shared, monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    printed = calreg.run("validity", "M068").stdout
    assert LONG in printed
    assert "timeline" not in printed
    assert "2018-01-01 " not in printed
    assert f"  comment: {LONG}\n" in calreg.run("log").stdout


@pytest.mark.slow
def test_an_encoding_without_blocks_gets_plain_signs_and_the_log_is_folded(shared: RegistryLocation) -> None:
    plain = run_in_terminal(
        ["-m", "registry", "validity", PANEL_A], {**shared.environment, "PYTHONIOENCODING": "ascii"}
    )
    assert re.search(r"^  \d{4}-\d\d-\d\d <#+\.+", plain, re.MULTILINE)
    log = run_in_terminal(["-m", "registry", "log"], shared.environment, 50)
    assert [line for line in log.splitlines() if len(line) > 50] == []
    assert f"comment:{LONG.replace(' ', '')}" in re.sub(r"\s+", "", log)


WORK = """
from registry.cli import output
with output.show_progress("verifying files", 4) as advance:
    for _ in range(4):
        advance()
with output.show_progress("one thing", 1) as advance:
    advance()
print("done")
"""


def test_progress_shows_counts_rate_and_remaining_time() -> None:
    seen = run_in_terminal(["-c", WORK], {"NO_COLOR": ""})
    assert "verifying files" in seen
    assert "4/4" in seen
    assert re.search(r"\d/s", seen)
    assert re.search(r"\d:\d\d:\d\d|-:--:--", seen)
    assert "one thing" not in seen
    assert seen.endswith("\x1b[2Kdone\n")
    assert re.search(r"\x1b\[\d+m", seen)


@pytest.mark.slow
def test_progress_has_no_colours_where_they_are_not_wanted_and_fits_a_narrow_terminal() -> None:
    seen = run_in_terminal(["-c", WORK], {"NO_COLOR": "1"}, 40)
    assert re.search(r"\x1b\[[1-9]\d*m", seen) is None
    redrawn = re.split(r"\r|\n|\x1b\[[0-9?]*[A-Za-z]", seen)
    assert [line for line in redrawn if len(line) > 40] == []
    assert "\N{HORIZONTAL ELLIPSIS}" not in seen


def test_progress_is_quiet_where_a_line_cannot_be_redrawn() -> None:
    assert run_in_terminal(["-c", WORK], {"TERM": "dumb"}) == "done\n"

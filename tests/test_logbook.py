"""The logbook's lists of runs, in both forms of its JSON."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.api import Registry
from registry.errors import ConflictError, IdentifierError, NotFoundError, NotValidError, RequestError
from registry.importers import logbook
from registry.importers.logbook import read_logbook
from registry.instants import Instant, instant_from_epoch
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg

EXPERIMENT = "xcsls3716"
SOURCE = "XcsEndstation.0:Jungfrau.0"
ISO = {
    "num": 201,
    "type": "DATA",
    "begin_time": "2015-08-04T19:10:15-07:00",
    "end_time": "2015-08-04T19:11:33-07:00",
    "params": {},
}
EPOCH = {"run_num": 201, "run_type": "DATA", "begin_time": 1438740615, "end_time": 1438740693}
BEGIN, END, LATER = "2015-08-05T02:10:15Z", "2015-08-05T02:11:33Z", "2015-08-05T03:00:00Z"


def written(folder: Path, answer: Any, name: str = "runs.json") -> Path:
    path = folder / name
    if isinstance(answer, bytes):
        path.write_bytes(answer)
    else:
        path.write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return path


def enveloped(*entries: Any) -> dict[str, Any]:
    return {"success": True, "value": list(entries)}


def refused(path: Path) -> tuple[str, ...]:
    with pytest.raises(RequestError) as error:
        read_logbook(path, EXPERIMENT)
    assert error.value.code == 2
    return error.value.details or (error.value.message,)


def times(registry: Registry, run: int = 201) -> tuple[str | None, str | None]:
    found = registry.runs.show(f"exp={EXPERIMENT}:run={run}")
    return found.begin and str(found.begin), found.end and str(found.end)


@pytest.mark.parametrize(
    "answer",
    [enveloped(ISO), [ISO], [EPOCH], enveloped(EPOCH), f"\ufeff\r\n\t {json.dumps([EPOCH])}"],
    ids=["iso", "iso, bare", "epoch", "epoch, in an envelope", "with a mark of the byte order before it"],
)
def test_a_run_gets_its_begin_and_end_from_either_form_whatever_the_file_is_called(
    registry: Registry, tmp_path: Path, answer: Any
) -> None:
    outcome = registry.runs.import_logbook(
        written(tmp_path, answer, "datasets.txt"), EXPERIMENT, comment="from the logbook"
    )
    assert (outcome.revision, outcome.notes, outcome.warnings) == (1, (), ())
    assert outcome.facts == (f"+ run exp={EXPERIMENT}:run=201, {BEGIN} to {END}",)
    assert times(registry) == (BEGIN, END)
    assert registry.log()[0].comment == "from the logbook"


def test_a_run_that_goes_on_has_no_end(registry: Registry, tmp_path: Path) -> None:
    without = {name: value for name, value in EPOCH.items() if name != "end_time"}
    listed = [{**EPOCH, "end_time": None}, {**without, "run_num": 202}]
    registry.runs.import_logbook(written(tmp_path, listed), EXPERIMENT)
    assert times(registry) == times(registry, 202) == (BEGIN, None)


def test_a_run_from_the_logbook_is_exported_without_a_time(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "early", 1), valid_from="beginning")
    late = registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "late", 2), valid_from=BEGIN)
    registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_A, first_run=200)
    dataset = f"exp={EXPERIMENT}:run=201"
    with pytest.raises(NotValidError, match="is not registered, so it is not known which constants were"):
        registry.export(dataset, tmp_path / "out")
    registry.runs.import_logbook(written(tmp_path, enveloped(ISO)), EXPERIMENT)
    resolution = registry.constants(dataset, types=["pixel_gain"]).provenance.resolution
    assert (resolution.instant, resolution.instant_is) == (BEGIN, "begin of the run")
    assert resolution.panels[0].constants[0].version == late.versions[0].version


def test_runs_of_every_type_are_recorded_and_what_is_not_read_is_noted(
    registry: Registry, tmp_path: Path
) -> None:
    listed = [
        ISO,
        {**ISO, "num": 202, "type": "CALIB", "_id": "5c", "sample": None},
        {**ISO, "num": 203, "type": "CALIB\x1b[31m", "\ud800": 1},
        {**ISO, "num": 204, "type": None},
    ]
    outcome = registry.runs.import_logbook(written(tmp_path, enveloped(*listed)), EXPERIMENT)
    assert [run.run for run in registry.runs.list()] == [201, 202, 203, 204]
    assert outcome.notes == (
        "runs of every type are recorded, they have their times; not DATA: 1 'CALIB', 1 'CALIB\\x1b[31m'",
        "of a run only its number and times are read, not '_id', 'sample', '\\ud800'",
    )


def test_the_same_list_again_is_no_change_and_other_times_are_conflicts_that_name_both(
    registry: Registry, tmp_path: Path
) -> None:
    second = {**EPOCH, "run_num": 202}
    path = written(tmp_path, [EPOCH, second])
    registry.runs.import_logbook(path, EXPERIMENT)
    again = registry.runs.import_logbook(path, EXPERIMENT)
    assert (again.revision, again.facts) == (None, ())
    silent = registry.runs.import_logbook(written(tmp_path, [{**EPOCH, "end_time": None}]), EXPERIMENT)
    assert silent.revision is None, "saying less takes nothing away"

    moved = [
        {**EPOCH, "begin_time": 1438740616},
        {**second, "end_time": 1438740694},
        {**EPOCH, "run_num": 203},
    ]
    with pytest.raises(ConflictError) as error:
        registry.runs.import_logbook(written(tmp_path, moved), EXPERIMENT)
    assert error.value.code == 5
    assert error.value.details == tuple(
        f"exp={EXPERIMENT}:run={run} is known with begin {BEGIN} and end {END}, not begin {begin} and end {end};"
        f" calreg run add exp={EXPERIMENT}:run={run} --supersede with a comment replaces it"
        for run, begin, end in ((201, "2015-08-05T02:10:16Z", END), (202, BEGIN, "2015-08-05T02:11:34Z"))
    )
    assert len(registry.log()) == 1
    assert [run.run for run in registry.runs.list()] == [201, 202], "the run that is no conflict is not taken"

    for run, begin, end in ((201, "2015-08-05T02:10:16Z", END), (202, BEGIN, "2015-08-05T02:11:34Z")):
        registry.runs.add(
            f"exp={EXPERIMENT}:run={run}", begin=begin, end=end, supersede=True, comment="clock was wrong"
        )
    assert registry.runs.import_logbook(written(tmp_path, moved[:2]), EXPERIMENT).revision is None


def test_a_run_known_without_begin_or_end_receives_them_in_one_revision(
    registry: Registry, tmp_path: Path
) -> None:
    registry.runs.add(f"exp={EXPERIMENT}:run=201")
    registry.runs.add(f"exp={EXPERIMENT}:run=202", begin=BEGIN)
    listed = written(
        tmp_path, [EPOCH, {**EPOCH, "run_num": 202}, {**EPOCH, "run_num": 203, "end_time": None}]
    )
    dry = registry.runs.import_logbook(listed, EXPERIMENT, dry_run=True)
    assert times(registry) == (None, None)
    outcome = registry.runs.import_logbook(listed, EXPERIMENT)
    assert dry.facts == outcome.facts
    assert outcome.facts == (
        f"- run exp={EXPERIMENT}:run=201, begin not known",
        f"- run exp={EXPERIMENT}:run=202, begin {BEGIN}",
        f"+ run exp={EXPERIMENT}:run=201, {BEGIN} to {END}",
        f"+ run exp={EXPERIMENT}:run=202, {BEGIN} to {END}",
        f"+ run exp={EXPERIMENT}:run=203, begin {BEGIN}",
    )
    registry.runs.import_logbook(written(tmp_path, [{**EPOCH, "run_num": 203}]), EXPERIMENT)
    assert times(registry, 203) == (BEGIN, END)
    assert str(registry.runs.show(f"exp={EXPERIMENT}:run=203", as_of=3).end) == "None"


def test_an_end_that_comes_later_and_lies_before_the_known_begin_is_refused(
    registry: Registry, tmp_path: Path
) -> None:
    registry.runs.add(f"exp={EXPERIMENT}:run=201", end=BEGIN)
    listed = written(tmp_path, [{**EPOCH, "begin_time": 1438743600, "end_time": None}])
    with pytest.raises(RequestError, match=f"run=201 ends at {BEGIN}, before it begins at {LATER}"):
        registry.runs.import_logbook(listed, EXPERIMENT)
    assert len(registry.log()) == 1


def test_a_withdrawn_run_is_not_brought_back_by_the_logbook(registry: Registry, tmp_path: Path) -> None:
    path = written(tmp_path, [EPOCH])
    registry.runs.import_logbook(path, EXPERIMENT)
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=201", comment="never taken")
    with pytest.raises(ConflictError, match="run=201 was recorded so before, and revision 2 withdrew it"):
        registry.runs.import_logbook(path, EXPERIMENT)
    assert registry.runs.list() == []


def test_a_long_list_asks_the_database_no_more_often_than_a_short_one(
    registry: Registry, tmp_path: Path
) -> None:
    def asked(experiment: str, runs: int) -> int:
        listed = written(tmp_path, [{**EPOCH, "run_num": number} for number in range(1, runs + 1)])
        statements: list[str] = []

        def count(*said: Any) -> None:
            statements.append(said[2])

        engine = registry._backend.database._engine
        sa.event.listen(engine, "before_cursor_execute", count)
        registry.runs.import_logbook(listed, experiment)
        sa.event.remove(engine, "before_cursor_execute", count)
        return len(statements)

    assert asked("xcs1", 3) == asked("xcs2", 300) > 0
    assert len(registry.runs.list("xcs2")) == 300


def test_all_that_is_not_understood_is_named_by_entry_and_field_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path
) -> None:
    bad: list[tuple[Any, str]] = [
        ("run 7", "'run 7' is no run: an object with num is expected"),
        ({**ISO, "num": "202"}, "num: '202' is no run number: a whole number is expected"),
        ({**ISO, "num": True}, "num: true is no run number: a whole number is expected"),
        ({**ISO, "num": 202.5}, "num: 202.5 is no run number: a whole number is expected"),
        ({**ISO, "num": 0}, "num: '0' is no run number: 1, 2, 3 ... 2147483647 is expected"),
        ({**ISO, "num": 2**31}, "num: '2147483648' is no run number"),
        ({**ISO, "num": -4}, "num: '-4' is no run number"),
        ({"begin_time": ISO["begin_time"]}, "num is missing"),
        ({"num": 9}, "(run 9): begin_time is missing"),
        ({**ISO, "num": 10, "begin_time": None}, "(run 10): begin_time: null is no ISO 8601 time"),
        (
            {**ISO, "num": 11, "begin_time": 1438740615},
            "(run 11): begin_time: 1438740615 is no ISO 8601 time",
        ),
        (
            {**ISO, "num": 12, "begin_time": "2015-08-04T19:10:15"},
            "has no UTC offset; add Z or one like -07:00",
        ),
        ({**ISO, "num": 13, "begin_time": "20150804191015"}, "'20150804191015' is no ISO 8601 time with its"),
        ({**ISO, "num": 14, "begin_time": "2015-02-30T00:00:00Z"}, "does not exist"),
        ({**ISO, "num": 15, "begin_time": "2015-08-04T19:10:15.1234567Z"}, "is finer than a microsecond"),
        ({**ISO, "num": 16, "begin_time": [1, {}]}, "begin_time: a list is no ISO 8601 time with its offset"),
        ({**ISO, "num": 17, "end_time": {}}, "(run 17): end_time: an object is no ISO 8601 time"),
        ({**ISO, "num": 18, "end_time": "soon" * 99}, "end_time: 'soonsoon"),
        (
            {**ISO, "num": 19, "end_time": "2015-08-04T19:10:14-07:00"},
            "ends at 2015-08-05T02:10:14Z, before it",
        ),
        ({**ISO, "num": 20, "type": 5}, "(run 20): type: 5 is no type of a run, as DATA is"),
        ({**ISO, "run_num": 21}, "run_num stands beside num: which is the run?"),
        ({**ISO, "begin_time": "2015-08-04T19:10:16-07:00"}, "(run 201): entry 1 gives the run other times"),
        ({**ISO, "end_time": None}, "(run 201): entry 1 gives the run other times"),
    ]
    path = written(tmp_path, enveloped(ISO, *(entry for entry, _ in bad), {**ISO, "num": 300}, ISO))
    with pytest.raises(RequestError) as error:
        registry.runs.import_logbook(path, EXPERIMENT)
    assert "runs.json' cannot be imported" in error.value.message
    assert len(error.value.details) == len(bad)
    for position, (detail, (_, sentence)) in enumerate(zip(error.value.details, bad, strict=True), start=2):
        assert detail.startswith(f"entry {position}")
        assert sentence in detail
        assert len(detail) < 300
    assert registry.log() == []


def test_epoch_seconds_are_positive_numbers_in_range_and_nothing_else(tmp_path: Path) -> None:
    for value, sentence in {
        '"1438740615"': "begin_time: '1438740615' is no number of seconds since 1970 UTC, as 1438740615 is",
        '"2015-08-05T02:10:15Z"': "is no number of seconds since 1970 UTC",
        "true": "begin_time: true is no number of seconds",
        "null": "begin_time: null is no number of seconds",
        "NaN": "begin_time: nan is no number of seconds",
        "-Infinity": "begin_time: -inf is no number of seconds",
        "0": "begin_time: 0 is no number of seconds",
        "0.0": "begin_time: 0.0 is no number of seconds",
        "-1438740615": "begin_time: -1438740615 is no number of seconds",
        "1438740615000": "'1438740615000' seconds after 1970 is outside the years 1 to 9999",
        "1e300": "'1E+300' seconds after 1970 is outside the years 1 to 9999",
        "1" * 200: "1111'... (200 characters) seconds after 1970 is outside",
    }.items():
        found = refused(written(tmp_path, f'[{{"run_num": 5, "begin_time": {value}}}]'))
        assert len(found) == 1
        assert found[0].startswith("entry 1 (run 5): begin_time: ")
        assert sentence in found[0]


@settings(max_examples=40)
@given(st.decimals(min_value=1, max_value=253402300799, places=6))
def test_epoch_seconds_are_exact_to_the_microsecond(seconds: Decimal) -> None:
    assert instant_from_epoch(seconds) == int(seconds * 1_000_000)
    # What a program's float writes, 0.24 microseconds apart at these times, is the nearest.
    if seconds < 4_000_000_000:
        assert instant_from_epoch(Decimal(repr(float(seconds)))) == int(seconds * 1_000_000)


def test_fractions_of_a_second_are_kept(tmp_path: Path) -> None:
    for text, microseconds in (
        ("1438740615.123456", 1438740615123456),
        ("1438740615.1234567", 1438740615123457),
        ("1.438740615123456e9", 1438740615123456),
        ("253402300799.999999", 253402300799999999),
    ):
        (run,) = read_logbook(written(tmp_path, f'[{{"run_num": 5, "begin_time": {text}}}]'), EXPERIMENT).runs
        assert run.begin == Instant(microseconds)
    iso = {**ISO, "begin_time": "2015-08-04T19:10:15.5-07:00"}
    assert (
        str(read_logbook(written(tmp_path, [iso]), EXPERIMENT).runs[0].begin) == "2015-08-05T02:10:15.500000Z"
    )


def test_a_run_that_stands_twice_alike_is_taken_once(tmp_path: Path) -> None:
    listed = read_logbook(written(tmp_path, [EPOCH, {**EPOCH, "params": 1}]), EXPERIMENT)
    assert len(listed.runs) == 1


def test_a_name_that_stands_twice_in_an_object_is_refused_where_it_is_read(tmp_path: Path) -> None:
    twice = '{"num": 1, "num": 2, "begin_time": "2015-08-04T19:10:15Z"}'
    assert refused(written(tmp_path, f"[{json.dumps(ISO)}, {twice}]")) == (
        "entry 2: an object in which 'num' stands twice is no run: an object with num is expected",
    )
    assert (
        "holds an object in which 'value' stands twice where a list of runs is expected"
        in refused(written(tmp_path, f'{{"success": true, "value": [], "value": [{json.dumps(ISO)}]}}'))[0]
    )
    unread = '{"num": 1, "begin_time": "2015-08-04T19:10:15Z", "params": {"a": 1, "a": 2}}'
    assert len(read_logbook(written(tmp_path, f"[{unread}]"), EXPERIMENT).runs) == 1


def test_what_is_no_list_of_runs_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match=r"there is no file '.*runs\.json'"):
        read_logbook(tmp_path / "runs.json", EXPERIMENT)
    (tmp_path / "folder").mkdir()
    assert "is a folder, not a logbook's list of runs" in refused(tmp_path / "folder")[0]
    whole = json.dumps(enveloped(ISO))
    for content, sentence in (
        (b"", "is not JSON, so not a logbook's list of runs"),
        (b"exp=xcs1:run=1  1-8", "a table of datasets names its experiments itself: leave --experiment out"),
        (b"\x00\x01", "is not JSON"),
        (whole[:-40], "is no whole JSON: "),
        (whole + "]", "is no whole JSON: Extra data"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"a":' * 200_000, "is nested too deeply"),
        (b'[{"num": 1, "type": "caf\xe9"}]', "is not a text: no JSON"),
        (f'[{{"run_num": {"9" * 5000}}}]', "holds a number that is too large to be one of a run"),
        ('[{"run_num": 1, "begin_time": 1e99999999999999999999}]', "holds a number that is too large"),
        ("{}", "is no answer with runs: success is missing, true is expected"),
        ('{"success": false, "value": []}', "is no answer with runs: success is false, true is expected"),
        ('{"success": "true", "value": []}', "success is 'true', true is expected"),
        ('{"success": 1, "value": []}', "success is 1, true is expected"),
        ('{"success": true}', "value is missing, a list of runs is expected"),
        ('{"success": true, "value": null}', "holds null where a list of runs is expected"),
        ('{"success": true, "value": {"num": 1}}', "holds an object where a list of runs is expected"),
        ("[]", "holds no run"),
        ("[1, {}, [], null]", "is no list of runs: no entry has num (with ISO 8601 times) or run_num"),
        ("[" + "{}," * 100_000 + "{}]", "holds 100001 entries; no experiment has more than 100000 runs"),
        ("[" + "[]," * 2_000_000 + "1]", "holds more than 4000000 values"),
    ):
        found = refused(written(tmp_path, content))
        assert len(found) == 1
        assert sentence in found[0]
        assert len(found[0]) < 400
    monkeypatch.setattr(logbook, "LARGEST", 1 << 20)
    assert (
        "is larger than 1 MiB: not a logbook's list of runs"
        in refused(written(tmp_path, f"[{' ' * (1 << 20)}]"))[0]
    )


def test_the_examples_of_the_documentation_are_read_and_agree(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "formats-inputs.md").read_text()
    section = page.partition("## A logbook's list of runs")[2]
    iso, epoch = (block.partition("```")[0] for block in section.split("```json")[1:3])
    assert "run_num" in epoch
    listed = [read_logbook(written(tmp_path, text), EXPERIMENT).runs for text in (iso, epoch)]
    assert listed[0] == listed[1]
    assert len(listed[0]) == 2


def test_the_command_tells_the_two_sorts_of_files_apart_by_content(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    listed = str(written(tmp_path, enveloped(ISO), "datasets.txt"))
    table = tmp_path / "runs.json"
    table.write_text(f"exp={EXPERIMENT}:run=201  1-201  {SOURCE}  {PANEL_A}\n")

    without = calreg.refused(2, "run", "import", listed)
    assert "does not name its experiment: --experiment says which it is" in without["message"]
    senseless = calreg.refused(2, "run", "import", str(table), "--experiment", EXPERIMENT)
    assert "names its experiments itself: leave --experiment out" in senseless["message"]
    assert calreg.run("log", "--json").json == []
    with location.open() as registry, pytest.raises(IdentifierError, match="write xcsls3716"):
        registry.runs.import_logbook(listed, "XCSLS3716")

    calreg.run("run", "import", str(table))
    added = calreg.run("run", "import", listed, "--experiment", EXPERIMENT, "--comment", "the logbook")
    assert added.stdout.splitlines() == [
        f"- run exp={EXPERIMENT}:run=201, begin not known",
        f"+ run exp={EXPERIMENT}:run=201, {BEGIN} to {END}",
        "revision 2",
    ]
    again = calreg.run("run", "import", listed, "--experiment", EXPERIMENT, "--json")
    assert again.json["revision"] is None
    written(tmp_path, enveloped({**ISO, "begin_time": "2015-08-04T19:10:16-07:00"}), "datasets.txt")
    conflict = calreg.refused(5, "run", "import", listed, "--experiment", EXPERIMENT)
    assert f"is known with begin {BEGIN} and end {END}, not begin 2015-08-05T02:10:16Z" in conflict["message"]

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
from registry.errors import ConflictError, IdentifierError, NotFoundError, NotValidError, Remedy, RequestError
from registry.importers import logbook
from registry.importers.logbook import read_logbook
from registry.instants import Instant, instant_from_epoch
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.selection import examples

pytestmark = pytest.mark.small_panels

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


def write_answer(folder: Path, answer: Any, name: str = "runs.json") -> Path:
    path = folder / name
    if isinstance(answer, bytes):
        path.write_bytes(answer)
    else:
        path.write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return path


def wrap_in_envelope(*entries: Any) -> dict[str, Any]:
    return {"success": True, "value": list(entries)}


def refuse_list(path: Path) -> tuple[str, ...]:
    with assert_refused(RequestError) as error:
        read_logbook(path, EXPERIMENT)
    return error.value.details or (error.value.message,)


def times(registry: Registry, run: int = 201) -> tuple[str | None, str | None]:
    recorded = registry.runs.show(f"exp={EXPERIMENT}:run={run}")
    return recorded.begin and str(recorded.begin), recorded.end and str(recorded.end)


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [wrap_in_envelope(ISO), [ISO], [EPOCH], wrap_in_envelope(EPOCH), f"\ufeff\r\n\t {json.dumps([EPOCH])}"],
    ids=["iso", "iso, bare", "epoch", "epoch, in an envelope", "with a mark of the byte order before it"],
)
def test_a_run_gets_its_times_from_either_form_whatever_the_file_is_called(
    registry: Registry, tmp_path: Path, answer: Any
) -> None:
    outcome = registry.runs.import_logbook(
        write_answer(tmp_path, answer, "datasets.txt"), EXPERIMENT, comment="from the logbook"
    )
    assert (outcome.revision, outcome.notes, outcome.warnings) == (1, (), ())
    assert outcome.facts == (f"+ run exp={EXPERIMENT}:run=201, {BEGIN} to {END}",)
    assert times(registry) == (BEGIN, END)
    assert registry.log()[0].comment == "from the logbook"


def test_a_run_that_goes_on_has_no_end(registry: Registry, tmp_path: Path) -> None:
    without = {name: value for name, value in EPOCH.items() if name != "end_time"}
    listed = [{**EPOCH, "end_time": None}, {**without, "run_num": 202}]
    registry.runs.import_logbook(write_answer(tmp_path, listed), EXPERIMENT)
    assert times(registry) == times(registry, 202) == (BEGIN, None)


@pytest.mark.slow
def test_a_run_from_the_logbook_is_exported_without_a_time(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "early", 1), valid_from="beginning")
    late = registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "late", 2), valid_from=BEGIN)
    registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_A, first_run=200)
    dataset = f"exp={EXPERIMENT}:run=201"
    with assert_refused(NotValidError):
        registry.export(dataset, tmp_path / "out")
    registry.runs.import_logbook(write_answer(tmp_path, wrap_in_envelope(ISO)), EXPERIMENT)
    resolution = registry.constants(dataset, types=["pixel_gain"]).provenance.resolution
    assert (resolution.instant, resolution.instant_is) == (BEGIN, "begin of the run")
    assert resolution.panels[0].constants[0].version == late.versions[0].version


def test_runs_of_every_type_are_recorded_and_unread_fields_are_noted(
    registry: Registry, tmp_path: Path
) -> None:
    listed = [
        ISO,
        {**ISO, "num": 202, "type": "CALIB", "_id": "5c", "sample": None},
        {**ISO, "num": 203, "type": "CALIB\x1b[31m", "\ud800": 1},
        {**ISO, "num": 204, "type": None},
    ]
    outcome = registry.runs.import_logbook(write_answer(tmp_path, wrap_in_envelope(*listed)), EXPERIMENT)
    assert [run.run for run in registry.runs.list()] == [201, 202, 203, 204]
    assert outcome.notes == (
        "runs of every type are recorded, they have their times; not DATA: 1 'CALIB', 1 'CALIB\\x1b[31m'",
        "of a run only its number and times are read, not '_id', 'sample', '\\ud800'",
    )


def test_the_same_list_again_is_no_change_and_other_times_are_conflicts_that_name_both(
    registry: Registry, tmp_path: Path
) -> None:
    second = {**EPOCH, "run_num": 202}
    path = write_answer(tmp_path, [EPOCH, second])
    registry.runs.import_logbook(path, EXPERIMENT)
    again = registry.runs.import_logbook(path, EXPERIMENT)
    assert (again.revision, again.facts) == (None, ())
    silent = registry.runs.import_logbook(write_answer(tmp_path, [{**EPOCH, "end_time": None}]), EXPERIMENT)
    assert silent.revision is None, "saying less takes nothing away"

    moved = [
        {**EPOCH, "begin_time": 1438740616},
        {**second, "end_time": 1438740694},
        {**EPOCH, "run_num": 203},
    ]
    with pytest.raises(ConflictError) as error:
        registry.runs.import_logbook(write_answer(tmp_path, moved), EXPERIMENT)
    assert error.value.code == 5
    assert error.value.remedy is Remedy.SUPERSEDE_RUN
    assert error.value.details == tuple(
        f"exp={EXPERIMENT}:run={run} is known with begin {BEGIN} and end {END}, not begin {begin} and end {end}"
        for run, begin, end in ((201, "2015-08-05T02:10:16Z", END), (202, BEGIN, "2015-08-05T02:11:34Z"))
    )
    assert len(registry.log()) == 1
    assert [run.run for run in registry.runs.list()] == [201, 202], (
        "the run without a conflict is not taken either"
    )

    for run, begin, end in ((201, "2015-08-05T02:10:16Z", END), (202, BEGIN, "2015-08-05T02:11:34Z")):
        registry.runs.add(
            f"exp={EXPERIMENT}:run={run}", begin=begin, end=end, supersede=True, comment="clock was wrong"
        )
    assert registry.runs.import_logbook(write_answer(tmp_path, moved[:2]), EXPERIMENT).revision is None


def test_a_run_known_without_times_receives_them_in_one_revision(registry: Registry, tmp_path: Path) -> None:
    registry.runs.add(f"exp={EXPERIMENT}:run=201")
    registry.runs.add(f"exp={EXPERIMENT}:run=202", begin=BEGIN)
    listed = write_answer(
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
    registry.runs.import_logbook(write_answer(tmp_path, [{**EPOCH, "run_num": 203}]), EXPERIMENT)
    assert times(registry, 203) == (BEGIN, END)
    assert str(registry.runs.show(f"exp={EXPERIMENT}:run=203", as_of=3).end) == "None"


def test_an_end_before_the_known_start_time_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.runs.add(f"exp={EXPERIMENT}:run=201", end=BEGIN)
    listed = write_answer(tmp_path, [{**EPOCH, "begin_time": 1438743600, "end_time": None}])
    with assert_refused(RequestError, "run=201", BEGIN, LATER):
        registry.runs.import_logbook(listed, EXPERIMENT)
    assert len(registry.log()) == 1


def test_a_withdrawn_run_is_not_brought_back_by_the_logbook(registry: Registry, tmp_path: Path) -> None:
    path = write_answer(tmp_path, [EPOCH])
    registry.runs.import_logbook(path, EXPERIMENT)
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=201", comment="never taken")
    with assert_refused(ConflictError, "run=201", "revision 2", remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.import_logbook(path, EXPERIMENT)
    assert registry.runs.list() == []


def test_a_long_list_asks_the_database_no_more_often_than_a_short_one(
    registry: Registry, tmp_path: Path
) -> None:
    def count_statements(experiment: str, runs: int) -> int:
        listed = write_answer(tmp_path, [{**EPOCH, "run_num": number} for number in range(1, runs + 1)])
        statements: list[str] = []

        def count(*arguments: Any) -> None:
            statements.append(arguments[2])

        engine = registry._backend.database._engine
        sa.event.listen(engine, "before_cursor_execute", count)
        registry.runs.import_logbook(listed, experiment)
        sa.event.remove(engine, "before_cursor_execute", count)
        return len(statements)

    assert count_statements("xcs1", 3) == count_statements("xcs2", 300) > 0
    assert len(registry.runs.list("xcs2")) == 300


def test_all_problems_are_listed_by_entry_and_field_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path
) -> None:
    # Of each entry that is not sound: its label, the field at fault, and the value or time that is named.
    bad: list[tuple[Any, str, str]] = [
        ("run 7", "", "'run 7'"),
        ({**ISO, "num": "202"}, "num: ", "'202'"),
        ({**ISO, "num": True}, "num: ", "true"),
        ({**ISO, "num": 202.5}, "num: ", "202.5"),
        ({**ISO, "num": 0}, "num: ", "0"),
        ({**ISO, "num": 2**31}, "num: ", "2147483648"),
        ({**ISO, "num": -4}, "num: ", "-4"),
        ({"begin_time": ISO["begin_time"]}, "num is missing", ""),
        ({"num": 9}, "(run 9): begin_time is missing", ""),
        ({**ISO, "num": 10, "begin_time": None}, "(run 10): begin_time: ", "null"),
        ({**ISO, "num": 11, "begin_time": 1438740615}, "(run 11): begin_time: ", "1438740615"),
        ({**ISO, "num": 12, "begin_time": "2015-08-04T19:10:15"}, "begin_time: ", "UTC offset"),
        ({**ISO, "num": 13, "begin_time": "20150804191015"}, "begin_time: ", "'20150804191015'"),
        ({**ISO, "num": 14, "begin_time": "2015-02-30T00:00:00Z"}, "begin_time: ", "does not exist"),
        ({**ISO, "num": 15, "begin_time": "2015-08-04T19:10:15.1234567Z"}, "begin_time: ", "microsecond"),
        ({**ISO, "num": 16, "begin_time": [1, {}]}, "begin_time: ", "a list"),
        ({**ISO, "num": 17, "end_time": {}}, "(run 17): end_time: ", "an object"),
        ({**ISO, "num": 18, "end_time": "soon" * 99}, "end_time: ", "'soonsoon"),
        ({**ISO, "num": 19, "end_time": "2015-08-04T19:10:14-07:00"}, "(run 19): ", "2015-08-05T02:10:14Z"),
        ({**ISO, "num": 20, "type": 5}, "(run 20): type: ", "5"),
        ({**ISO, "run_num": 21}, "(run 201): ", "run_num"),
        ({**ISO, "begin_time": "2015-08-04T19:10:16-07:00"}, "(run 201): ", "entry 1"),
        ({**ISO, "end_time": None}, "(run 201): ", "entry 1"),
    ]
    path = write_answer(
        tmp_path, wrap_in_envelope(ISO, *(entry for entry, _, _ in bad), {**ISO, "num": 300}, ISO)
    )
    with assert_refused(RequestError, problems=len(bad)) as error:
        registry.runs.import_logbook(path, EXPERIMENT)
    assert "runs.json'" in error.value.message
    assert tuple(error.value.values["problems"]) == error.value.details
    for position, (detail, (_, field, value)) in enumerate(
        zip(error.value.details, bad, strict=True), start=2
    ):
        assert detail.startswith(f"entry {position}")
        assert field in detail
        assert value in detail.partition(field)[2] if field else value in detail
        assert len(detail) < 300
    assert registry.log() == []


def test_every_field_that_is_not_sound_is_named_and_not_only_the_first(tmp_path: Path) -> None:
    entry = {"run_num": 0, "begin_time": None, "end_time": -1, "run_type": []}
    problems = refuse_list(write_answer(tmp_path, [EPOCH, entry]))
    assert [problem.split(": ")[1] for problem in problems] == list(entry)


def test_epoch_seconds_are_positive_numbers_in_range_and_nothing_else(tmp_path: Path) -> None:
    for value, named in {
        '"1438740615"': "'1438740615'",
        '"2015-08-05T02:10:15Z"': "'2015-08-05T02:10:15Z'",
        "true": "true",
        "null": "null",
        "NaN": "nan",
        "-Infinity": "-inf",
        "0": "0",
        "0.0": "0.0",
        "-1438740615": "-1438740615",
        "1438740615000": "'1438740615000'",
        "1e300": "'1E+300'",
        "1" * 200: "1111'... (200 characters)",
    }.items():
        (problem,) = refuse_list(write_answer(tmp_path, f'[{{"run_num": 5, "begin_time": {value}}}]'))
        label, _, rest = problem.partition("begin_time: ")
        assert label == "entry 1 (run 5): "
        assert named in rest


@settings(max_examples=examples(40))
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
        (run,) = read_logbook(
            write_answer(tmp_path, f'[{{"run_num": 5, "begin_time": {text}}}]'), EXPERIMENT, any_time=True
        ).runs
        assert run.begin == Instant(microseconds)
    iso = {**ISO, "begin_time": "2015-08-04T19:10:15.5-07:00"}
    assert (
        str(read_logbook(write_answer(tmp_path, [iso]), EXPERIMENT).runs[0].begin)
        == "2015-08-05T02:10:15.500000Z"
    )


def test_a_run_that_stands_twice_alike_is_taken_once(tmp_path: Path) -> None:
    listed = read_logbook(write_answer(tmp_path, [EPOCH, {**EPOCH, "params": 1}]), EXPERIMENT)
    assert len(listed.runs) == 1


def test_a_name_that_stands_twice_in_an_object_is_refused_where_it_is_read(tmp_path: Path) -> None:
    twice = '{"num": 1, "num": 2, "begin_time": "2015-08-04T19:10:15Z"}'
    (problem,) = refuse_list(write_answer(tmp_path, f"[{json.dumps(ISO)}, {twice}]"))
    assert problem.startswith("entry 2: ")
    assert "'num'" in problem
    doubled = f'{{"success": true, "value": [], "value": [{json.dumps(ISO)}]}}'
    assert "'value'" in refuse_list(write_answer(tmp_path, doubled))[0]
    unread = '{"num": 1, "begin_time": "2015-08-04T19:10:15Z", "params": {"a": 1, "a": 2}}'
    assert len(read_logbook(write_answer(tmp_path, f"[{unread}]"), EXPERIMENT).runs) == 1


def test_a_file_that_is_not_a_list_of_runs_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with assert_refused(NotFoundError):
        read_logbook(tmp_path / "runs.json", EXPERIMENT)
    (tmp_path / "folder").mkdir()
    refuse_list(tmp_path / "folder")
    whole = json.dumps(wrap_in_envelope(ISO))
    for content, named in (
        (b"", "not JSON"),
        (b"exp=xcs1:run=1  1-8", "not JSON"),
        (b"\x00\x01", "not JSON"),
        (whole[:-40], "not JSON"),
        (whole + "]", "Extra data"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        (b'[{"num": 1, "type": "caf\xe9"}]', "utf-8"),
        (f'[{{"run_num": {"9" * 5000}}}]', "number too large"),
        ('[{"run_num": 1, "begin_time": 1e99999999999999999999}]', "number too large"),
        ("{}", "success"),
        ('{"success": false, "value": []}', "success is false"),
        ('{"success": "true", "value": []}', "success"),
        ('{"success": 1, "value": []}', "success"),
        ('{"success": true}', "value"),
        ('{"success": true, "value": null}', "null"),
        ('{"success": true, "value": {"num": 1}}', "object"),
        ("[]", "holds 0 runs"),
        ("[1, {}, [], null]", "run_num"),
        ("[" + "{}," * 100_000 + "{}]", "holds 100001 runs"),
        ("[" + "[]," * 2_000_000 + "1]", "4000000 values"),
    ):
        (problem,) = refuse_list(write_answer(tmp_path, content))
        assert named in problem
        assert len(problem) < 400
    monkeypatch.setattr(logbook, "MAX_SIZE", 1 << 20)
    assert "1 MiB" in refuse_list(write_answer(tmp_path, f"[{' ' * (1 << 20)}]"))[0]


def test_the_examples_of_the_documentation_are_read_and_agree(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "formats-inputs.md").read_text()
    section = page.partition("## A logbook's list of runs")[2]
    iso, epoch = (block.partition("```")[0] for block in section.split("```json")[1:3])
    assert "run_num" in epoch
    listed = [read_logbook(write_answer(tmp_path, text), EXPERIMENT).runs for text in (iso, epoch)]
    assert listed[0] == listed[1]
    assert len(listed[0]) == 2


@pytest.mark.slow
def test_the_command_distinguishes_the_two_sorts_of_files_by_content(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    listed = str(write_answer(tmp_path, wrap_in_envelope(ISO), "datasets.txt"))
    table = tmp_path / "runs.json"
    table.write_text(f"exp={EXPERIMENT}:run=201  1-201  {SOURCE}  {PANEL_A}\n")

    without = calreg.assert_refused(2, "run", "import", listed)
    assert "--experiment" in without["message"]
    senseless = calreg.assert_refused(2, "run", "import", str(table), "--experiment", EXPERIMENT)
    assert "--experiment" in senseless["message"]
    assert calreg.run("log", "--json").json == []
    with location.open() as registry, assert_refused(IdentifierError, canonical="xcsls3716"):
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
    write_answer(
        tmp_path, wrap_in_envelope({**ISO, "begin_time": "2015-08-04T19:10:16-07:00"}), "datasets.txt"
    )
    conflict = calreg.assert_refused(5, "run", "import", listed, "--experiment", EXPERIMENT)
    assert f"is known with begin {BEGIN} and end {END}, not begin 2015-08-05T02:10:16Z" in conflict["message"]


def list_epoch_runs(begins: dict[int, int], length: int = 60) -> list[dict[str, Any]]:
    return [
        {"run_num": run, "begin_time": begin, "end_time": begin + length} for run, begin in begins.items()
    ]


def test_a_corrected_list_supersedes_in_one_revision_and_says_what_changed(
    registry: Registry, tmp_path: Path
) -> None:
    start = 1438740615
    first = write_answer(
        tmp_path, list_epoch_runs({201: start, 202: start + 100, 203: start + 200, 205: start + 900})
    )
    registry.runs.import_logbook(first, EXPERIMENT)
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=203", comment="never taken")
    corrected = write_answer(
        tmp_path,
        list_epoch_runs({201: start, 202: start + 110, 203: start + 333, 204: start + 500, 206: start + 999}),
        "corrected.json",
    )
    with assert_refused(ConflictError, "run=202", "run=203", problems=2, remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.import_logbook(corrected, EXPERIMENT)
    for comment in (None, " "):
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.runs.import_logbook(corrected, EXPERIMENT, supersede=True, comment=comment)

    def supersede(**options: bool) -> Any:
        return registry.runs.import_logbook(
            corrected, EXPERIMENT, supersede=True, comment="the clock was wrong", **options
        )

    dry = supersede(dry_run=True)
    assert len(registry.log()) == 2
    real = supersede()
    assert (dry.facts, dry.superseded_runs, dry.notes) == (real.facts, real.superseded_runs, real.notes)
    assert [fact[:2] + fact.partition("run=")[2][:3] for fact in real.facts] == [
        "- 202",
        "+ 202",
        "+ 203",
        "+ 204",
        "+ 206",
    ]
    (changed,) = real.superseded_runs
    assert (changed.experiment, changed.run) == (EXPERIMENT, 202)
    assert [
        str(time) for time in (changed.previous_begin, changed.begin, changed.previous_end, changed.end)
    ] == [
        "2015-08-05T02:11:55Z",
        "2015-08-05T02:12:05Z",
        "2015-08-05T02:12:55Z",
        "2015-08-05T02:13:05Z",
    ]
    assert len(real.notes) == 2
    assert f"1 run recorded anew with other times: exp={EXPERIMENT}:run=202" in real.notes
    assert "1 recorded run of" in real.notes[1]
    assert real.notes[1].endswith(": 205")
    assert [run.run for run in registry.runs.list()] == [201, 202, 203, 204, 205, 206]
    assert supersede().revision is None


def test_a_list_brings_no_withdrawn_time_back(registry: Registry, tmp_path: Path) -> None:
    path = write_answer(tmp_path, [EPOCH])
    registry.runs.import_logbook(path, EXPERIMENT)
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=201", comment="never taken")
    for entry in ({**EPOCH, "end_time": None}, {**EPOCH, "begin_time": 1438740616}):
        with assert_refused(ConflictError, "run=201", "revision 2", remedy=Remedy.SUPERSEDE_RUN):
            registry.runs.import_logbook(write_answer(tmp_path, [entry], "other.json"), EXPERIMENT)
    # Nor does it complete a run, recorded again without times, with those that were withdrawn.
    registry.runs.add(f"exp={EXPERIMENT}:run=201")
    with assert_refused(ConflictError, "run=201", "revision 2", remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.import_logbook(path, EXPERIMENT)
    registry.runs.import_logbook(path, EXPERIMENT, supersede=True, comment="taken after all")
    assert times(registry) == (BEGIN, END)


def test_a_superseding_list_names_the_runs_that_get_other_constants(
    registry: Registry, tmp_path: Path
) -> None:
    start = 1438740615
    registry.panels.add(PANEL_A)
    for seed, valid_from in enumerate(("2015-01-01T00:00:00Z", "2016-01-01T00:00:00Z")):
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / valid_from, seed), valid_from=valid_from)
    registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_A, first_run=1)
    runs = [*range(1, 10), 12]
    registry.runs.import_logbook(
        write_answer(tmp_path, list_epoch_runs(dict.fromkeys(runs, start))), EXPERIMENT
    )
    moved = write_answer(tmp_path, list_epoch_runs(dict.fromkeys(runs, start + 365 * 86400)))
    outcome = registry.runs.import_logbook(moved, EXPERIMENT, supersede=True, comment="a year early")
    assert outcome.warnings == (
        f"10 recorded runs would get other constants from now on: exp={EXPERIMENT}:run=1-9,12",
    )
    assert len(outcome.superseded_runs) == 10


@pytest.mark.slow
def test_the_command_supersedes_with_a_comment(calreg: Calreg, tmp_path: Path) -> None:
    listed = write_answer(tmp_path, [EPOCH])
    calreg.run("run", "import", str(listed), "--experiment", EXPERIMENT)
    moved = str(write_answer(tmp_path, [{**EPOCH, "begin_time": 1438740600}]))
    command = ("run", "import", moved, "--experiment", EXPERIMENT)
    assert "--supersede" in calreg.assert_refused(5, *command)["message"]
    assert "--comment" in calreg.assert_refused(2, *command, "--supersede")["message"]
    done = calreg.run(*command, "--supersede", "--comment", "the clock", "--json")
    assert done.json["superseded_runs"] == [
        {
            "experiment": EXPERIMENT,
            "run": 201,
            "begin": "2015-08-05T02:10:00Z",
            "end": END,
            "previous_begin": BEGIN,
            "previous_end": END,
        }
    ]
    assert "note: 1 run recorded anew" in done.stderr
    withdrawn = calreg.run("run", "withdraw", f"exp={EXPERIMENT}:run=1-end", "--comment", "test", "--dry-run")
    assert withdrawn.stdout.endswith("dry run: nothing was recorded\n")
    assert "selects 1 recorded run: 201" in withdrawn.stderr
    assert calreg.assert_refused(3, "run", "withdraw", f"exp={EXPERIMENT}:run=1-9", "--comment", "no")[
        "near"
    ] == [201]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_logbooks_answer_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "runs.json"
    path.write_bytes(json.dumps([EPOCH]).encode(encoding))
    assert len(read_logbook(path, EXPERIMENT).runs) == 1


@pytest.mark.parametrize("offset", ["-0700", "-07", "-07:00"])
def test_the_offset_of_a_logbooks_time_may_have_any_iso_form(tmp_path: Path, offset: str) -> None:
    answer = [{"num": 201, "begin_time": f"2015-08-04T19:10:15{offset}"}]
    (run,) = read_logbook(write_answer(tmp_path, answer), EXPERIMENT).runs
    assert str(run.begin) == "2015-08-05T02:10:15Z"

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from registry.api import Registry
from registry.cli.remedies import format_error
from registry.errors import ConflictError, NotFoundError, NotValidError, Remedy, RequestError
from registry.importers.dataset_table import read_dataset_table
from registry.sample import write_dataset_table
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

SOURCE = "XcsEndstation.0:Jungfrau.0"
HEADING = "Dataset                 Runs     DetInfo name   Panel/detector Id or configuration object version"


def write_table(folder: Path, *rows: str) -> Path:
    table = folder / "datasets.txt"
    table.write_text("\n".join((HEADING, "-" * 60, *rows)) + "\n")
    return table


def row(run: int, runs: str, panels: str = PANEL_C, experiment: str = "xcs1", source: str = SOURCE) -> str:
    return f"exp={experiment}:run={run}  {runs}  {source}  {panels}"


def refuse_table(path: Path) -> tuple[str, ...]:
    with assert_refused(RequestError) as error:
        read_dataset_table(path)
    return error.value.details or (error.value.message,)


def test_the_sample_table_gives_fifteen_runs_and_fifteen_configurations(
    registry: Registry, tmp_path: Path
) -> None:
    table = tmp_path / "datasets.txt"
    write_dataset_table(table)
    rows = [line.split() for line in table.read_text().splitlines() if line.startswith("exp=")]
    assert len(rows) == 15
    outcome = registry.runs.import_table(table, comment="the table of 2018")
    assert outcome.revision == 1
    runs = {f"exp={run.experiment}:run={run.run}": run.begin for run in registry.runs.list()}
    assert runs == dict.fromkeys((cells[0] for cells in rows), None)
    configurations = {
        (
            configuration.experiment,
            configuration.runs,
            configuration.source,
            configuration.object_name or "_".join(configuration.panels),
        )
        for configuration in registry.detectors.list()
    }
    assert configurations == {
        (cells[0].partition(":")[0].removeprefix("exp="), *cells[1:4]) for cells in rows
    }
    assert len(registry.detectors.list()) == 15
    without_ids = [configuration for configuration in registry.detectors.list() if configuration.object_name]
    assert {configuration.object_name for configuration in without_ids} == {
        "psana.Jungfrau.ConfigV1",
        "psana.Jungfrau.ConfigV2",
    }
    assert len(without_ids) == 4
    assert {configuration.panels for configuration in without_ids} == {()}
    assert {panel.panel for panel in registry.panels.list()} == {
        panel for configuration in registry.detectors.list() for panel in configuration.panels
    }
    assert len([note for note in outcome.notes if "was not known; it is recorded" in note]) == 5


def test_importing_the_table_again_is_no_change_even_where_runs_got_a_start_time(
    registry: Registry, tmp_path: Path
) -> None:
    table = tmp_path / "datasets.txt"
    write_dataset_table(table)
    registry.runs.import_table(table)
    registry.runs.add("exp=xcsls3716:run=631", begin="2018-01-01T00:00:00Z")
    registry.detectors.configure("mfx00616", "MfxEndstation.0:Jungfrau.0", PANEL_C, first_run=1, last_run=8)
    again = registry.runs.import_table(table)
    assert again.revision is None
    assert again.facts == ()
    assert len(registry.log()) == 3
    assert str(registry.runs.show("exp=xcsls3716:run=631").begin) == "2018-01-01T00:00:00Z"


def test_a_dry_run_of_the_table_reports_the_same_facts_and_records_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    table = tmp_path / "datasets.txt"
    write_dataset_table(table)
    dry = registry.runs.import_table(table, dry_run=True)
    assert registry.runs.list() == []
    assert dry.facts == registry.runs.import_table(table).facts
    assert len(dry.facts) == 15 + 15 + 5


def test_ranges_of_runs_are_a_run_a_range_or_open(tmp_path: Path) -> None:
    table = read_dataset_table(write_table(tmp_path, row(8, "8"), row(12, "10-12"), row(20, "20-end")))
    assert [(item.first_run, item.last_run) for item in table.configurations] == [
        (8, 8),
        (10, 12),
        (20, None),
    ]
    assert [run.dataset.run for run in table.runs] == [8, 12, 20]


def test_panels_keep_the_order_of_their_segments(tmp_path: Path) -> None:
    table = read_dataset_table(write_table(tmp_path, row(1, "1", f"jungfrau_{NEW_A}_{PANEL_C}_{PANEL_B}")))
    assert table.configurations[0].panels == (NEW_A, PANEL_C, PANEL_B)


def test_rows_that_cannot_be_understood_are_all_listed_by_line_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path
) -> None:
    # By line the names and numbers at fault, or the spelling that is right.
    bad = {
        "exp=xcs1:run=1  1-8  here": "3 columns",
        "xcs1:1  1-8  XcsEndstation.0:Jungfrau.0  " + PANEL_C: "'xcs1:1'",
        row(1, "0-8"): "'0'",
        row(8, "8-1"): "'8-1'",
        row(8, "1..8"): "'1..8'",
        row(9, "1-8"): "run 9 ",
        row(4, "5-end"): "5-end",
        row(1, "1-" + "9" * 5000): "(5000 characters)",
        row(1, "1", "psana.Jungfrau.ConfigV2\x00"): r"psana.Jungfrau.ConfigV2\x00",
        row(1, "1", PANEL_C.upper()): f"write {PANEL_C}",
        row(1, "1", f"{PANEL_C}_{PANEL_C}"): PANEL_C,
        row(1, "1", "epix_" + PANEL_C): "'epix'",
        row(1, "1", source="XcsEndstation:Jungfrau"): "'XcsEndstation:Jungfrau'",
        row(1, "1", experiment="XCS1"): "write xcs1",
    }
    table = write_table(tmp_path, row(1, "1-8"), *bad, row(20, "20"))
    with assert_refused(RequestError, "datasets.txt", problems=len(bad)) as error:
        registry.runs.import_table(table)
    for number, (detail, named) in enumerate(zip(error.value.details, bad.values(), strict=True), start=4):
        assert detail.startswith(f"line {number}: ")
        assert named in detail
        assert len(detail) < 300
    assert registry.log() == []
    assert registry.runs.list() == []
    assert registry.panels.list() == []


def test_a_file_that_is_not_a_table_of_datasets_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "datasets.txt"
    with assert_refused(NotFoundError, "datasets.txt"):
        read_dataset_table(table)
    assert str(tmp_path) in refuse_table(tmp_path)[0]
    table.write_bytes(b"")
    assert str(table) in refuse_table(table)[0]
    table.write_text(f"{HEADING}\n{'-' * 40}\n\n")
    assert str(table) in refuse_table(table)[0]
    table.write_bytes(row(1, "1").encode() + b"\ncaf\xe9\n")
    assert "not a text" in refuse_table(table)[0]
    table.write_bytes(b"\x00" * 64)
    assert "not a text" in refuse_table(table)[0]
    table.write_text("-\n" * 100_001)
    assert "100001" in refuse_table(table)[0]
    with table.open("wb") as file:
        file.truncate((16 << 20) + 1)
    assert "16 MiB" in refuse_table(table)[0]


def test_rows_that_overlap_in_one_file_are_refused_together_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path
) -> None:
    overlapping = [row(9, "8-9", PANEL_A), row(99, "99", PANEL_B)]
    sound = [row(1, "1-8"), row(30, "30-end"), row(20, "10-29")]
    table = write_table(tmp_path, *sound, *overlapping)
    with assert_refused(ConflictError, problems=2, remedy=Remedy.SUPERSEDE_CONFIGURATION) as error:
        registry.runs.import_table(table)
    for sentence, runs in zip(error.value.details, (("8-9", "1-8"), ("99", "30-end")), strict=True):
        assert re.findall(r"runs (\S+)", sentence) == list(runs)
    assert registry.log() == []
    assert registry.detectors.list() == []


def test_the_same_runs_of_another_source_or_experiment_or_without_ids_overlap_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    rows = [
        row(1, "1-8"),
        row(2, "1-8", PANEL_A, source="XcsEndstation.0:Jungfrau.1"),
        row(1, "1-8", PANEL_A, experiment="xcs2"),
        row(3, "2-5", "psana.Jungfrau.ConfigV1"),
        row(4, "1-8"),
    ]
    registry.runs.import_table(write_table(tmp_path, *rows))
    assert len(registry.detectors.list()) == 4
    assert [run.run for run in registry.runs.list("xcs1")] == [1, 2, 3, 4]
    assert registry.detectors.show("exp=xcs1:run=3", source=SOURCE).panels == (PANEL_C,)


@pytest.mark.slow
def test_an_export_of_a_run_without_ids_gives_the_command_and_the_command_makes_it_work(
    registry: Registry, tmp_path: Path
) -> None:
    table = tmp_path / "datasets.txt"
    write_dataset_table(table)
    registry.runs.import_table(table)
    registry.versions.add(PANEL_C, write_panel_folder(tmp_path / "M044"), valid_from="beginning")
    dataset, output = "exp=mfx00616:run=8", tmp_path / "out"
    with assert_refused(NotFoundError, "psana.Jungfrau.ConfigV1", remedy=Remedy.CONFIGURE_DETECTOR) as error:
        registry.export(dataset, output)
    assert not output.exists()

    command = re.search(r"calreg detector configure .* DETECTOR_ID", format_error(error.value))
    assert command is not None
    words = shlex.split(command[0].replace("DETECTOR_ID", PANEL_C))
    assert words[:3] == ["calreg", "detector", "configure"]
    experiment, source, first, first_run, last, last_run, detector = words[3:]
    assert (first, last) == ("--first-run", "--last-run")
    registry.detectors.configure(
        experiment, source, detector, first_run=int(first_run), last_run=int(last_run)
    )

    with assert_refused(NotValidError, remedy=Remedy.RECORD_START_TIME, dataset=dataset) as no_time:
        registry.export(dataset, output)
    assert f"calreg run add {dataset} --begin T" in format_error(no_time.value)
    assert not output.exists()
    registry.runs.add(dataset, begin="20171101000000")
    exported = registry.export(dataset, output)
    assert [output.shape for output in exported.outputs] == [(3, 1, 512, 1024)] * 2
    assert registry.detectors.show(dataset).panels == (PANEL_C,)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark"])
def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    text = f"{row(8, '1-8')}\r\n{row(9, '9-9')}\r\n"
    table = tmp_path / "datasets.txt"
    marked = "\ufeff" + text if encoding.endswith("mark") else text
    table.write_bytes(marked.encode(encoding.removesuffix(" with mark")))
    runs = read_dataset_table(table).runs
    assert [run.dataset.run for run in runs] == [8, 9]


def test_tables_with_byte_order_marks_may_be_joined(tmp_path: Path) -> None:
    table = tmp_path / "datasets.txt"
    table.write_bytes(b"".join(f"\ufeff{row(run, str(run))}\n".encode() for run in (8, 9)))
    assert [run.dataset.run for run in read_dataset_table(table).runs] == [8, 9]


@pytest.mark.parametrize(
    "content", [b"\xff\xfee", b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\xff", b"\xfe\xff\xd8\x00"]
)
def test_a_mark_before_what_is_not_a_table_is_refused(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "datasets.txt"
    table.write_bytes(content)
    assert refuse_table(table)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_a_text_in_another_encoding_is_refused_with_those_that_are_read(
    tmp_path: Path, encoding: str
) -> None:
    table = tmp_path / "datasets.txt"
    table.write_bytes(f"Dataset \xe9\n{row(8, '1-8')}\n".encode(encoding))
    with assert_refused(RequestError, table, "UTF-8", "UTF-16", problems=1):
        read_dataset_table(table)


@pytest.mark.parametrize("space", ["\t", " \t", "\u00a0", "  "])
def test_columns_and_headings_may_be_separated_by_any_spaces(tmp_path: Path, space: str) -> None:
    table = tmp_path / "datasets.txt"
    heading = space.join(("", "Dataset", "Runs", "DetInfo name", "Panel/detector Id"))
    table.write_text(f"{heading}\n{space.join(row(8, '1-8').split())}\n")
    assert [run.dataset.run for run in read_dataset_table(table).runs] == [8]


def test_json_after_a_byte_order_mark_is_not_taken_for_a_table(tmp_path: Path) -> None:
    table = tmp_path / "runs.json"
    for encoding in ("utf-8-sig", "utf-16"):
        table.write_bytes('[{"run_num": 1}]'.encode(encoding))
        with assert_refused(RequestError, remedy=Remedy.GIVE_EXPERIMENT):
            read_dataset_table(table)

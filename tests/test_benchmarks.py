"""The benchmarks still run: at the smallest sizes, once, with every check of what they time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from benchmarks import (
    buckets,
    consequences,
    copying,
    delivering,
    exports,
    growth,
    importing,
    lookups,
    mirroring,
    paging,
    proxies,
    reading,
    scenario,
    serving,
    sharing,
    table,
    timing,
)
from benchmarks.bench import Bench, Scale
from benchmarks.detector import panel_id
from benchmarks.grown import Growth
from benchmarks.history import History
from benchmarks.loading import load_history
from benchmarks.rows import Results, Row
from benchmarks.timing import Spread
from testing.buckets import BucketServer
from testing.panels import use_small_panels
from testing.registries import RegistryFactory, RegistryLocation
from tests.selection import keep_first

SMALLEST = Scale(
    panels=(1,),
    text_panels=(1,),
    look_up_panels=2,
    starts=(2, 4),
    page_starts=3,
    worst_panels=3,
    worst_starts=2,
    scenario_panels=2,
    scenario_starts=3,
    modules=1,
    links=4,
    runs=3,
    read_panels=1,
    grown=(Growth(20, 80, 6, 40), Growth(24, 192, 9, 60)),
    run=0,
)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(timing.gc, "collect", lambda: 0)  # no time is asserted, and this process is large
    with RegistryFactory(tmp_path) as factory:
        yield Bench(factory, SMALLEST, ("sqlite",), repetitions=1)


@pytest.mark.slow
@pytest.mark.parametrize("measure_others", keep_first([False, True]))
def test_a_row_of_every_sort_is_measured_and_checked(bench: Bench, measure_others: bool) -> None:
    rows = [*islice(exports.measure_npy(bench), 1), *islice(lookups.measure_worst(bench), 1)]
    if measure_others:
        rows += [
            *lookups.measure_worst(bench),
            *(row for row in paging.measure_pages(bench) if row.ratio),
            *islice(importing.measure_import(bench), 1),
            *islice(consequences.measure_consequences(bench), 1),
            *delivering.measure_deliveries(bench),
        ]
    assert [row.work for row in rows if not (row.ratio and row.ours and row.baseline)] == []
    assert {row.database for row in rows} == {"", "sqlite"}


@pytest.mark.slow
def test_an_export_as_a_process_is_measured_with_what_it_reads_cached_or_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    evicted: list[Path] = []
    monkeypatch.setattr(exports, "evict", evicted.extend)
    rows = list(exports.measure_programs(bench))
    assert [row.work for row in rows] == ["calreg export, 1 panels", "calreg export, 1 panels, not cached"]
    assert all(row.ratio and row.ours and row.baseline for row in rows)
    assert bench.detector.tree in evicted


@pytest.mark.slow
def test_processes_that_share_constants_are_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_PROCESSES", 2)
    monkeypatch.setattr(sharing, "_CONTEXTS", sharing._CONTEXTS[:1])
    rows = list(sharing.measure_sharing(bench))
    assert [row.unit for row in rows] == ["s", "MiB"] * 4
    assert [row.reach for row in rows] == [1.5, 1.3] * 3 + [None, None]
    assert all(row.ratio and row.ours and row.baseline for row in rows)


@pytest.fixture
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (serving, "_LOOK_UPS"),
        (serving, "_KEPT"),
        (reading, "_PROCESSES"),
        (reading, "_THREADS"),
        (sharing, "_PROCESSES"),
    ):
        monkeypatch.setattr(module, name, 2)


@pytest.mark.slow
def test_the_answers_of_a_service_are_measured(bench: Bench, few_requests: None) -> None:
    with ExitStack() as closing:
        rows = list(serving.measure_answers(bench, "sqlite", closing))
    assert [row.reach for row in rows] == [3, 1.42, 1, 100]
    assert all(row.ours for row in rows)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_all_of_a_service_is_measured(bench: Bench, few_requests: None) -> None:
    rows = list(serving.measure_service(bench))
    assert [row.reach for row in rows] == [
        *(3, 1.42, 1, 100, 0.3, 100_000),
        *(1.66, 1.3, 1, 1.2, 1.5, 1.3, 1.5, 1.3),
    ]
    assert all(row.ours or row.remark for row in rows)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_proxies_are_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "_SECONDS", 1)
    rows = list(proxies.measure_proxies(bench))
    assert all(row.ours or row.remark for row in rows)


@pytest.mark.slow
def test_a_mirror_is_measured_beside_a_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "_REVISIONS", 5)
    rows = list(mirroring.measure_mirrors(bench))
    assert [(row.reach, bool(row.ours), bool(row.ratio)) for row in rows] == [
        (2.0, True, True),
        (0.1, True, False),
    ]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_store_in_a_bucket_is_measured_beside_a_folder(
    bench: Bench, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "scale", replace(SMALLEST, panels=(1, 1)))
    rows = list(buckets.measure_bucket(bench, bucket_server))
    assert [row.reach for row in rows] == [2.0, 1.3, 2.0, 3.0, 1.6, 2.0, 1.5]
    assert all(row.ratio and row.ours and row.baseline for row in rows)
    assert [bool(row.copied) for row in rows] == [True, False, False, True, False, False, False]


@pytest.mark.slow
def test_the_verification_of_many_files_in_a_bucket_is_measured(
    bench: Bench, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_FILES", 20)
    (row,) = islice(buckets.measure_many_files(bench, bucket_server), 1)
    assert row.reach == 2.0
    assert row.ratio


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_memory_of_a_verification_of_many_files_in_a_bucket_is_measured(
    bench: Bench, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_FILES", 20)
    _, row = buckets.measure_many_files(bench, bucket_server)
    assert (row.reach, row.unit) == (64, "MiB")
    assert row.ours is not None


@pytest.mark.slow
def test_a_registration_that_concerns_every_run_is_measured(bench: Bench) -> None:
    _, row = consequences.measure_consequences(bench)
    assert row.reach == 3.0
    assert row.ours is not None


@pytest.mark.slow
def test_verbs_are_measured_in_a_registry_that_has_grown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("validity {panel} --at 2019-01-01T00:00:00Z", "version withdraw {version} -m wrong --dry-run")
    monkeypatch.setattr(growth, "VERBS", tuple(map(growth.Verb, words)))
    with use_small_panels():
        rows = list(growth.measure_growth(bench))
    assert [(row.work.split()[0], row.reach, bool(row.ours), bool(row.ratio)) for row in rows] == [
        ("validity", 1.5, True, True),
        ("version", 1.5, True, True),
    ]


@pytest.mark.slow
def test_a_verb_that_ends_otherwise_stops_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "VERBS", (growth.Verb("version show 99999"),))
    with use_small_panels(), pytest.raises(AssertionError, match="there is no version 99999"):
        list(growth.measure_growth(bench))


@pytest.mark.slow
def test_copies_are_measured_and_checked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_WORKS", ("backup, first",))
    bench.scale = replace(bench.scale, grown=bench.scale.grown[:1])
    (row,) = copying.measure_copies(bench)
    assert (row.work, row.reach) == ("backup, first, 80 versions", 3)
    assert row.ours
    assert row.baseline


@pytest.mark.slow
def test_a_wrong_answer_stops_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_find_expected", lambda *_: {})
    with pytest.raises(AssertionError, match="a look-up's answer is not as expected"):
        list(lookups.measure_look_ups(bench))


def test_a_history_loaded_in_bulk_leaves_the_schema_as_it_was(location: RegistryLocation) -> None:
    load_history(location, History(2, 3, withdrawn=True))
    with location.open() as registry:
        assert registry.differences() == []
        assert len(registry.versions.list(withdrawn=True)) == 12


def test_a_registry_that_has_grown_is_sealed_and_answers(location: RegistryLocation) -> None:
    load_history(location, Growth(20, 240, 60, 100))
    with location.open() as registry:
        assert registry.differences(thorough=True) == []
        assert len(registry.versions.list()) == 240
        assert len(registry.runs.list()) == 60
        problems = registry.verify().problems
        assert {problem.problem for problem in problems if problem.sha256 is None} == set()
        assert not any(problem.revision for problem in problems)
        (gain, offset) = registry.validity(panel_id(0), at="2020-01-01T00:00:00Z").versions
        assert (gain.version, offset.version) == (201, 202)
        assert registry.log(limit=1)[0].revision == 100


def test_results_are_the_same_after_a_round_trip_and_are_written_into_the_page(tmp_path: Path) -> None:
    measured = Row(
        work="something",
        ours=0.5,
        baseline=0.001,
        ratio=Spread(500.0, 499.9, 0.5),
        reach=4.0,
        earlier_targets=(501.0,),
        statements=2,
    )
    not_there = Row(work="something else", remark="not there yet")
    large = Row(work="memory", unit="MiB", ours=25, reach=24)
    rows = (measured, not_there, large)
    results = Results("2026-11-22T12:00:00", "all", "calreg", {"python": "3"}, rows, ("import", "start"))
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: begin -->\nold\n<!-- table: end -->\nafter\n")
    table.update_page(page, results)
    text = page.read_text()
    assert "| something |  | 500 ms | 1.00 ms |  | 500 (500-0.50) | 501 ok, 4 NO | 2 NO |" in text
    assert "| something |  | 500 times | 4 times |\n| something |  | 2 statements | 1 |\n" in text
    assert "| memory |  | 25.0 MiB | 24.0 MiB |" in text
    assert "1 of 4 figures reached. Not measured: import, start." in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    page.write_text("a page without marks")
    with pytest.raises(ValueError, match="has no lines"):
        table.update_page(page, results)


def test_the_documentation_has_the_marks_for_the_table() -> None:
    page = Path(__file__).parent.parent / "docs" / "performance.md"
    assert page.read_text().count("<!-- table: begin -->") == 1


@pytest.mark.slow
def test_the_reference_scenario_is_measured_with_several_readers(bench: Bench) -> None:
    rows = list(scenario.measure_scenario(bench))
    assert [row.reach for row in rows] == [None, None, None, 1.05]
    assert all(row.ratio and row.ours and row.baseline for row in rows)

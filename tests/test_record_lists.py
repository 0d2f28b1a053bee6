"""Listings are lists that become frames of pandas, with the columns of the JSON, and tables in a notebook."""

import copy
import csv
import io
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pandas as pd
import pytest

import registry.records
from registry.api import Registry
from registry.cli.formats import LISTINGS
from registry.errors import UnavailableError
from registry.instants import BEGINNING, EARLIEST, LATEST, Instant
from registry.records import (
    AffectedGroup,
    AffectedRuns,
    Alias,
    Conversion,
    ConvertedStage,
    Revision,
    Run,
    Tag,
    Version,
)
from registry.records.csv import iterate_lines
from registry.records.display import MAX_ROWS
from registry.records.json import encode
from registry.records.record_lists import RecordIterator, RecordList
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.test_notebooks import HOSTILE, Tags, render_html, version

LISTS: dict[str, Callable[[Registry], Any]] = {
    "affected": lambda registry: registry.list_affected_runs(1),
    "alias list": lambda registry: registry.aliases.list(),
    "detector list": lambda registry: registry.detectors.list(),
    "detector names": lambda registry: registry.detectors.names(),
    "exports": lambda registry: registry.exports.list(),
    "log": lambda registry: registry.log(),
    "panel list": lambda registry: registry.panels.list(),
    "run list": lambda registry: registry.runs.list(),
    "tag list": lambda registry: registry.tags.list(),
    "version list": lambda registry: registry.versions.list(),
}
ITERATORS: tuple[Callable[[Registry], Any], ...] = (
    lambda registry: registry.iterate_log(),
    lambda registry: registry.versions.iterate(),
    lambda registry: registry.runs.iterate(),
    lambda registry: registry.exports.iterate(),
)


@pytest.fixture
def filled(sqlite_location: RegistryLocation) -> Iterator[Registry]:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        registry.panels.add(PANEL_B)
        registry.versions.gap(PANEL_A, valid_from="beginning", kinds=["gain"], comment=HOSTILE)
        registry.runs.add("exp=e:run=1", begin="2018-02-10T08:15:00.000001Z")
        registry.runs.add("exp=e:run=2")
        registry.detectors.configure("e", "X.0:Jungfrau.0", f"{PANEL_A}_{PANEL_B}", first_run=1)
        registry.detectors.name("big", f"{PANEL_A}_{PANEL_B}")
        registry.tags.add("spring")
        yield registry


@pytest.mark.slow
def test_every_listing_becomes_a_frame_with_the_columns_and_rows_of_its_csv(filled: Registry) -> None:
    assert {*LISTS, "validity", "verify"} == LISTINGS.keys()
    for verb, list_records in LISTS.items():
        records, record = list_records(filled), getattr(registry.records, LISTINGS[verb])
        assert (type(records), records.record) == (RecordList, record), verb
        frame = records.to_pandas()
        assert tuple(frame.columns) == record.__struct_fields__
        rows = list(csv.DictReader(io.StringIO("".join(iterate_lines(frame.columns, records)))))
        assert len(frame) == len(records) == len(rows)
        for row, (_, line) in zip(rows, frame.iterrows(), strict=True):
            for name, cell in row.items():
                value = getattr(records[int(line.name)], name)
                if isinstance(value, (tuple, list)):
                    assert line[name] == cell, (verb, name)
                assert pd.isna(line[name]) == (value is None or value == BEGINNING), (verb, name)
        empty = RecordList(record).to_pandas()
        assert empty.dtypes.to_dict() == frame.dtypes.to_dict(), verb
        render_html(records)
    for iterate in ITERATORS:
        iterator = iterate(filled)
        first = next(iterator, None)
        assert len(iterator.to_pandas()) == max(len(list(iterate(filled))) - 1, 0)
        assert (next(iterator, None), iter(iterator)) == (None, iterator)
        assert first is None or type(first) is iterator.record


def test_every_record_of_a_listing_has_columns() -> None:
    for name in set(LISTINGS.values()):
        record = getattr(registry.records, name)
        assert tuple(RecordList(record).to_pandas().columns) == record.__struct_fields__


def test_instants_are_exact_and_those_that_are_none_are_nat() -> None:
    begins = [None, EARLIEST, Instant(-1), Instant(1518250500000001), LATEST]
    runs = RecordList(Run, (Run("e", number, begin, None, 1, None) for number, begin in enumerate(begins)))
    frame = runs.to_pandas()
    assert frame["begin"].dtype == frame["end"].dtype == "datetime64[us, UTC]"
    assert frame["begin"].isna().tolist() == [True, False, False, False, False]
    assert [begin.to_pydatetime() for begin in frame["begin"][1:]] == [
        begin.datetime for begin in begins[1:] if begin
    ]
    assert frame["begin"][2].to_pydatetime() == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert (frame["run"].dtype, frame["withdrawn_in"].dtype) == ("int64", "Int64")
    assert RecordList(Alias, [Alias("M1", PANEL_A, 1, None)]).to_pandas()["valid_from"].isna().all()


def test_nested_values_are_their_json() -> None:
    conversion = Conversion("x\n.bin", "a" * 64, 1, "<f8", (ConvertedStage("G0", 0, 0.5, 0.25),), ())
    frame = RecordList(Version, [version(1, conversion=conversion), version(2)]).to_pandas()
    assert json.loads(frame["conversion"][0]) == json.loads(encode(conversion))
    assert frame["conversion"].isna().tolist() == [False, True]
    assert frame["comment"][0] == HOSTILE
    assert frame["nonfinite_allowed"].dtype == bool


def test_groups_of_runs_become_a_frame() -> None:
    group = AffectedGroup("e", "X.0:Jungfrau.0", ((1, 4), (7, 7)), "changed", ("gain",), (PANEL_A,), "why")
    frame = AffectedRuns(1, 2, ("gain",), (group,)).to_pandas()
    assert tuple(frame.columns) == AffectedGroup.__struct_fields__
    assert frame["runs"].tolist() == ["[[1, 4], [7, 7]]"]


def test_a_record_list_is_a_list() -> None:
    tags = [Tag("a", 1, 1), Tag("b", 2, None)]
    listed = RecordList(Tag, tags)
    assert listed == tags
    assert tags == listed
    assert (repr(listed), len(listed), listed[1], list(listed)) == (repr(tags), 2, tags[1], tags)
    assert (type(listed[:1]), listed[:1], listed[::-1]) == (RecordList, tags[:1], tags[::-1])
    assert encode(listed) == encode(tags) == msgspec.json.encode(listed)
    assert isinstance(listed, list)
    for copied in (copy.copy(listed), copy.deepcopy(listed), pickle.loads(pickle.dumps(listed))):  # noqa: S301
        assert (type(copied), copied, copied.record) == (RecordList, tags, Tag)
    assert len(listed[:1].to_pandas()) == 1


def test_a_table_is_short_and_says_how_many_rows_it_leaves_out() -> None:
    html = render_html(RecordList(Version, map(version, range(1, 1001))))
    assert Tags(html).rows == 1 + MAX_ROWS + 1
    assert f"... and {1000 - MAX_ROWS} more" in html
    assert "<b>1000 versions</b>" in html
    assert "<b>0 aliases</b>" in render_html(RecordList(Alias))
    assert "<b>1 alias</b>" in render_html(RecordList(Alias, [Alias(HOSTILE, HOSTILE, 1, None)]))
    render_html(
        RecordList(Revision, [Revision(1, Instant(1), HOSTILE, None, "", "", HOSTILE, "", (HOSTILE,) * 1000)])
    )


def test_an_iterator_keeps_nothing() -> None:
    iterator = RecordIterator(Tag, (Tag("x" * 1000, number, None) for number in range(20_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in iterator) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_without_pandas_the_refusal_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for listing in (RecordList(Tag), RecordIterator(Tag, iter(()))):
        with assert_refused(UnavailableError, "pip install 'calreg[pandas]'"):
            listing.to_pandas()

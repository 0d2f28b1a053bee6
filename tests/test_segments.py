"""Segment numbers: stated or known, in records and documents, and the whole arrays of the lcls2 format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import sqlalchemy as sa

from registry import provenance, schema
from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.detectors import format_segment_numbers, parse_segment_numbers
from registry.errors import ConflictError, DocumentError, Remedy, RequestError
from registry.exporters import lcls2
from registry.provenance.document import InputPanel
from registry.registration.configurations import ConfigurationStatement
from testing.panels import SHORT_NAME, name_detector, use_small_panels, write_panel_folder
from tests.cli import Calreg
from tests.psana_readers import read_newer
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.sqlite_suffices

SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
PANELS = tuple(f"190408-181206-{number:x}" for number in range(1, 9))
SEVEN = PANELS[:7]
STATED = (0, 1, 2, 3, 8, 9, 10)
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def register(registry: Registry, folder: Path, panels: Sequence[str] = SEVEN) -> None:
    """Record panels with constants of their own, and a run."""
    for seed, panel in enumerate(panels):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="beginning")
    registry.runs.add(RUN, begin=BEGIN)


def configure(registry: Registry, segments: Any = None, panels: Sequence[str] = SEVEN, **changed: Any) -> Any:
    return registry.detectors.configure(
        "xcs1", SOURCE, "_".join(panels), first_run=1, segments=segments, **changed
    )


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Texts


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0-3,8", (0, 1, 2, 3, 8)),
        ("7", (7,)),
        ("0, 2-2", (0, 2)),
        ("30,31", (30, 31)),
        ("s00-s02", (0, 1, 2)),
    ],
)
def test_segment_numbers_are_read_with_ranges(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_segment_numbers(text) == numbers
    assert parse_segment_numbers(format_segment_numbers(numbers)) == numbers


@pytest.mark.parametrize("text", ["[0, 1, 8]", "(0, 1, 8,)", "[0 1 8]", " [ 0  1  8]", "[s00, s01, s08]"])
def test_segment_numbers_are_read_as_the_newer_system_prints_them(text: str) -> None:
    assert parse_segment_numbers(text) == (0, 1, 8)


def test_segment_numbers_are_written_with_ranges() -> None:
    assert format_segment_numbers(STATED) == "0-3,8-10"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        "", "x", "3-0", "0,0", "0-3,3", "1,0", "-1", "0,", "1.5", "0-3-5", "[]",
        "[", "[0", "0]", "[0;1]", "ss0", "٣", "0-99999", "9" * 5000,
        1.5, [0, True], ["0"], [None], (1, 0), [2, 2],
    ],
)  # fmt: skip
def test_what_is_not_an_ascending_list_is_refused(wrong: Any) -> None:
    with assert_refused(RequestError) as caught:
        parse_segment_numbers(wrong)
    assert len(str(caught.value)) < 250


# Configurations


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_whole_detector_has_the_segment_numbers_from_zero(registry: Registry, size: int) -> None:
    configure(registry, panels=PANELS[:size])
    assert registry.detectors.show("exp=xcs1:run=1").segments == tuple(range(size))
    assert configure(registry, f"0-{size - 1}", PANELS[:size]).revision is None


@pytest.mark.parametrize("size", [3, 7])
def test_of_another_number_of_panels_nobody_knows_the_segment_numbers(registry: Registry, size: int) -> None:
    configure(registry, panels=PANELS[:size])
    assert registry.detectors.show("exp=xcs1:run=1").segments is None
    assert [entry.segments for entry in registry.detectors.list()] == [None]


@pytest.mark.parametrize("panels", [1, 4])
def test_a_2m_of_fewer_than_16_panels_is_not_whole(registry: Registry, panels: int) -> None:
    names = [
        f"3926196238-{number:010}-0000000001-0000000000-0000000000-0000000000-0000000000"
        for number in range(4)
    ]
    detector = "_".join(names[:panels])
    registry.detectors.configure("mfx1", "MfxEndstation.0:Epix10ka2M.0", detector, first_run=1)
    assert registry.detectors.show("exp=mfx1:run=1").segments is None
    registry.detectors.configure("mfx1", "MfxEndstation.0:Epix10ka.0", detector, first_run=1)
    assert registry.detectors.show("exp=mfx1:run=1", source="Epix10ka.0").segments == tuple(range(panels))


@pytest.mark.parametrize(
    ("segments", "names"),
    [
        ("0-5", ("6", "7")),
        ("0-7", ("8", "7")),
        ("0-5,32", ("32", SOURCE, "31")),
        ("5,0-4,6", ("0", "5")),
        ([0, 1, 2, 3, 4, 5, -1], ("-1",)),
    ],
)
def test_segment_numbers_that_cannot_be_are_refused_and_nothing_is_recorded(
    registry: Registry, segments: Any, names: tuple[str, ...]
) -> None:
    with assert_refused(RequestError, *names):
        configure(registry, segments)
    assert registry.log() == []


def test_other_segment_numbers_are_another_configuration(registry: Registry) -> None:
    configure(registry, STATED)
    assert registry.detectors.list()[0].segments == STATED
    assert configure(registry, "0-3,8-10").revision is None
    with assert_refused(ConflictError, "0-3,8-10", "0-6", remedy=Remedy.SUPERSEDE_CONFIGURATION):
        configure(registry, "0-6")
    outcome = configure(registry, "0-6", supersede=True, comment="counted again")
    assert [fact[0] for fact in outcome.facts] == ["-", "+"]
    assert outcome.facts[0].endswith(", segments 0-3,8-10")
    assert registry.detectors.list()[0].segments == (0, 1, 2, 3, 4, 5, 6)
    assert registry.detectors.list(as_of=1)[0].segments == STATED


def test_a_statement_without_segment_numbers_agrees_with_any_and_says_so(registry: Registry) -> None:
    configure(registry, STATED)
    for flags in ({}, {"supersede": True, "comment": "the same"}):
        outcome = configure(registry, **flags)
        assert outcome.revision is None
        assert "0-3,8-10" in outcome.notes[0]
    eight = (*range(4), *range(12, 16))
    registry.detectors.configure("xcs2", SOURCE, "_".join(PANELS), first_run=1, segments=eight)
    outcome = registry.detectors.configure("xcs2", SOURCE, "_".join(PANELS), first_run=1)
    assert (outcome.revision, "0-3,12-15" in outcome.notes[0]) == (None, True)


def test_what_is_left_of_a_superseded_configuration_keeps_its_segment_numbers(registry: Registry) -> None:
    configure(registry, STATED)
    registry.detectors.configure(
        "xcs1", SOURCE, PANELS[7], first_run=5, last_run=6, supersede=True, comment="one panel"
    )
    ranges = [(entry.runs, entry.segments) for entry in registry.detectors.list()]
    assert ranges == [("1-4", STATED), ("5-6", (0,)), ("7-end", STATED)]


def test_segment_numbers_stand_in_every_answer_of_the_command_line(calreg: Calreg) -> None:
    name = "_".join(SEVEN)
    words = ("detector", "configure", "xcs1", SOURCE, name, "--first-run", "1")
    error = calreg.assert_refused(2, *words, "--segments", "0-3")
    assert "4 segment numbers for 7 panels" in error["message"]
    calreg.run(*words, "--segments", "0-3,8-10")
    assert calreg.run("detector", "show", "exp=xcs1:run=3", "--json").json["segments"] == list(STATED)
    assert calreg.run("detector", "list", "--json").json[0]["segments"] == list(STATED)
    shown = calreg.run("detector", "show", "exp=xcs1:run=3").stdout.splitlines()
    assert [line.split() for line in shown[-7:]] == [
        [str(number), panel] for number, panel in zip(STATED, SEVEN, strict=True)
    ]
    assert f"  10  {SEVEN[-1]}" in calreg.run("detector", "list").stdout.splitlines()
    calreg.run(*words[:3], "XcsEndstation.0:Jungfrau.1", *words[4:])
    unknown = calreg.run("detector", "show", "exp=xcs1:run=3", "--source", "Jungfrau.1")
    assert "?        190408-181206-1" in unknown.stdout
    assert "not stated" in unknown.stderr


def record_segments(registry: Registry, segments: Sequence[int | None]) -> None:
    """Record a configuration as the writers of this software would not."""

    def record(change: Any) -> None:
        (key,) = change.record(
            schema.configuration,
            [{"experiment": "xcs1", "source": SOURCE, "first_run": 1, "last_run": None, "object_name": None}],
        )
        panels = {row.identifier: row.id for row in change.connection.execute(sa.select(schema.panel))}
        rows = [
            {
                "configuration_id": key,
                "position": position,
                "panel_id": panels[PANELS[position]],
                "segment": number,
            }
            for position, number in enumerate(segments)
        ]
        change.insert(schema.configuration_panel, rows)

    registry._backend.record_revision(record)


@pytest.mark.slow
def test_rows_from_before_there_were_segment_numbers_follow_the_same_rule(registry: Registry) -> None:
    for panel in PANELS:
        registry.panels.add(panel)
    record_segments(registry, [None] * 8)
    assert registry.detectors.show("exp=xcs1:run=1").segments == tuple(range(8))
    assert registry.verify().problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("segments", [[0, None], [None, 1]])
def test_segment_numbers_of_some_panels_only_are_never_believed(
    registry: Registry, segments: list[int | None]
) -> None:
    for panel in PANELS[:2]:
        registry.panels.add(panel)
    record_segments(registry, segments)
    assert registry.detectors.show("exp=xcs1:run=1").segments is None


# Exports


@pytest.mark.slow
def test_an_lcls2_array_is_indexed_by_segment_number_and_absent_panels_are_zeros(
    registry: Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    done = registry.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME)
    absent = [number for number in range(32) if number not in STATED]
    assert (done.segments, done.absent_segments) == (STATED, tuple(absent))
    for name, kind in (("pixel_gain", "gain"), ("pixel_offset", "offset")):
        (path,) = (tmp_path / "out" / "jungfrau" / "merge_tmp").glob(f"*-{name}.txt")
        array = read_newer(path)
        assert (array.shape, array.dtype) == ((3, 32, 4, 6), np.dtype("<f4"))
        for number in range(32):
            for gain_range in range(3):
                expected = np.zeros((4, 6), "<f4")
                if number in STATED:
                    panel = SEVEN[STATED.index(number)]
                    expected = np.load(tmp_path / "arrays" / panel / f"g{gain_range}_{kind}.npy")
                assert array[gain_range, number].tobytes() == expected.tobytes()
        fields = json.loads(path.with_suffix(".json").read_bytes())
        assert (fields["segment_ids"], fields["segment_inds"]) == (list(SEVEN), list(STATED))
        assert fields["shape_as_daq"] == [32, 4, 6]
        assert fields["extpars"]["absent_segments"] == absent
    assert verify_export(done.provenance, NOWHERE, Path(registry._backend.store.place)).problems == ()
    again = replay(done.provenance, tmp_path / "again", NOWHERE, Path(registry._backend.store.place))
    assert (again.segments, contents(tmp_path / "again")) == (STATED, contents(tmp_path / "out"))
    assert again.absent_segments == tuple(absent)


@pytest.mark.parametrize(
    ("segments", "slots"), [((0,), 1), ((1,), 2), ((0, 2), 8), ((0, 7), 8), ((8,), 32), ((0, 31), 32)]
)
def test_an_lcls2_array_has_the_fewest_slots_of_a_whole_detector(
    registry: Registry, tmp_path: Path, segments: tuple[int, ...], slots: int
) -> None:
    panels = PANELS[: len(segments)]
    register(registry, tmp_path / "arrays", panels)
    configure(registry, segments, panels)
    done = registry.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME, types=["pixel_gain"])
    assert done.outputs[0].shape == (3, slots, 4, 6)
    assert registry.identify(done.outputs[0].path).exports[0].type == "pixel_gain"


@pytest.mark.slow
def test_lcls2_is_refused_where_nobody_stated_the_segment_numbers(
    calreg: Calreg, location: Any, tmp_path: Path
) -> None:
    with location.open() as registry:
        register(registry, tmp_path / "arrays")
        configure(registry)
    words = ("--format", "lcls2", "--short-name", SHORT_NAME, "--output", str(tmp_path / "out"))
    error = calreg.assert_refused(2, "export", RUN, *words)
    assert error["panels"] == list(SEVEN)
    assert "--segments NUMBERS --supersede" in calreg("export", RUN, *words).stderr
    words = (*words, "--source", SOURCE, "--experiment", "xcs1", "--first-run", "3")
    without_run = calreg("export", "_".join(SEVEN), "--at", BEGIN, *words)
    assert without_run.code == 2
    assert "calreg detector configure --segments" in without_run.stderr
    calreg.assert_refused(2, "export", "_".join(SEVEN), "--at", BEGIN, *words)
    assert not (tmp_path / "out").exists()
    for form in ("npy", "hdf5", "psana"):
        answer = calreg.run("export", RUN, "--format", form, "--output", str(tmp_path / form), "--json").json
        assert (answer["segments"], answer["outputs"][0]["shape"]) == (None, [3, 7, 4, 6])


@pytest.mark.slow
def test_an_export_names_the_segments_for_which_its_arrays_have_zeros(
    calreg: Calreg, location: Any, tmp_path: Path
) -> None:
    with location.open() as registry:
        register(registry, tmp_path / "arrays", PANELS[:2])
        configure(registry, "1,3", PANELS[:2])
    for form, absent in (("lcls2", [0, 2, 4, 5, 6, 7]), ("npy", []), ("hdf5", [])):
        named = ("--short-name", SHORT_NAME) if form == "lcls2" else ()
        words = ("export", RUN, "--format", form, *named, "--output", str(tmp_path / form))
        assert ("zeros in the arrays: 0,2,4-7\n" in calreg.run(*words).stdout) == bool(absent)
        assert calreg.run(*words, "--force", "--json").json["absent_segments"] == absent


@pytest.mark.slow
def test_the_other_formats_keep_the_panels_in_order_and_carry_the_numbers(
    registry: Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    for form in ("npy", "hdf5", "psana"):
        done = registry.export(RUN, tmp_path / form, format=form)
        assert {output.shape for output in done.outputs} == {(3, 7, 4, 6)}
        document = provenance.read(Path(done.provenance))
        assert [(panel.panel, panel.segment) for panel in document.resolution.panels] == list(
            zip(SEVEN, STATED, strict=True)
        )
        assert (
            verify_export(
                done.provenance,
                registry._backend.database.url,
                Path(registry._backend.store.place),
            ).problems
            == ()
        )
    with h5py.File(tmp_path / "hdf5" / "constants.h5") as file:
        assert list(file["panels"].attrs["segments"]) == list(STATED)


@pytest.mark.slow
def test_constants_in_memory_have_the_segment_numbers(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    result = registry.constants(RUN)
    assert (result.segments, result["pixel_gain"].shape) == (STATED, (3, 7, 4, 6))
    assert list(result.to_xarray()["segment"].values) == list(STATED)
    configure(registry, panels=SEVEN[:3], supersede=True, comment="three panels")
    result = registry.constants(RUN)
    assert result.segments is None
    assert "segment" not in result.to_xarray().coords


@pytest.mark.slow
def test_panels_in_an_lcls2_array_are_identified_by_their_values(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    done = registry.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME, types=["pixel_gain"])
    array = read_newer(Path(done.outputs[0].path))
    array[0, 0, 0, 0] += 1
    np.save(tmp_path / "changed.npy", array)
    parts = registry.identify(tmp_path / "changed.npy").parts
    assert {part.position for part in parts if part.inputs} == set(STATED)
    assert {
        (part.gain_range, part.position) for part in parts if part.position in STATED and not part.inputs
    } == {(0, 0)}


@pytest.mark.slow
def test_other_segment_numbers_say_which_recorded_exports_they_concern(
    registry: Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    registry.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME)
    outcome = configure(registry, "0-6", supersede=True, comment="counted again")
    assert [warning for warning in outcome.warnings if "export 1" in warning]


# Documents


def strip_segments(document: dict[str, Any]) -> dict[str, Any]:
    for panel in document["resolution"]["panels"]:
        del panel["segment"]
    return document


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 7])
def test_a_document_from_before_there_were_segment_numbers_is_verified_and_replayed(
    registry: Registry, tmp_path: Path, count: int
) -> None:
    register(registry, tmp_path / "arrays", PANELS[:count])
    configure(registry, panels=PANELS[:count])
    path = Path(registry.export(RUN, tmp_path / "out").provenance)
    path.write_text(json.dumps(strip_segments(json.loads(path.read_bytes()))))
    assert provenance.read(path).resolution.precedes_segments
    root = Path(registry._backend.store.place)
    assert verify_export(path, registry._backend.database.url, root).problems == ()
    assert replay(path, tmp_path / "again", NOWHERE, root).segments is None
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


@pytest.mark.slow
def test_an_lcls2_export_from_before_there_were_segment_numbers_is_replayed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lcls2, "LAYOUT", 1)
    register(registry, tmp_path / "arrays", PANELS[:2])
    configure(registry, panels=PANELS[:2])
    done = registry.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME, types=["pixel_gain"])
    path, side = Path(done.provenance), tmp_path / "out" / "pixel_gain.json"
    fields = json.loads(side.read_bytes())
    assert fields["extpars"].pop("absent_segments") == []
    strip_segments(fields["extpars"]["provenance"])
    side.write_text(json.dumps(fields, indent=2) + "\n")
    document = strip_segments(json.loads(path.read_bytes()))
    content = side.read_bytes()
    document["companions"][0] |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    path.write_text(json.dumps(document))
    replay(path, tmp_path / "again", NOWHERE, Path(registry._backend.store.place))
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


Edit = Callable[[list[dict[str, Any]]], object]
EDITS: dict[str, Edit] = {
    "twice": lambda panels: panels[1].update(segment=0),
    "descending": lambda panels: panels[0].update(segment=30),
    "too large": lambda panels: panels[6].update(segment=32),
    "missing": lambda panels: panels[3].update(segment=None),
    "left out": lambda panels: panels[3].pop("segment"),
    "left out beside unknown": lambda panels: (
        [panel.update(segment=None) for panel in panels[1:]] and panels[0].pop("segment")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", keep_first(["lcls2", "npy"]))
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_document_with_segment_numbers_that_cannot_be_is_refused(
    registry: Registry, tmp_path: Path, edit: Edit, form: str
) -> None:
    register(registry, tmp_path / "arrays")
    configure(registry, STATED)
    path = Path(
        registry.export(
            RUN, tmp_path / "out", format=form, types=["pixel_gain"], **name_detector(form)
        ).provenance
    )
    document = json.loads(path.read_bytes())
    edit(document["resolution"]["panels"])
    path.write_text(json.dumps(document))
    with assert_refused(DocumentError):
        replay(path, tmp_path / "again", NOWHERE, Path(registry._backend.store.place))
    assert not (tmp_path / "again").exists()


def test_the_statement_of_a_table_has_no_segment_numbers() -> None:
    statement = ConfigurationStatement("xcs1", SOURCE, 1, None, SEVEN)
    assert statement.segments is None
    assert InputPanel(0, SEVEN[0], None, ()).segment_label == "?"


def test_segment_numbers_that_are_stated_are_shown_and_unknown_ones_noted(calreg: Calreg) -> None:
    """Also 0, 1, 2: three panels are not a whole detector, so these were not known."""
    detector = "_".join(SEVEN[:3])
    arguments = ("detector", "configure", "xcs1", SOURCE, detector)
    unknown = calreg.run(*arguments, "--first-run", "1", "--last-run", "4")
    assert "segments" not in unknown.stdout
    note = (
        f"no segment numbers are known of detectors that are not whole: {SOURCE} in xcs1, runs 1-4 (3 panels)"
    )
    assert f"note: {note}\n" in unknown.stderr
    stated = calreg.run(*arguments, "--first-run", "5", "--last-run", "8", "--segments", "0-2")
    assert f"runs 5-8: {detector}, segments 0-2\n" in stated.stdout
    whole = calreg.run(*arguments[:-1], "_".join(SEVEN[:2]), "--first-run", "9")
    for shown in (stated, whole):
        assert "segment numbers" not in shown.stderr
    assert "segments" not in whole.stdout
    assert "segments 0-2" in calreg.run("log").stdout

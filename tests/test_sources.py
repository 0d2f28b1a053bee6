"""Sources name detector types: held against the panels wherever both appear, and never guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.api.replays import replay
from registry.detectors import DETECTOR_TYPES, find_source_type
from registry.errors import ConflictError, DocumentError, Remedy, RequestError
from testing.panels import PANEL_A, PANEL_B, SHORT_NAME, use_small_panels, write_panel_folder
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

EPIX = DETECTOR_TYPES["epix10ka"].panel_id_format.example
JUNGFRAU_SOURCE = "XcsEndstation.0:Jungfrau.0"
UNKNOWN = ("Epix100a", "Cspad", "Rayonix", "Opal1000", "jungfrau", "JUNGFRAU", "Epix10ka4M", "Jungfrau2")
KNOWN = ("Jungfrau", "Epix10ka", "Epix10kaQuad", "Epix10ka2M")
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def source_of(device: str) -> str:
    return f"XcsEndstation.0:{device}.0"


@pytest.mark.parametrize("device", KNOWN)
def test_a_source_names_its_detector_type(device: str) -> None:
    expected = "jungfrau" if device == "Jungfrau" else "epix10ka"
    assert find_source_type(source_of(device)).name == expected


@pytest.mark.parametrize("device", UNKNOWN)
@pytest.mark.parametrize("panel", [EPIX, PANEL_A])
def test_a_source_of_an_unknown_type_is_refused_with_the_known_ones(
    registry: Registry, device: str, panel: str
) -> None:
    with assert_refused(RequestError, device, *KNOWN):
        registry.detectors.configure("xcs1", source_of(device), panel, first_run=1)
    assert registry.log() == []


@pytest.mark.parametrize(
    ("device", "panel", "detector_type"),
    [("Jungfrau", EPIX, "epix10ka")] + [(device, PANEL_A, "jungfrau") for device in KNOWN[1:]],
)
def test_a_source_of_another_type_than_its_panels_is_refused(
    calreg: Calreg, device: str, panel: str, detector_type: str
) -> None:
    words = ("detector", "configure", "xcs1", source_of(device), panel, "--first-run", "1")
    error = calreg.assert_refused(2, *words)
    assert [name for name in (source_of(device), panel, detector_type) if name not in error["message"]] == []
    assert calreg.run("log", "--json").json == []


@pytest.mark.parametrize(("device", "most"), [("Epix10kaQuad", 4), ("Epix10ka2M", 16), ("Jungfrau", 32)])
def test_a_source_with_more_panels_than_its_device_has_is_refused(
    registry: Registry, device: str, most: int
) -> None:
    panels = [
        f"171113-154920171025-{number:x}"
        if device == "Jungfrau"
        else EPIX.replace("1157627926", f"{number:010}")
        for number in range(1, most + 2)
    ]
    for segments in (None, range(most + 1)):
        with assert_refused(RequestError):
            registry.detectors.configure(
                "xcs1", source_of(device), "_".join(panels), first_run=1, segments=segments
            )
    with assert_refused(RequestError, source_of(device), most, most + 1):
        registry.detectors.configure("xcs1", source_of(device), "_".join(panels), first_run=1)
    assert registry.log() == []
    registry.detectors.configure("xcs1", source_of(device), "_".join(panels[:most]), first_run=1)
    (configuration,) = registry.detectors.list()
    assert configuration.segments == tuple(range(most))


@pytest.mark.parametrize(("device", "most"), [("Epix10kaQuad", 4), ("Epix10ka2M", 16)])
def test_a_device_has_no_segment_numbers_beyond_its_panels(
    registry: Registry, device: str, most: int
) -> None:
    with assert_refused(RequestError, device, most, most - 1):
        registry.detectors.configure("xcs1", source_of(device), EPIX, first_run=1, segments=[most])
    assert registry.log() == []
    registry.detectors.configure("xcs1", source_of(device), EPIX, first_run=1, segments=[most - 1])
    assert registry.detectors.show("exp=xcs1:run=1").segments == (most - 1,)


def test_all_rows_of_a_table_with_other_detectors_are_listed_and_nothing_is_recorded(
    calreg: Calreg, tmp_path: Path
) -> None:
    rows = [
        f"exp=xcs1:run=1 1-9 {JUNGFRAU_SOURCE} {PANEL_A}_{PANEL_B}",
        f"exp=xcs2:run=1 1-9 {source_of('Epix100a')} {EPIX}",
        f"exp=xcs3:run=1 1-9 {source_of('Cspad')} psana.CsPad.ConfigV5",
        f"exp=xcs4:run=1 1-9 {JUNGFRAU_SOURCE} psana.Epix.Config100aV1",
        f"exp=xcs5:run=1 1-9 {source_of('Epix10ka2M')} {PANEL_A}",
        f"exp=xcs6:run=1 1-9 {source_of('Epix10kaQuad')} psana.Epix.Config10ka2MV2",
        f"exp=xcs7:run=1 1-9 {source_of('Epix10ka2M')} psana.Epix.Config10ka2MV2",
        f"exp=xcs8:run=1 1-9 {JUNGFRAU_SOURCE} psana.Jungfrau.ConfigV1",
    ]
    table = tmp_path / "table.txt"
    table.write_text("\n".join(rows))
    error = calreg.assert_refused(2, "run", "import", table)
    assert [problem.split(":")[0] for problem in error["problems"]] == [f"line {n}" for n in (2, 3, 4, 5, 6)]
    assert calreg.run("log", "--json").json == []
    table.write_text("\n".join([rows[0], *rows[6:]]))
    assert calreg.run("run", "import", table, "--json").json["revision"] == 1


@pytest.mark.parametrize("form", ["psana", "lcls2"])
@pytest.mark.parametrize("device", ["Epix10ka", "Epix100a", "Cspad"])
def test_the_files_of_a_detector_id_are_never_for_a_source_of_another_type(
    registry: Registry, tmp_path: Path, form: str, device: str
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a"), valid_from="beginning")
    with assert_refused(RequestError, device):
        registry.export(
            PANEL_A, tmp_path / "out", at=BEGIN, format=form, source=source_of(device), first_run=1
        )
    assert not (tmp_path / "out").exists()


def record_configuration(registry: Registry, source: str, panel: str) -> None:
    """Record a configuration as it could be recorded before its source was held against its panels."""

    def record(change: Any) -> None:
        row = {"experiment": "xcs1", "source": source, "first_run": 1, "last_run": None, "object_name": None}
        (key,) = change.record(schema.configuration, [row])
        query = sa.select(schema.panel.c.id).where(schema.panel.c.identifier == panel)
        panel_id = change.connection.execute(query).scalar_one()
        change.insert(
            schema.configuration_panel,
            [{"configuration_id": key, "position": 0, "panel_id": panel_id, "segment": None}],
        )

    registry._backend.record_revision(record)


@pytest.mark.parametrize("source", [source_of("Epix100a"), source_of("Epix10ka")])
def test_a_contradiction_that_was_recorded_earlier_is_not_exported_and_can_be_withdrawn(
    registry: Registry, tmp_path: Path, source: str
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a"), valid_from="beginning")
    registry.runs.add(RUN, begin=BEGIN)
    record_configuration(registry, source, PANEL_A)
    assert registry.detectors.show(RUN).segments is None
    expected = {"remedy": Remedy.WITHDRAW_CONFIGURATION, "source": source, "first_run": 1}
    for form in ("npy", "psana", "lcls2", "hdf5"):
        with assert_refused(ConflictError, source, "xcs1", **expected):
            registry.export(RUN, tmp_path / "out", format=form)
    with assert_refused(ConflictError, source, **expected):
        registry.constants(RUN)
    assert not (tmp_path / "out").exists()
    registry.detectors.withdraw("xcs1", source, first_run=1, comment="it is another detector")
    registry.detectors.configure("xcs1", JUNGFRAU_SOURCE, PANEL_A, first_run=1)
    assert registry.constants(RUN)["pixel_gain"].shape == (3, 1, 4, 6)


def test_the_advice_on_a_recorded_contradiction_is_a_command_that_withdraws_it(
    calreg: Calreg, location: Any, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.runs.add(RUN, begin=BEGIN)
        record_configuration(registry, source_of("Epix100a"), PANEL_A)
    answer = calreg("export", RUN, "--output", str(tmp_path / "out"))
    assert answer.code == 5
    assert f"calreg detector withdraw xcs1 {source_of('Epix100a')} --first-run 1 --comment" in answer.stderr


def test_what_is_left_of_a_recorded_contradiction_is_not_recorded_again(registry: Registry) -> None:
    registry.panels.add(EPIX)
    record_configuration(registry, JUNGFRAU_SOURCE, EPIX)
    with assert_refused(RequestError, EPIX, JUNGFRAU_SOURCE):
        registry.detectors.configure(
            "xcs1", JUNGFRAU_SOURCE, PANEL_A, first_run=5, supersede=True, comment="right from run 5 on"
        )
    registry.detectors.configure(
        "xcs1", JUNGFRAU_SOURCE, PANEL_A, first_run=1, supersede=True, comment="right from run 1 on"
    )
    assert [entry.panels for entry in registry.detectors.list()] == [(PANEL_A,)]


@pytest.mark.parametrize("place", ["configuration", "deployment"])
@pytest.mark.parametrize("device", ["Epix10ka", "Epix100a"])
def test_a_document_whose_source_is_not_of_its_detector_type_is_refused(
    registry: Registry, tmp_path: Path, place: str, device: str
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a"), valid_from="beginning")
    registry.detectors.configure("xcs1", JUNGFRAU_SOURCE, PANEL_A, first_run=1)
    registry.runs.add(RUN, begin=BEGIN)
    path = Path(
        registry.export(
            RUN, tmp_path / "out", format="lcls2", types=["pixel_gain"], short_name=SHORT_NAME
        ).provenance
    )
    document = json.loads(path.read_bytes())
    part = document["resolution"][place] if place == "configuration" else document[place]
    part["source"] = source_of(device)
    path.write_text(json.dumps(document))
    with assert_refused(DocumentError, device):
        replay(path, tmp_path / "again", NOWHERE, Path(registry._backend.store.place))
    assert not (tmp_path / "again").exists()

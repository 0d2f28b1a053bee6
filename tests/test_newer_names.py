"""Names as the newer data system writes them: datasets, sources, detectors and segments are taken, and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import open_registry, provenance
from registry.api import Registry
from registry.detectors import (
    DETECTOR_TYPES,
    find_source_type,
    list_whole_sizes,
    parse_detector_id,
    refuse_wrong_source,
)
from registry.errors import IdentifierError, RequestError
from registry.identifiers import Dataset, parse_source
from registry.run_ranges import RunSelection
from testing.panels import SHORT_NAME, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

PANELS = ("9000000000000-230921-3007f0217", "9000000000000-230921-3007f0218")
LONG_NAME = f"jungfrau_{'_'.join(PANELS)}"
RUN = "exp=mfx101332224,run=66"
BEGIN = "2024-01-01T00:00:00Z"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def register(registry: Registry, folder: Path) -> None:
    """Record a detector of two panels under the names of the newer data system."""
    for seed, panel in enumerate(PANELS):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="beginning")
    registry.detectors.name(SHORT_NAME, LONG_NAME)
    registry.detectors.configure("mfx101332224", "jungfrau", LONG_NAME, first_run=60)
    registry.runs.add(RUN, begin=BEGIN)


# Datasets


@pytest.mark.parametrize("text", [RUN, "exp=mfx101332224:run=66"])
def test_a_dataset_is_written_as_it_was_read(text: str) -> None:
    assert str(Dataset.parse(text)) == text
    assert Dataset.parse(text) == Dataset("mfx101332224", 66)
    assert len({Dataset.parse(text), Dataset("mfx101332224", 66)}) == 1


@pytest.mark.parametrize("text", ["exp=mfx1,run=5-9,12", "exp=mfx1:run=5-9,12"])
def test_ranges_of_runs_are_written_as_they_were_read(text: str) -> None:
    selection = RunSelection.parse(text)
    assert (str(selection), selection.ranges) == (text, ((5, 9), (12, 12)))


@pytest.mark.parametrize(
    "text", ["exp=mfx1,run=66,67", "exp=mfx1,run=66,dir=/x", "exp=mfx1,run=", "exp=,run=1"]
)
def test_other_parts_of_a_dataset_are_refused(text: str) -> None:
    with pytest.raises(IdentifierError):
        Dataset.parse(text)


# Sources


@pytest.mark.parametrize(
    ("source", "detector_type", "sizes"),
    [
        ("jungfrau", "jungfrau", (1, 2, 8, 32)),
        ("jungfrau16M", "jungfrau", (1, 2, 8, 32)),
        ("jungfrau_alcove", "jungfrau", (1, 2, 8, 32)),
        ("epix10ka", "epix10ka", (1, 4, 16)),
        ("epixquad", "epix10ka", (4,)),
        ("epixquad1kfps", "epix10ka", (4,)),
    ],
)
def test_a_name_in_the_data_tells_the_detector_type(
    source: str, detector_type: str, sizes: tuple[int, ...]
) -> None:
    assert parse_source(source) == source
    assert find_source_type(source).name == detector_type
    assert list_whole_sizes(DETECTOR_TYPES[detector_type], source) == sizes


@pytest.mark.parametrize(
    "source",
    [
        "Jungfrau",
        "jungfrauemu",
        "epix100",
        "epix100_0",
        "epixhr",
        "tmo_jungfrau",
        "opal",
        SHORT_NAME,
        "epix10ka_000001",
    ],
)
def test_a_name_of_no_known_type_and_a_short_name_are_not_sources(registry: Registry, source: str) -> None:
    with assert_refused(RequestError, source, "jungfrau"):
        registry.detectors.configure("mfx1", source, PANELS[0], first_run=1)
    assert registry.log() == []


def test_a_source_is_held_against_its_panels(registry: Registry) -> None:
    epix = DETECTOR_TYPES["epix10ka"].panel_id_format.example
    for source, panels in (("jungfrau", epix), ("epixquad", PANELS[0])):
        with assert_refused(RequestError, source):
            registry.detectors.configure("mfx1", source, panels, first_run=1)
    with assert_refused(RequestError, "jungfrau", "configuration objects"):
        refuse_wrong_source("jungfrau", [], "psana.Jungfrau.ConfigV1")
    assert registry.log() == []


def test_a_calibration_directory_has_no_such_source(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path / "arrays")
    calls: list[Any] = [
        lambda: registry.export(RUN, tmp_path / "out", format="psana"),
        lambda: registry.export(
            LONG_NAME, tmp_path / "out", at=BEGIN, format="psana", source="jungfrau", first_run=1
        ),
        lambda: registry.deploy("mfx101332224", tmp_path / "out"),
        lambda: registry.deploy("mfx101332224", tmp_path / "out", source="jungfrau"),
        lambda: registry.check_deployment("mfx101332224", tmp_path),
    ]
    for call in calls:
        with assert_refused(RequestError, "'jungfrau'", source="jungfrau"):
            call()
    assert not (tmp_path / "out").exists()
    # Beside one that has a source there, it is left out.
    old = "MfxEndstation.0:Jungfrau.0"
    registry.detectors.configure("mfx101332224", old, LONG_NAME, first_run=60)
    assert {
        export.path.split("/")[-3] for export in registry.deploy("mfx101332224", tmp_path / "out").files
    } == {old}


# Everywhere


def test_the_names_are_taken_by_every_command(
    calreg: Calreg, location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as registry:
        register(registry, tmp_path / "arrays")
    out = str(tmp_path / "out")
    commands: list[tuple[str, ...]] = [
        ("run", "show", RUN),
        ("detector", "show", RUN, "--source", "jungfrau"),
        ("show", RUN),
        ("validity", RUN),
        ("validity", LONG_NAME, "--at", RUN),
        ("export", RUN, "--output", out),
        ("export", LONG_NAME, "--at", RUN, "--output", f"{out}2"),
        ("diff", RUN, "--as-of", "3"),
        ("run", "add", "exp=mfx101332224,run=67", "--begin", BEGIN),
        ("run", "withdraw", "exp=mfx101332224,run=66-67", "--comment", "a test"),
    ]
    for command in commands[:-3]:
        calreg.run(*command)
    assert provenance.read(Path(out) / "provenance.json").request.target == RUN
    assert calreg.run("detector", "show", RUN, "--json").json["source"] == "jungfrau"
    for command in commands[-2:]:
        calreg.run(*command)
    table = tmp_path / "table.txt"
    table.write_text(f"exp=mfx2,run=5 1-9 jungfrau {LONG_NAME}\n")
    calreg.run("run", "import", str(table))
    assert calreg.run("detector", "list", "--experiment", "mfx2", "--json").json[0]["source"] == "jungfrau"
    error = calreg.assert_refused(3, "detector", "show", "exp=mfx101332224,run=1")
    assert "exp=mfx101332224,run=1" in json.dumps(error)


def test_the_names_are_taken_by_a_service(location: RegistryLocation, tmp_path: Path) -> None:
    with location.open() as registry:
        register(registry, tmp_path / "arrays")
        expected = registry.constants(RUN, source="jungfrau")
    with serve_in_thread(location) as url, open_registry(url) as remote:
        arrays = remote.constants(RUN, source="jungfrau")
        assert arrays["pixel_gain"].tobytes() == expected["pixel_gain"].tobytes()
        assert remote.runs.show(RUN).run == 66
        assert remote.detectors.show(RUN).source == "jungfrau"
        done = remote.export(RUN, tmp_path / "out", format="lcls2")
        assert Path(done.provenance).name.startswith(f"{SHORT_NAME}-20240101000000-mfx101332224-r0066-")


def test_a_long_name_is_a_detector_id() -> None:
    assert parse_detector_id(LONG_NAME) == list(PANELS)
    assert parse_detector_id(f"jungfrau_{PANELS[0]}") == [PANELS[0]]

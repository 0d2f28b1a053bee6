"""Constants for a job of the newer data system: those of its run, all that it calculates with, or a refusal."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import ConflictError, NotFoundError, NotValidError, RequestError
from registry.psana2 import NEEDED_TYPES, find_constants, provide_constants
from testing.panels import make_panel_array, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.sessions import find_blocks

pytestmark = pytest.mark.sqlite_suffices

PANELS = tuple(f"9000000000000-230921-3007f02{number:02x}" for number in range(1, 4))
LONG_NAME = f"jungfrau_{'_'.join(PANELS)}"
SEGMENTS = (0, 2, 5)
KINDS = ("gain", "offset", "pedestals", "rms", "status")
TYPES = NEEDED_TYPES["jungfrau"]
EXPERIMENT = "mfx101332224"
PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "constants-in-a-psana2-job.md"


@dataclass
class Information:
    """The facts on a detector that the framework reads from the data of a run."""

    uniqueid: str = LONG_NAME
    sorted_segment_ids: list[int] = field(default_factory=lambda: list(SEGMENTS))


@dataclass
class Parameters:
    """The parameters of a run, as far as they are used."""

    configinfo_dict: dict[str, Information] = field(default_factory=lambda: {"jungfrau": Information()})
    calibconst: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A run, as far as it is used."""

    runnum: int = 66
    expt: str = EXPERIMENT
    dsparms: Parameters = field(default_factory=Parameters)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry that knows three panels of a detector with five absent ones, and three runs.

    Run 67 is of before there were darks, of run 68 no start is known.
    """
    for location in make_location(request, tmp_path_factory.mktemp("known"), "sqlite"):
        with location.open() as registry:
            fill(registry, tmp_path_factory.mktemp("arrays"))
        yield location


def fill(registry: Registry, folder: Path) -> None:
    for seed, panel in enumerate(PANELS):
        registry.panels.add(panel)
        arrays = write_panel_folder(folder / panel, seed, KINDS)
        registry.versions.add(panel, arrays, valid_from="beginning", kinds=["gain", "offset"])
        registry.versions.add(panel, arrays, valid_from="2024-01-01T00:00:00Z", kinds=KINDS[2:])
    registry.detectors.configure(EXPERIMENT, "jungfrau", LONG_NAME, first_run=60, segments=SEGMENTS)
    registry.runs.add(f"exp={EXPERIMENT},run=66", begin="2024-02-01T00:00:00Z")
    registry.runs.add(f"exp={EXPERIMENT},run=67", begin="2023-02-01T00:00:00Z")
    registry.runs.add(f"exp={EXPERIMENT},run=68")


def provide(
    place: RegistryLocation, run: Run | None = None, detector: str = "jungfrau", **options: Any
) -> Any:
    return provide_constants(
        run or Run(), detector, database=place.database, store=place.store, **options
    ).constants


def list_expected(kind: str, slots: int) -> np.ndarray[Any, Any]:
    """Return the array of a kind by segment number, zeros where none is."""
    parts = {
        (gain_range, segment): make_panel_array(kind, gain_range, seed)
        for gain_range in range(3)
        for seed, segment in enumerate(SEGMENTS)
    }
    expected = np.zeros((3, slots, 4, 6), next(iter(parts.values())).dtype)
    for (gain_range, segment), part in parts.items():
        expected[gain_range, segment] = part
    return expected


def test_a_job_has_all_that_it_calculates_with_by_segment_number(place: RegistryLocation) -> None:
    run = Run()
    constants = provide(place, run)
    assert run.dsparms.calibconst == {"jungfrau": constants}
    assert set(constants) == set(TYPES)
    for kind, name in zip(
        KINDS, ("pixel_gain", "pixel_offset", "pedestals", "pixel_rms", "pixel_status"), strict=True
    ):
        array, document = constants[name]
        assert array.tobytes() == list_expected(kind, 8).tobytes()
        assert array.dtype == (np.uint64 if kind == "status" else np.float32)
        assert (document["experiment"], document["run"], document["ctype"]) == (EXPERIMENT, 66, name)
        assert document["data_shape"] == "(3, 8, 4, 6)"
        assert set(document["extpars"]) == set(PANELS)


def test_the_arrays_are_shared_and_nobody_can_write_to_them(place: RegistryLocation) -> None:
    first, second = provide(place), provide(place)
    for name in TYPES:
        assert not first[name][0].flags.writeable
        assert first[name][0].tobytes() == second[name][0].tobytes()


def test_a_service_gives_the_same(place: RegistryLocation) -> None:
    expected = provide(place)
    with serve_in_thread(place) as url:
        constants = provide_constants(Run(), "jungfrau", database=url).constants
    assert {name: pair[0].tobytes() for name, pair in constants.items()} == {
        name: pair[0].tobytes() for name, pair in expected.items()
    }


# Refusals


def test_a_run_a_detector_and_a_source_that_are_not_known_are_refused(place: RegistryLocation) -> None:
    run = Run(runnum=99)
    for refused in (
        lambda: provide(place, Run(runnum=1)),
        lambda: provide(place, Run(expt="mfx9")),
        lambda: provide(place, detector="epixquad"),
        lambda: provide(place, source="jungfrau16M"),
        lambda: provide(place, run),
    ):
        with pytest.raises((NotFoundError, NotValidError)):
            refused()
    assert run.dsparms.calibconst == {}


def test_a_run_without_a_start_is_refused(place: RegistryLocation) -> None:
    with pytest.raises(NotValidError, match="without a start time"):
        provide(place, Run(runnum=68))


def test_missing_constants_are_refused_all_of_them(place: RegistryLocation) -> None:
    run = Run(runnum=67)
    with pytest.raises(NotValidError) as caught:
        provide(place, run)
    assert all(kind in str(caught.value) for kind in ("pedestals", "rms", "status"))
    assert run.dsparms.calibconst == {}
    constants = provide(place, run, without=["pedestals", "pixel_rms", "pixel_status"])
    assert set(constants) == {"pixel_gain", "pixel_offset"}


@pytest.mark.parametrize("types", [["pixel_gain"], ["pedestals", "pixel_rms", "pixel_status"]])
def test_a_part_is_given_only_beside_the_rest(place: RegistryLocation, types: list[str]) -> None:
    run = Run()
    rest = [name for name in TYPES if name not in types]
    with assert_refused(NotValidError, *rest, types=rest):
        provide(place, run, types=types)
    assert run.dsparms.calibconst == {}
    own = {name: (np.ones((3, 8, 4, 6), np.float32), {"run": 1}) for name in rest}
    run.dsparms.calibconst["jungfrau"] = {**own, "geometry": ("text", {"run": 1})}
    constants = provide(place, run, types=types)
    assert set(constants) == {*TYPES, "geometry"}
    assert all(constants[name] is own[name] for name in rest)
    assert all(constants[name][1]["version"].startswith("calreg") for name in types)
    assert "geometry" in run.dsparms.calibconst["jungfrau"]


@pytest.mark.parametrize(("slots", "is_refused"), [(4, True), (6, False), (32, False)])
def test_arrays_have_as_many_segments_as_those_beside_them(
    place: RegistryLocation, slots: int, is_refused: bool
) -> None:
    run = Run()
    beside = {name: (np.ones((3, slots, 4, 6), np.float32), {}) for name in TYPES[3:]}
    run.dsparms.calibconst["jungfrau"] = beside
    if is_refused:
        with assert_refused(ConflictError, segment=5, segments=slots):
            provide(place, run, types=TYPES[:3])
        assert run.dsparms.calibconst["jungfrau"] is beside
        return
    constants = provide(place, run, types=TYPES[:3])
    assert constants["pixel_gain"][0].tobytes() == list_expected("gain", slots).tobytes()
    beside["pixel_rms"] = (np.ones((3, 8 if slots == 32 else 32, 4, 6), np.float32), {})
    run.dsparms.calibconst["jungfrau"] = beside
    with pytest.raises(ConflictError):
        provide(place, run, types=TYPES[:3])


@pytest.mark.parametrize(
    ("information", "refusal"),
    [
        (Information(f"jungfrau_{'_'.join(PANELS[:2])}", [0, 2]), ConflictError),
        (Information(f"jungfrau_{'_'.join(PANELS[::-1])}"), ConflictError),
        (Information(LONG_NAME.replace("3007f0203", "3007f0204")), ConflictError),
        (Information(sorted_segment_ids=[0, 2, 4]), ConflictError),
        (Information(sorted_segment_ids=[0, 2]), RequestError),
        (Information(sorted_segment_ids=[0, 5, 2]), RequestError),
        (Information(sorted_segment_ids=[]), RequestError),
        (Information("epix100_0016908288"), RequestError),
        (Information(""), RequestError),
    ],
)
def test_another_detector_in_the_data_is_refused(
    place: RegistryLocation, information: Information, refusal: type[Exception]
) -> None:
    run = Run(dsparms=Parameters({"jungfrau": information}))
    with pytest.raises(refusal):
        provide(place, run)
    assert run.dsparms.calibconst == {}


def test_constants_that_the_framework_has_calculated_from_already_are_refused(
    place: RegistryLocation,
) -> None:
    run = Run()
    run.dsparms.calibconst["jungfrau"] = {"pedestals": (np.ones((3, 8, 4, 6), np.float32), {})}
    run._jungfrau_shared_mem = object()  # type: ignore[attr-defined]
    with assert_refused(ConflictError, "skip_calib_load", detector="jungfrau"):
        provide(place, run)


def test_segment_numbers_that_the_registry_does_not_know_are_those_of_the_data(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.detectors.configure(EXPERIMENT, "jungfrau2", LONG_NAME, first_run=60)
    assert registry.constants(f"exp={EXPERIMENT},run=66", source="jungfrau2").segments is None
    constants = provide(location, source="jungfrau2")
    assert constants["pixel_gain"][0].tobytes() == list_expected("gain", 8).tobytes()


# Processes


def read_checksum(results: Any, place: RegistryLocation, inherited: Any) -> None:
    with use_small_panels():
        own = provide(place)
    results.put(
        [own[name][0].tobytes() == inherited[name][0].tobytes() for name in TYPES]
        if inherited
        else [own[name][0].tobytes() == list_expected("gain", 8).tobytes() for name in ("pixel_gain",)]
    )


@pytest.mark.parametrize("is_before", [True, False])
def test_processes_may_be_forked_before_and_after(place: RegistryLocation, is_before: bool) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    inherited = None if is_before else provide(place)
    workers = [context.Process(target=read_checksum, args=(results, place, inherited)) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert all(map(all, answers))


def test_the_needed_types_are_those_of_kinds_that_are_known() -> None:
    from registry.detectors import DETECTOR_TYPES

    assert set(NEEDED_TYPES) == set(DETECTOR_TYPES)
    for name, types in NEEDED_TYPES.items():
        for calibration_type in types:
            DETECTOR_TYPES[name].find_kind_of_type(calibration_type)


def test_the_dictionary_is_made_without_a_run_of_the_framework(place: RegistryLocation) -> None:
    provided = find_constants(
        EXPERIMENT, 66, LONG_NAME, SEGMENTS, source="jungfrau", database=place.database, store=place.store
    )
    assert set(provided.constants) == set(TYPES)
    assert provided.provenance.resolution.detector_id == "_".join(PANELS)
    with pytest.raises(RequestError):
        find_constants(EXPERIMENT, 66, LONG_NAME, SEGMENTS, source="jungfrau", types=[], without=TYPES)


def test_the_job_that_the_page_shows_calculates_with_the_constants(
    place: RegistryLocation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, events, arguments = Run(), [1, 2], {}

    def open_source(**options: Any) -> Any:
        arguments.update(options)
        return SimpleNamespace(runs=lambda: [run])

    def make_detector(name: str) -> Any:
        constants = run.dsparms.calibconst[name]
        return SimpleNamespace(raw=SimpleNamespace(calib=lambda _: constants["pixel_gain"][0]))

    psana = ModuleType("psana")
    psana.DataSource = open_source  # type: ignore[attr-defined]
    run.Detector, run.events = make_detector, lambda: events  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "psana", psana)
    monkeypatch.setenv("CALREG_STORE", str(place.store))
    names: dict[str, Any] = {}
    for program in find_blocks(PAGE, "python"):
        exec(program.replace("https://calib.example.org", place.database), names)  # noqa: S102 - of the page
    assert arguments == {"exp": EXPERIMENT, "run": 66, "skip_calib_load": ["jungfrau"]}
    assert names["image"].shape == (3, 8, 4, 6)
    assert capsys.readouterr().out.startswith("registry ")

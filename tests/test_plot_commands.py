"""``calreg plot`` and ``registry.plots``: requests, refusals, counts and the files that are written."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from registry import sample
from registry.api import Registry
from registry.errors import CorruptionError, NotFoundError, RequestError
from registry.plots import constants, detector, differences, trend, validity
from registry.records import InlinePicture
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.sqlite_suffices

RUN = "exp=xcsls3716:run=631"
SOURCE = "XcsEndstation.0:Jungfrau.0"
AT = "2018-02-10T08:15:00Z"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_panels: None) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def fill_registry(registry: Registry, folder: Path) -> None:
    """Register two panels with some versions, and a run."""
    first, second = (
        write_panel_folder(folder / "1", 1),
        write_panel_folder(folder / "2", 2, ("gain", "offset", "status")),
    )
    gain = np.load(second / "g0_gain.npy")
    gain[0, 0], gain[1, 1] = 0, 400
    np.save(second / "g0_gain.npy", gain)
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    registry.versions.add(PANEL_A, first, valid_from="beginning")
    registry.versions.add(PANEL_A, second, valid_from="2018-01-01T00:00:00Z", comment="again")
    registry.versions.gap(PANEL_A, valid_from="2018-03-01T00:00:00Z", comment="broken")
    registry.versions.add(PANEL_B, first, valid_from="2017-10-25T07:00:00Z", same_as=["M068"])
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=600, last_run=700)
    registry.runs.add(RUN, begin=AT)
    registry.runs.add("exp=xcsls3716:run=632")
    registry.runs.add("exp=xcsls3716:run=99", begin=AT)


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry that these tests share: drawing does not change it."""
    folder = tmp_path_factory.mktemp("shared")
    for location in make_location(request, folder, "sqlite"):
        with use_small_panels(), location.open() as registry:
            fill_registry(registry, folder)
        yield location


@pytest.fixture
def sqlite_calreg(shared: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    return Calreg(shared, monkeypatch)


@pytest.mark.slow
def test_every_picture_is_drawn_from_what_is_recorded(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_registry(registry, tmp_path)
    drawn = {}
    for module in (constants, detector, differences, trend, validity):

        def record_subject(subject: object, *_: object, module: object = module) -> Figure:
            drawn[module] = subject
            return Figure()

        monkeypatch.setattr(module, "draw", record_subject)

    picture = registry.plots.constants(RUN, gain_ranges=[0], types=["pixel_gain"])
    assert (type(picture), picture.path, picture.revision) == (InlinePicture, None, 11)
    assert [(row.panel, row.gain_range, row.dead, row.odd) for row in picture.pixels] == [
        (PANEL_A, 0, 1, 2),
        (PANEL_B, 0, 0, 1),
    ]
    subject = drawn[detector]
    assert (subject.title, subject.subtitle) == (
        f"Constants of {RUN}, {SOURCE}",
        f"2 panels, valid at {AT} (begin of the run), as of revision 11",
    )

    withdrawn = registry.versions.withdraw(3, comment="wrong").withdrawn[0]
    assert registry.plots.constants(withdrawn.version).pixels[0].odd == 2
    subject = drawn[constants]
    assert subject.title == f"Version 3: gain of {PANEL_A} (M068)"
    assert (subject.subtitle, subject.withdrawn) == ("as of revision 12, withdrawn in revision 12", True)

    registry.plots.diff(1, 3, "diff.svg", relative=True, gain_ranges=[0, 2])
    subject = drawn[differences]
    assert [difference.gain_range for difference, _ in subject.changes] == [0, 2]
    assert subject.subtitles[0].startswith(f"version 3: {PANEL_A} (M068), from 2018-01-01")
    assert (subject.title, subject.is_relative) == ("gain: version 3 against version 1", True)
    registry.plots.diff(1, 3, "left.svg", without_uniform=True)
    subject = drawn[differences]
    assert subject.title == "gain: version 3 against version 1, without the uniform part of the change"
    assert (subject.unit, subject.is_relative, subject.is_without_uniform) == ("ADU/keV", False, True)

    registry.plots.validity("M068", as_of=11)
    subject = drawn[validity]
    assert [panel.panel for panel in subject.panels] == [PANEL_A, NEW_A]
    assert [version.version for version in subject.versions if version.is_gap] == [6, 7, 8]
    assert [(strip.name, len(strip.starts)) for strip in subject.runs] == [(f"runs of {PANEL_A} (1)", 1)]
    assert (subject.segments, subject.reference[0][:12]) == (None, "revision 11,")
    assert subject.notes == ("1 registered run of these panels: start time not known, so not drawn.",)
    assert not list(Path().glob("*.png"))
    registry.plots.validity(RUN, kinds=["gain"], at="2018-04-01T00:00:00Z")
    assert drawn[validity].run == (RUN, registry.runs.show(RUN).begin)
    assert {version.kind for version in drawn[validity].versions} == {"gain"}
    assert [(strip.name, len(strip.starts)) for strip in drawn[validity].runs] == [
        ("runs of all panels (1)", 1)
    ]
    assert (drawn[validity].segments, drawn[validity].reference[0]) == ((0, 1), "2018-04-01")

    registry.plots.history(PANEL_A, as_of=11)
    subject = drawn[trend]
    assert {version.version for version in subject.versions} == {1, 2, 3, 4, 6, 7}
    assert subject.medians.keys() == subject.spreads.keys() == {1, 2, 3, 4}
    shown = registry.versions.show(3)[1]
    assert subject.medians[3] == [file.statistics.median for file in shown]
    assert not subject.in_units
    low, middle, high = subject.spreads[3][0]
    assert low <= middle <= high < 400


GEOMETRY = """\
CAMERA 0 JUNGFRAU:V1 0 0 0 0 0 0 0 0 0 0
CAMERA 0 JUNGFRAU:V1 1 0 600 0 0 0 0 0 0 0
IP 0 CAMERA 0 0 0 -1000 90 0 0 0 0 0
"""


@pytest.mark.slow
def test_a_detector_is_one_map_of_each_kind_unless_its_panels_or_gain_ranges_are_asked_for(
    sqlite_calreg: Calreg,
) -> None:
    def list_maps(*options: str) -> set[tuple[str, str, int]]:
        answer = sqlite_calreg.run(
            "plot", "constants", RUN, "-o", "x.png", "--force", "--json", *options
        ).json
        return {(row["panel"], row["kind"], row["gain_range"]) for row in answer["pixels"]}

    panels, kinds = (PANEL_A, PANEL_B), ("gain", "offset")
    assert list_maps() == {(panel, kind, 0) for panel in panels for kind in kinds}
    assert list_maps("--gain-range", "2", "--gain-range", "1", "--type", "pixel_gain") == {
        (panel, "gain", gain_range) for panel in panels for gain_range in (1, 2)
    }
    every = {(panel, kind, gain_range) for panel in panels for kind in kinds for gain_range in range(3)}
    assert list_maps("--panels") == every


@pytest.mark.slow
@pytest.mark.parametrize("suffix", keep_first(["png", "svg", "pdf"]))
def test_a_detector_is_assembled_by_its_geometry_file_with_the_same_bytes_each_time(
    suffix: str, sqlite_calreg: Calreg
) -> None:
    Path("0-end.data").write_text(GEOMETRY)
    for name in ("a", "b"):
        sqlite_calreg.run(
            "plot",
            "constants",
            RUN,
            "--geometry",
            "0-end.data",
            "--type",
            "pixel_gain",
            "-o",
            f"{name}.{suffix}",
        )
    first, second = (Path(f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second


def test_the_picture_names_its_geometry_and_what_is_not_interpolated(
    sqlite_calreg: Calreg, shared: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(detector, "draw", lambda *arguments: drawn.append(arguments) or Figure())
    Path("0-end.data").write_text(GEOMETRY)
    with shared.open() as registry:
        registry.plots.constants(RUN, geometry="0-end.data")
    _, _, arrangement, _ = drawn[0]
    digest = hashlib.sha256(GEOMETRY.encode()).hexdigest()
    assert f"'0-end.data', of psana, SHA-256 {digest[:12]}" in arrangement.note
    assert "no value is interpolated" in arrangement.note
    upper, lower = (tiles[0].origin for tiles in arrangement.panels)
    # Turned by 90 degrees as a whole: what lay along y of the camera lies along -x.
    assert (upper[0] - lower[0], upper[1] - lower[1]) == pytest.approx((0, 0.6))


@pytest.mark.slow
def test_files_that_are_not_registered_are_drawn_without_a_registry(
    sqlite_calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def record(subject: object, *_: object) -> Figure:
        drawn.append(subject)
        return Figure()

    monkeypatch.setattr(constants, "draw", record)
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:////none/registry.sqlite")
    write_panel_folder(Path("repaired-M068"), 5, ("gain", "status"))
    stages = np.repeat([41.5, -1.39, -0.11], 24).astype("<f8")
    stages[3] = np.nan
    stages.tofile("gainMaps_M049.bin")
    calreg = Calreg(None, monkeypatch)
    answer = calreg.run("plot", "constants", "./repaired-M068", "--json").json
    assert (answer["path"], answer["revision"]) == ("constants-repaired-M068.png", None)
    assert {(row["kind"], row["gain_range"]) for row in answer["pixels"]} == {
        (kind, gain_range) for kind in ("gain", "status") for gain_range in range(3)
    }
    printed = calreg.run("plot", "constants", "gainMaps_M049.bin", "--gain-range", "0")
    assert printed.stdout == "picture constants-gainMaps_M049.png, of files\n"
    assert "1 value" in printed.stderr  # NaN is drawn, and warned of
    folder, maker = drawn
    assert folder.title == "Not registered: 'repaired-M068'"
    assert "no registry was asked" in folder.subtitle
    digest = hashlib.sha256(stages.tobytes()).hexdigest()
    assert maker.subtitle.endswith(f"SHA-256: file {digest[:12]}")
    assert folder.build_heading(folder.kinds[0]) == "gain (ADU/keV)"


def test_a_bare_word_is_a_name_and_a_path_has_a_slash(
    sqlite_calreg: Calreg, shared: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "M088", PANEL_A, "front", "odd-name"):
        write_panel_folder(Path(name))
    monkeypatch.setattr(constants, "draw", lambda *_: Figure())
    with shared.open() as registry:
        draw = registry.plots.constants
        assert draw("1", "a.png").revision == 11
        assert draw("M088", "a.png", at=AT, force=True).revision == 11
        assert draw(PANEL_A, "a.png", at=AT, force=True).revision == 11
        for path in ("./1", "./M088", Path("1"), Path(PANEL_A), f"./{PANEL_A}", "front", "odd-name"):
            assert draw(path, "a.png", force=True).revision is None


def test_a_name_of_a_detector_and_of_a_folder_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_registry(registry, tmp_path)
    registry.detectors.name("front", f"{PANEL_A}_{PANEL_B}")
    monkeypatch.setattr(detector, "draw", lambda *_: Figure())
    assert registry.plots.constants("front", "a.png", at=AT).path == "a.png"
    write_panel_folder(Path("front"))
    with assert_refused(RequestError, "./front", name="front"):
        registry.plots.constants("front", at=AT)


@pytest.mark.slow
def test_a_history_of_a_detector_in_units_has_bands_for_few_panels_only(
    sqlite_calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(trend, "draw", lambda subject: drawn.append(subject) or Figure())
    sqlite_calreg.run("plot", "history", f"{PANEL_A}_{PANEL_B}", "--units", "--output", "few.svg")
    monkeypatch.setattr("registry.api.timeline_pictures._MAX_BANDS", 1)
    sqlite_calreg.run("plot", "history", RUN, "--output", "many.svg")
    sqlite_calreg.run(
        "plot", "history", RUN, "--source", "Jungfrau.0", "--percent", "--output", "percent.svg"
    )
    few, many, percent = drawn
    assert (few.title, few.in_units, few.spreads.keys()) == ("History of 2 panels", True, few.medians.keys())
    assert (many.title, many.in_units) == (f"History of {RUN}, {SOURCE}", False)
    assert (many.spreads, many.notes) == ({}, ())
    assert (percent.in_percent, many.in_percent) == (True, False)
    sqlite_calreg.assert_refused(2, "plot", "history", RUN, "--units", "--percent", "--output", "none.svg")
    sqlite_calreg.assert_refused(3, "plot", "history", RUN, "--source", "Jungfrau.7", "--output", "none.svg")
    assert not Path("none.svg").exists()


@pytest.mark.slow
def test_a_history_of_very_many_files_shows_the_recorded_medians_alone(
    sqlite_calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.api import timeline_pictures

    monkeypatch.setattr(timeline_pictures, "_MAX_SPREAD_FILES", 5)
    spreads = []
    monkeypatch.setattr(trend, "draw", lambda subject: spreads.append(subject) or Figure())
    sqlite_calreg.run("plot", "history", "M068")
    assert spreads[0].spreads == {}
    assert spreads[0].notes == ("No bands of spread: more than 5 files.",)


@pytest.mark.slow
def test_the_verb_names_the_file_that_it_wrote_and_counts_pixels_for_scripts(sqlite_calreg: Calreg) -> None:
    assert (
        sqlite_calreg.run("plot", "constants", "3").stdout
        == "picture constants-version-3.png, as of revision 11\n"
    )
    answer = sqlite_calreg.run("plot", "constants", "3", "--force", "--json").json
    assert (answer["path"], answer["revision"], answer["warnings"]) == ("constants-version-3.png", 11, [])
    assert answer["pixels"][0] == {"panel": PANEL_A, "kind": "gain", "gain_range": 0, "dead": 1, "odd": 2}
    printed = sqlite_calreg.run("plot", "constants", f"{PANEL_A}_{PANEL_B}", "--at", "2018-02-10T08:15:00Z")
    assert printed.stdout.startswith(f"picture constants-{PANEL_A}-and-1-more.png")
    sqlite_calreg.run("plot", "constants", "5")  # flags


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "arguments", "values"),
    [
        (2, ["constants", "1", "--output", "x.gif"], {"path": "x.gif"}),
        (5, ["constants", "1", "--output", "taken.png"], {"path": "taken.png"}),
        (8, ["constants", "1", "--output", "none/x.png"], {"path": "none/x.png"}),
        (3, ["constants", "99"], {"version": 99, "largest": 10}),
        (4, ["constants", "6"], {"version": 6}),
        (2, ["constants", "1", "--at", AT], {"version": 1}),
        (2, ["constants", RUN, "--gain-range", "3"], {"known": [0, 1, 2]}),
        (2, ["constants", "M068"], {"kind": "RequestError"}),
        (3, ["constants", "../x"], {"kind": "NotFoundError"}),
        (4, ["constants", "exp=xcsls3716:run=632"], {"dataset": "exp=xcsls3716:run=632"}),
        (4, ["constants", RUN, "--at", "2018-03-05T00:00:00Z"], {"panels": [PANEL_A]}),
        (2, ["constants", "1", "--geometry", "taken.png"], {"kind": "RequestError"}),
        (2, ["constants", "1", "--panels"], {"kind": "RequestError"}),
        (2, ["constants", RUN, "--panels", "--geometry", "taken.png"], {"kind": "RequestError"}),
        (2, ["constants", RUN, "--geometry", "taken.png"], {"path": "taken.png", "line": 1}),
        (3, ["constants", RUN, "--geometry", "none.geom"], {"path": "none.geom"}),
        (2, ["constants", f"{PANEL_A}_{PANEL_B}_{NEW_A}", "--at", AT], {"kind": "IdentifierError"}),
        (3, ["constants", "./none"], {"kind": "NotFoundError"}),
        (2, ["constants", "./taken.png"], {"kind": "ArrayError"}),
        (2, ["constants", "."], {"kind": "ArrayError"}),
        (2, ["constants", "./"], {"kind": "ArrayError"}),
        (2, ["constants", "./", "--at", AT], {"kind": "RequestError"}),
        (2, ["constants", "./", "--geometry", "taken.png"], {"kind": "RequestError"}),
        (2, ["diff", "1", "2"], {"before": 1, "after": 2}),
        (2, ["diff", "5", "5"], {"before": 5, "after": 5}),
        (4, ["diff", "1", "6"], {"version": 6}),
        (3, ["validity", "M099"], {"alias": "M099"}),
        (4, ["validity", NEW_A], {"target": NEW_A}),
        (4, ["validity", PANEL_A, "--kind", "rms"], {"target": PANEL_A}),
        (2, ["validity", PANEL_A, "--kind", "gian"], {"kind": "RequestError"}),
        (2, ["validity", PANEL_A, "--source", "Jungfrau.0"], {"target": PANEL_A}),
        (3, ["validity", "exp=xcsls3716:run=9"], {"dataset": "exp=xcsls3716:run=9"}),
        (3, ["history", f"{PANEL_A}_{PANEL_C}"], {"panels": [PANEL_C]}),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(
    sqlite_calreg: Calreg, code: int, arguments: list[str], values: dict[str, object]
) -> None:
    Path("taken.png").write_bytes(b"old")
    error = sqlite_calreg.assert_refused(code, "plot", *arguments)
    assert {name: error[name] for name in values} == values
    assert [path.name for path in Path().iterdir()] == ["taken.png"]
    assert Path("taken.png").read_bytes() == b"old"


def test_a_configuration_without_panel_ids_has_no_picture(registry: Registry) -> None:
    table = Path("datasets.txt")
    sample.write_dataset_table(table)
    registry.runs.import_table(table)
    with assert_refused(NotFoundError):
        registry.plots.validity("exp=mfx00616:run=8")


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["constants", "diff", "history"])
def test_a_damaged_file_is_named_and_no_picture_is_made(
    verb: str, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with sqlite_location.open() as registry:
        fill_registry(registry, tmp_path)
        damaged = registry.versions.show(3)[1][1].sha256
        path = find_object_path(registry._backend.store, damaged)
        path.chmod(0o644)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        arguments = {"constants": (3,), "diff": (1, 3), "history": (PANEL_A,)}[verb]
        with assert_refused(CorruptionError, sha256=damaged) as refusal:
            getattr(registry.plots, verb)(*arguments)
        assert f"gain range 1 of panel {PANEL_A}, version 3" in refusal.value.message
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_only_drawing_imports_matplotlib(sqlite_calreg: Calreg) -> None:
    from tests.test_cli import list_loaded_modules

    helping = list_loaded_modules("plot", "constants", "--help")
    assert "registry.cli.plots" in helping
    assert helping.isdisjoint({"matplotlib", "numpy", "sqlalchemy"})
    assert "matplotlib" not in list_loaded_modules("validity", PANEL_A)
    drawing = list_loaded_modules("plot", "validity", PANEL_A)
    assert "matplotlib.figure" in drawing
    assert "matplotlib.pyplot" not in drawing

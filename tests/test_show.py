"""``calreg show``: what a name stands for, on one screen."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from registry.api import Registry
from registry.errors import IdentifierError, NotFoundError, RequestError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from tests.refusals import assert_refused

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

RUN = "exp=xcsls3716:run=5"
BEGIN = "2018-06-01T00:00:00Z"
EARLY = "2018-01-01T00:00:00Z"


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Return a registry with a run of M068 and M088, of which M088 has gain only."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "1", 1), valid_from=EARLY)
    files = write_panel_folder(tmp_path / "2", 2)
    registry.versions.add(PANEL_B, files, valid_from=EARLY, kinds=["gain"])
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1, last_run=9)
    registry.runs.add(RUN, begin=BEGIN)
    return registry


@pytest.mark.on_both_databases
def test_a_run_is_shown_with_its_panels_versions_and_what_is_missing(filled: Registry) -> None:
    filled.detectors.name("xcs", f"{PANEL_A}_{PANEL_B}")
    subject = filled.show(RUN)
    assert (subject.category, subject.name, subject.as_of) == ("run", RUN, 7)
    run = subject.run
    assert run is not None
    assert (str(run.begin), run.end, run.recorded_in, run.exports) == (BEGIN, None, 6, ())
    (detector,) = run.detectors
    assert (detector.source, detector.names, str(detector.instant)) == (SOURCE, ("xcs",), BEGIN)
    assert detector.configuration is not None
    assert (detector.configuration.runs, detector.configuration.recorded_in) == ("1-9", 5)
    assert [(row.segment, row.alias, row.panel) for row in detector.panels] == [
        (0, "M068", PANEL_A),
        (1, "M088", PANEL_B),
    ]
    assert [[version.kind for version in row.versions] for row in detector.panels] == [
        ["gain", "offset"],
        ["gain"],
    ]
    assert [len(row.missing) for row in detector.panels] == [0, 1]
    assert "only gain" in detector.panels[1].missing[0]
    assert detector.corrections == ()


def test_corrections_name_what_was_valid_before(filled: Registry, tmp_path: Path) -> None:
    better = write_panel_folder(tmp_path / "3", 3)
    filled.versions.add(PANEL_A, better, valid_from=EARLY, kinds=["gain"], supersede=True, comment="cold")
    late = write_panel_folder(tmp_path / "4", 4)
    added = filled.versions.add(PANEL_B, late, valid_from="2018-03-01T00:00:00Z", kinds=["gain"])
    later = write_panel_folder(tmp_path / "5", 5)
    filled.versions.add(PANEL_B, later, valid_from="2019-03-01T00:00:00Z", kinds=["gain"])
    run = filled.show(RUN).run
    assert run is not None
    corrections = run.detectors[0].corrections
    assert [(row.revision, row.alias, row.kind, row.before, row.after) for row in corrections] == [
        (8, "M088", "gain", 3, 5),
        (7, "M068", "gain", 1, 4),
    ]
    assert corrections[1].comment == "cold"
    filled.versions.withdraw(added.versions[0].version, comment="wrong module")
    run = filled.show(RUN).run
    assert run is not None
    assert [(row.revision, row.before, row.after) for row in run.detectors[0].corrections] == [
        (10, 5, 3),
        (7, 1, 4),
    ]
    filled.versions.withdraw(3, comment="never measured")
    run = filled.show(RUN).run
    assert run is not None
    assert [(row.revision, row.before, row.after) for row in run.detectors[0].corrections] == [
        (11, 3, None),
        (7, 1, 4),
    ]
    as_of = filled.show(RUN, as_of=6).run
    assert as_of is not None
    assert as_of.detectors[0].corrections == ()


@pytest.mark.on_both_databases
def test_a_run_shows_its_exports_and_that_they_are_stale(filled: Registry, tmp_path: Path) -> None:
    filled.export(RUN, tmp_path / "out", source=SOURCE, types=["pixel_gain"])
    files = write_panel_folder(tmp_path / "3", 3)
    filled.versions.add(PANEL_A, files, valid_from=EARLY, kinds=["gain"], supersede=True, comment="cold")
    run = filled.show(RUN).run
    assert run is not None
    assert [(export.export, export.stale is not None) for export in run.exports] == [(1, True)]
    export = filled.show("export:1").export
    assert export == run.exports[0]


def test_a_run_without_a_start_or_registration_is_shown_as_far_as_it_is_known(filled: Registry) -> None:
    run = filled.show("exp=xcsls3716:run=7").run
    assert run is not None
    assert (run.begin, run.recorded_in) == (None, None)
    assert [row.versions for row in run.detectors[0].panels] == [(), ()]
    assert [row.missing for row in run.detectors[0].panels] == [(), ()]
    with assert_refused(NotFoundError, "xcsls3716"):
        filled.show("exp=xcsls3716:run=17")
    with assert_refused(NotFoundError, sources=[SOURCE]):
        filled.show(RUN, source="Jungfrau.1")
    with assert_refused(RequestError):
        filled.show("M068", source=SOURCE)


@pytest.mark.on_both_databases
def test_panels_modules_and_detectors_are_shown_as_they_are_now(filled: Registry) -> None:
    filled.detectors.name("xcs", f"{PANEL_A}_{PANEL_B}")
    filled.panels.add(NEW_A, alias="M068")
    module = filled.show("m068")
    assert (module.category, module.name) == ("alias", "M068")
    assert [panel.panel for panel in module.panels] == [PANEL_A, NEW_A]
    first, second = module.panels
    assert (first.version_count, second.version_count) == ({"gain": 1, "offset": 1}, {})
    assert ([row.runs for row in first.configurations], first.detector_names) == (["1-9"], ("xcs",))
    assert (len(first.state.versions), len(second.state.missing)) == (2, 2)
    assert filled.show(PANEL_A).panels == filled.show(f"panel:{PANEL_A}").panels
    for name in ("xcs", "detector:xcs", f"{PANEL_A}_{PANEL_B}"):
        detector = filled.show(name).detector
        assert detector is not None
        assert [row.panel for row in detector.panels] == [PANEL_A, PANEL_B]


def test_versions_revisions_tags_and_files_are_shown(filled: Registry, tmp_path: Path) -> None:
    version = filled.show("version:1").version
    assert version is not None
    assert (version.version.kind, len(version.files)) == ("gain", 3)
    revision = filled.show("revision:4").revision
    assert revision is not None
    assert revision.changes == (f"+ version 3: gain of {PANEL_B} from {EARLY}",)
    filled.tags.add("spring")
    tag = filled.show("spring")
    assert tag.tag is not None
    assert tag.revision is not None
    assert (tag.tag.revision, tag.revision.revision) == (6, 6)
    identity = filled.show(str(tmp_path / "1" / "g0_gain.npy")).identity
    assert identity is not None
    assert [row.gain_range for row in identity.inputs] == [0]


def test_a_name_of_several_things_is_refused_until_its_category_is_said(
    filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled.detectors.name("xcs", PANEL_A)
    filled.tags.add("xcs")
    Path("xcs").write_bytes((tmp_path / "1" / "g0_gain.npy").read_bytes())
    with assert_refused(RequestError, "detector:xcs", "tag:xcs", "file:xcs"):
        filled.show("xcs")
    assert [filled.show(f"{category}:xcs").category for category in ("detector", "tag", "file")] == [
        "detector",
        "tag",
        "file",
    ]


def test_a_tag_with_the_form_of_an_id_is_shown_and_refused_where_it_could_be_the_other(
    filled: Registry,
) -> None:
    for name in ("spring-2018", "spring_2018-03", "abc-def-123", "M999"):
        filled.tags.add(name)
        assert filled.show(name).category == "tag"
    for name, category in (("M068", "alias"), (f"a{PANEL_A[1:]}", "panel")):
        if category == "panel":
            filled.panels.add(name)
        filled.tags.add(name)
        with assert_refused(RequestError, f"{category}:{name}", f"tag:{name}"):
            filled.show(name)
        assert filled.show(f"tag:{name}").category == "tag"
        assert filled.show(f"{category}:{name}").panels


def test_names_that_stand_for_nothing_are_refused(filled: Registry) -> None:
    for name, error_class in (
        ("12", RequestError),
        ("version:x", RequestError),
        ("version:" + "9" * 30, RequestError),
        ("exp=xcsls3716", IdentifierError),
        ("m68", IdentifierError),
        ("a-b", IdentifierError),
        ("", NotFoundError),
        ("zzz", NotFoundError),
        ("M999", NotFoundError),
        ("version:99", NotFoundError),
        ("revision:99", NotFoundError),
        ("revision:0", NotFoundError),
        ("export:1", NotFoundError),
        ("tag:none", NotFoundError),
        ("detector:none", NotFoundError),
        ("file:none.npy", NotFoundError),
        ("none/none.npy", NotFoundError),
        (PANEL_C, NotFoundError),
    ):
        with assert_refused(error_class):
            filled.show(name)


def test_what_is_valid_in_a_run_without_a_start_is_not_said(sqlite_calreg: "Calreg") -> None:
    sqlite_calreg.run("detector", "configure", "tst", SOURCE, "--first-run", "1", f"{PANEL_A}_{PANEL_B}")
    shown = sqlite_calreg.run("show", "exp=tst:run=4").stdout.splitlines()
    assert [line.split()[-2:] for line in shown[-2:]] == [["?", "?"]] * 2


def test_a_run_of_32_panels_fits_a_screen_of_40_lines_and_80_columns(
    sqlite_calreg: "Calreg", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = sqlite_calreg
    panels = [f"170505-149520170815-3d{number:04x}" for number in range(1, 33)]
    for number, panel in enumerate(panels[:4], 101):
        calreg.run("panel", "add", panel, "--alias", f"M{number}")
        files = write_panel_folder(tmp_path / panel, number)
        calreg.run("version", "add", panel, str(files), "--valid-from", EARLY)
    calreg.run("detector", "configure", "xcsls3716", SOURCE, *panels, "--first-run", "1")
    calreg.run("run", "add", RUN, "--begin", BEGIN)
    shown = calreg.run("show", RUN).stdout.splitlines()
    assert len(shown) <= 40
    assert max(map(len, shown[:-4])) <= 80  # the last ones are sentences, which a terminal folds
    assert sum(panel in line for panel in panels for line in shown[2:35]) == 32
    assert shown[-1] == "missing: 53 more; --json lists all"
    fields = calreg.run("show", RUN, "--json").json
    assert sorted(fields) == ["as_of", "category", "name", "run"]
    assert sum(len(row["missing"]) for row in fields["run"]["detectors"][0]["panels"]) == 56
    assert calreg.run("identify", RUN, "--json").json == fields

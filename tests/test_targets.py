"""Names of panels: a run wherever a panel is, M-numbers in either case, lists, patterns, files of names."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from registry.api import Registry
from registry.errors import IdentifierError, NotFoundError, NotValidError, RequestError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from tests.refusals import assert_refused

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

RUN = "exp=xcsls3716:run=5"
BEGIN = "2018-06-01T00:00:00Z"


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Return a registry with M068 (A and its successor) and M088 (B), whose run 5 has A and B."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    for seed, panel in enumerate((PANEL_A, PANEL_B), 1):
        files = write_panel_folder(tmp_path / str(seed), seed)
        registry.versions.add(panel, files, valid_from="2018-01-01T00:00:00Z")
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
    registry.runs.add(RUN, begin=BEGIN)
    registry.runs.add("exp=xcsls3716:run=6", begin="2017-06-01T00:00:00Z")
    return registry


@pytest.mark.on_both_databases
def test_a_run_stands_for_the_panels_and_the_start_of_it(filled: Registry) -> None:
    answer = filled.validity(RUN)
    assert answer.versions == filled.validity(f"{PANEL_A}_{PANEL_B}", at=BEGIN).versions
    assert str(answer.instant) == BEGIN
    assert BEGIN in answer.notes[0]
    assert [panel.panel for panel in filled.panels.list(RUN)] == [PANEL_A, PANEL_B]
    assert filled.versions.list(RUN) == filled.versions.list(f"{PANEL_A}_{PANEL_B}")
    assert [alias.alias for alias in filled.aliases.list(RUN)] == ["M068", "M088"]


def test_a_run_is_refused_where_its_panels_or_its_time_are_not_known(filled: Registry) -> None:
    with assert_refused(NotValidError, problems=4):
        filled.validity("exp=xcsls3716:run=6")
    with assert_refused(NotValidError, dataset="exp=xcsls3716:run=7"):
        filled.validity("exp=xcsls3716:run=7")
    assert len(filled.validity("exp=xcsls3716:run=7", at=BEGIN)) == 4
    with assert_refused(NotFoundError, "xcsls3716"):
        filled.validity("exp=xcsls3717:run=5")
    with assert_refused(IdentifierError):
        filled.validity("exp=xcsls3716")
    with assert_refused(RequestError):
        filled.validity(PANEL_A, source=SOURCE)


def test_a_source_chooses_among_the_detectors_of_a_run(filled: Registry) -> None:
    filled.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.1", PANEL_C, first_run=1)
    with assert_refused(RequestError, "Jungfrau.0", "Jungfrau.1"):
        filled.validity(RUN)
    assert {version.panel for version in filled.validity(RUN, source="Jungfrau.0")} == {PANEL_A, PANEL_B}


def test_an_m_number_may_be_typed_with_a_small_letter(filled: Registry) -> None:
    assert filled.validity("m068") == filled.validity("M068")
    assert filled.panels.list("m088") == filled.panels.list("M088")
    filled.aliases.withdraw("m088", PANEL_B, comment="another module")
    filled.aliases.add("m090", PANEL_B)
    assert [alias.alias for alias in filled.aliases.list(PANEL_B)] == ["M090"]
    with assert_refused(IdentifierError, canonical="M068"):
        filled.validity("m68")


@pytest.mark.on_both_databases
def test_several_names_and_patterns_are_answered_together(filled: Registry) -> None:
    both = filled.validity(["M088", PANEL_A])
    assert [version.panel for version in both] == [PANEL_B, PANEL_B, PANEL_A, PANEL_A]
    assert filled.validity(["M0*"]).versions == filled.validity(["M068", "M088"]).versions
    assert filled.validity(["m0*", "M068"], at=BEGIN).versions == filled.validity("M0*", at=BEGIN).versions
    assert [panel.panel for panel in filled.panels.list("1*")] == [PANEL_A, NEW_A, PANEL_B]
    filled.panels.add(PANEL_C)
    assert [panel.panel for panel in filled.panels.list("*")] == [PANEL_A, NEW_A, PANEL_B, PANEL_C]
    assert len(filled.versions.list(["M068", "M088", PANEL_A])) == 4


def test_all_that_is_refused_of_several_names_is_listed(filled: Registry) -> None:
    with assert_refused(NotFoundError, "M999"):
        filled.validity(["M068", "M999"])
    with assert_refused(NotFoundError, "M999", "M998", problems=2):
        filled.panels.list(["M068", "M999", "M998"])
    with assert_refused(NotValidError, problems=6):
        filled.validity(["M088", "M068"], at="2017-01-01T00:00:00Z")
    with assert_refused(NotFoundError, pattern="M7*"):
        filled.panels.list("M7*")
    with assert_refused(IdentifierError):
        filled.panels.list(["M068", "a-b"])
    with assert_refused(RequestError):
        filled.validity([])


def test_an_export_of_a_module_is_that_of_its_one_panel_with_constants(
    filled: Registry, tmp_path: Path
) -> None:
    module = filled.export("M068", tmp_path / "module", at=BEGIN)
    panel = filled.export(PANEL_A, tmp_path / "panel", at=BEGIN)
    assert [output.sha256 for output in module.outputs] == [output.sha256 for output in panel.outputs]
    with assert_refused(RequestError):
        filled.export("M068", tmp_path / "none")
    with assert_refused(NotValidError):
        filled.export("M068", tmp_path / "none", at="2017-01-01T00:00:00Z")
    files = write_panel_folder(tmp_path / "new", 3)
    filled.versions.add(NEW_A, files, valid_from="2018-02-01T00:00:00Z")
    with assert_refused(RequestError, PANEL_A, NEW_A, panels=[PANEL_A, NEW_A]):
        filled.export("M068", tmp_path / "none", at=BEGIN)
    assert not (tmp_path / "none").exists()


def test_pictures_are_drawn_of_runs_and_modules(filled: Registry, tmp_path: Path) -> None:
    for name in (RUN, "m068"):
        assert filled.plots.validity(name, tmp_path / f"validity-{name}.svg").revision == 8
        assert filled.plots.history(name, tmp_path / f"history-{name}.svg").revision == 8
    assert filled.plots.constants("m068", tmp_path / "constants.png", at=BEGIN).revision == 8
    assert len(list(tmp_path.glob("*.svg"))) == 4
    detector_id = "_".join(f"170505-149520170815-3d01{number:02x}" for number in range(6))
    filled.detectors.configure("xcs1", SOURCE, detector_id, first_run=1)
    with assert_refused(NotValidError, "nothing to draw"):
        filled.plots.history(detector_id, tmp_path / "six.svg")


def test_the_command_line_takes_lists_wherever_panels_are_listed(
    calreg: "Calreg", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for panel, module in ((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, "M044")):
        calreg.run("panel", "add", panel, "--alias", module)
    names = tmp_path / "names"
    names.write_text(f"M088 {PANEL_A}\n")
    listed = calreg.run("panel", "list", f"@{names}", "--json").json
    assert [row["panel"] for row in listed] == [PANEL_B, PANEL_A]
    assert [row["alias"] for row in calreg.run("alias", "list", "M0[68]*", "--json").json] == ["M068", "M088"]
    assert calreg.run("version", "list", "M068", "M044", "--json").json == []
    shown = calreg.run("panel", "show", "m044", "--json").json
    assert [row["panel"] for row in shown] == [PANEL_C]
    assert calreg.run("panel", "show", PANEL_C, "--json").json == shown[0]
    assert calreg.assert_refused(3, "panel", "show", "M045")["near"] == ["M044"]

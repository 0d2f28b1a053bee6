"""Short names of detectors: recorded, superseded, withdrawn, as of; and taken wherever a detector Id is."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.cli.names import read_names
from registry.errors import ConflictError, IdentifierError, NotFoundError, RequestError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

DETECTOR_ID = f"{PANEL_A}_{PANEL_B}"
AT = "2018-06-01T00:00:00Z"


@pytest.fixture
def known(registry: Registry) -> Registry:
    """Return a registry with panels A, B and C, none of which has constants."""
    for panel in (PANEL_A, PANEL_B, PANEL_C):
        registry.panels.add(panel)
    return registry


def add_constants(registry: Registry, folder: Path, *panels: str) -> None:
    for seed, panel in enumerate(panels, 1):
        registry.versions.add(panel, write_panel_folder(folder / str(seed), seed), valid_from="beginning")


def test_a_name_is_recorded_once_and_stands_for_its_panels_in_order(known: Registry) -> None:
    outcome = known.detectors.name("jungfrau1M", f"{PANEL_B}_{PANEL_A}", comment="XCS")
    assert (outcome.revision, outcome.facts) == (4, (f"+ detector name jungfrau1M: {PANEL_B}_{PANEL_A}",))
    assert known.detectors.name("jungfrau1M", f"jungfrau_{PANEL_B}_{PANEL_A}").revision is None
    (named,) = known.detectors.names()
    assert (named.name, named.panels, named.recorded_in, named.withdrawn_in) == (
        "jungfrau1M",
        (PANEL_B, PANEL_A),
        4,
        None,
    )
    assert named.detector_id == f"{PANEL_B}_{PANEL_A}"


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    "name", ["M068", "m68", "4M", "a-b", "", "a b", "exp=a:run=1", "x" * 65, "caf\u00e9", "_a", "a\n"]
)
def test_what_cannot_be_a_name_is_refused(known: Registry, name: str) -> None:
    with assert_refused(IdentifierError):
        known.detectors.name(name, DETECTOR_ID)
    assert known.detectors.names() == []


def test_a_detector_with_unknown_panels_gets_no_name(known: Registry) -> None:
    with assert_refused(NotFoundError, panels=[NEW_A]):
        known.detectors.name("one", f"{NEW_A}_{PANEL_B}")
    with assert_refused(IdentifierError):
        known.detectors.name("one", f"{PANEL_A}_{PANEL_A}")
    assert known.detectors.names(withdrawn=True) == []


def test_panels_of_one_module_are_no_detector(known: Registry) -> None:
    known.aliases.add("M068", PANEL_A)
    known.aliases.add("M068", PANEL_C, same_module=True, comment="its serial number changed")
    with assert_refused(ConflictError, "M068"):
        known.detectors.name("one", f"{PANEL_C}_{PANEL_A}")


def test_a_name_is_given_to_another_detector_with_a_comment_only(known: Registry) -> None:
    known.detectors.name("xcs", DETECTOR_ID)
    with assert_refused(ConflictError, DETECTOR_ID, name="xcs"):
        known.detectors.name("xcs", PANEL_C)
    with assert_refused(RequestError):
        known.detectors.name("xcs", PANEL_C, supersede=True)
    moved = known.detectors.name("xcs", PANEL_C, supersede=True, comment="exchanged")
    assert moved.facts == (f"- detector name xcs: {DETECTOR_ID}", f"+ detector name xcs: {PANEL_C}")
    assert [named.panels for named in known.detectors.names()] == [(PANEL_C,)]
    assert [named.withdrawn_in for named in known.detectors.names(withdrawn=True)] == [5, None]
    assert [named.detector_id for named in known.detectors.names(as_of=4)] == [DETECTOR_ID]
    assert known.panels.list("xcs", as_of=4) == known.panels.list(DETECTOR_ID, as_of=4)


def test_a_withdrawn_name_is_refused_until_it_is_restored(known: Registry) -> None:
    known.detectors.name("xcs", DETECTOR_ID)
    with assert_refused(RequestError):
        known.detectors.withdraw_name("xcs", comment=" ")
    assert known.detectors.withdraw_name("xcs", comment="no more", dry_run=True).revision is None
    known.detectors.withdraw_name("xcs", comment="no more")
    with assert_refused(ConflictError, withdrawn_in=5):
        known.detectors.withdraw_name("xcs", comment="again")
    with assert_refused(NotFoundError, near=[]):
        known.detectors.withdraw_name("mec", comment="never there")
    with assert_refused(NotFoundError, "since revision 5", name="xcs"):
        known.panels.list("xcs")
    with assert_refused(ConflictError, "revision 5"):
        known.detectors.name("xcs", DETECTOR_ID)
    known.detectors.name("xcs", DETECTOR_ID, supersede=True, comment="after all")
    assert [panel.panel for panel in known.panels.list("xcs")] == [PANEL_A, PANEL_B]
    assert known.verify().problems == ()


def test_an_unknown_name_is_refused_with_similar_ones(known: Registry) -> None:
    known.detectors.name("jungfrau1M", DETECTOR_ID)
    with assert_refused(NotFoundError, "jungfrau1M", near=["jungfrau1M"]):
        known.validity("jungfrau4M")


def test_the_log_of_a_panel_has_the_names_of_its_detectors(known: Registry) -> None:
    known.detectors.name("xcs", DETECTOR_ID)
    known.detectors.withdraw_name("xcs", comment="no more")
    changes = [change for revision in known.log(PANEL_B) for change in revision.changes]
    assert changes == [
        f"- detector name xcs: {DETECTOR_ID}",
        f"+ detector name xcs: {DETECTOR_ID}",
        f"+ panel {PANEL_B} (jungfrau)",
    ]
    assert [revision.revision for revision in known.log(PANEL_C)] == [3]


def test_a_name_is_taken_wherever_a_detector_id_is(
    location: RegistryLocation, known: Registry, tmp_path: Path
) -> None:
    add_constants(known, tmp_path, PANEL_A, PANEL_B)
    known.detectors.name("xcs", DETECTOR_ID)
    assert known.validity("xcs") == known.validity(DETECTOR_ID)
    assert known.validity("xcs", at=AT).versions == known.validity(DETECTOR_ID, at=AT).versions
    assert known.versions.list("xcs") == known.versions.list(DETECTOR_ID)
    export = known.export("xcs", tmp_path / "named", at=AT)
    plain = known.export(DETECTOR_ID, tmp_path / "plain", at=AT)
    assert [output.sha256 for output in export.outputs] == [output.sha256 for output in plain.outputs]
    assert verify_export(export.provenance, location.database, location.store).problems == ()
    known.detectors.configure("xcsls3716", SOURCE, "xcs", first_run=1)
    assert known.detectors.show("exp=xcsls3716:run=7").panels == (PANEL_A, PANEL_B)
    with assert_refused(RequestError):
        known.versions.gap("xcs", valid_from=AT, comment="not of a detector")


def test_a_replay_does_not_follow_a_name_that_was_given_away(
    location: RegistryLocation, known: Registry, tmp_path: Path
) -> None:
    add_constants(known, tmp_path, PANEL_A, PANEL_B)
    known.detectors.name("xcs", PANEL_A)
    export = known.export("xcs", tmp_path / "then", at=AT)
    known.detectors.name("xcs", PANEL_B, supersede=True, comment="exchanged")
    again = replay(export.provenance, tmp_path / "again", location.database, location.store)
    assert [output.sha256 for output in again.outputs] == [output.sha256 for output in export.outputs]
    assert verify_export(export.provenance, location.database, location.store).problems == ()


def test_the_command_line_names_detectors_from_files_and_the_input(
    sqlite_calreg: "Calreg", tmp_path: Path
) -> None:
    calreg = sqlite_calreg
    for panel in (PANEL_A, PANEL_B):
        calreg.run("panel", "add", panel)
    ids = tmp_path / "ids.txt"
    ids.write_text(f"# segment order\n{PANEL_A}\n  {PANEL_B}\n\n")
    assert calreg.run("detector", "name", "one", f"@{ids}", "--json").json["revision"] == 3
    assert calreg.run("detector", "name", "one", PANEL_A, PANEL_B, "--json").json["revision"] is None
    (named,) = calreg.run("detector", "names", "--json").json
    assert (named["name"], named["detector_id"]) == ("one", DETECTOR_ID)
    calreg.assert_refused(2, "detector", "name", "two", PANEL_A, "M068")
    calreg.assert_refused(8, "detector", "name", "two", f"@{tmp_path / 'none'}")
    (tmp_path / "empty").write_text("# nothing\n")
    calreg.assert_refused(2, "detector", "name", "two", f"@{tmp_path / 'empty'}")
    (tmp_path / "latin").write_bytes(b"\xe9")
    calreg.assert_refused(2, "detector", "name", "two", f"@{tmp_path / 'latin'}")
    (tmp_path / "binary").write_bytes(b"M068\0\n")
    calreg.assert_refused(2, "detector", "name", "two", f"@{tmp_path / 'binary'}")
    calreg.run("detector", "withdraw-name", "one", "-m", "no more")
    assert calreg.run("detector", "names", "--json").json == []


def test_lists_from_windows_are_read_without_their_byte_order_mark(tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        ids.write_bytes(f"{PANEL_A}\r\n# comment\r\n\r\n{PANEL_B}\r\n".encode(encoding))
        assert read_names([f"@{ids}"]) == [PANEL_A, PANEL_B]


def test_a_list_without_an_end_is_refused() -> None:
    with assert_refused(RequestError):
        read_names(["@/dev/zero"])


def test_an_input_that_is_closed_has_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it after calreg ... <&-
    with assert_refused(RequestError):
        read_names(["-"])

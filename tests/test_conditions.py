"""Darks under a condition of operation are kinds of their own: neither is taken for the other, without a word."""

import json
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.detectors import DETECTOR_TYPES, DetectorType
from registry.errors import NotValidError, RequestError
from testing.panels import PANEL_A, SOURCE, make_panel_array, name_detector, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

START = "2018-01-01T00:00:00Z"
LATER = "2018-02-01T00:00:00Z"
DATASET = "exp=xcsls3716:run=1"
HG0 = "pedestals/hg0"


@pytest.mark.parametrize("known", DETECTOR_TYPES.values(), ids=lambda known: known.name)
def test_kinds_and_files_under_conditions_have_names_of_their_own_that_fit(known: DetectorType) -> None:
    names = [kind.name for kind in known.kinds]
    types = [kind.calibration_type for kind in known.kinds]
    files = [name for kind in known.kinds for name in known.file_names(kind.name)]
    assert all(len({*words}) == len(words) for words in (names, types, files))
    assert max(map(len, names)) <= 32
    assert not any("/" in word for word in (*types, *files))
    for condition in known.conditions:
        depending = [kind for kind in known.kinds if kind.condition == condition.name]
        assert all(kind.name == f"{kind.base}/{condition.name}" for kind in depending)
        assert not any(kind.required or kind.characteristic for kind in depending)


def _write_darks(folder: Path, seed: int) -> Path:
    return write_panel_folder(folder, seed, ["pedestals/hg0"])


@pytest.fixture
def recorded(registry: Registry, tmp_path: Path) -> Registry:
    """A registry with a run of one panel, with gain maps, and darks under HG0 alone."""
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "maps", 1), valid_from="beginning")
    registry.runs.add(DATASET, begin=LATER)
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
    registry.versions.add(PANEL_A, _write_darks(tmp_path / "hg0", 2), valid_from=START, kinds=[HG0])
    return registry


def test_files_are_read_by_their_names(recorded: Registry, tmp_path: Path) -> None:
    assert (tmp_path / "hg0" / "g0_pedestals-hg0.npy").is_file()
    write_panel_folder(tmp_path / "hg0", 3, ["gain", "offset", "pedestals"])
    added = recorded.versions.add(PANEL_A, tmp_path / "hg0", valid_from=LATER)
    assert {version.kind for version in added.versions} == {"gain", "offset", "pedestals", HG0}
    with assert_refused(RequestError, "known: "):
        recorded.versions.add(PANEL_A, tmp_path / "hg0", valid_from=LATER, kinds=["pedestals/hg1"])
    with assert_refused(RequestError, "'gain/hg0' is not a kind of constants of jungfrau"):
        recorded.validity(PANEL_A, kinds=["gain/hg0"], at=LATER)


def test_neither_is_taken_for_the_other(recorded: Registry, tmp_path: Path) -> None:
    with assert_refused(NotValidError) as refusal:
        recorded.validity(PANEL_A, kinds=["pedestals"], at=LATER)
    assert HG0 in refusal.value.message
    with assert_refused(NotValidError) as refusal:
        recorded.export(DATASET, tmp_path / "out", types=["pedestals"])
    assert HG0 in refusal.value.message
    recorded.versions.add(
        PANEL_A, write_panel_folder(tmp_path / "g0", 7, ["pedestals"]), valid_from=START, kinds=["pedestals"]
    )
    export = recorded.export(DATASET, tmp_path / "out", types=["pedestals", "pedestals-hg0"])
    written = {file.type: np.load(file.path) for file in export.outputs}
    for kind, seed in (("pedestals", 7), ("pedestals-hg0", 2)):
        expected = [make_panel_array("pedestals", gain_range, seed) for gain_range in range(3)]
        assert np.array_equal(written[kind][:, 0], np.array(expected))
    [valid] = recorded.validity(PANEL_A, kinds=[HG0], at=LATER)
    assert valid.kind == HG0


def test_what_is_known_under_a_condition_is_named_where_the_usual_ones_start_later(
    recorded: Registry, tmp_path: Path
) -> None:
    recorded.versions.add(
        PANEL_A, write_panel_folder(tmp_path / "g0", 7, ["pedestals"]), valid_from=LATER, kinds=["pedestals"]
    )
    with assert_refused(NotValidError, "the first starts at 2018-02-01", f"under a condition there is {HG0}"):
        recorded.validity(PANEL_A, kinds=["pedestals"], at="2018-01-15T00:00:00Z")
    recorded.versions.gap(PANEL_A, valid_from="2018-03-01T00:00:00Z", comment="in repair")
    for kind in ("pedestals", HG0, "gain"):
        with assert_refused(NotValidError, "there is a gap"):
            recorded.validity(PANEL_A, kinds=[kind], at="2018-04-01T00:00:00Z")


@pytest.mark.parametrize("name", ["psana", "lcls2"])
def test_the_framework_gets_no_darks_under_a_condition(recorded: Registry, tmp_path: Path, name: str) -> None:
    with assert_refused(RequestError, "the analysis framework knows pedestals under no condition"):
        recorded.export(
            DATASET, tmp_path / "out", types=["pedestals-hg0"], format=name, **name_detector(name)
        )
    with assert_refused(RequestError, "under no condition"):
        recorded.deploy("xcsls3716", tmp_path / "out", types=["pedestals-hg0"])
    assert not (tmp_path / "out").exists()


def test_affected_covers_every_condition_of_a_kind(recorded: Registry, tmp_path: Path) -> None:
    since = recorded.log()[0].revision
    recorded.versions.add(
        PANEL_A,
        _write_darks(tmp_path / "new", 5),
        valid_from=START,
        kinds=[HG0],
        supersede=True,
        comment="measured again",
    )
    for kinds, count in ((None, 1), (["pedestals"], 1), ([HG0], 1), (["pedestals/fixed"], 0), (["rms"], 0)):
        assert len(recorded.list_affected_runs(since, kinds=kinds)) == count, kinds
    [run] = recorded.list_affected_runs(since, kinds=["pedestals"])
    assert (run.kinds, run.compared) == ((HG0,), ("pedestals",))


def test_the_command_line_composes_a_condition(
    location: RegistryLocation, recorded: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    darks = _write_darks(tmp_path / "new", 5)
    words = ("--kind", "pedestals", "--condition", "hg0")
    calreg.run("version", "add", PANEL_A, str(darks), "--valid-from", LATER, *words)
    rows = calreg.run("validity", PANEL_A, *words, "--json").json
    assert [(row["kind"], row["valid_from"]) for row in rows] == [(HG0, START), (HG0, LATER)]
    out = tmp_path / "out"
    calreg.run("export", DATASET, "-o", str(out), "--type", "pedestals", "--condition", "hg0")
    [document] = [json.loads(path.read_text()) for path in out.glob("*.json")]
    assert [output["type"] for output in document["outputs"]] == ["pedestals-hg0"]
    error = calreg.assert_refused(2, "validity", PANEL_A, "--kind", "pedestals", "--condition", "hg7")
    assert HG0 in error["message"]
    error = calreg.assert_refused(2, "export", DATASET, "-o", str(out), "--condition", "hg0")
    assert "no kind or type is named" in error["message"]
    assert calreg.assert_refused(4, "validity", PANEL_A, "--kind", "rms", "--condition", "hg0", "--at", LATER)

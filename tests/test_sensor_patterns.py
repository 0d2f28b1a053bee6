"""A map of another sensor, or a turned one, is not registered for a module; simulated sensors of full size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.api.backups import restore_registry
from registry.database.guards.installation import disable_guards
from registry.errors import ConflictError, Remedy, RequestError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, make_panel_array
from testing.registries import RegistryLocation
from testing.sensors import Conditions, Sensor, Sensors
from tests.cli import Calreg
from tests.copies import read_rows
from tests.refusals import assert_refused
from tests.seal_script import run_script
from tests.selection import keep_first_rows

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_suffices]

START, LATER, LATEST = (f"{year}-01-01T00:00:00Z" for year in (2018, 2019, 2020))
TWO_PERCENT = Conditions(noise=2.0)

Measure = Callable[..., Path]


@pytest.fixture(scope="module")
def sensors() -> list[Sensor]:
    """Those of M068, M088 and M044, and one that is in no module."""
    production = Sensors()
    return [production.make(number) for number in range(4)]


@pytest.fixture
def measure(tmp_path: Path, sensors: list[Sensor]) -> Measure:
    """Return a function that measures the gain of a sensor, and writes it in a folder."""

    def write(number: int, seed: int, *, change: Callable[[np.ndarray], np.ndarray] = np.array) -> Path:
        folder = tmp_path / f"sensor{number}-{seed}-{change.__name__}"
        folder.mkdir()
        np.save(folder / "g0_gain.npy", change(sensors[number].measure(TWO_PERCENT, seed)).astype("<f4"))
        for gain_range in (1, 2):
            array = make_panel_array("gain", gain_range, 10 * number + seed)
            np.save(folder / f"g{gain_range}_gain.npy", array)
        return folder

    return write


def add(registry: Registry, panel: str, folder: Path, start: str, **options) -> tuple[str, ...]:
    """Register gains, and return the warnings."""
    return registry.versions.add(panel, folder, valid_from=start, kinds=["gain"], **options).warnings


@pytest.fixture
def filled(registry: Registry, measure: Measure) -> Registry:
    """A registry with a map of each of M068 and M088; nothing of M044."""
    for number, (panel, m_number) in enumerate(((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, "M044"))):
        registry.panels.add(panel, alias=m_number)
        if m_number != "M044":
            assert add(registry, panel, measure(number, 0), START) == ()
    return registry


def test_a_map_of_another_sensor_is_refused_with_correlations_and_versions(
    filled: Registry, measure: Measure
) -> None:
    with assert_refused(ConflictError, "M068", "M088", "version 1", remedy=Remedy.ALLOW_PATTERN) as caught:
        add(filled, PANEL_B, measure(0, 1), LATER)
    (mix_up,) = caught.value.values["mix_ups"]
    assert (mix_up["outcome"], mix_up["module"]) == ("other", "M088")
    assert (mix_up["other"]["version"], mix_up["other"]["module"], mix_up["own"]["version"]) == (1, "M068", 2)
    assert mix_up["other"]["correlation"] > 0.12
    assert abs(mix_up["own"]["correlation"]) < 0.07
    assert [version.version for version in filled.versions.list()] == [1, 2]


def test_the_first_map_of_a_module_is_held_against_the_others(filled: Registry, measure: Measure) -> None:
    with assert_refused(ConflictError, "M044", "M088", "version 2"):
        add(filled, PANEL_C, measure(1, 1), LATER)
    assert add(filled, PANEL_C, measure(2, 1), LATER) == ()


def test_a_module_measured_again_is_registered_in_silence(filled: Registry, measure: Measure) -> None:
    assert add(filled, PANEL_A, measure(0, 1), LATER) == ()
    filled.panels.add(NEW_A, alias="M068")
    assert add(filled, "M068", measure(0, 2), LATEST) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    keep_first_rows([(np.fliplr, "mirrored"), (np.rot90, "turned"), (np.flipud, "upside down")], 2),
)
def test_a_turned_or_mirrored_map_is_refused_saying_how(
    filled: Registry, measure: Measure, change: Callable[..., np.ndarray], words: str
) -> None:
    turn = (lambda values: np.rot90(values, 2)) if change is np.rot90 else change
    with assert_refused(ConflictError, "M068", words, remedy=Remedy.ALLOW_PATTERN) as caught:
        add(filled, PANEL_A, measure(0, 1, change=turn), LATER)
    assert caught.value.values["mix_ups"][0]["outcome"] == "turned"
    with assert_refused(ConflictError, "M068", words):  # of another module, and turned
        add(filled, PANEL_B, measure(0, 2, change=turn), LATER)


def test_both_sides_of_a_swap_in_a_delivery_are_named(
    filled: Registry, measure: Measure, tmp_path: Path
) -> None:
    for number, m_number in ((1, "M068"), (0, "M088")):
        measure(number, 1).rename(tmp_path / m_number)
        (tmp_path / "delivery").mkdir(exist_ok=True)
        (tmp_path / m_number).rename(tmp_path / "delivery" / m_number)
    with assert_refused(ConflictError, "M068", "M088", problems=2, remedy=Remedy.ALLOW_PATTERN) as caught:
        filled.versions.add_delivery(tmp_path / "delivery", valid_from=LATER, kinds=["gain"])
    assert [mix_up["module"] for mix_up in caught.value.values["mix_ups"]] == ["M068", "M088"]
    assert len(filled.versions.list()) == 2


def test_who_knows_better_says_so_with_a_comment(filled: Registry, measure: Measure) -> None:
    folder = measure(0, 1)
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        add(filled, PANEL_B, folder, LATER, allow_pattern=True)
    add(filled, PANEL_B, folder, LATER, allow_pattern=True, comment="the sensors were exchanged")
    add(filled, PANEL_A, measure(0, 2), LATER, allow_pattern=True, comment="not needed")
    assert [version.pattern_allowed for version in filled.versions.list(PANEL_B)] == [False, True]
    assert [version.pattern_allowed for version in filled.versions.list(PANEL_A)] == [False, False]


def test_a_sensor_that_nobody_knows_in_a_known_module_is_a_warning(
    filled: Registry, measure: Measure
) -> None:
    (warning,) = add(filled, PANEL_A, measure(3, 1, change=lambda values: values * 1.05), LATER)
    for words in ("M068", "version 1", "+4.9 %"):
        assert words in warning
    assert len(filled.versions.list(PANEL_A)) == 2


@pytest.mark.on_both_databases
def test_a_map_that_fits_two_modules_is_a_warning(filled: Registry, measure: Measure) -> None:
    options = {"allow_pattern": True, "comment": "exchanged"}
    add(filled, PANEL_C, measure(0, 1), START, **options)
    (warning,) = add(filled, PANEL_A, measure(0, 2), LATER)
    assert [name for name in ("M068", "version 1", "version 3") if name not in warning] == []


def test_withdrawn_maps_do_not_count(filled: Registry, measure: Measure) -> None:
    filled.versions.withdraw(1, comment="of another module in truth")
    assert add(filled, PANEL_C, measure(0, 1), LATER) == ()


def test_many_withdrawn_maps_of_a_sensor_do_not_hide_a_live_one(
    filled: Registry, measure: Measure, sensors: list[Sensor]
) -> None:
    """The search reads the best twenty first: here they are withdrawn, and less noisy than the live one."""
    for seed in range(22):
        folder = measure(0, 100 + seed)
        clear = sensors[0].measure(Conditions(noise=0.3), seed)
        np.save(folder / "g0_gain.npy", clear)
        add(filled, PANEL_A, folder, f"2019-01-{seed + 1:02}T00:00:00Z")
    filled.versions.withdraw(*range(3, 25), comment="all wrong")
    with assert_refused(ConflictError, "M088", "M068", "version 1"):
        add(filled, PANEL_B, measure(0, 1), LATEST)


@pytest.mark.on_both_databases
def test_an_import_compares_its_maps_with_each_other_and_with_the_registry(
    registry: Registry, measure: Measure, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number, m_number in ((0, "M068"), (1, "M088"), (0, "M044")):
        folder = measure(number, len(list(tree.iterdir())))
        for gain_range in range(3):
            array = make_panel_array("offset", gain_range, int(m_number[1:]))
            np.save(folder / f"g{gain_range}_offset.npy", array)
        folder.rename(tree / m_number)
    for panel, m_number in ((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, "M044")):
        (tree / panel).symlink_to(m_number)
    with assert_refused(ConflictError, PANEL_A, PANEL_C, problems=2, remedies=[Remedy.ALLOW_PATTERN]):
        registry.import_tree(tree)
    skipped = registry.import_tree(tree, skip_bad=True)
    assert {(entry.entry, entry.cause) for entry in skipped.skipped} == {
        (PANEL_A, "mix-up"),
        (PANEL_C, "mix-up"),
    }
    outcome = registry.import_tree(tree, allow_pattern=True, comment="both are right")
    assert {(version.panel, version.kind, version.pattern_allowed) for version in outcome.versions} == {
        (panel, kind, kind == "gain") for panel in (PANEL_A, PANEL_C) for kind in ("gain", "offset")
    }


def test_the_command_imports_maps_that_are_meant(
    filled: Registry, calreg: Calreg, measure: Measure, tmp_path: Path
) -> None:
    folder = measure(0, 1)
    for gain_range in range(3):
        np.save(folder / f"g{gain_range}_offset.npy", make_panel_array("offset", gain_range, 44))
    tree = tmp_path / "tree"
    tree.mkdir()
    folder.rename(tree / "M044")
    (tree / PANEL_C).symlink_to("M044")
    error = calreg.assert_refused(5, "import", tree)
    assert error["remedies"] == ["allow_pattern"]
    calreg.assert_refused(2, "import", tree, "--allow-pattern")
    done = calreg.run("import", tree, "--allow-pattern", "--comment", "exchanged", "--json").json
    assert {version["kind"]: version["pattern_allowed"] for version in done["versions"]} == {
        "gain": True,
        "offset": False,
    }


def test_a_makers_file_of_another_sensor_is_refused(
    filled: Registry, measure: Measure, tmp_path: Path
) -> None:
    maps = [np.load(measure(0, 1) / "g0_gain.npy").astype("<f8")]
    maps += [make_panel_array("gain", gain_range, 77).astype("<f8") for gain_range in (1, 2)]
    path = tmp_path / "gainMaps_M044.bin"
    path.write_bytes(np.array(maps).tobytes())
    with assert_refused(ConflictError, "M068", "M044"):
        add(filled, "M044", path, LATER)


def test_the_command_words_a_refusal(calreg: Calreg, measure: Measure) -> None:
    for number, (panel, m_number) in enumerate(((PANEL_A, "M068"), (PANEL_B, "M088"))):
        calreg.run("panel", "add", panel, "--alias", m_number)
        folder = measure(number, 0)
        calreg.run("version", "add", m_number, folder, "--valid-from", START, "--kind", "gain")
    command = ("version", "add", "M088", measure(0, 1), "--valid-from", LATER, "--kind", "gain")
    error = calreg.assert_refused(5, *command)
    assert error["mix_ups"][0]["other"]["version"] == 1
    assert "--allow-pattern" in calreg(*command).stderr
    calreg.run(*command, "--allow-pattern", "--comment", "exchanged")
    assert "pattern of another sensor" in calreg.run("version", "show", "3").stdout


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_patterns_are_copied_backed_up_and_sealed(
    filled: Registry,
    location: RegistryLocation,
    dialect: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    filled.backup(tmp_path / "backup")
    again = RegistryLocation.in_folder(tmp_path / "again")
    if dialect == "postgresql":
        again = RegistryLocation(request.getfixturevalue("empty_postgres"), again.store)
    restore_registry(tmp_path / "backup", again.database, again.store)
    patterns = read_rows(again.database)["blob_pattern"]
    assert patterns == read_rows(location.database)["blob_pattern"]
    assert [(len(row["signs"]), len(row["samples"])) for row in patterns] == [(512, 4096)] * 2
    assert run_script(again.database) == run_script(location.database)
    with again.open() as restored:
        assert restored.verify().problems == ()


def test_a_changed_pattern_is_found_by_the_seal(filled: Registry, location: RegistryLocation) -> None:
    changed = sa.update(schema.blob_pattern).values(samples=bytes(4096))
    engine = location.engine()
    with engine.begin() as connection, disable_guards(connection):
        connection.execute(changed)
    engine.dispose()
    problems = [str(problem.problem) for problem in filled.verify().problems]
    assert len([problem for problem in problems if "blob_pattern" in problem]) == 2

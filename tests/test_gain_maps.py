"""The maker's gain maps become gain files, and the version says from what."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from registry import provenance
from registry.api import Registry
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import (
    ArrayError,
    ConflictError,
    CorruptionError,
    NotFoundError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.identifiers import extract_m_numbers
from registry.importers import gain_maps
from registry.importers.gain_maps import convert_gain_maps
from registry.provenance.prov_json import build_prov_json
from registry.records import Conversion, ConvertedStage
from registry.registration import version_batches
from testing.panels import NEW_A, PANEL_A, PANEL_B, TYPICAL_VALUES, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path, list_object_paths
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.selection import examples

pytestmark = pytest.mark.sqlite_suffices

START = "2018-01-01T00:00:00Z"
STAGE = 512 * 1024 * 8
HIGH = ("HG0", "HG1", "HG2")


def maps(stages: int = 3) -> NDArray[np.float64]:
    """Return maps of shape (stage, row, column) whose values no float32 holds exactly."""
    ramp = np.linspace(0.99, 1.01, 512 * 1024).reshape(512, 1024)
    return np.array([ramp * typical for typical in (*TYPICAL_VALUES["gain"], 90.1, -1.3, -0.1)[:stages]])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("maker") / "gainMaps_M049.bin"
    maps().astype("<f8").tofile(path)
    return path


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("maker") / "gainMaps_M049_2019-07-29.bin"
    maps(6).astype("<f8").tofile(path)
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write_maps(folder: Path, change: Callable[[NDArray[np.float64]], None] | None = None) -> Path:
    array = maps()
    if change is not None:
        change(array)
    array.tofile(folder / "gainMaps_M049.bin")
    return folder / "gainMaps_M049.bin"


def refuse_conversion(path: Path, **options: Any) -> str:
    with assert_refused(ArrayError) as error, convert_gain_maps(path, JUNGFRAU, **options):
        pytest.fail("it was taken")
    return error.value.message


@pytest.mark.slow
def test_three_stages_become_the_gain_of_a_panel_in_float32(
    registry: Registry, three: Path, scratch: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    outcome = registry.versions.add(PANEL_A, three, valid_from=START, comment="from the maker")
    assert (outcome.notes, outcome.warnings) == ((), ())
    (version,) = outcome.versions
    assert (version.panel, version.kind, str(version.valid_from)) == (PANEL_A, "gain", START)
    assert (version.source_path, version.comment) == (str(three), "from the maker")
    assert list(scratch.iterdir()) == []

    shown, files = registry.versions.show(version.version)
    stored = [np.load(find_object_path(registry._backend.store, file.sha256)) for file in files]
    rounded = maps().astype("<f4")
    for array, expected in zip(stored, rounded, strict=True):
        assert (array.dtype.str, array.shape) == ("<f4", (512, 1024))
        np.testing.assert_array_equal(array, expected)

    error = np.abs(rounded - maps())
    assert shown.conversion == Conversion(
        file="gainMaps_M049.bin",
        sha256=hashlib.sha256(three.read_bytes()).hexdigest(),
        size=3 * STAGE,
        dtype="<f8",
        stages=tuple(
            ConvertedStage(name, number, error[number].max(), (error / np.abs(maps()))[number].max())
            for number, name in enumerate(("G0", "G1", "G2"))
        ),
        left_out=(),
    )
    assert all(0 < stage.relative_error <= 2**-24 for stage in shown.conversion.stages)
    assert registry.versions.list(PANEL_A)[0].conversion == shown.conversion
    assert registry.verify().problems == ()


@pytest.mark.slow
def test_stages_of_the_high_gain_mode_are_named_as_left_out(
    registry: Registry, three: Path, six: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    dry = registry.versions.add(PANEL_A, six, valid_from=START, dry_run=True)
    assert registry.versions.list() == []
    assert list(list_object_paths(registry._backend.store)) == []
    outcome = registry.versions.add(PANEL_A, six, valid_from=START)
    assert (
        dry.notes
        == outcome.notes
        == (f"HG0, HG1, HG2 of {str(six)!r} are left out: not gain ranges of jungfrau",)
    )
    conversion = outcome.versions[0].conversion
    assert conversion is not None
    assert (conversion.size, conversion.left_out) == (6 * STAGE, HIGH)
    assert [stage.stage for stage in conversion.stages] == ["G0", "G1", "G2"]
    assert conversion.sha256 == hashlib.sha256(six.read_bytes()).hexdigest(), "of the whole file"
    # The same maps without the others are the same constants, from another file.
    again = registry.versions.add(PANEL_A, three, valid_from=START)
    assert again.revision is None
    assert again.notes == (
        "version 1 states these constants already; that gainMaps_M049.bin holds them is not recorded with it",
    )


@pytest.mark.slow
def test_the_converted_files_are_what_numpy_would_save(
    registry: Registry, three: Path, tmp_path: Path
) -> None:
    for gain_range, array in enumerate(maps().astype("<f4")):
        np.save(tmp_path / f"g{gain_range}_gain.npy", array)
    registry.panels.add(PANEL_A, alias="M049")
    registry.versions.add(PANEL_A, three, valid_from=START)
    by_hand = registry.versions.add(PANEL_A, tmp_path, valid_from=START, kinds=["gain"])
    assert (by_hand.revision, [version.version for version in by_hand.unchanged]) == (None, [1])
    again = registry.versions.add(PANEL_A, three, valid_from=START, kinds=["gain", "gain"])
    assert (again.revision, again.notes) == (None, ())


@pytest.mark.slow
def test_carried_constants_keep_the_record_of_their_conversion(registry: Registry, three: Path) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    (version,) = registry.versions.add(PANEL_A, three, valid_from=START).versions
    registry.panels.add(NEW_A, alias="M049", carry_from=PANEL_A, valid_from="2019-01-01T00:00:00Z")
    (carried,) = registry.versions.list(NEW_A)
    assert carried.carried_from == version.version
    assert carried.conversion == version.conversion


@pytest.mark.slow
def test_an_alias_stands_for_every_panel_under_it(registry: Registry, three: Path) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    registry.panels.add(NEW_A, alias="M049")
    outcome = registry.versions.add("M049", three, valid_from=START)
    assert [version.panel for version in outcome.versions] == [PANEL_A, NEW_A]
    assert all(version.conversion for version in outcome.versions)


@pytest.mark.slow
def test_a_file_that_is_named_for_another_module_is_refused_before_it_is_read(
    registry: Registry, three: Path, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    with assert_refused(ConflictError, str(three), "M049", PANEL_A, "M068", problems=1):
        registry.versions.add("M068", three, valid_from=START)
    # What a link leads to counts too.
    (tmp_path / "gainMaps_M068.bin").symlink_to(three)
    (tmp_path / "newest.bin").symlink_to(three)
    for name in ("gainMaps_M068.bin", "newest.bin"):
        with assert_refused(ConflictError, "M049"):
            registry.versions.add(PANEL_A, tmp_path / name, valid_from=START)
    (tmp_path / "gainMaps_M049.bin").write_bytes(b"not even maps")
    with assert_refused(ConflictError, "M049"):
        registry.versions.add(PANEL_A, tmp_path / "gainMaps_M049.bin", valid_from=START)
    assert registry.versions.list() == []

    bare = registry.versions.add(PANEL_B, three, valid_from=START)
    assert bare.notes == (
        f"{str(three)!r} is named for M049, {PANEL_B} bears no M-number: nothing shows that they belong together",
    )
    unnamed = tmp_path / "maps.bin"
    unnamed.write_bytes(three.read_bytes())
    added = registry.versions.add(PANEL_A, unnamed, valid_from=START, same_as=[PANEL_B])
    assert added.notes == (
        f"{str(unnamed)!r} has no M-number in its name: nothing shows whose maps they are",
    )


def test_the_module_is_compared_with_the_file_again_under_the_lock(
    registry: Registry, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.panels.add(PANEL_A)
    put = type(registry._backend).store_files

    def put_late(backend: Any, *arguments: Any) -> None:
        put(backend, *arguments)
        registry.aliases.add("M068", [PANEL_A])

    monkeypatch.setattr(type(registry._backend), "store_files", put_late)
    with assert_refused(ConflictError, "M049", PANEL_A, "M068"):
        registry.versions.add(PANEL_A, three, valid_from=START)
    assert registry.versions.list() == []


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("gainMaps_M049.bin", ["M049"]),
        ("gainMaps_M253_2019-07-29.bin", ["M253"]),
        ("gainMapsM49.bin", ["M049"]),
        ("m0049-copy.bin", ["M049"]),
        ("M049_M050.bin", ["M049", "M050"]),
        ("gainMaps.bin", []),
        ("room5.bin", []),
        ("HAM05.bin", []),
        ("gainMaps_M.bin", []),
        ("20180101M1234567.bin", []),
    ],
)
def test_m_numbers_in_the_names_of_files(name: str, numbers: list[str]) -> None:
    assert extract_m_numbers(name) == numbers


@pytest.mark.slow
def test_a_file_of_another_size_is_refused_with_the_sizes_that_are_expected(
    registry: Registry, three: Path, scratch: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    content = three.read_bytes()
    path = scratch.parent / "gainMaps_M049.bin"
    for damaged in (
        b"",
        content[:-1],
        content + b"\0",
        content[:STAGE],
        content + content[:STAGE],
        b"\x93NUMPY",
    ):
        path.write_bytes(damaged)
        with pytest.raises(ArrayError) as error:
            registry.versions.add(PANEL_A, path, valid_from=START)
        assert error.value.message == (
            f"{str(path)!r} has {len(damaged)} bytes; the maker's maps have 12582912 (G0, G1, G2)"
            " or 25165824 (G0, G1, G2, HG0, HG1, HG2)"
        )
    assert len(registry.log()) == 1
    assert list(scratch.iterdir()) == []
    assert list(list_object_paths(registry._backend.store)) == []


@pytest.mark.slow
def test_values_that_float32_cannot_hold_are_refused(tmp_path: Path) -> None:
    for value, shown in ((1e39, "1e+39"), (-3.5e38, "-3.5e+38"), (1e-39, "1e-39"), (-1e-300, "-1e-300")):

        def change(array: NDArray[np.float64], value: float = value) -> None:
            array[1, 4, 7:9] = value

        assert refuse_conversion(write_maps(tmp_path, change), allow_nonfinite=True) == (
            f"{str(tmp_path / 'gainMaps_M049.bin' / 'G1')!r} holds 2 values that float32 cannot, {shown} the first;"
            " it reaches from 1.2e-38 to 3.4e+38"
        )


def test_noise_in_place_of_maps_is_refused_without_a_warning_of_numpy(tmp_path: Path) -> None:
    def signalling(array: NDArray[np.float64]) -> None:
        array.view(np.uint64)[0, 0, 0] = 0x7FF0000000000001

    message = refuse_conversion(write_maps(tmp_path, signalling))
    assert "G0' holds 1 value that is NaN or infinite" in message


@settings(max_examples=examples(30))
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_rounded_value_has_the_full_precision_of_float32_or_is_refused(value: float) -> None:
    try:
        rounded, absolute, relative = gain_maps.round_to_kind(
            np.array([value]), JUNGFRAU.find_kind("gain"), Path("maps.bin")
        )
    except ArrayError:
        assert not 1.2e-38 <= abs(value) <= 3.4e38
        return
    assert absolute == abs(float(rounded[0]) - value)
    assert relative <= 2**-24
    assert (rounded[0] == 0) == (value == 0)


@pytest.mark.slow
def test_nan_is_refused_unless_it_is_allowed_and_then_counted(registry: Registry, tmp_path: Path) -> None:
    def change(array: NDArray[np.float64]) -> None:
        array[2, 0, :3] = np.nan, np.inf, -np.inf

    path = write_maps(tmp_path, change)
    stage = str(path / "G2")
    assert refuse_conversion(path) == f"{stage!r} holds 3 values that are NaN or infinite"
    registry.panels.add(PANEL_A, alias="M049")
    outcome = registry.versions.add(PANEL_A, path, valid_from=START, allow_nonfinite=True)
    assert outcome.warnings == (
        f"{stage!r}: 3 values are NaN or infinite, as allowed; they are kept as they are",
    )
    shown, files = registry.versions.show(1)
    assert shown.nonfinite_allowed
    assert [file.statistics.nonfinite for file in files] == [0, 0, 3]
    assert shown.conversion is not None
    assert all(stage.relative_error <= 2**-24 for stage in shown.conversion.stages)


@pytest.mark.slow
def test_odd_and_dead_values_are_named_by_stage(tmp_path: Path) -> None:
    def change(array: NDArray[np.float64]) -> None:
        array[0] /= 1000  # ADU/eV
        array[1, 0, :2] = 0

    path = write_maps(tmp_path, change)
    assert refuse_conversion(path).startswith(
        f"{str(path / 'G0')!r} has the median 0.0415 ADU/keV, which cannot be that of gain of gain range 0: about 41.5"
    )
    with convert_gain_maps(path, JUNGFRAU, allow_odd=True) as shown:
        odd, dead = shown.warnings
    assert [constants.is_odd for constants in shown.constants] == [True]
    assert odd == (
        f"{str(path / 'G0')!r}: the median 0.0415 ADU/keV is outside 14 to 125, where gain of gain range 0 is expected"
    )
    assert dead == f"{str(path)!r}: 0, 2, 0 pixels (by gain range) have gain 0 (dead?); kept as they are"

    def erase(array: NDArray[np.float64]) -> None:
        array[1] = 0

    assert "G1' holds nothing but zeros" in refuse_conversion(write_maps(tmp_path, erase))


SIX = "6 stages of {} (G0, G1, G2, HG0, HG1, HG2{})"
THREE = "3 stages of {} ({})"


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
@pytest.mark.parametrize(
    ("stages", "write", "layout"),
    [
        pytest.param(6, lambda array: array.astype("<f4"), SIX.format("float32", ""), id="six of float32"),
        pytest.param(
            3, lambda array: array.astype("<f4"), THREE.format("float32", "G0, G1, G2"), id="float32"
        ),
        pytest.param(
            3, lambda array: array.astype(">f8"), THREE.format("big-endian float64", "G0, G1, G2"), id=">f8"
        ),
        pytest.param(6, lambda array: array.astype(">f4"), SIX.format("big-endian float32", ""), id=">f4"),
        pytest.param(
            6,
            lambda array: np.moveaxis(array, 0, 2).copy(),
            SIX.format("float64", ", those of a pixel side by side"),
            id="interleaved",
        ),
        pytest.param(
            3, lambda array: array[::-1].copy(), THREE.format("float64", "G2, G1, G0"), id="reversed"
        ),
        pytest.param(
            3,
            lambda array: array[[1, 2, 0]].copy(),
            THREE.format("float64", "G1, G2, G0"),
            id="another order",
        ),
    ],
)
@pytest.mark.parametrize(
    "options", [{}, {"allow_odd": True, "allow_nonfinite": True}], ids=["plain", "allowed"]
)
def test_a_file_in_another_layout_is_refused_with_the_command_that_writes_it_as_the_maker_does(
    tmp_path: Path, stages: int, write: Callable[[Any], Any], layout: str, options: dict[str, bool]
) -> None:
    path = tmp_path / "gainMaps_M068.bin"
    original = maps(stages)[:, :4, :6].copy()
    original[:, 3, :5] = 0
    write(original).tofile(path)
    with (
        assert_refused(ArrayError, layout, path=str(path), layouts=[layout]) as error,
        convert_gain_maps(path, JUNGFRAU, **options),
    ):
        pytest.fail("it was taken")
    command = error.value.message.partition("; python ")[2].removesuffix(" writes it so")
    arguments = [sys.executable, *shlex.split(command)]
    subprocess.run(arguments, check=True)
    mended = np.fromfile(tmp_path / "mended-gainMaps_M068.bin", "<f8").reshape(stages, 4, 6)
    np.testing.assert_array_equal(mended, original.astype(np.float32) if "float32" in layout else original)
    with convert_gain_maps(tmp_path / "mended-gainMaps_M068.bin", JUNGFRAU) as shown:
        assert shown.warnings[0].endswith(
            "5, 5, 5 pixels (by gain range) have gain 0 (dead?); kept as they are"
        )


@pytest.mark.parametrize("size", [3 * STAGE, 6 * STAGE])
def test_noise_is_refused_whatever_it_is_read_as(tmp_path: Path, size: int) -> None:
    path = tmp_path / "gainMaps_M068.bin"
    path.write_bytes(np.random.default_rng(7).bytes(size))
    assert "gainMaps_M068.bin" in refuse_conversion(path, allow_odd=True, allow_nonfinite=True)


@pytest.mark.slow
def test_maps_in_six_stages_of_float32_leave_nothing_and_the_others_are_taken_as_they_stand(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    path = tmp_path / "gainMaps_M068.bin"
    maps(6).astype("<f4").tofile(path)
    assert path.stat().st_size == 3 * STAGE
    for options in ([], ["--allow-odd"], ["--dry-run"]):
        refusal = calreg.assert_refused(
            2, "version", "add", "M068", str(path), "--valid-from", START, *options
        )
        assert refusal["layouts"] == [SIX.format("float32", "")]
    assert calreg.run("version", "list", "--json").json == []

    maps(6).tofile(path)
    added = calreg.run(
        "version", "add", "M068", str(path), "--valid-from", START, "--allow-odd", "--json"
    ).json
    assert [version["odd_allowed"] for version in added["versions"]] == [False]


def test_only_gain_can_be_asked_of_the_makers_file(registry: Registry, three: Path) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    for kinds in (["offset"], ["gain", "offset"]):
        with assert_refused(RequestError, str(three), remedy=Remedy.OMIT_KINDS, kinds=["offset"]):
            registry.versions.add(PANEL_A, three, valid_from=START, kinds=kinds)
    with assert_refused(RequestError, "'gains'", "gain, offset"):
        registry.versions.add(PANEL_A, three, valid_from=START, kinds=["gains"])
    assert registry.versions.list() == []


def test_a_type_without_a_maker_format_refuses_the_file(three: Path) -> None:
    other = replace(JUNGFRAU, name="other", maker_format=None)
    with assert_refused(RequestError, str(three), "other", "g0_gain.npy"), convert_gain_maps(three, other):
        pytest.fail("it was taken")


def test_a_path_that_is_not_a_readable_file_is_refused(
    registry: Registry, tmp_path: Path, scratch: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    (tmp_path / "circle.bin").symlink_to("circle.bin")
    os.mkfifo(tmp_path / "pipe.bin")
    write_panel_folder(tmp_path / "folder.bin")
    for name, error in (
        ("missing.bin", NotFoundError),
        ("circle.bin", ArrayError),
        ("pipe.bin", ArrayError),
    ):
        with assert_refused(error, path=str(tmp_path / name)):
            registry.versions.add(PANEL_A, tmp_path / name, valid_from=START)
    scratch.rmdir()
    write_maps(tmp_path)
    with assert_refused(UnavailableError, "No such file"):
        registry.versions.add(PANEL_A, tmp_path / "gainMaps_M049.bin", valid_from=START)
    assert len(registry.log()) == 1
    assert len(registry.versions.add(PANEL_A, tmp_path / "folder.bin", valid_from=START).versions) == 2


def test_a_full_disk_is_reported_and_nothing_is_left(
    tmpfs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmpfs("size=3m")
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    path = write_maps(tmp_path)
    with assert_refused(UnavailableError, "No space left on device"), convert_gain_maps(path, JUNGFRAU):
        pytest.fail("it was taken")
    assert list(full.iterdir()) == []


def test_a_file_that_shrinks_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_maps(tmp_path)
    rounded = gain_maps.round_to_kind

    def shrinking(*arguments: Any) -> Any:
        os.truncate(path, STAGE + 5)
        return rounded(*arguments)

    monkeypatch.setattr(gain_maps, "round_to_kind", shrinking)
    assert refuse_conversion(path) == f"{str(path)!r} was changed while it was read"


@pytest.mark.slow
def test_an_export_names_the_file_that_its_constants_were_converted_from(
    registry: Registry, three: Path, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "panel"), valid_from="beginning")
    (version,) = registry.versions.add(PANEL_A, three, valid_from=START).versions
    assert version.conversion is not None
    export = registry.export(PANEL_A, tmp_path / "new", at=START)
    document = provenance.read(Path(export.provenance))
    gain, offset = document.resolution.panels[0].constants
    assert offset.conversion is None
    assert gain.conversion is not None
    assert gain.conversion.sha256 == version.conversion.sha256
    assert gain.conversion.stages[2].relative_error == version.conversion.stages[2].relative_error
    trail = json.loads(build_prov_json(document))
    assert {
        "prov:generatedEntity": f"calreg:constants-{version.constants}",
        "prov:usedEntity": f"calreg:file-{version.conversion.sha256}",
    } in trail["wasDerivedFrom"].values()
    # The document of constants that were never converted does not speak of it.
    older = registry.export(PANEL_A, tmp_path / "old", at="2017-01-01T00:00:00Z")
    assert "conversion" not in Path(older.provenance).read_text()
    assert Path(export.provenance).read_text().count('"conversion"') == 1


def test_a_damaged_record_of_a_conversion_is_reported_as_corruption(
    registry: Registry, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.panels.add(PANEL_A, alias="M049")
    monkeypatch.setattr(version_batches, "_encode_conversion", lambda _conversion: '{"file": 5}')
    with assert_refused(CorruptionError, "version 1", "Expected `str`"):
        registry.versions.add(PANEL_A, three, valid_from=START)


def test_the_example_of_the_documentation_is_converted_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "formats-inputs.md").read_text()
    section = page.partition("## The maker's gain maps")[2]
    program, answer = (
        section.partition(f"```{language}\n")[2].partition("```")[0] for language in ("python", "json")
    )
    monkeypatch.chdir(tmp_path)
    exec(program)  # noqa: S102 - our own page
    with convert_gain_maps(Path("gainMaps_M049.bin"), JUNGFRAU) as shown:
        assert json.loads(msgspec.json.encode(shown.conversion)) == json.loads(answer)


@pytest.mark.slow
def test_the_commands_show_it(
    location: RegistryLocation, six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    calreg.run("panel", "add", PANEL_A, "--alias", "M049")
    refusal = calreg.assert_refused(
        2, "version", "add", "M049", str(six), "--valid-from", START, "--kind", "offset"
    )
    assert refusal["kinds"] == ["offset"]
    added = calreg.run("version", "add", "M049", str(six), "--valid-from", START)
    assert added.stdout == f"+ version 1: gain of {PANEL_A} from {START}\nrevision 2\n"
    assert added.stderr == f"note: HG0, HG1, HG2 of {str(six)!r} are left out: not gain ranges of jungfrau\n"
    digest = hashlib.sha256(six.read_bytes()).hexdigest()

    shown = calreg.run("version", "show", "1").stdout
    assert f"\nconverted     from gainMaps_M049_2019-07-29.bin, 25165824 bytes, sha256 {digest}\n" in shown
    assert "\n              G0 is gain range 0, rounded by at most 1.9e-06, relative 4.6e-08\n" in shown
    assert "\n              HG0, HG1, HG2 left out\n" in shown
    answer = calreg.run("version", "show", "1", "--json").json["conversion"]
    assert list(answer) == ["file", "sha256", "size", "dtype", "stages", "left_out"]
    assert list(answer["stages"][0]) == ["stage", "gain_range", "absolute_error", "relative_error"]
    assert (answer["sha256"], answer["left_out"]) == (digest, list(HIGH))

    identified = calreg.run("identify", str(six))
    assert "the original file from which constants were converted\n" in identified.stdout
    assert f"1        {PANEL_A}  M049" in identified.stdout
    assert [
        version["version"] for version in calreg.run("identify", str(six), "--json").json["converted"]
    ] == [1]
    unknown = tmp_path / "unknown.bin"
    unknown.write_bytes(b"maps?")
    calreg.assert_refused(3, "identify", str(unknown))
    calreg.assert_refused(3, "identify", str(six), "--as-of", "1")

    calreg.run("export", PANEL_A, "--at", START, "--type", "pixel_gain", "--output", str(tmp_path / "out"))
    document = str(tmp_path / "out" / "provenance.json")
    converted_from = f"    converted from gainMaps_M049_2019-07-29.bin, sha256 {digest}\n"
    assert converted_from in calreg.run("provenance", "show", document).stdout
    assert calreg.run("provenance", "verify", document).stdout.endswith(" checked, 0 problems\n")
    calreg.run("provenance", "replay", document, "--output", str(tmp_path / "again"))

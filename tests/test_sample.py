from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from registry.arrays import array_warnings, check_file
from registry.detectors import Kind, parse_detector_id, parse_panel_id
from registry.detectors.jungfrau import JUNGFRAU
from registry.identifiers import Dataset, parse_m_number, parse_source
from registry.patterns import FITTING, compute_pattern, correlate
from registry.sample import (
    LINKS,
    MODULES,
    panel_arrays,
    remeasure_arrays,
    write_dataset_table,
    write_legacy_tree,
)

KINDS = [JUNGFRAU.find_kind("gain"), JUNGFRAU.find_kind("offset")]
FILES = [(kind, gain_range) for kind in KINDS for gain_range in range(JUNGFRAU.gain_ranges)]
NAMES = {JUNGFRAU.file_name(kind.name, gain_range) for kind, gain_range in FILES}
STRIP = 32

Arrays = dict[str, NDArray[np.float32]]
Tree = tuple[Path, list[Path]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("sample") / "not" / "there" / "yet"
    return folder, write_legacy_tree(folder)


@pytest.fixture(scope="module")
def modules(tree: Tree) -> dict[str, Arrays]:
    folder, _ = tree
    return {
        module: {path.name: np.load(path) for path in sorted((folder / module).iterdir())}
        for module in MODULES
    }


def steps(array: NDArray[np.float32], column: int) -> list[float]:
    """By how much the level right of the column differs from that left of it, for each row of ASICs.

    Ten pixels at the other borders are left out, and the two at this one, which are wide; medians are deaf
    to bad pixels.
    """
    bands = [array[first + 10 : first + 246] for first in range(0, len(array), 256)]
    return [
        abs(
            float(np.median(band[:, column + 1 : column + 1 + STRIP]))
            - float(np.median(band[:, column - 1 - STRIP : column - 1]))
        )
        for band in bands
    ]


@pytest.mark.slow
def test_the_files_of_a_module_are_its_six_arrays(modules: dict[str, Arrays]) -> None:
    arrays = panel_arrays("M068")
    assert set(arrays) == set(modules["M068"]) == NAMES
    assert all((arrays[name] == modules["M068"][name]).all() for name in NAMES)


@pytest.mark.slow
def test_every_array_is_finite_little_endian_float32_of_a_panels_shape_in_c_order(
    modules: dict[str, Arrays],
) -> None:
    for array in (array for arrays in modules.values() for array in arrays.values()):
        assert array.shape == (512, 1024)
        assert array.dtype.str == "<f4"
        assert array.flags.c_contiguous
        assert np.isfinite(array).all()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_door_takes_every_file_and_remarks_on_nothing_but_dead_pixels(
    tree: Tree, module: str, kind: Kind
) -> None:
    folder, _ = tree
    files = [
        check_file(folder / module / name, JUNGFRAU, kind, gain_range)
        for gain_range, name in enumerate(JUNGFRAU.file_names(kind.name))
    ]
    assert ["dead" in remark for remark in array_warnings(kind, files)] == (
        [True] if kind.name == "gain" else []
    )


def test_the_medians_are_the_typical_values_of_the_field(modules: dict[str, Arrays]) -> None:
    typical = {
        "g0_gain.npy": (41.5, 0.4),
        "g1_gain.npy": (-1.39, 0.014),
        "g2_gain.npy": (-0.11, 0.0011),
        "g0_offset.npy": (0.01, 0.02),
        "g1_offset.npy": (300.0, 6.0),
        "g2_offset.npy": (50.0, 2.0),
    }
    for arrays in modules.values():
        assert {name: float(np.median(array)) for name, array in arrays.items()} == {
            name: pytest.approx(value, abs=tolerance) for name, (value, tolerance) in typical.items()
        }


def test_the_gains_of_a_panel_differ_by_percents(modules: dict[str, Arrays]) -> None:
    for arrays in modules.values():
        for name in JUNGFRAU.file_names("gain"):
            low, median, high = np.percentile(arrays[name], [5, 50, 95])
            assert 0.01 < (high - low) / abs(median) < 0.1


def test_no_two_arrays_of_the_sample_are_the_same(tree: Tree) -> None:
    _, paths = tree
    contents = {path.read_bytes() for path in paths if path.suffix == ".npy"}
    assert len(contents) == len(MODULES) * len(NAMES)


def test_modules_differ_by_more_than_their_dead_pixels(modules: dict[str, Arrays]) -> None:
    for one, other in (("M044", "M068"), ("M068", "M088"), ("M088", "M044")):
        for name in NAMES:
            assert (modules[one][name] != modules[other][name]).mean() > 0.95


def test_the_level_steps_at_every_border_between_two_asics_and_nowhere_else(
    modules: dict[str, Arrays],
) -> None:
    for arrays in modules.values():
        for array in arrays.values():
            inside = array[10:246, 10 : 10 + STRIP]
            noise_of_the_mean = float(inside.mean(axis=0).std()) / math.sqrt(STRIP)
            borders = [steps(array, column) for column in (256, 512, 768)] + [steps(array.T, 256)]
            within = [steps(array, column) for column in (128, 384, 640, 896)]
            within += [steps(array.T, row) for row in (128, 384)]
            smallest = min(step for several in borders for step in several)
            assert smallest > 5 * noise_of_the_mean
            assert smallest > 2 * max(step for several in within for step in several)


def test_pixels_beside_a_border_between_asics_collect_more(modules: dict[str, Arrays]) -> None:
    for arrays in modules.values():
        for array in arrays.values():
            size = np.abs(array)
            for wide, normal in ((255, 254), (256, 257), (511, 510), (512, 513), (767, 766), (768, 769)):
                assert np.median(size[:, wide]) > np.percentile(size[:, normal], 70)
            for wide, normal in ((255, 254), (256, 257)):
                assert np.median(size[wide]) > np.percentile(size[normal], 70)


def test_a_few_pixels_are_dead_and_the_same_in_all_gain_ranges(modules: dict[str, Arrays]) -> None:
    for arrays in modules.values():
        dead = [arrays[name] == 0.0 for name in JUNGFRAU.file_names("gain")]
        assert 1 <= dead[0].sum() <= 100
        assert (dead[0] == dead[1]).all()
        assert (dead[0] == dead[2]).all()


def test_a_few_pixels_are_hot_and_the_same_in_all_gain_ranges(modules: dict[str, Arrays]) -> None:
    for arrays in modules.values():
        hot = [arrays[name] / np.median(arrays[name]) > 1.15 for name in JUNGFRAU.file_names("gain")]
        assert 1 <= hot[0].sum() <= 100
        assert (hot[0] == hot[1]).all()
        assert (hot[0] == hot[2]).all()


@pytest.mark.slow
def test_two_trees_have_the_same_bytes(tree: Tree, tmp_path: Path) -> None:
    folder, paths = tree
    again = write_legacy_tree(tmp_path / "again")
    assert [path.relative_to(tmp_path / "again") for path in again] == [
        path.relative_to(folder) for path in paths
    ]
    for one, other in zip(paths, again, strict=True):
        assert one.is_dir() or one.read_bytes() == other.read_bytes()


def test_the_values_are_the_same_on_every_machine_and_with_every_numpy(modules: dict[str, Arrays]) -> None:
    # Of the values alone: numpy may pad the header of a file in another way one day.
    digest = hashlib.sha256()
    for name, array in sorted(modules["M068"].items()):
        digest.update(name.encode() + array.tobytes())
    assert digest.hexdigest() == "ae0b169cd521f8fc2d48c13671aa69e40b160a5ec15116beb08baae08e8fc4f9"


@pytest.mark.slow
def test_a_module_measured_again_fits_its_own_map_and_no_others(modules: dict[str, Arrays]) -> None:
    measured = [remeasure_arrays("M068", "remeasured"), *modules.values()]
    computed = [compute_pattern(arrays["g0_gain.npy"], JUNGFRAU.asic_shape) for arrays in measured]
    again, *patterns = [pattern for pattern in computed if pattern is not None]
    best = dict(
        zip(
            modules,
            correlate(again, np.array([pattern.samples for pattern in patterns])).max(axis=1),
            strict=True,
        )
    )
    assert best["M068"] > 0.8
    assert max(best["M044"], best["M088"]) < FITTING / 2


@pytest.mark.slow
def test_a_module_measured_again_has_the_same_dead_pixels_and_the_same_values_on_every_machine(
    modules: dict[str, Arrays],
) -> None:
    again = remeasure_arrays("M068", "remeasured")
    digest = hashlib.sha256()
    for name, array in sorted(again.items()):
        assert ((array == 0) == (modules["M068"][name] == 0)).all()
        assert array.dtype.str == "<f4"
        digest.update(name.encode() + array.tobytes())
    assert digest.hexdigest() == "f580c5b3dc6a70d121b017591a86c7148e49edff1573bff881c057aaaf02d8fe"


def test_the_tree_holds_what_is_returned_and_nothing_else(tree: Tree) -> None:
    folder, paths = tree
    assert {path.name for path in folder.iterdir()} == {*MODULES, *LINKS}
    for module in MODULES:
        assert {path.name for path in (folder / module).iterdir()} == NAMES
    assert len(paths) == len(set(paths)) == len(MODULES) * (1 + len(NAMES)) + len(LINKS)


def test_the_links_are_relative_and_lead_to_the_right_modules(tree: Tree) -> None:
    folder, _ = tree
    links = {path.name: path for path in folder.iterdir() if path.is_symlink()}
    assert {name: str(link.readlink()) for name, link in links.items()} == {
        "170505-149520170815-3d00b0-20171025000000": "M068",
        "170505-149520170815-3d00f7-20171025000000": "M088",
        "171113-154920171025-3d00b0": "M068",
        "171113-154920171025-3d00f7": "M088",
        "171113-154920171025-3d00fb-20180306000000": "M044",
    }
    for link in links.values():
        assert link.resolve() == (folder / link.readlink()).resolve()
        assert (link / "g0_gain.npy").is_file()


def test_the_links_bear_canonical_names() -> None:
    for name, module in LINKS.items():
        parse_panel_id("-".join(name.split("-")[:3]))
        assert parse_m_number(module) in MODULES


def test_the_table_has_a_header_and_fifteen_datasets(tmp_path: Path) -> None:
    write_dataset_table(tmp_path / "datasets.txt")
    header, dashes, *rows = (tmp_path / "datasets.txt").read_text(encoding="utf-8").splitlines()
    assert header.startswith("Dataset ")
    assert set(dashes) == {"-"}
    rows = [row for row in rows if row]
    assert len(rows) == 15
    for row in rows:
        dataset, runs, source, panels = row.split()
        assert Dataset.parse(dataset).run == int(runs.split("-")[-1])
        parse_source(source)
        if not panels.startswith("psana.Jungfrau.ConfigV"):
            parse_detector_id(panels)


def test_the_panels_of_the_table_are_those_of_the_links(tmp_path: Path) -> None:
    write_dataset_table(tmp_path / "datasets.txt")
    named = {
        panel
        for row in (tmp_path / "datasets.txt").read_text(encoding="utf-8").splitlines()
        if row.startswith("exp=") and "ConfigV" not in row
        for panel in parse_detector_id(row.split()[3])
    }
    assert named == {"-".join(name.split("-")[:3]) for name in LINKS}

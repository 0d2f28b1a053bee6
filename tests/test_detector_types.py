"""Every detector type from end to end: registered, looked up, exported, verified, replayed."""

from __future__ import annotations

import hashlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from registry.api import Registry
from registry.detectors import DETECTOR_TYPES, DetectorType, Kind, ZeroMeaning, parse_panel_id
from registry.errors import ArrayError, ConflictError, IdentifierError, ImportHazardError, NotFoundError
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location

pytestmark = pytest.mark.sqlite_suffices

ROOT = Path(__file__).parent.parent
QUAD = [
    f"3926196238-{carrier}-0000000000-0000000000-0000000000-0000000000"
    for carrier in (
        "0175152897-1157627926",
        "0174824449-0268435478",
        "0175552257-3456106518",
        "0176373505-4043309078",
    )
]
UPGRADED = QUAD[0].replace("3926196238", "3926196239")
PANELS = {"jungfrau": [PANEL_A, PANEL_B], "epix10ka": QUAD[:2]}
SOURCES = {"jungfrau": "XcsEndstation.0:Jungfrau.0", "epix10ka": "MfxEndstation.0:Epix10ka.0"}
DATASET = "exp=mfx1:run=7"
T1, T2 = "2021-01-01T00:00:00Z", "2021-02-01T00:00:00Z"


def array_of(known: DetectorType, kind: Kind, gain_range: int, seed: int) -> NDArray[Any]:
    """Return an array (row, column) that gives no cause for a warning, another one for each seed."""
    array = np.zeros(known.panel_shape, kind.dtype)
    if kind.is_mask:
        array += kind.zero is ZeroMeaning.DEAD
    elif not kind.expected_medians:
        array += 3000
        array[seed, gain_range] += 5
    else:
        low, high = kind.expected_medians[gain_range]
        array += np.asarray(low + 0.4 * (high - low), array.dtype)
        array[seed, gain_range] *= np.asarray(1.25, array.dtype)
    return array


def folder_of(root: Path, known: DetectorType, seed: int, kinds: tuple[Kind, ...] | None = None) -> Path:
    folder = root / f"{known.name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for kind in known.kinds if kinds is None else kinds:
        for gain_range, name in enumerate(known.file_names(kind.name)):
            np.save(folder / name, array_of(known, kind, gain_range, seed))
    return folder


@dataclass(frozen=True)
class Registered:
    """A registry in which the kinds of two panels of a detector type are registered, and a run of them."""

    location: RegistryLocation
    known: DetectorType
    folders: list[Path]

    @property
    def panels(self) -> list[str]:
        return PANELS[self.known.name]


@pytest.fixture(
    scope="module",
    params=[(name, engine) for name in DETECTOR_TYPES for engine in ("sqlite", "postgresql")],
    ids="-".join,
)
def registered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registered]:
    name, engine = request.param
    known, root = DETECTOR_TYPES[name], tmp_path_factory.mktemp("types")
    folders = [folder_of(root / "folders", known, seed) for seed in range(len(PANELS[name]))]
    for location in make_location(request, root, engine):
        with location.open() as registry:
            for panel, folder in zip(PANELS[name], folders, strict=True):
                registry.panels.add(panel)
                assert registry.versions.add(panel, folder, valid_from=T1).warnings == ()
            detector = f"{name}_{'_'.join(PANELS[name])}"
            registry.detectors.configure("mfx1", SOURCES[name], detector, first_run=1)
            registry.runs.add(DATASET, begin=T2)
        yield Registered(location, known, folders)


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_look_up_without_a_kind_returns_the_kinds_that_the_type_requires(registered: Registered) -> None:
    known, panels = registered.known, registered.panels
    with registered.location.open() as registry:
        result = registry.validity("_".join(panels), at=T2)
        assert [(entry.panel, entry.kind) for entry in result.versions] == [
            (panel, kind) for panel in panels for kind in known.required_kinds
        ]
        assert [entry.detector_type for entry in registry.panels.list()] == [known.name] * 2
        (affected,) = registry.list_affected_runs(1)
        assert affected.change == "now possible"
        assert [output.kind for output in registry.constants(DATASET).provenance.outputs] == list(
            known.required_kinds
        )


@pytest.mark.slow
def test_every_kind_is_exported_verified_and_replayed(
    registered: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, calreg = registered.known, Calreg(registered.location, monkeypatch)
    options = [word for kind in known.kinds for word in ("--type", kind.calibration_type)]
    answer = calreg.run("export", DATASET, *options, "--output", str(tmp_path / "out"), "--json").json
    assert [entry["type"] for entry in answer["outputs"]] == [kind.calibration_type for kind in known.kinds]
    for kind in known.kinds:
        result = np.load(tmp_path / "out" / f"{kind.calibration_type}.npy", mmap_mode="r")
        assert (result.shape, result.dtype.str) == (known.array_shape(2), kind.dtype)
        for gain_range, seed in np.ndindex(known.gain_ranges, 2):
            assert np.array_equal(result[gain_range, seed], array_of(known, kind, gain_range, seed))
    document = str(tmp_path / "out" / "provenance.json")
    assert calreg.run("provenance", "verify", document, "--json").json["problems"] == []
    calreg.run("provenance", "replay", document, "--output", str(tmp_path / "again"))
    assert content(tmp_path / "again") == content(tmp_path / "out")


@pytest.mark.slow
def test_versions_are_compared_in_every_gain_range(registered: Registered) -> None:
    with registered.location.open() as registry:
        first, second = (registry.validity(panel, kinds=["gain"]).versions[0] for panel in registered.panels)
        result = registry.versions.diff(first.version, second.version).gain_ranges
    assert [entry.count for entry in result] == [2] * registered.known.gain_ranges


@pytest.mark.slow
def test_a_file_of_the_last_gain_range_is_identified(registered: Registered) -> None:
    last = registered.known.gain_ranges - 1
    with registered.location.open() as registry:
        result = registry.identify(registered.folders[1] / f"g{last}_gain.npy")
    assert [(entry.kind, entry.gain_range) for entry in result.inputs] == [("gain", last)]


@pytest.mark.slow
def test_the_parts_of_a_panel_id_stand_in_the_database(registered: Registered) -> None:
    engine = registered.location.engine()
    query = "SELECT identifier, module_version, firmware_version, serial_number FROM panel ORDER BY id"
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    engine.dispose()
    for row, panel in zip(rows, registered.panels, strict=True):
        parsed = parse_panel_id(panel)
        assert tuple(row) == (panel, parsed.module_version, parsed.firmware_version, parsed.serial_number)


def test_the_folder_of_one_type_is_refused_for_a_panel_of_another(
    registered: Registered, tmp_path: Path
) -> None:
    other = next(known for known in DETECTOR_TYPES.values() if known is not registered.known)
    folder = folder_of(tmp_path, other, 0, (other.find_kind("gain"),))
    expected = "has the shape" if other.gain_ranges > registered.known.gain_ranges else "lacks g3_gain.npy"
    with registered.location.open() as registry, pytest.raises(ArrayError, match=expected):
        registry.versions.add(registered.panels[0], folder, valid_from=T2, kinds=["gain"])


def test_a_kind_of_epix10ka_needs_the_files_of_all_seven_gain_modes(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    known = DETECTOR_TYPES["epix10ka"]
    folder = folder_of(tmp_path, known, 0, (known.find_kind("gain"),))
    (folder / "g6_gain.npy").unlink()
    with sqlite_location.open() as registry:
        registry.panels.add(QUAD[0])
        with pytest.raises(ArrayError, match=r"lacks g6_gain\.npy$"):
            registry.versions.add(QUAD[0], folder, valid_from=T1)
        assert registry.versions.list() == []


# M-numbers and upgrades


def test_a_serial_number_of_epix10ka_belongs_to_one_m_number(registry: Registry) -> None:
    registry.panels.add(QUAD[0], alias="M101")
    registry.panels.add(QUAD[1], alias="M102")
    registry.panels.add(UPGRADED)
    with pytest.raises(ConflictError, match=f"its serial number is that of {QUAD[0]}, which bears M101"):
        registry.aliases.add("M103", [UPGRADED])
    registry.aliases.add("M101", [UPGRADED])
    assert [alias.panel for alias in registry.aliases.list() if alias.alias == "M101"] == [QUAD[0], UPGRADED]


def test_an_m_number_stands_for_panels_of_one_type(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    for panel in (PANEL_B, QUAD[0]):
        registry.panels.add(panel)
    expected = "it is of another detector type than {}, which bears it"
    with pytest.raises(ConflictError) as caught:
        registry.aliases.add("M068", [QUAD[0]])
    assert str(caught.value).endswith(f"panel {QUAD[0]} cannot bear M068: {expected.format(PANEL_A)}")
    with pytest.raises(ConflictError) as caught:
        registry.aliases.add("M088", [PANEL_B, QUAD[0]])
    assert str(caught.value).endswith(f"panel {QUAD[0]} cannot bear M088: {expected.format(PANEL_B)}")
    assert [alias.panel for alias in registry.aliases.list()] == [PANEL_A]


def test_constants_are_carried_to_the_upgraded_panel_without_a_warning(
    registry: Registry, tmp_path: Path
) -> None:
    known = DETECTOR_TYPES["epix10ka"]
    registry.panels.add(QUAD[0])
    registry.versions.add(QUAD[0], folder_of(tmp_path, known, 0, (known.find_kind("gain"),)), valid_from=T1)
    outcome = registry.panels.add(UPGRADED, carry_from=QUAD[0], valid_from=T2)
    assert [(entry.panel, entry.kind, entry.carried_from) for entry in outcome.versions] == [
        (UPGRADED, "gain", 1)
    ]
    assert outcome.warnings == ()


# Wrong names


def test_a_detector_of_several_types_is_refused(sqlite_location: RegistryLocation, monkeypatch) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    for panel in (PANEL_A, QUAD[0]):
        calreg.run("panel", "add", panel)
    mixed = f"{PANEL_A}_{QUAD[0]}"
    for command in (
        ("detector", "configure", "mfx1", SOURCES["jungfrau"], mixed, "--first-run", "1"),
        ("validity", mixed),
        ("export", mixed, "--at", T1, "--output", "out"),
    ):
        error = calreg.assert_refused(2, *command)
        assert error["message"].endswith("a detector has panels of one type")


def test_a_mistyped_panel_id_of_epix10ka_names_the_nearest_first(registry: Registry) -> None:
    for panel in (*QUAD, PANEL_A):
        registry.panels.add(panel)
    with pytest.raises(NotFoundError) as caught:
        registry.validity(QUAD[2].replace("0175552257", "0175552275"))
    assert f"near: {QUAD[2]}, " in str(caught.value)
    with pytest.raises(IdentifierError) as refused:
        registry.validity("3926196238-175152897-1157627926-0-0-0-0")
    assert refused.value.values["canonical"] == QUAD[0]


@pytest.mark.parametrize("name", [f"{QUAD[0]}-20210101000000", QUAD[0], f"{QUAD[0]}-2021"])
def test_a_link_of_an_epix10ka_panel_in_a_legacy_directory_is_a_hazard_that_names_the_type(
    sqlite_location: RegistryLocation, tmp_path: Path, name: str
) -> None:
    tree = tmp_path / "tree"
    write_panel_folder(tree / "M068")
    (tree / PANEL_A).symlink_to("M068")
    (tree / name).symlink_to("M068")
    with sqlite_location.open() as registry:
        with pytest.raises(ImportHazardError) as caught:
            registry.import_tree(tree)
        (hazard,) = caught.value.values["hazards"]
        assert hazard.startswith(f"{name}: it names a panel of epix10ka")
        outcome = registry.import_tree(tree, skip_bad=True)
        assert f"skipped {hazard}" in outcome.warnings
        assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]


# Output, and where shapes are written


def test_lists_of_long_panel_ids_fit_80_columns_and_cut_nothing(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("panel", "add", QUAD[0], "--alias", "M101")
    assert calreg.run("panel", "list").stdout.splitlines() == [
        "panel                       alias  detector type  revision",
        f"{PANEL_A}  M068   jungfrau       1",
        QUAD[0],
        "                            M101   epix10ka       2",
    ]
    assert calreg.run("alias", "list").stdout.splitlines() == [
        "alias  panel                       valid from  until",
        f"M068   {PANEL_A}  beginning",
        f"M101   {QUAD[0]}",
        "                                   beginning",
    ]


@pytest.mark.slow
def test_the_shape_of_a_panel_is_known_to_its_type_alone() -> None:
    for path in sorted((ROOT / "registry").rglob("*.py")):
        if path.parent.name == "detectors":
            continue
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        numbers = {token.string for token in tokens if token.type == tokenize.NUMBER}
        for known in DETECTOR_TYPES.values():
            assert not numbers >= set(map(str, known.panel_shape)), f"{path.name}: {known.panel_shape}"

"""The files that docs/formats.md shows are those that calreg writes."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from documentation.placeholders import use_placeholders
from registry import detectors
from registry.api import Registry
from testing.panels import TYPICAL_VALUES, name_detector
from testing.registries import RegistryLocation
from tests.sessions import Session, find_blocks, is_updating

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
PANEL = "170505-149520170815-3d00b0"
SOURCE = "XcsEndstation.0:Jungfrau.0"
HOME = f"Jungfrau::CalibV1/{SOURCE}"


def replace_varying(text: str) -> str:
    """Return the text of a file with the same times, ids, checksums, users and libraries on every machine."""
    for pattern, word in (
        (r"[0-9a-f]{64}", "SHA256"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r'("(author|host|command|folder|source_path|created_at|recorded_at)": )".*"', r"\1WORD"),
        (r'("(python|numpy|sqlalchemy|h5py)": )".*"', r"\1VERSION"),
        (r"((HOST|WORK_DIR|UID|DATE_TIME) +)\S+", r"\1WORD"),
        (r"((user|host|cwd|cptime):)\S+", r"\1WORD"),
    ):
        text = re.sub(pattern, word, text)
    return text


def register_small_panel(registry: Registry, folder: Path) -> None:
    """Register one panel of 2 x 3 pixels, and a run."""
    folder.mkdir()
    for kind in ("gain", "offset"):
        for gain_range, value in enumerate(TYPICAL_VALUES[kind]):
            steps = 1 + np.arange(6, dtype=np.float32).reshape(2, 3) / 100
            np.save(folder / f"g{gain_range}_{kind}.npy", np.float32(value) * steps)
    registry.panels.add(PANEL, alias="M068")
    registry.versions.add(PANEL, folder, valid_from="2017-10-25T07:00:00Z", comment="calibrated with copper")
    registry.detectors.configure("xcsls3716", SOURCE, PANEL, first_run=600, last_run=700)
    registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")


@pytest.fixture
def exports(sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The exports that the page shows."""
    shape = dataclasses.replace(detectors.DETECTOR_TYPES["jungfrau"], panel_shape=(2, 3))
    monkeypatch.setitem(detectors.DETECTOR_TYPES, "jungfrau", shape)
    with sqlite_location.open() as registry:
        register_small_panel(registry, tmp_path / "M068")
        for form in ("npy", "psana", "lcls2", "hdf5"):
            registry.export(
                "exp=xcsls3716:run=631",
                tmp_path / form,
                format=form,
                types=["pixel_gain"],
                last_run=700 if form in ("psana", "lcls2") else None,
                **name_detector(form),
            )
    return tmp_path


def read_shown_files(exports: Path) -> dict[str, str]:
    """Return the files that the page shows completely, in the order of the page."""
    home = exports / "psana" / HOME
    (side,) = (exports / "lcls2" / "jungfrau" / "merge_tmp").glob("*.json")
    return {
        "json": (exports / "npy" / "provenance.json").read_text(),
        "text": (home / "pixel_gain" / "631-700.data").read_text(),
        "history": (home / "pixel_gain" / "HISTORY").read_text(),
        "lcls2 text": side.with_suffix(".txt").read_text(),
        "lcls2": side.read_text(),
    }


PARTS = ("json", "text", "history", "lcls2 text", "lcls2")


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_the_page_shows_whole_files_as_they_are_written(exports: Path, part: str) -> None:
    shown = find_blocks(PAGE, "json")[:1] + find_blocks(PAGE, "text") + find_blocks(PAGE, "json")[1:]
    (block,) = [block for name, block in zip(PARTS, shown, strict=True) if name == part]
    assert replace_varying(block) == replace_varying(read_shown_files(exports)[part])


@pytest.mark.slow
def test_the_page_names_every_file_of_every_format(exports: Path) -> None:
    overview = re.findall(r"```\n(.*?)```", PAGE.read_text().split("## Overview")[1], re.DOTALL)[0]
    paths = {
        f"{form}/{path.relative_to(exports / form)}"
        for form in ("npy", "psana", "lcls2", "hdf5")
        for path in (exports / form).rglob("*")
        if path.is_file()
    }
    assert {line.split()[0] for line in overview.splitlines()} == paths


@pytest.mark.slow
def test_the_examples_in_python_print_what_they_show(exports: Path) -> None:
    assert len(find_blocks(PAGE, "python")) == 3
    Session(exports).run_document(PAGE)


DUMPS = (("ncdump", "-h"), ("h5dump", "-A", "0", "-H", "-d", "/pixel_gain", "-d", "/panel"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(DUMPS)))
def test_the_page_shows_what_the_tools_of_netcdf_and_hdf5_print(
    exports: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    command = DUMPS[number]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: netcdf-bin, hdf5-tools)")
    monkeypatch.chdir(exports)
    printed = subprocess.run(
        [*command, "hdf5/constants.h5"], capture_output=True, text=True, check=True
    ).stdout
    printed = re.sub(r'(:provenance = )".*"', r'\1"..."', printed)
    if is_updating():
        blocks = list(re.finditer(r"^```none\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))
        start, end = blocks[number].span(1)
        PAGE.write_text(PAGE.read_text()[:start] + use_placeholders(printed) + PAGE.read_text()[end:])
    shown = find_blocks(PAGE, "none")
    assert len(shown) == len(DUMPS)
    assert replace_varying(shown[number]) == replace_varying(printed)

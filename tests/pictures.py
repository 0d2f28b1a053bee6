"""Make docs/images anew: ``python -m tests.pictures`` runs the commands of docs/plots.md, in the order of the page."""

import re
import shlex
import tempfile
from pathlib import Path

import pytest

from registry import create_registry, sample
from tests.cli import Calreg
from tests.conftest import RegistryPlace
from tests.sessions import blocks

PAGE = Path(__file__).parent.parent / "docs" / "plots.md"
IMAGES = PAGE.parent / "images"
LARGEST = 80_000  # bytes of an image in the repository
_WIDTHS = (1100, 1000, 900, 800, 700)
_COLOURS = 32


def run_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command of the page in `folder`; what it shows must be printed, if it shows anything."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    place = RegistryPlace(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")
    create_registry(place.database, place.store)
    monkeypatch.chdir(folder)
    calreg = Calreg(place, monkeypatch)
    for step in re.split(r"^\$ ", "".join(blocks(PAGE, "console")), flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        name, *arguments = shlex.split(command)
        assert name == "calreg"
        printed = calreg.done(*arguments).stdout
        assert shown in ("", printed), command


def _make_small(picture: Path, image: Path) -> None:
    from PIL import Image  # it comes with matplotlib

    for width in _WIDTHS:
        with Image.open(picture) as drawn:
            small = drawn.convert("RGB")
        small.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
        small.quantize(_COLOURS, dither=Image.Dither.NONE).save(image, optimize=True)
        if image.stat().st_size < LARGEST:
            return


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        run_page(Path(folder), monkeypatch)
        for picture in Path(folder).glob("*.png"):
            _make_small(picture, IMAGES / picture.name)


if __name__ == "__main__":
    main()

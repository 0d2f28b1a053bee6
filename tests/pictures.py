"""Make docs/images anew: ``python -m tests.pictures`` runs the commands of docs/plots.md, in the order of the page."""

import re
import shlex
import tempfile
from pathlib import Path

import pytest

from registry import create_registry, sample
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.sessions import find_blocks

PAGE = Path(__file__).parent.parent / "docs" / "plots.md"
IMAGES = PAGE.parent / "images"
MAX_IMAGE_BYTES = 80_000  # bytes of an image in the repository
_WIDTHS = (1100, 1000, 900, 800, 700)
_COLOURS = 32


def run_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command of the page in `folder`; what it shows must be printed, if it shows anything."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    location = RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")
    create_registry(location.database, location.store)
    monkeypatch.chdir(folder)
    calreg = Calreg(location, monkeypatch)
    for step in re.split(r"^\$ ", "".join(find_blocks(PAGE, "console")), flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        name, *arguments = shlex.split(command)
        assert name == "calreg"
        printed = calreg.run(*arguments).stdout
        assert shown in ("", printed), command


def _shrink(picture: Path, image: Path) -> None:
    from PIL import Image  # it comes with matplotlib

    for width in _WIDTHS:
        with Image.open(picture) as drawn:
            small = drawn.convert("RGB")
        small.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
        small.quantize(_COLOURS, dither=Image.Dither.NONE).save(image, optimize=True)
        if image.stat().st_size < MAX_IMAGE_BYTES:
            return


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        run_page(Path(folder), monkeypatch)
        for picture in Path(folder).glob("*.png"):
            _shrink(picture, IMAGES / picture.name)


if __name__ == "__main__":
    main()

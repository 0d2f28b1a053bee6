"""The commands of docs/plots.md draw the pictures that it shows."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import IMAGES, MAX_IMAGE_BYTES, PAGE, run_page


@pytest.mark.slow
def test_the_commands_of_the_page_draw_its_pictures(tmp_path: Path) -> None:
    run_page(tmp_path)
    shown = re.findall(r"!\[.+\]\(images/(.+)\)", PAGE.read_text())
    assert {path.name for path in tmp_path.glob("*.png")} == set(shown)
    for name in shown:
        with Image.open(tmp_path / name) as drawn, Image.open(IMAGES / name) as kept:
            assert drawn.width / drawn.height == pytest.approx(kept.width / kept.height, rel=0.02), name


def test_the_images_are_small_and_pages_show_all_of_them() -> None:
    sizes = {path.name: path.stat().st_size for path in IMAGES.iterdir()}
    pages = "".join(page.read_text() for page in PAGE.parent.glob("*.md"))
    assert sizes.keys() == set(re.findall(r"\(images/(.+)\)", pages))
    assert max(sizes.values()) < MAX_IMAGE_BYTES

"""Take the pictures of docs/pages.md again: ``python -m tests.page_pictures``, with Debian's chromium."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from registry import authorship, create_registry, sample
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.measurements import write_measurement
from tests.pictures import IMAGES, MAX_IMAGE_BYTES
from tests.sessions import Session

_COMMANDS = (
    "calreg import tree --timezone America/Los_Angeles",
    "calreg run import datasets.txt",
    "calreg run add exp=xcsls3716:run=631 --begin 2018-02-10T08:15:00Z",
    "calreg tag add spring",
    'calreg version gap M068 --valid-from 2018-03-01T00:00:00Z --comment "cooling broken"',
    'calreg version add M068 repaired --valid-from 2018-03-20T00:00:00Z --comment "after the repair"',
    "calreg detector name xcsJungfrau 170505-149520170815-3d00b0_170505-149520170815-3d00f7",
    "calreg export exp=xcsls3716:run=631 --output constants",
)
PAGES = {
    "home": "/",
    "panels": "/panels",
    "panel": "/panels/M068",
    "detectors": "/detectors",
    "detector": "/detectors/xcsJungfrau",
    "runs": "/runs",
    "run": "/runs/exp=xcsls3716:run=631",
    "versions": "/versions",
    "version": "/versions/1",
    "log": "/log",
    "revision": "/log/2",
    "export": "/exports/1",
    "tags": "/tags",
    "validity": "/validity?target=M068&at=2018-02-10T08:15:00Z",
    "changes": "/changes?since=spring",
    "search": "/search?q=M0",
    "refusal": "/validity?target=M068&at=2018-03-10T08:15:00Z",
    "past": "/as-of?as_of=spring&page=/panels/M068",
}
"""One of each page, and the past."""

_DARK = ("run", "past")
_OPEN = ("detector",)  # the first of the pictures that are shown when they are asked for
_VISIBLE = "[...document.images].filter((image) => image.checkVisibility())"
_WIDE, _PHONE, _PAPER = (1100, 700), (390, 780), (794, 1123)
_SHEET = 6  # phones or sheets of paper in one picture


@contextmanager
def serve_sample(folder: Path) -> Iterator[str]:
    """Serve a registry with the sample data; yield the URL."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    write_measurement(folder / "repaired", "M068", 1.02)
    location = RegistryLocation.in_folder(folder)
    create_registry(location.database, location.store)
    session = Session(folder)
    with (
        mock.patch.object(authorship, "_find_user_name", return_value="ana"),
        mock.patch.object(socket, "gethostname", return_value="beamline"),
    ):
        for command in _COMMANDS:
            session.run(f"$ {command} > /dev/null 2>&1\n")
    with serve_in_thread(location) as url:
        yield url


def _take(
    browser: Browser,
    url: str,
    path: str,
    size: tuple[int, int],
    file: Path,
    *,
    is_dark: bool = False,
    is_open: bool = False,
) -> None:
    context = browser.new_context(
        base_url=url,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if is_dark else "light",
    )
    page = context.new_page()
    page.goto(path)
    if is_open:
        page.locator("summary").first.click()
    page.evaluate(f"for (const image of {_VISIBLE}) image.loading = 'eager'")
    while not page.evaluate(f"{_VISIBLE}.every((image) => image.complete)"):
        page.wait_for_timeout(100)
    page.wait_for_load_state("networkidle")
    if size == _PAPER:
        page.emulate_media(media="print")
    page.screenshot(path=file, full_page=size == _WIDE)
    context.close()


def _join(files: list[Path], image: Path) -> None:
    """Put pictures of one size beside each other."""
    pictures = [Image.open(file) for file in files]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (len(pictures) * (width + 16) - 16, height), "#888888")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * (width + 16), 0))
    _save(sheet, image, 1600)


def _save(picture: Image.Image, image: Path, width: int) -> None:
    """Save a picture as wide and with as many colours as is small enough."""
    for part, colours in ((1.0, 32), (1.0, 20), (0.9, 20), (0.8, 20), (0.7, 20), (0.7, 12)):
        small = picture.convert("RGB")
        small.thumbnail((round(width * part), 10 * width), Image.Resampling.LANCZOS)
        small.quantize(colours, dither=Image.Dither.NONE).save(image, optimize=True)
        if image.stat().st_size < MAX_IMAGE_BYTES:
            return
    raise ValueError(f"{image.name} has more than {MAX_IMAGE_BYTES} bytes")


def main() -> None:
    chromium = shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as name,
        serve_sample(folder := Path(name)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for old in IMAGES.glob("page-*.png"):
            old.unlink()
        for title, path in PAGES.items():
            file = folder / f"{title}.png"
            _take(browser, url, path, _WIDE, file, is_dark=title in _DARK, is_open=title in _OPEN)
            with Image.open(file) as picture:
                _save(picture, IMAGES / f"page-{title}.png", 900)
        for kind, size in (("phone", _PHONE), ("paper", _PAPER)):
            files = []
            for title, path in PAGES.items():
                files.append(folder / f"{kind}-{title}.png")
                _take(browser, url, path, size, files[-1])
            for first in range(0, len(files), _SHEET):
                _join(files[first : first + _SHEET], IMAGES / f"page-{kind}s-{first // _SHEET + 1}.png")
        browser.close()


if __name__ == "__main__":
    main()

"""Draw docs/images again: ``python -m tests.pictures`` runs the commands of docs/plots.md."""

import tempfile
from pathlib import Path

import numpy as np

from registry import create_registry, sample
from registry.instants import BEGINNING, Instant, parse_instant
from registry.records import Panel, Version
from tests.measurements import write_measurement
from tests.sessions import Session

PAGE = Path(__file__).parent.parent / "docs" / "plots.md"
IMAGES = PAGE.parent / "images"
MAX_IMAGE_BYTES = 130_000  # bytes of an image in the repository
# Widths, and numbers of colours: the first with which an image is small enough is taken.
_SIZES = [(width, colours) for width in (1100, 1000, 900, 800, 700) for colours in (32, 20)]
_GEOMETRY = """\
# PARENT IND OBJECT IND  X0 Y0 Z0 [um]  ROT-Z ROT-Y ROT-X  TILT-Z TILT-Y TILT-X
CAMERA 0 JUNGFRAU:V1 0    0  20600 0     0 0 0              0.4 0 0
CAMERA 0 JUNGFRAU:V1 1    0 -20600 0     0 0 0             -0.2 0 0
IP     0 CAMERA      0    0 0 -100000   90 0 0              0.0 0 0
"""


def run_page(folder: Path) -> None:
    """Run every command of the page in a folder, and compare what they print with what the page shows."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    (folder / "0-end.data").write_text(_GEOMETRY)
    # Each ASIC has changed on its own.
    factors = np.array([[1.02, 1.0, 1.01, 1.04], [1.03, 0.99, 1.02, 1.0]])
    write_measurement(folder / "repaired", "M068", factors.repeat(256, axis=0).repeat(256, axis=1))
    create_registry(f"sqlite:///{folder}/registry.sqlite")
    Session(folder).run_document(PAGE)
    _draw_simulated_detector(folder / "validity-32.png")


def _draw_simulated_detector(path: Path) -> None:
    """Draw the validity of 32 panels with simulated names, versions and runs."""
    from registry.plots import validity
    from registry.plots.files import check_picture_file

    rng = np.random.default_rng(7)
    begin, day = parse_instant("2018-01-01T00:00:00Z"), 86_400 * 1_000_000
    panels = tuple(
        Panel(f"170505-149520170815-3d{number:04x}", f"M{60 + number:03d}", "jungfrau", 1)
        for number in range(32)
    )
    versions = []
    for kind in ("gain", "offset"):
        for index, panel in enumerate(panels):
            days = np.cumsum(rng.integers(300, 700, 5))
            starts = [BEGINNING if index % 3 else begin, *(Instant(begin + int(n) * day) for n in days)]
            for number, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True)):
                is_gap = (index, number) == (5, 2)
                version = len(versions) + 1
                versions.append(
                    Version(
                        version, panel.panel, panel.alias, kind, start, end, None if is_gap else "a" * 64, 1,
                        None, None, None, None, False,
                    )
                )  # fmt: skip
    starts = [Instant(begin + int(n * day)) for n in rng.normal(rng.choice([400, 900, 1500, 2200], 800), 20)]
    subject = validity.Subject(
        title="Validity of 32 panels (simulated)",
        subtitle="as of revision 412",
        panels=panels,
        versions=tuple(versions),
        runs=(
            validity.RunStrip("runs of all panels (800)", starts),
            validity.RunStrip(
                "runs of 31 of 32 panels (50)", [Instant(start + 120 * day) for start in starts[:50]]
            ),
        ),
        segments=tuple(range(32)),
        reference=("revision 412, 2025-07-13", Instant(begin + 2750 * day)),
    )
    check_picture_file(path, force=False).write(lambda: validity.draw(subject))


def _shrink(picture: Path, image: Path) -> None:
    from PIL import Image  # it comes with matplotlib

    for width, colours in _SIZES:
        with Image.open(picture) as drawn:
            small = drawn.convert("RGB")
        small.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
        small.quantize(colours, dither=Image.Dither.NONE).save(image, optimize=True)
        if image.stat().st_size < MAX_IMAGE_BYTES:
            return


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run_page(Path(folder))
        for picture in Path(folder).glob("*.png"):
            _shrink(picture, IMAGES / picture.name)


if __name__ == "__main__":
    main()

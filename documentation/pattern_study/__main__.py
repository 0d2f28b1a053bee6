"""``python -m documentation.pattern_study``: repeat the study, draw its figure, and write its tables into the page."""

from __future__ import annotations

import argparse
from pathlib import Path

from documentation.pattern_study import tables
from documentation.pattern_study.measurements import measure_real_map, measure_times
from documentation.pattern_study.trials import make_sensors, measure_differences, run_trials

DOCS = Path(__file__).parent.parent.parent / "docs"
MODULES = 64


def main(arguments: list[str] | None = None) -> None:
    """Write the figure and the page."""
    parser = argparse.ArgumentParser(prog="python -m documentation.pattern_study", description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=1000, help="maps of the main case; a quarter of the others"
    )
    parser.add_argument("--map", type=Path, help="a measured gain map of gain range 0, to study it as well")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder with patterns.md and images/")
    options = parser.parse_args(arguments)
    write_study(options.docs, options.trials, options.map)


def write_study(docs: Path, trials: int, real_map: Path | None = None, modules: int = MODULES) -> Path:
    """Run the study, write its figure and its tables, and return the page; without a real map its table stays."""
    from documentation.pattern_study.figure import draw_figure
    from registry.plots.files import check_picture_file

    picture = check_picture_file(docs / "images" / "patterns.png", force=True)
    sensors = make_sensors(modules)
    results = run_trials(sensors, trials)
    picture.write(lambda: draw_figure(results, modules))
    _reduce_colours(picture.path)
    sections = {
        "correlations": tables.write_correlations(results),
        "rates": tables.write_rates(results),
        "verdicts": tables.write_verdicts(results),
        "false alarms": tables.write_false_alarms(results),
        "differences": tables.write_differences(measure_differences(sensors)),
        "timings": tables.write_timings(measure_times(min(trials, 100))),
    }
    if real_map is not None:
        sections["real map"] = tables.write_real_map(measure_real_map(real_map, min(trials, 20)))
    page = docs / "patterns.md"
    text = page.read_text()
    for name, lines in sections.items():
        text = tables.replace_section(text, name, lines)
    page.write_text(text)
    return page


def _reduce_colours(path: Path) -> None:
    """Write a picture of few colours with few, which makes its file small."""
    from PIL import Image

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(32, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main()

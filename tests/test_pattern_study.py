"""The study of patterns, with few trials; its page and its figure."""

import re
from pathlib import Path

import numpy as np
import pytest

from documentation.pattern_study import tables
from documentation.pattern_study.__main__ import DOCS, MODULES, write_study
from documentation.pattern_study.figure import draw_figure
from documentation.pattern_study.trials import CASES, MAIN_CASE, SCENARIOS, make_sensors, run_trials
from registry.arrays import check_file
from registry.detectors.jungfrau import JUNGFRAU
from testing.sensors import Conditions, Sensors, write_sensor_folder
from tests.legibility import assert_legible

pytestmark = pytest.mark.slow

SKELETON = "\n".join(
    f"<!-- study: {name} -->\n<!-- end of {name} -->"
    for name in (
        "correlations",
        "rates",
        "verdicts",
        "false alarms",
        "differences",
        "timings",
        "real map",
    )
)


def test_a_study_writes_its_figure_and_every_table(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "patterns.md").write_text(SKELETON)
    np.save(tmp_path / "map.npy", Sensors(1).make(0).measure())
    page = write_study(tmp_path, trials=4, real_map=tmp_path / "map.npy", modules=3)
    text = page.read_text()
    assert [line for line in SKELETON.splitlines() if line not in text] == []
    for name in (*CASES, *SCENARIOS, "with 2 % noise"):
        assert f"| {name} |" in text
    assert (tmp_path / "images" / "patterns.png").stat().st_size > 10_000


def test_every_verdict_is_right_with_two_percent_noise_and_the_figure_is_legible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = run_trials(make_sensors(4), trials=4)
    outcomes = results[MAIN_CASE].outcomes
    assert {scenario: [*counts] for scenario, counts in outcomes.items()} == {
        scenario: [right] for scenario, right in SCENARIOS.items()
    }
    texts = assert_legible(draw_figure(results, 4), monkeypatch)
    assert set(CASES) < set(texts)


def test_the_page_shows_a_study_of_all_trials_in_which_every_mix_up_was_refused() -> None:
    text = (DOCS / "patterns.md").read_text()
    assert f"| {MAIN_CASE} | 1000 |" in text
    verdicts = re.findall(r"^\| ([^|]+) \| (\w+) \|((?: \d+ \|){5})$", text, re.MULTILINE)
    assert [(scenario, right) for scenario, right, _ in verdicts] == [
        (scenario, right.name) for scenario, right in SCENARIOS.items()
    ]
    assert all(sorted(map(int, counts.split(" |")[:5])) == [0, 0, 0, 0, 1000] for _, _, counts in verdicts)
    assert f"{MODULES} of one production" in text


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks"):
        tables.replace_section("# Patterns\n", "rates", [])


def test_each_condition_changes_a_measured_map_and_the_same_seed_repeats_it() -> None:
    sensor = Sensors(1).make(0)
    base = sensor.measure(Conditions(noise=0.0))
    assert np.allclose(base, sensor.gain)
    for name in ("noise", "drift", "rows", "columns", "dead", "bias"):
        conditions = Conditions(**{"noise": 0.0, name: 2.0})
        changed = sensor.measure(conditions, seed=3)
        assert not np.array_equal(changed, base), name
        assert np.array_equal(changed, Sensors(1).make(0).measure(conditions, seed=3)), name


def test_a_folder_of_a_sensor_holds_valid_maps_and_others_for_another_seed_or_sensor(tmp_path: Path) -> None:
    sensors = Sensors(1)
    contents = set()
    for number, seed in ((0, 0), (0, 1), (1, 0)):
        folder = write_sensor_folder(tmp_path / f"{number}-{seed}", sensors.make(number), seed)
        for kind in ("gain", "offset"):
            for gain_range, name in enumerate(JUNGFRAU.file_names(kind)):
                checked = check_file(folder / name, JUNGFRAU, JUNGFRAU.find_kind(kind), gain_range)
                contents.add(checked.sha256)
    assert len(contents) == 18

from __future__ import annotations

from pathlib import Path

import pytest

from registry.importers.directory_rule import DirectoryRule
from testing.panels import PANEL_A, PANEL_B

RULES = {
    "no link of the panel": ([PANEL_B], None),
    "a link without a stamp": ([PANEL_A], PANEL_A),
    "one link that starts later than any time asked for": (
        [f"{PANEL_A}-20991231000000"],
        f"{PANEL_A}-20991231000000",
    ),
    "the first of several that all start later": (
        [f"{PANEL_A}-20180101000000", f"{PANEL_A}-20171025000000"],
        f"{PANEL_A}-20171025000000",
    ),
    "the last at or before the default time": (
        [PANEL_A, f"{PANEL_A}-20140101000000", f"{PANEL_A}-20150101000000", f"{PANEL_A}-20150101000001"],
        f"{PANEL_A}-20150101000000",
    ),
    "stamps are compared as integers, of however many digits": (
        [f"{PANEL_A}-20140101000000", f"{PANEL_A}-2017102500000"],
        f"{PANEL_A}-20140101000000",
    ),
    "an Id is compared as text": ([f"{PANEL_A.upper()}-20140101000000", f"{PANEL_A}0-20140101000000"], None),
    "an entry that is not a link of a panel breaks the look-up": ([PANEL_A, "a-b-c-text"], None),
    "so does a stamp of words": ([PANEL_A, f"{PANEL_B}-since-monday"], PANEL_A),
    "and an empty one": ([PANEL_A, f"{PANEL_B}-"], None),
    "folders of modules and others are not links": ([PANEL_A, "M068", "logs", "a-b"], PANEL_A),
}


@pytest.mark.parametrize(("names", "picked"), RULES.values(), ids=RULES)
def test_the_directory_picks(tmp_path: Path, names: list[str], picked: str | None) -> None:
    for name in names:
        (tmp_path / name).symlink_to("M068")
    assert DirectoryRule(tmp_path).pick(PANEL_A) == picked


def test_a_time_that_is_typed_is_compared_as_an_integer_too(tmp_path: Path) -> None:
    for stamp in ("20170101000000", "20180101000000"):
        (tmp_path / f"{PANEL_A}-{stamp}").symlink_to("M068")
    rule = DirectoryRule(tmp_path)
    assert rule.pick(PANEL_A, 20190101000000) == f"{PANEL_A}-20180101000000"
    assert rule.pick(PANEL_A, 20190101) == f"{PANEL_A}-20170101000000"  # 8 digits: before everything


def test_the_value_zero_is_an_empty_field_to_the_directory(tmp_path: Path) -> None:
    (tmp_path / "170505-149520170815--20140101000000").symlink_to("M068")
    assert DirectoryRule(tmp_path).pick("170505-149520170815-0") == "170505-149520170815--20140101000000"


def test_entries_that_break_the_look_up_are_named(tmp_path: Path) -> None:
    for name in ("a-b-c-text", "jungfrau-171113-154920171025-3d00fb.h5"):
        (tmp_path / name).touch()
    assert DirectoryRule(tmp_path).fatal_entries == ["a-b-c-text", "jungfrau-171113-154920171025-3d00fb.h5"]

"""The commands of docs/time-machine.md print what it shows."""

from pathlib import Path

import numpy as np
import pytest

from registry import create_registry, open_registry, sample
from tests.sessions import find_blocks, run_session

STORY = Path(__file__).parent.parent / "docs" / "time-machine.md"


def test_the_commands_of_the_time_machine_page_print_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write_legacy_tree(tmp_path / "tree")
    sample.write_dataset_table(tmp_path / "datasets.txt")
    for folder, module in (("flat-field", "M044"), ("remeasured", "M068 remeasured")):
        (tmp_path / folder).mkdir()
        for name, array in sample.panel_arrays(module).items():
            np.save(tmp_path / folder / name, array)
    monkeypatch.setenv("CALREG_DATABASE", f"sqlite:///{tmp_path}/registry.sqlite")
    create_registry()
    with open_registry(timezone="America/Los_Angeles") as registry:
        registry.import_tree(tmp_path / "tree")
        registry.runs.import_table(tmp_path / "datasets.txt")
        registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")
        registry.runs.add("exp=xppls2416:run=247", begin="2018-02-12T08:15:00Z")
    sessions = find_blocks(STORY, "console")
    assert len(sessions) == 7
    for session in sessions:
        run_session(session, tmp_path)

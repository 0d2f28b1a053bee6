from __future__ import annotations

from pathlib import Path

import pytest

from registry.lookup.linked_panels import list_experiments_of_panels, list_linked_panels
from testing.panels import PANEL_A, PANEL_B, SOURCE, write_panel_folder
from testing.registries import RegistryLocation

pytestmark = pytest.mark.small_panels


def test_panels_are_known_by_the_links_that_versions_came_from_withdrawn_ones_too(
    location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as registry:
        for seed, (panel, name) in enumerate(((PANEL_A, f"{PANEL_A}-20170101000000"), (PANEL_B, "measured"))):
            registry.panels.add(panel)
            registry.versions.add(
                panel, write_panel_folder(tmp_path / name, seed), valid_from="20170101000000"
            )
        registry.versions.withdraw(1, comment="wrong")
        with registry._backend.read_transaction() as view:
            panels = [PANEL_A, PANEL_B]
            assert list_linked_panels(view.connection, panels, 4) == {PANEL_A}
            assert list_linked_panels(view.connection, [PANEL_B], 4) == set()
        registry.versions.withdraw(2, comment="wrong, too")
        with registry._backend.read_transaction() as view:
            assert list_linked_panels(view.connection, panels, 6) == {PANEL_A}
            assert list_linked_panels(view.connection, panels, 5) == {PANEL_A}


def test_experiments_are_known_by_the_panels_that_they_read_out(location: RegistryLocation) -> None:
    with location.open() as registry:
        registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
        registry.detectors.configure("xcs2", SOURCE, PANEL_B, first_run=1)
        with registry._backend.read_transaction() as view:
            assert list_experiments_of_panels(view.connection, [PANEL_A], view.revision) == {"xcs1"}
            assert list_experiments_of_panels(view.connection, [PANEL_B], 1) == {"xcs1"}
            assert list_experiments_of_panels(view.connection, [PANEL_B], 2) == {"xcs1", "xcs2"}

"""The comparison of a registry with its service that ``--through-service`` makes of every test: it sees a difference.

``pytest --through-service tests/test_validity.py`` asks what the tests of a module ask through a service, too.
"""

import pytest

from registry.api import Registry
from registry.api.remote.nouns import RemotePanels, RemoteVersions
from registry.errors import NotFoundError
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from testing.through_service import Comparison

pytestmark = pytest.mark.small_panels


def fill(registry: Registry, location: RegistryLocation) -> None:
    folder = write_panel_folder(location.folder / "made")
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, folder, valid_from="2018-01-01T00:00:00Z")


@pytest.mark.sqlite_suffices
def test_answers_exports_and_refusals_are_compared(location: RegistryLocation) -> None:
    comparison = Comparison()
    with location.open() as registry, comparison.compare():
        fill(registry, location)
        assert len(registry.panels.list()) == 1
        assert len(registry.validity("M068", at="2018-02-01T00:00:00Z").versions) == 2
        with pytest.raises(NotFoundError):
            registry.validity("M067")
        registry.export(PANEL_A, location.folder / "arrays", at="2018-02-01T00:00:00Z")
        registry.constants(PANEL_A, at="2018-02-01T00:00:00Z")
    assert comparison.count == 5


@pytest.mark.sqlite_suffices
def test_another_answer_of_the_service_is_seen(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(*_values: object, **_options: object) -> list[object]:
        return []

    def refuse(*_values: object, **_options: object) -> None:
        raise NotFoundError("there is nothing")

    monkeypatch.setattr(RemotePanels, "list", forget)
    monkeypatch.setattr(RemoteVersions, "show", refuse)
    with location.open() as registry, Comparison().compare():
        fill(registry, location)
        with pytest.raises(AssertionError, match="through a service"):
            registry.panels.list()
        with pytest.raises(AssertionError, match="through a service"):
            registry.versions.show(1)

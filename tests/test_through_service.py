"""The comparison of a registry with its service that ``--through-service`` makes of every test: it sees a difference.

``pytest --through-service tests/test_validity.py`` asks what the tests of a module ask through a service, too.
"""

import shlex
from pathlib import Path

import pytest

from registry.api import Registry
from registry.api.remote.nouns import RemotePanels, RemoteVersions
from registry.errors import NotFoundError
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from testing.through_service import Comparison
from tests import selection
from tests.cli import CommandResult
from tests.test_golden import Recorder, _same_person_on_every_machine, run_scenario

__all__ = ["_same_person_on_every_machine"]

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


def test_the_modules_that_are_compared_are_there() -> None:
    assert all((Path(__file__).parent / f"{module}.py").is_file() for module in selection.READERS)


READERS = {
    *("run list", "run show", "detector show", "detector list", "detector names", "panel list", "panel show"),
    *(
        "alias list",
        "validity",
        "identify",
        "show",
        "tag list",
        "version list",
        "version show",
        "version diff",
    ),
    *("plot constants", "plot diff", "plot validity", "plot history", "affected", "exports", "diff", "log"),
    *("provenance show", "provenance verify"),
}


class ComparingRecorder(Recorder):
    """Asks what a command of a reader prints once more, of the registry and of its service."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.compared: list[str] = []

    def _record(self, verb: str, command: str, shown: str) -> CommandResult:
        result = super()._record(verb, command, shown)
        if verb in READERS:
            arguments = shlex.split(command)[1:] + (["--json"] if self.as_json else [])
            local = self.calreg(*arguments)
            location = RegistryLocation(
                f"sqlite:///{Path('registry.sqlite').absolute()}", Path("store").absolute()
            )
            with serve_in_thread(location) as url, self.monkeypatch.context() as patch:
                patch.setenv("CALREG_DATABASE", url)
                patch.setenv("CALREG_CACHE", "off")
                remote = self.calreg(*arguments)
            assert remote == local, command
            self.compared.append(verb)
        return result


@pytest.mark.exhaustive
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_the_verbs_that_read_print_through_a_service_what_their_golden_files_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:///registry.sqlite")
    monkeypatch.chdir(tmp_path)
    recorder = ComparingRecorder(monkeypatch)
    recorder.as_json = as_json
    run_scenario(recorder)
    assert all(recorder.compared.count(verb) == 2 for verb in READERS)

"""The examples of the verbs that read, and their refusals, once more through a service: the same words and codes."""

import shlex
from pathlib import Path

import pytest

from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.test_golden import Recorder, _same_person_on_every_machine, run_scenario

__all__ = ["_same_person_on_every_machine"]

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

    def _record(self, verb: str, command: str, shown: str):  # type: ignore[no-untyped-def]
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

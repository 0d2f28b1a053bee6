"""A registry that is read through its service answers and refuses as the registry itself, word for word."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from registry import instants
from testing.panels import use_small_panels
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg, CommandResult
from tests.selection import keep_first
from tests.test_golden import write_files

pytestmark = pytest.mark.small_panels

DETECTOR = "170505-149520170815-3d00b0_170505-149520170815-3d00f7"
RUN = "exp=xcsls3716:run=631"
COMMANDS = [
    "panel list",
    "panel list --as-of 1",
    "panel show M068",
    "panel show 170505-149520170815-3d00b0",
    "panel show 170505-149520170815-3d00b1",
    "alias list",
    "alias list --as-of 99",
    "validity M068",
    "validity M0*",
    "validity M068 M088 --kind gain",
    f"validity {DETECTOR} --at 2018-02-10",
    "validity M068 --at 20180210081500",
    f"validity {RUN}",
    "validity M068 --at yesterday",
    f"validity M068 --at {RUN}",
    "validity M068 --at exp=xcsls3716:run=613",
    "validity M068 --as-of -1",
    "validity M068 --as-of spring",
    "validity M068 --as-of spring-2081",
    "validity M068 --as-of 2999-01-01T00:00:00Z",
    "validity M068 --as-of 4:0000000000000000",
    "validity M067",
    "validity 170505-149520170815-3d00b0 --at 2017-10-25T06:59:59Z",
    "validity small",
    "version list",
    "version list --all",
    "version list M068 --limit 2",
    "version list --before 4 --limit 2",
    "version list M067",
    "version show 1",
    "version show 99",
    "run list",
    "run list --experiment xcsls3716",
    "run list --experiment xcsls3761",
    f"run show {RUN}",
    "run show exp=xcsls3716:run=613",
    "detector list",
    "detector list --experiment xcsls3716 --as-of spring",
    f"detector show {RUN}",
    f"detector show {RUN} --source Epix",
    "detector names",
    "tag list",
    "log",
    "log --head",
    "log --limit 1",
    "log M068",
    "log 2..3",
    "log 3..2",
    "log --since yesterday",
    "log --author nobody",
    "log M067",
    "exports",
    "exports --stale",
    "exports --experiment xcsls3761",
    "affected --since 2",
    "affected --since spring",
    "affected --since 99",
    f"show {RUN}",
    "show M068",
    "show small",
    "show spring",
    "show version:1",
    "show revision:2",
    "show export:1",
    "show export:9",
    "show 12",
    "show nothing",
    "version diff 2 4",
    "version diff 2 1",
    "version diff 2 3",
    "version diff 2 99",
    f"diff {RUN} 3",
    f"diff {RUN} 1",
    f"diff {RUN} spring 4",
    f"diff {DETECTOR} --at 2018-02-10 --as-of -2",
    f"diff {RUN} 99",
    f"diff {RUN} 4 spring",
    "diff exp=xcsls3761:run=631 3",
    "plot constants 99 --output picture.png",
    f"plot constants {RUN} --output picture.png --at 2016-01-01T00:00:00Z",
    f"plot constants {RUN} --output picture.png --as-of spring --gain-range 7",
    "plot diff 2 1 --output picture.png",
    "plot diff 2 3 --output picture.png",
    "plot validity M067 --output picture.png",
    "plot validity M068 --output picture.png --kind pedestals",
    "plot validity M068 --output picture.png --kind gains",
    "plot history M067 --output picture.png",
    "plot history M068 --output picture.png --kind status",
    "identify FOLDER/registered.npy",
    "identify FOLDER/registered.npy --as-of 1",
    "identify FOLDER/constants/pixel_gain.npy",
    "identify FOLDER/constants/provenance.json",
    "identify FOLDER/rewritten.npy",
    "identify FOLDER/rewritten.npy --as-of 1",
    "identify FOLDER/unknown.npy",
    "identify FOLDER/datasets.txt",
    "identify FOLDER/nothing",
    "identify FOLDER",
    f"identify {RUN}",
    "provenance verify FOLDER/constants/provenance.json",
    "provenance verify FOLDER/edited/provenance.json",
    "provenance verify FOLDER/later/provenance.json",
    "provenance verify FOLDER/datasets.txt",
    "show FOLDER/registered.npy",
    "show FOLDER/registered.npy --source Epix",
    "show FOLDER/unknown.npy",
    "show FOLDER/nothing",
    "show file:FOLDER/rewritten.npy --as-of 1",
    "show file:nothing",
]
PICTURES = [  # one of each sort leads
    f"plot constants {RUN} --as-of spring --panels --type pixel_gain --output picture.png",
    "plot constants 1 --output picture.svg",
    "plot diff 1 3 --output picture.png --relative --without-uniform",
    "plot validity M068 --output picture.svg --at yesterday",
    "plot history M068 --output picture.svg --kind gain --units",
    f"plot constants {RUN} --as-of spring --output picture.svg",
    f"plot constants {DETECTOR} --as-of spring --at 2018-02-10 --output picture.svg",
    "plot constants small --as-of -1 --at 2018-01-20 --output picture.svg",
    "plot constants 2 --output picture.png --gain-range 1",
    "plot diff 2 4 --output picture.svg",
    f"plot validity {RUN} --output picture.svg",
    "plot validity small --output picture.svg --kind gain",
    "plot history M088 --output picture.svg",
]


class Place(NamedTuple):
    """A registry, the URL of its service, and a folder with files."""

    location: RegistryLocation
    url: str
    folder: Path


def copy_document(folder: str, target: str, part: str, name: str, value: object) -> None:
    """Copy an export with another value in its document."""
    shutil.copytree(folder, target)
    document = Path(target, "provenance.json")
    content = json.loads(document.read_text())
    content[part][name] = value
    document.write_text(json.dumps(content))


def _repeat_every_twelfth(commands: Iterable[str]) -> Iterator[object]:
    """Yield the commands as parameters; PostgreSQL answers every twelfth: what is sent does not depend on it."""
    for number, command in enumerate(commands):
        yield pytest.param(command, marks=[] if number % 12 else [pytest.mark.on_both_databases])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry with a bit of everything, and its service."""
    with use_small_panels(), pytest.MonkeyPatch.context() as patch:
        factory = request.getfixturevalue(f"{request.param}_factory")
        location = factory.make(request.param)
        folder = tmp_path_factory.mktemp("sample")
        patch.chdir(folder)
        write_files()
        calreg = Calreg(location, patch)
        calreg.run("init", "--timezone", "America/Los_Angeles")
        calreg.run("import", "tree")
        calreg.run("run", "import", "datasets.txt")
        calreg.run("run", "add", RUN, "--begin", "2018-02-10T08:15:00Z")
        calreg.run("tag", "add", "spring")
        calreg.run("detector", "name", "small", DETECTOR)
        calreg.run("export", RUN, "--output", "constants")
        copy_document("constants", "edited", "resolution", "instant", "2018-02-10T08:15:01Z")
        copy_document("constants", "later", "registry", "revision", 999)
        array = np.load("constants/pixel_gain.npy")
        with Path("rewritten.npy").open("wb") as file:
            np.lib.format.write_array(file, array, version=(2, 0))
        np.save("unknown.npy", array + 1)
        np.save("registered.npy", array[0, 0])
        calreg.run("version", "gap", "M088", "--valid-from", "2018-02-01T00:00:00Z", "--comment", "broken")
        calreg.run("version", "withdraw", "1", "--comment", "measured with a cold module")
        with serve_in_thread(location) as url:
            yield Place(location, url, folder)
        factory.remove(location)


def ask_both(
    place: Place, words: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[CommandResult, dict[str, bytes]]]:
    """Return what a command prints and writes, of the registry and of its service."""
    location, url, files = place
    present = instants.now()
    monkeypatch.setattr(instants, "now", lambda: present)
    answers = []
    for name, database in (("local", location.database), ("remote", url)):
        (folder / name).mkdir(exist_ok=True)
        monkeypatch.chdir(folder / name)
        monkeypatch.setenv("CALREG_DATABASE", database)
        if name == "local":
            monkeypatch.setenv("CALREG_STORE", str(location.store))
        else:
            monkeypatch.delenv("CALREG_STORE")
        result = Calreg(None, monkeypatch)(*(word.replace("FOLDER", str(files)) for word in words))
        answers.append((result, {path.name: path.read_bytes() for path in Path().iterdir()}))
    return answers


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("command", [*_repeat_every_twelfth(COMMANDS)])
def test_a_service_answers_and_refuses_as_its_registry(
    place: Place,
    command: str,
    options: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    local, remote = ask_both(place, (*command.split(), *options), tmp_path, monkeypatch)
    assert remote == local


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("command", keep_first(PICTURES, 5))
def test_a_picture_through_a_service_is_that_of_the_registry(
    place: Place, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local, remote = ask_both(place, (*command.split(), "--json"), tmp_path, monkeypatch)
    assert local[0].code == 0, local[0].stderr
    assert remote == local


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("name", ["small", "spring", "M068-gain.npy", "plain", "77"])
def test_a_name_that_a_file_has_too_is_shown_as_by_the_registry(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in (tmp_path / "local", tmp_path / "remote"):
        folder.mkdir()
        np.save(folder / "array", np.load(place.folder / "registered.npy"))
        (folder / "array.npy").rename(folder / name)
    local, remote = ask_both(place, ("show", name), tmp_path, monkeypatch)
    assert remote == local
    assert (local[0].code == 0) == (name not in {"small", "spring", "77"})

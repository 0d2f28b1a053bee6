"""The whole output of every verb, as text and as JSON, and of its main refusal, in one fixed scenario.

``CALREG_UPDATE_GOLDEN=1 pytest tests/test_golden.py`` rewrites the files in ``tests/golden``.
"""

import hashlib
import os
import re
import shlex
import shutil
import socket
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from documentation.placeholders import use_placeholders
from registry import authorship, open_registry, sample
from registry.cli.examples import EXAMPLES
from testing.panels import write_panel_folder
from tests.cli import Calreg, CommandResult, list_verbs
from tests.conftest import make_location

FOLDER = Path(__file__).parent / "golden"
REFUSED = {
    "demo": "calreg demo tree",
    "init": "calreg --database mysql://localhost/calreg init",
    "import": "calreg import nowhere",
    "run import": "calreg run import nowhere.txt",
    "run add": "calreg run add exp=xcsls3716:run=632 --begin 2018-02-11T24:00:00",
    "run list": "calreg run list --as-of 99",
    "run show": "calreg run show exp=xcsls3716:run=613",
    "detector show": "calreg detector show exp=xcsls3761:run=631",
    "show": "calreg show 12",
    "detector list": "calreg detector list --as-of spring-2081",
    "detector name": "calreg detector name M068 170505-149520170815-3d00b0",
    "detector names": "calreg detector names --as-of 99",
    "detector withdraw-name": "calreg detector withdraw-name jungfrau4M --comment wrong",
    "panel list": "calreg panel list --as-of 2999-01-01T00:00:00Z",
    "panel show": "calreg panel show 170505-149520170815-3d00b1",
    "alias list": "calreg alias list --as-of 99",
    "validity": "calreg validity 170505-149520170815-3d00b0 --at 2017-10-25T06:59:59Z",
    "export": "calreg export exp=xcsls3716:run=631 --output constants",
    "deploy": "calreg deploy xcsls3716 --check tree",
    "provenance show": "calreg provenance show datasets.txt",
    "provenance verify": "calreg provenance verify damaged/provenance.json",
    "provenance replay": "calreg provenance replay constants/provenance.json --output damaged",
    "exports": "calreg exports --experiment xcsls3761",
    "identify": "calreg identify nowhere.npy",
    "tag add": "calreg tag add spring-2018 --as-of 1",
    "tag list": "calreg tag list --as-of 99",
    "version add": "calreg version add M088 tree/M044 --valid-from 20171025070000",
    "version list": "calreg version list M067",
    "version show": "calreg version show 99",
    "version diff": "calreg version diff 1 2",
    "plot constants": "calreg plot constants 1 --output gain.png",
    "plot diff": "calreg plot diff 1 2 --output offset.png",
    "plot validity": "calreg plot validity M067",
    "plot history": "calreg plot history M068 --output history.gif",
    "status": "calreg --database sqlite:///nowhere.sqlite status",
    "affected": "calreg affected --since spring-2081",
    "diff": "calreg diff exp=xcsls3761:run=631 --as-of spring-2018",
    "version withdraw": "calreg version withdraw 99 --comment wrong",
    "version gap": "calreg version gap M088 --valid-from 20171025070000 --comment broken",
    "panel add": "calreg panel add 190408-181206-3d00b0 --alias M044",
    "alias withdraw": "calreg alias withdraw M044 170505-149520170815-3d00b0 --comment wrong",
    "alias add": "calreg alias add M088 170505-149520170815-3d00b0",
    "detector configure": (
        "calreg detector configure xcsls3716 XcsEndstation.0:Jungfrau.0 170505-149520170815-3d00b0 --first-run 631"
    ),
    "detector withdraw": (
        "calreg detector withdraw xcsls3716 XcsEndstation.0:Jungfrau.0 --first-run 5 --comment wrong"
    ),
    "run withdraw": "calreg run withdraw exp=xcsls3716:run=613 --comment wrong",
    "revert": "calreg revert 15 --comment wrong",
    "log": "calreg log M067",
    "verify": "calreg verify",
    "database check": "calreg --database sqlite:///nowhere.sqlite database check",
    "database downgrade": "calreg database downgrade 9999",
    "database upgrade": "calreg --database sqlite:///nowhere.sqlite database upgrade",
    "backup": "calreg backup store",
    "repair": "calreg repair --from store",
    "restore": "calreg restore backups",
    "serve": "calreg --database sqlite:///nowhere.sqlite serve",
    "fork": "calreg fork --to sqlite:///registry.sqlite --to-store other-store --comment 'again'",
    "database seal": "calreg database seal 99 --comment 'a tool was killed'",
    "database recover": f"calreg database recover --lost-head 9:{'ab' * 32} --comment 'nothing was lost'",
    "snapshot": "calreg snapshot spring.sqlite",
    "copy": "calreg copy --to sqlite:///restored.sqlite",
    "database grant": "calreg database grant --reader calib --writer calib",
    "fetch": "calreg fetch exp=xcsls3716:run=631",
    "cache show": "calreg cache show",
    "cache verify": "calreg cache verify",
    "cache clear": "calreg cache clear",
    "mirror": "calreg mirror sqlite:///nowhere.sqlite",
}


@pytest.fixture(autouse=True)
def _same_person_on_every_machine(monkeypatch: pytest.MonkeyPatch, small_panels: None) -> None:
    monkeypatch.setattr(authorship, "_find_user_name", lambda: "ana")
    monkeypatch.setattr(socket, "gethostname", lambda: "beamline")


class Recorder:
    """Runs commands, as text or as JSON, and keeps what they print by verb."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calreg = Calreg(None, monkeypatch)
        self.monkeypatch = monkeypatch
        self.as_json = False
        self.outputs: dict[str, str] = defaultdict(str)

    def run(self, verb: str, command: str, *, shown: str | None = None) -> None:
        """Run a command that is not refused; `shown` is the one that the golden file has."""
        assert self._record(verb, command, shown or command).code == 0, self.outputs[verb]

    def refuse(self, verb: str) -> None:
        """Run the command of the verb that is refused."""
        assert self._record(verb, REFUSED[verb], REFUSED[verb]).code > 1, self.outputs[verb]

    def _record(self, verb: str, command: str, shown: str) -> CommandResult:
        if self.as_json:
            command, shown = f"{command} --json", f"{shown} --json"
        arguments = shlex.split(command)
        self.monkeypatch.setattr(sys, "argv", arguments)
        result = self.calreg(*arguments[1:])
        printed = result.stdout + "".join(f"stderr: {line}\n" for line in result.stderr.splitlines())
        code = f"exit code {result.code}\n" if result.code else ""
        self.outputs[verb] += f"$ {shown}\n{_stabilise(printed)}{code}\n"
        return result


def _stabilise(printed: str) -> str:
    """Return what was printed without times, folders and versions of libraries."""
    printed = use_placeholders(printed.replace(str(Path.cwd()), "/home/ana"))
    printed = re.sub(r"(?<=registry.sqlite, )[0-9.]+ kB", "400 kB", printed)
    printed = re.sub(r'(?<="database_bytes": )[0-9]+', "400000", printed)
    return re.sub(
        r'^( +"(calreg|python|numpy|sqlalchemy)": ).*?(,?)$', r'\1"1.2.3"\3', printed, flags=re.MULTILINE
    )


def run_scenario(recorder: Recorder) -> None:
    """Run the examples of all verbs, and a refusal of each; a copy, which closes the registry, comes last."""
    write_files()
    fill_cache(recorder.monkeypatch)
    for verb, example in EXAMPLES.items():
        if verb not in (
            "demo",
            "serve",
            "fetch",
            "copy",
            "mirror",
            "database grant",
            "database seal",
            "database recover",
        ):
            recorder.run(verb, example)
    record_without_seal()
    recorder.run("database seal", EXAMPLES["database seal"])
    lost = put_database_back()
    example = EXAMPLES["database recover"]
    recorder.run("database recover", example.replace("18:SEAL", lost), shown=example)
    shutil.copytree("constants", "damaged")
    damage(Path("damaged/pixel_gain.npy"))
    recorder.monkeypatch.setenv("CALREG_CACHE_LIMIT", "much")
    for verb in REFUSED:
        if verb == "verify":
            stored = min(Path("store/objects").glob("*/*.npy"))
            content = damage(stored)
            recorder.refuse(verb)
            stored.write_bytes(content)
        elif verb not in ("copy", "database grant") and not (verb in ("demo", "serve") and recorder.as_json):
            recorder.refuse(verb)
    mirror = "calreg --database sqlite:///mirror.sqlite --store mirror-store mirror sqlite:///registry.sqlite"
    recorder.run("mirror", mirror)
    recorder.run("copy", "calreg copy --to sqlite:///moved.sqlite")
    recorder.refuse("copy")


def record_without_seal() -> None:
    """Record a revision as raw SQL can, without its seal."""
    with closing(sqlite3.connect("registry.sqlite")) as connection, connection:
        connection.execute(
            "INSERT INTO revision (number, recorded_at, author, host, command, software)"
            " SELECT number + 1, recorded_at, 'ana', 'beamline', 'sqlite3', 'none' FROM revision"
            " ORDER BY number DESC LIMIT 1"
        )


def put_database_back() -> str:
    """Put the database back to its state before its last revision; return the head that is lost."""
    shutil.copy("registry.sqlite", "earlier.sqlite")
    with open_registry() as registry:
        registry.tags.add("lost")
        head = str(registry.head)
    shutil.copy("earlier.sqlite", "registry.sqlite")
    return head


def damage(file: Path) -> bytes:
    """Change the last byte of a file, and return its former content."""
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:-1] + b"?")
    return content


def write_files() -> None:
    """Write what the examples read: a legacy directory, a table of datasets, and a new measurement."""
    for seed, module in enumerate(sample.MODULES):
        write_panel_folder(Path("tree") / module, seed)
    for link, module in sample.LINKS.items():
        (Path("tree") / link).symlink_to(module)
    sample.write_dataset_table(Path("datasets.txt"))
    write_panel_folder(Path("remeasured"), 7)


def fill_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put two files into a cache, the second of which is damaged."""
    monkeypatch.setenv("CALREG_CACHE", "cache")
    monkeypatch.setenv("CALREG_CACHE_LIMIT", "1 GB")
    Path("cache").mkdir(mode=0o700)
    for seconds, content in enumerate((b"intact" * 500, b"damaged" * 500)):
        path = Path("cache", f"object-{hashlib.sha256(content).hexdigest()}")
        path.write_bytes(content)
        path.chmod(0o400)
        os.utime(path, (1, 1_519_896_600 - seconds))
    damage(path)
    os.utime(path, (1, 1_519_896_500))


@pytest.mark.slow
def test_every_verb_prints_what_its_golden_file_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:///registry.sqlite")
    recorder = Recorder(monkeypatch)
    for folder in (tmp_path / "text", tmp_path / "json"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        recorder.as_json = folder.name == "json"
        run_scenario(recorder)
    assert set(recorder.outputs) == set(REFUSED) - {"database grant"}
    assert_golden(recorder.outputs)


@pytest.fixture
def postgresql_roles(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A registry on a server with the roles of the example."""
    for location in make_location(request, tmp_path, "postgresql"):
        Calreg(location, monkeypatch)
        engine = location.engine()
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE ROLE beamline"))
            connection.execute(sa.text("CREATE ROLE calib"))
        yield
        with engine.begin() as connection:
            connection.execute(sa.text("DROP OWNED BY beamline, calib"))
            connection.execute(sa.text("DROP ROLE beamline, calib"))
        engine.dispose()


@pytest.mark.slow
def test_a_grant_prints_what_its_golden_file_shows(
    postgresql_roles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    for recorder.as_json in (False, True):
        recorder.run("database grant", EXAMPLES["database grant"])
        recorder.refuse("database grant")
    assert_golden(recorder.outputs)


def test_every_verb_has_a_golden_file_and_a_refusal() -> None:
    verbs = {" ".join(path) for path in list_verbs()}
    assert set(REFUSED) == verbs
    assert {file.name for file in FOLDER.iterdir()} == {name_file(verb) for verb in verbs}


def name_file(verb: str) -> str:
    return f"{verb.replace(' ', '-')}.txt"


def assert_golden(outputs: dict[str, str]) -> None:
    """Compare outputs, by verb, with the golden files of these verbs."""
    if os.environ.get("CALREG_UPDATE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        for verb, text in outputs.items():
            (FOLDER / name_file(verb)).write_text(text)
    assert outputs == {verb: (FOLDER / name_file(verb)).read_text() for verb in outputs}

"""The contract of the command line: verbs, exit codes, JSON keys, and what is printed where."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from documentation import everyday, recording
from registry import create_registry, sample
from registry.cli.application import VERBS
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg, build_program, list_verbs
from tests.sessions import is_updating

RUN = "exp=xcsls3716:run=631"
START = "20180101000000"
AT = "2018-02-10T08:15:00Z"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("arrays")
    for seed in (1, 2):
        write_panel_folder(root / str(seed), seed)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("legacy")
    sample.write_legacy_tree(root / "tree")
    sample.write_dataset_table(root / "datasets.txt")
    return root


def test_the_main_job_from_import_to_provenance(calreg: Calreg, tree: Path, tmp_path: Path) -> None:
    imported = calreg.run("import", tree / "tree", "--timezone", "America/Los_Angeles", "--json").json
    assert imported["revision"] == 1
    assert len(imported["versions"]) == 10
    assert {"version", "panel", "kind", "valid_from", "constants"} <= set(imported["versions"][0])
    assert imported["unchanged"] == []
    again = calreg.run("import", tree / "tree", "--timezone", "America/Los_Angeles", "--json").json
    assert (again["revision"], len(again["unchanged"])) == (None, 10)

    assert calreg.run("run", "import", tree / "datasets.txt", "--json").json["revision"] == 2
    assert len(calreg.run("run", "list", "--json").json) == 15
    assert calreg.assert_refused(4, "export", RUN, "--output", tmp_path / "none")["dataset"] == RUN
    assert not (tmp_path / "none").exists()
    calreg.run("run", "add", RUN, "--begin", AT)

    detector = calreg.run("detector", "show", RUN, "--json").json
    assert detector["detector_id"] == f"{PANEL_A}_{PANEL_B}"
    assert detector["panels"] == [PANEL_A, PANEL_B]
    assert (detector["experiment"], detector["run"], detector["begin"]) == ("xcsls3716", 631, AT)
    assert detector["source"] == "XcsEndstation.0:Jungfrau.0"

    exported = calreg.run("export", RUN, "--output", tmp_path / "out", "--json").json
    assert [row["type"] for row in exported["outputs"]] == ["pixel_gain", "pixel_offset"]
    assert {"type", "path", "sha256", "shape", "dtype"} <= set(exported["outputs"][0])
    assert exported["outputs"][0]["shape"] == [3, 2, 512, 1024]
    assert exported["revision"] == 3
    gain = np.load(tmp_path / "out" / "pixel_gain.npy")
    expected = np.stack(
        [
            np.stack([np.load(tree / "tree" / m / f"g{g}_gain.npy") for m in ("M068", "M088")])
            for g in range(3)
        ]
    )
    assert gain.tobytes() == expected.tobytes()

    verified = calreg.run("provenance", "verify", exported["provenance"], "--json").json
    assert (verified["checked"], verified["problems"]) == (15, [])
    assert calreg.run("verify", "--json").json["problems"] == []
    assert calreg.run("identify", exported["outputs"][1]["path"], "--json").json["exports"][0]["type"] == (
        "pixel_offset"
    )
    assert PANEL_B in calreg.run("provenance", "show", exported["provenance"]).stdout


@pytest.mark.slow
def test_validity_prints_the_published_keys(calreg: Calreg, folders: Path) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("version", "add", PANEL_A, folders / "1", "--valid-from", "beginning", "--comment", "first")
    calreg.run("version", "gap", PANEL_A, "--valid-from", START, "--comment", "broken")
    ranges = calreg.run("validity", "M068", "--kind", "gain", "--json").json
    keys = ("panel", "alias", "kind", "version", "valid_from", "valid_to", "constants", "comment")
    (first, gap) = [{key: row[key] for key in keys} for row in ranges]
    digest = first.pop("constants")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert first == {
        "panel": PANEL_A,
        "alias": "M068",
        "kind": "gain",
        "version": 1,
        "valid_from": None,
        "valid_to": "2018-01-01T00:00:00Z",
        "comment": "first",
    }
    assert (gap["constants"], gap["valid_to"], gap["comment"]) == (None, None, "broken")
    assert calreg.assert_refused(4, "validity", "M068", "--at", START)["kind"] == "NotValidError"
    before = calreg.run("validity", "M068", "--at", START, "--as-of", "2", "--json").json
    assert [row["kind"] for row in before] == ["gain", "offset"]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_lists_print_the_published_keys(calreg: Calreg, folders: Path) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068", "--comment", "new")
    calreg.run("version", "add", "M068", folders / "1", "--valid-from", START)
    calreg.run("version", "withdraw", "1", "--comment", "wrong map")
    calreg.run("tag", "add", "run18")
    (panel,) = calreg.run("panel", "list", "--json").json
    assert (panel["panel"], panel["alias"], panel["detector_type"]) == (PANEL_A, "M068", "jungfrau")
    versions = calreg.run("version", "list", "--all", "--json").json
    keys = {"version", "panel", "alias", "kind", "valid_from", "valid_to", "constants", "recorded_in"}
    assert keys | {"withdrawn_in", "comment"} <= set(versions[0])
    assert [row["withdrawn_in"] for row in versions] == [3, None]
    assert len(calreg.run("version", "list", "--json").json) == 1
    log = calreg.run("log", "--json").json
    assert [row["revision"] for row in log] == [4, 3, 2, 1]
    assert {"revision", "recorded_at", "author", "host", "command", "comment", "changes"} <= set(log[0])
    assert log[1]["comment"] == "wrong map"
    assert log[1]["changes"] == [f"- version 1: gain of {PANEL_A} from 2018-01-01T00:00:00Z"]
    (tag,) = calreg.run("tag", "list", "--json").json
    assert (tag["tag"], tag["revision"]) == ("run18", 3)
    assert calreg.run("alias", "list", "--json").json[0]["alias"] == "M068"


@pytest.mark.slow
def test_a_withdrawal_names_what_is_valid_instead_and_a_dry_one_too(calreg: Calreg, folders: Path) -> None:
    calreg.run("panel", "add", PANEL_A)
    calreg.run("version", "add", PANEL_A, folders / "1", "--valid-from", "beginning")
    calreg.run("version", "add", PANEL_A, folders / "2", "--valid-from", START)
    dry = calreg.run("version", "withdraw", "3", "--comment", "wrong", "--dry-run")
    assert "version 1: gain" in dry.stderr
    assert "the valid one is version" in dry.stderr
    assert dry.stdout.endswith("dry run: nothing was recorded\n")
    assert calreg.run("log", "--json").json[0]["revision"] == 3
    done = calreg.run("version", "withdraw", "3", "--comment", "wrong")
    assert done.stderr == dry.stderr
    assert done.stdout.splitlines()[:-1] == dry.stdout.splitlines()[:-1]


@pytest.fixture(scope="module")
def with_one_panel(tmp_path_factory: pytest.TempPathFactory) -> RegistryLocation:
    """A registry that tests of refusals share: these do not change it."""
    folder = tmp_path_factory.mktemp("shared")
    location = RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")
    create_registry(location.database, location.store)
    with location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
    return location


REFUSALS = [
    (2, ["validity", PANEL_A.upper()]),
    (2, ["validity", "../" + PANEL_A]),
    (2, ["validity", "M68"]),
    (2, ["validity", "0" * 10_000]),
    (2, ["validity", "\x1b[31m-1-1"]),
    (2, ["validity", PANEL_A, "--at", "20171025"]),
    (2, ["validity", PANEL_A, "--at", "2017-10-25T25:00:00"]),
    (2, ["validity", PANEL_A, "--at", "beginning"]),
    (2, ["validity", PANEL_A, "--timezone", "Nowhere/Land", "--at", START]),
    (2, ["validity", PANEL_A, "--kind", "gian"]),
    (2, ["validity", PANEL_A, "--as-of", "29990101000000"]),
    (3, ["validity", PANEL_B]),
    (3, ["validity", "M099"]),
    (3, ["validity", PANEL_A, "--as-of", "99"]),
    (3, ["validity", PANEL_A, "--as-of", "no-such-tag"]),
    (4, ["validity", PANEL_A, "--at", START]),
    (3, ["version", "show", "99"]),
    (3, ["version", "withdraw", "99", "--comment", "x"]),
    (2, ["version", "withdraw", "1", "--comment", " "]),
    (2, ["version", "add", f"jungfrau_{PANEL_A}", "nowhere", "--valid-from", START]),
    (3, ["version", "add", PANEL_A, "nowhere", "--valid-from", START]),
    (3, ["version", "add", PANEL_B, "nowhere", "--valid-from", START]),
    (4, ["version", "gap", PANEL_A, "--valid-from", START, "--comment", "x"]),
    (5, ["panel", "add", PANEL_A, "--alias", "M044"]),
    (3, ["run", "show", RUN]),
    (2, ["run", "show", "xcsls3716/631"]),
    (3, ["run", "withdraw", RUN, "--comment", "x"]),
    (3, ["run", "import", "nowhere.txt"]),
    (3, ["detector", "show", RUN]),
    (2, ["detector", "configure", "xcs", "Jungfrau.0", PANEL_A, "--first-run", "1"]),
    (3, ["detector", "withdraw", "xcs", "X.0:Jungfrau.0", "--first-run", "1", "--comment", "x"]),
    (3, ["export", RUN, "--output", "out"]),
    (2, ["export", PANEL_A, "--output", "out"]),
    (2, ["export", PANEL_A, "--output", "out", "--at", START, "--format", "gif"]),
    (2, ["export", PANEL_A, "--output", "out", "--at", START, "--type", "gain"]),
    (4, ["export", "M068", "--output", "out", "--at", START]),
    (3, ["provenance", "show", "nowhere.json"]),
    (3, ["provenance", "verify", "nowhere.json"]),
    (3, ["identify", "nowhere.npy"]),
    (3, ["import", "nowhere"]),
    (2, ["tag", "add", "2018"]),
]


@pytest.mark.slow
def test_a_refusal_is_one_sentence_with_its_exit_code_and_leaves_nothing(
    with_one_panel: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(with_one_panel, monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for code, arguments in REFUSALS:
        if arguments[:2] == ["provenance", "show"]:
            assert calreg(*arguments).code == code
        else:
            message = calreg.assert_refused(code, *arguments)["message"]
            assert len(message) < 400
            assert message.isprintable()
        assert list(work.iterdir()) == [], arguments
        assert calreg.run("log", "--json").json[0]["revision"] == 1


def test_usage_errors_are_plain_text_and_json_for_scripts(sqlite_calreg: Calreg) -> None:
    plain = sqlite_calreg("validity")
    assert (plain.code, plain.stdout) == (2, "")
    assert "Missing argument" in plain.stderr
    ended = sqlite_calreg("validity", "--json")
    assert (ended.code, ended.error["code"], ended.error["kind"]) == (2, 2, "RequestError")
    assert "Missing argument" in ended.error["message"]
    assert sqlite_calreg("no-such-verb").code == 2


def test_a_missing_database_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALREG_DATABASE", f"sqlite:///{tmp_path}/none.sqlite")
    message = Calreg(None, monkeypatch).assert_refused(8, "panel", "list")["message"]
    assert f"{tmp_path}/none.sqlite" in message
    assert "calreg init" in message
    assert list(tmp_path.glob("none*")) == []


def test_no_password_reaches_a_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calreg = Calreg(None, monkeypatch)
    for url in (
        "postgresql://reader:hush-hush@localhost:1/calreg",
        "postgresql://localhost:1/calreg?user=reader&password=hush-hush",
        "postgresql://reader:hush-hush@localhost:port/calreg",
        "mysql://reader:hush-hush@localhost/calreg",
    ):
        ended = calreg("--database", url, "--store", str(tmp_path), "panel", "list")
        assert ended.code in (2, 8)
        assert "hush" not in ended.stderr


def test_terminal_escapes_in_a_comment_are_never_printed_raw(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A, "--comment", "red \x1b[31m alert\nnext line")
    printed = calreg.run("log").stdout
    assert "\x1b" not in printed
    assert r"comment: red \x1b[31m alert\nnext line" in printed
    assert calreg.run("log", "--json").json[0]["comment"] == "red \x1b[31m alert\nnext line"


@pytest.mark.slow
def test_tables_of_one_module_fit_80_columns(sqlite_calreg: Calreg, folders: Path, tmp_path: Path) -> None:
    sqlite_calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    sqlite_calreg.run("panel", "add", NEW_A, "--alias", "M068")
    sqlite_calreg.run("version", "add", "M068", folders / "1", "--valid-from", START)
    sqlite_calreg.run("version", "add", "M068", folders / "2", "--valid-from", "20190101000000")
    sqlite_calreg.run("run", "add", RUN, "--begin", AT, "--end", "2018-02-10T09:15:00Z")
    sqlite_calreg.run("export", PANEL_A, "--at", AT, "--output", tmp_path / "o")
    for verb in (
        ["validity", "M068"],
        ["version", "list"],
        ["panel", "list"],
        ["alias", "list"],
        ["run", "list"],
        ["panel", "show", PANEL_A],
        ["log"],
    ):
        printed = sqlite_calreg.run(*verb).stdout.splitlines()
        assert len(printed) > 1
        too_wide = [line for line in printed if len(line) > 80 and not line.startswith("  on ")]
        assert too_wide == []


def test_every_verb_has_help_and_all_that_answer_do_so_in_json() -> None:
    verbs = list_verbs()
    assert len(verbs) > 25
    for path, command in verbs.items():
        assert command.help, path
        options = {name for parameter in command.params for name in getattr(parameter, "opts", ())}
        assert ("--json" in options) == (path not in {("demo",), ("serve",)}), path


def test_the_help_of_the_program_has_the_first_line_of_the_help_of_every_verb() -> None:
    for command in build_program().commands.values():
        verb = command.load()
        assert verb.name == command.name
        assert verb.help.splitlines()[0] == command.short_help == verb.get_short_help_str(limit=80)


def test_every_verb_is_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "commands.md").read_text()
    documented = set(re.findall(r"`calreg ([a-z -]+[a-z])", text))
    assert {" ".join(path) for path in list_verbs()} == documented


def list_loaded_modules(*arguments: str) -> set[str]:
    """Return the modules that a whole run of calreg has loaded at its end."""
    code = f"import atexit, sys; sys.argv = {['calreg', *arguments]!r}\n"
    code += "atexit.register(lambda: print('loaded', *sys.modules, file=sys.stderr))\n"
    code += "from registry.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_neither_database_nor_arrays_nor_any_verb() -> None:
    loaded = list_loaded_modules("--help")
    assert "registry.cli.application" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "alembic", "psycopg", "msgspec", "rich", "zoneinfo"})
    assert loaded.isdisjoint(f"registry.cli.{target.partition(':')[0]}" for target, _ in VERBS.values())
    assert loaded.isdisjoint({"registry.cli.output", "registry.instants"})


def test_the_help_of_a_verb_imports_its_own_module_alone_and_no_database() -> None:
    loaded = list_loaded_modules("validity", "--help")
    assert {"registry.cli.versions", "typer"} <= loaded
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "msgspec", "rich", "registry.api"})
    assert loaded.isdisjoint({"registry.cli.exports", "registry.cli.revisions", "registry.cli.runs"})


@pytest.mark.slow
def test_a_look_up_on_sqlite_imports_no_sqlalchemy_no_arrays_and_nothing_that_writes(
    sqlite_calreg: Calreg, folders: Path
) -> None:
    sqlite_calreg.run("panel", "add", PANEL_A)
    sqlite_calreg.run("version", "add", PANEL_A, folders / "1", "--valid-from", START)
    loaded = list_loaded_modules("validity", PANEL_A, "--at", AT)
    assert {"sqlite3", "registry.lookup.validity"} <= loaded
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "alembic", "psycopg", "rich", "platformdirs"})
    assert "sqlalchemy" not in list_loaded_modules("validity", PANEL_A, "--at", AT, "--as-of", "2")
    assert loaded.isdisjoint(
        {"registry.api.runs", "registry.api.detectors", "registry.api.panels", "registry.registration.tags"}
    )
    assert loaded.isdisjoint({"registry.lookup.consequences", "registry.arrays", "registry.provenance"})
    assert not [name for name in loaded if name.startswith(("registry.importers", "registry.exporters"))]


@pytest.mark.slow
def test_an_export_of_npy_files_imports_neither_numpy_nor_sqlalchemy_nor_what_other_formats_need(
    sqlite_calreg: Calreg, folders: Path, tmp_path: Path
) -> None:
    sqlite_calreg.run("panel", "add", PANEL_A)
    sqlite_calreg.run("version", "add", PANEL_A, folders / "1", "--valid-from", START)
    loaded = list_loaded_modules("export", PANEL_A, "--at", AT, "--output", str(tmp_path / "out"))
    assert (tmp_path / "out" / "pixel_gain.npy").exists()
    assert str(tmp_path / "out") in sqlite_calreg.run("exports").stdout
    sqlite_calreg.run("verify")
    assert "registry.exporters.npy" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "alembic", "psycopg", "rich", "registry.arrays"})
    assert loaded.isdisjoint(f"registry.exporters.{name}" for name in ("psana", "lcls2", "hdf5"))
    assert loaded.isdisjoint({"registry.api.showing", "registry.api.log_pages", "registry.api.folder_checks"})
    source = "XcsEndstation.0:Jungfrau.0"
    for experiment in ("xcs1", "xcs2"):  # the panel is read out in two places at once
        sqlite_calreg.run("detector", "configure", experiment, source, PANEL_A, "--first-run", "1")
        sqlite_calreg.run("run", "add", f"exp={experiment}:run=1", "--begin", AT)
    words = ["export", "exp=xcs1:run=1", "--output", str(tmp_path / "warned")]
    assert "sqlalchemy" not in list_loaded_modules(*words)
    assert sqlite_calreg.run(*words[:3], str(tmp_path / "again")).stderr.startswith("warning: ")


@pytest.mark.slow
def test_a_write_on_sqlite_imports_no_other_driver_no_arrays_and_no_migrations(sqlite_calreg: Calreg) -> None:
    loaded = list_loaded_modules("panel", "add", PANEL_A)
    assert "registry.registration.panels" in loaded
    assert loaded.isdisjoint({"numpy", "alembic", "psycopg", "rich", "sqlalchemy.dialects.postgresql"})


@pytest.mark.slow
def test_a_closed_pipe_is_quiet(sqlite_location: RegistryLocation) -> None:
    with sqlite_location.open() as registry:
        for number in range(1, 200):
            registry.panels.add(f"170505-149520170815-{number:x}")
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m registry log | head -1"],
        env={**os.environ, **sqlite_location.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("revision 199")
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.slow
def test_a_bug_shows_its_traceback_and_exits_with_1(sqlite_location: RegistryLocation) -> None:
    code = (
        "import registry.api.panels as p, registry.cli as c, sys\n"
        "p.Panels.list = lambda self, *names, as_of=None: 1 / 0\n"
        "sys.argv = ['calreg', 'panel', 'list']; c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **sqlite_location.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_an_interrupt_exits_with_130(sqlite_calreg: Calreg, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry.api.panels import Panels

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Panels, "list", interrupt)
    ended = sqlite_calreg("panel", "list")
    assert (ended.code, ended.stdout) == (130, "")


@pytest.mark.exhaustive
@pytest.mark.slow
def test_every_command_of_the_recorded_day_works(tmp_path: Path) -> None:
    page = everyday.record_session(tmp_path)  # which fails with a command
    if is_updating():
        everyday.PAGE.write_text(page)
    commands = [line for line in page.splitlines() if line.startswith("$ ")]
    recorded = everyday.PAGE.read_text().splitlines()
    assert len(commands) == 8
    assert [line for line in recorded if line.startswith("$ ")] == commands
    assert "corrected: gain of M068 1 -> 11" in page


@pytest.mark.slow
def test_the_demo_runs_the_real_commands_as_its_recording_shows_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry", "demo", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if is_updating():
        recording.PAGE.write_text(recording.build_page(done.stdout, tmp_path))
    assert recording.build_page(done.stdout, tmp_path) == recording.PAGE.read_text()
    document = json.loads((tmp_path / "demo" / "constants" / "provenance.json").read_text())
    assert document["request"]["target"] == RUN
    assert np.load(tmp_path / "demo" / "constants" / "pixel_gain.npy").shape == (3, 2, 512, 1024)


def test_the_demo_touches_no_folder_that_is_there(sqlite_calreg: Calreg, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    ended = sqlite_calreg("demo", str(tmp_path / "there"))
    assert ended.code == 5
    assert list((tmp_path / "there").iterdir()) == []


def test_a_password_in_the_wrong_place_is_not_repeated(sqlite_calreg: Calreg) -> None:
    url = "postgresql://ana:hush-hush@beamline/calreg"
    for arguments in (
        ["init", url],
        ["validity", url],
        ["log", url],
        ["identify", url],
        ["import", url],
        ["tag", "add", url],
        ["version", "show", url],
        ["panel", "list", "--as-of", url],
        ["--store", url, "panel", "list"],
    ):
        for form in ([], ["--json"]):
            ended = sqlite_calreg(*arguments, *form)
            assert ended.code in (2, 3, 8), arguments
            assert "hush" not in ended.stderr, arguments

"""Completion, in the shells themselves where they are installed."""

import os
import pty
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st

from registry.api import Registry
from registry.cli.completion import COMPLETERS, FILE_METAVARS, FREE_METAVARS, complete, split_metavar
from registry.cli.shells import SCRIPTS, read_bash_line
from registry.database.completion_names import MAX_NAMES
from registry.detectors import DETECTOR_TYPES
from registry.exporters.formats import FORMATS
from registry.service.options import Options
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from testing.services import serve_in_thread
from tests.cli import list_verbs
from tests.selection import examples

BREAKS = " \t\n\"'@><=;|&(:"
SOURCE = "XcsEndstation.0:Jungfrau.0"


def fill(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    registry.versions.gap(PANEL_A, valid_from="beginning", kinds=["gain"], comment="not measured yet")
    registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")
    registry.runs.add("exp=xcsls3716:run=63", begin="2018-02-09T08:15:00Z")
    registry.runs.add("exp=xppls2416:run=247", begin="2018-02-12T08:15:00Z")
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
    registry.detectors.configure("mfxls0816", "MfxEndstation.0:Jungfrau.0", PANEL_B, first_run=1)
    registry.tags.add("run18-final")


DATASETS = ["exp=mfxls0816:run=", "exp=xcsls3716:run=", "exp=xppls2416:run="]


@pytest.fixture
def filled(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    with location.open() as registry:
        fill(registry)
    for name, value in location.environment.items():
        monkeypatch.setenv(name, value)
    return location


@pytest.fixture
def sqlite_calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    with sqlite_location.open() as registry:
        fill(registry)
    for name, value in sqlite_location.environment.items():
        monkeypatch.setenv(name, value)
    return sqlite_location


@contextmanager
def raw_connection(location: RegistryLocation) -> Iterator[sa.Connection]:
    """Yield a connection that bypasses the registry."""
    engine = location.engine()
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def complete_line(line: str) -> list[str]:
    *words, beginning = line.split(" ")
    return [name.text for name in complete(words, beginning)[1]]


COMPLETED: dict[str, list[str]] = {
    "validity M": ["M068", "M088"],
    "validity 1": [PANEL_A, PANEL_B],
    "validity ": ["M068", "M088", PANEL_A, PANEL_B, *DATASETS],
    f"validity {PANEL_A}_": [f"{PANEL_A}_{PANEL_B}"],
    "panel show M": ["M068", "M088"],
    "panel add X --carry-from 1": [PANEL_A, PANEL_B],
    "alias withdraw M06": ["M068"],
    "export exp=": DATASETS,
    "export exp=xcs": ["exp=xcsls3716:run="],
    "run show exp=xcsls3716:run=": ["exp=xcsls3716:run=631", "exp=xcsls3716:run=63"],
    "run show exp=xcsls3716:run=6": ["exp=xcsls3716:run=63", "exp=xcsls3716:run=631"],
    "run show exp=nowhere:run=": [],
    "run list --experiment x": ["xcsls3716", "xppls2416"],
    "export exp=xcsls3716:run=631 --source ": [SOURCE],
    f"export {PANEL_A} --source ": ["MfxEndstation.0:Jungfrau.0", SOURCE],
    "detector withdraw mfxls0816 ": ["MfxEndstation.0:Jungfrau.0"],
    "log --as-of ": ["run18-final"],
    "log --as-of=run": ["--as-of=run18-final"],
    "diff exp=xcsls3716:run=631 --against r": ["run18-final"],
    "version show ": ["1"],
    "version show 1": ["1"],
    "version show one": [],
}


@pytest.mark.slow
def test_names_come_from_the_database(filled: RegistryLocation) -> None:
    for line, expected in COMPLETED.items():
        assert complete_line(line) == expected, line


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_names_come_from_the_service(filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_in_thread(filled, Options(public=True)) as url:
        monkeypatch.setenv("CALREG_DATABASE", url)
        monkeypatch.delenv("CALREG_STORE", raising=False)
        for line, expected in COMPLETED.items():
            assert complete_line(line) == expected, line
        assert complete(["log", "--as-of"], "8:")[1]
        assert [name.description for name in complete(["version", "show"], "")[1]] == [f"gain of {PANEL_A}"]
        assert complete_line("validity \udc80") == []
        code = (
            "import sys, registry.cli.completion as c; print(c.complete(['validity'], '1')[1], *sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert PANEL_A in done.stdout
        assert set(done.stdout.split()).isdisjoint(
            {"sqlalchemy", "numpy", "urllib3", "msgspec", "registry.api"}
        )


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        done = ask("zsh", "panel", "show", "1", CALREG_DATABASE=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "words\n", "")
    done = ask("zsh", "panel", "show", "1", CALREG_DATABASE=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "words\n", "")


def test_the_description_of_a_name_is_short(filled: RegistryLocation) -> None:
    def describe(*words: str) -> list[str]:
        return [name.description for name in complete(words, "")[1]]

    assert describe("alias", "add", "M068") == ["M068", "M088"]
    assert describe("version", "show") == [f"gain of {PANEL_A}"]
    assert describe("log", "--as-of") == ["8"]


def test_verbs_and_options_need_no_database() -> None:
    assert complete_line("vali") == ["validity"]
    assert complete_line("version w") == ["withdraw"]
    assert complete_line("validity M068 --a") == ["--at", "--as-of"]
    assert complete_line("validity --at T --a") == ["--as-of"]
    assert complete_line("--st") == ["--store"]
    assert "--kind" in complete_line("validity M068 --kind gain --k")
    assert complete_line("validity M068 --kind ga") == ["gain"]
    assert complete_line("export X --type pixel_g") == ["pixel_gain"]
    assert complete_line("export X --timezone America/Los") == ["America/Los_Angeles"]
    assert complete_line("no-such-verb x") == []
    assert complete(["import"], "tr") == ("files", [])


def test_the_database_of_the_command_line_is_asked(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_location.open() as registry:
        fill(registry)
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:///elsewhere.sqlite")
    assert complete_line("validity M") == []
    assert complete_line(f"--database {sqlite_location.database} validity M") == ["M068", "M088"]


def test_completion_prints_nothing_but_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert complete_line("--version va") == ["validity"]
    assert complete_line("--show-completion bash va") == ["validity"]
    assert complete_line("--help va") == ["validity"]
    assert capsys.readouterr() == ("", "")


_WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        (
            "--",
            "-",
            "--kind",
            "--at=",
            "--as-of",
            "exp=a:run=",
            "exp=",
            "--source",
            "_",
            "--json",
            "-h",
            "M068",
        )
    ),
    st.sampled_from(
        ("--version", "0", "9999999", "99999999999", "\0", "\ud800", "\x1b[31m", "1e9", "--first-run")
    ),
)


@pytest.mark.slow
@hypothesis.settings(max_examples=examples(40))
@hypothesis.given(st.sampled_from([(), *list_verbs()]), st.lists(_WORDS, max_size=4), _WORDS)
def test_no_line_makes_completion_fail(
    sqlite_calreg: RegistryLocation, verb: tuple[str, ...], words: list[str], beginning: str
) -> None:
    sort, names = complete([*verb, *words], beginning)
    assert sort in ("words", "open", "files")
    assert all(name.text.startswith(beginning) for name in names)


@pytest.mark.slow
@hypothesis.settings(max_examples=examples(40))
@hypothesis.given(st.text(alphabet=" ab=:\"'\\é\n", max_size=40))
def test_no_line_of_bash_makes_completion_fail(line: str) -> None:
    words, cut = read_bash_line(f"calreg {line}", BREAKS)
    assert words
    assert cut <= len(words[-1])


def test_all_formats_and_kinds_are_offered() -> None:
    assert set(complete_line("export X --format ")) == set(FORMATS)
    assert set(complete_line("provenance show X --format ")) == {"text", "json", "prov-json"}
    kinds = {kind.name for known in DETECTOR_TYPES.values() for kind in known.kinds}
    assert set(complete_line("validity M068 --kind ")) == kinds


def test_the_metavar_of_every_parameter_can_be_completed() -> None:
    for path, command in list_verbs().items():
        for parameter in command.params:
            if parameter.param_type_name == "argument" or not parameter.is_flag:
                for piece in split_metavar(parameter.metavar):
                    assert piece in {*COMPLETERS, *FILE_METAVARS, *FREE_METAVARS} or piece.islower(), (
                        path,
                        parameter.name,
                    )


def test_only_the_first_of_many_names_are_offered(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as registry:
        for number in range(2):
            registry.panels.add(f"170505-149520170815-{number:x}")
    with record_raw_revision(location) as (connection, _):
        for number in range(2, 2 * MAX_NAMES):
            connection.execute(
                sa.text(
                    "INSERT INTO panel (id, identifier, detector_type, module_version, firmware_version,"
                    " serial_number, recorded_in) VALUES (:id, :identifier, 'jungfrau', '1', '1', :id_text, 3)"
                ),
                {"id": 10 + number, "identifier": f"170505-149520170815-{number:x}", "id_text": f"{number}"},
            )
    for name, value in location.environment.items():
        monkeypatch.setenv(name, value)
    assert len(complete_line("panel show 1")) == MAX_NAMES
    assert complete_line("panel show 170505-149520170815-7") == [
        f"170505-149520170815-{number:x}" for number in sorted((7, *range(0x70, 0x78)), key="{:x}".format)
    ]


def test_a_name_that_a_shell_would_execute_is_not_complete_line(
    filled: RegistryLocation, tmp_path: Path
) -> None:
    with record_raw_revision(filled) as (connection, newest):
        for number, name in enumerate(("run$(id)", "run`id`", "run;id", "run'", "run\nid", "run id", "rün")):
            connection.execute(
                sa.text(
                    "INSERT INTO tag (name, revision, recorded_in, seal)"
                    " SELECT :name, 1, :newest, digest FROM seal WHERE revision = 1"
                ),
                {"name": name, "newest": newest},
            )
            connection.execute(
                sa.text(
                    "INSERT INTO alias (id, recorded_in, m_number, panel_id, valid_from)"
                    " SELECT :id, :newest, :name, id, 0 FROM panel WHERE id NOT IN (SELECT panel_id FROM alias)"
                ),
                {"id": 100 + number, "newest": newest, "name": name[3:]},
            )
    assert complete_line("log --as-of r") == ["run18-final"]
    assert complete_line("alias withdraw ") == ["M068", "M088"]


def ask(shell: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "registry", *words],
        env={**os.environ, "_CALREG_COMPLETE": shell, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_description_of_a_name_is_never_printed_raw(sqlite_calreg: RegistryLocation) -> None:
    with record_raw_revision(sqlite_calreg) as (connection, newest):
        connection.execute(
            sa.text("UPDATE alias SET withdrawn_in = :newest WHERE m_number = 'M088'"), {"newest": newest}
        )
        connection.execute(
            sa.text(
                "INSERT INTO alias (id, recorded_in, m_number, panel_id, valid_from)"
                " SELECT 100, :newest, :name, id, 0 FROM panel WHERE identifier = :panel"
            ),
            {"newest": newest, "name": "M\x1b[31m\ta\nb", "panel": PANEL_B},
        )
    assert ask("zsh", "panel", "show", "1").stdout.splitlines() == [
        "words",
        f"{PANEL_A}\tM068",
        f"{PANEL_B}\tM\\x1b[31m a b",
    ]


@pytest.mark.slow
def test_nothing_is_printed_without_a_database(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database")
    for url in (f"sqlite:///{tmp_path}/none.sqlite", f"sqlite:///{tmp_path}/text.sqlite", "mysql://x"):
        done = ask("zsh", "panel", "show", "1", CALREG_DATABASE=url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "words\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["text.sqlite"]


def test_a_call_without_a_line_prints_nothing() -> None:
    done = ask("complete_bash")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_left_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"postgresql://127.0.0.1:{deaf.getsockname()[1]}/calreg"
        done = ask("zsh", "panel", "show", "1", CALREG_DATABASE=url, CALREG_STORE=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_completion_loads_neither_sqlalchemy_nor_arrays(sqlite_calreg: RegistryLocation) -> None:
    code = "import sys, registry.cli.completion as c; c.complete(['validity'], '1'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"sqlite3", "registry.cli.versions"} <= loaded
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "psycopg", "rich", "msgspec", "registry.api"})


@pytest.mark.parametrize(
    ("line", "words", "kept"),
    [
        ("calreg ", [""], 0),
        ("calreg va", ["va"], 0),
        ("  calreg  validity  M06", ["validity", "M06"], 0),
        ("TZ=UTC calreg validity ", ["validity", ""], 0),
        ("calreg export exp=xcs", ["export", "exp=xcs"], 4),
        ("calreg export exp=xcsls3716:run=6", ["export", "exp=xcsls3716:run=6"], 18),
        ("calreg export 'exp=xcs", ["export", "exp=xcs"], 0),
        (r"calreg backup a\ b", ["backup", "a b"], 0),
        ('calreg backup "a b" --ver', ["backup", "a b", "--ver"], 0),
        ("calreg log --as-of=", ["log", "--as-of="], 8),
        ("calreg backup it\\", ["backup", "it"], 0),
        ("calreg tag add '' ", ["tag", "add", "", ""], 0),
    ],
)
def test_the_line_of_bash_is_read_as_bash_reads_it(line: str, words: list[str], kept: int) -> None:
    assert read_bash_line(line, BREAKS) == (words, kept)


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with ``calreg`` in it, of this very environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "calreg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m registry "$@"\n')
    (folder / "calreg").chmod(0o755)
    return folder


def find_shell(shell: str) -> str:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    return program


def run_shell(bin_folder: Path, *command: str) -> str:
    path = f"{bin_folder}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_bash_completes_datasets_across_its_own_word_breaks(
    sqlite_calreg: RegistryLocation, bin_folder: Path
) -> None:
    program = (
        "source <(calreg --show-completion bash); complete -p calreg\n"
        'tab() { COMP_LINE=$1 COMP_POINT=${#1}; COMPREPLY=(); _calreg calreg; echo "${COMPREPLY[*]}"; }\n'
        "tab 'calreg export exp=xcs'; tab 'calreg export exp=xcsls3716:run=631'; tab 'calreg log --as-of=r'"
    )
    assert run_shell(bin_folder, find_shell("bash"), "--norc", "-c", program).splitlines() == [
        "complete -F _calreg calreg",
        "xcsls3716:run=",
        "631",
        "run18-final",
    ]


@pytest.mark.slow
def test_an_interactive_bash_completes(
    sqlite_calreg: RegistryLocation, bin_folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPTS["bash"])
    terminal, other_end = pty.openpty()
    shell = subprocess.Popen(
        [find_shell("bash"), "--norc", "--noprofile", "-i"],
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TERM": "dumb"},
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    os.write(terminal, f"source {script}\n".encode())
    # The word is completed, and `printf` shows what they became.
    os.write(
        terminal, f"{bin_folder}/calreg panel show 170505-149520170815-3d00f\t\x01printf '<%s>' \n".encode()
    )
    os.write(terminal, b"exit\n")
    shown = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            read = os.read(terminal, 1 << 16)
        except OSError:  # so Linux says that the shell has ended
            break
        if not read:  # and so others
            break
        shown += read
    shell.kill()
    shell.wait()
    os.close(terminal)
    assert f"<panel><show><{PANEL_B}>" in shown.decode()


def test_zsh_completes(sqlite_calreg: RegistryLocation, bin_folder: Path, tmp_path: Path) -> None:
    zsh = find_shell("zsh")
    (tmp_path / "_calreg").write_text(SCRIPTS["zsh"])
    program = (
        'compdef() { print $* }; compadd() { print -r -- "$@" : $values }; _files() { print files }\n'
        f"source {tmp_path}/_calreg\n"
        'tab() { local -a words=(calreg "$@"); local CURRENT=$#words PREFIX=$words[-1]; _calreg }\n'
        "tab validity M06; tab export exp=xcs; tab export exp=xcsls3716:run=631 --source ''; tab import ''"
    )
    assert run_shell(bin_folder, zsh, "-f", "-c", program).splitlines() == [
        "_calreg calreg",
        "-l -d shown -a values : M068",
        "-S  -l -d shown -a values : exp=xcsls3716:run=",
        f"-l -d shown -a values : {SOURCE}",
        "files",
    ]


def test_fish_completes(sqlite_calreg: RegistryLocation, bin_folder: Path, tmp_path: Path) -> None:
    fish = find_shell("fish")
    (tmp_path / "calreg.fish").write_text(SCRIPTS["fish"])
    program = (
        f"source {tmp_path}/calreg.fish; complete -C 'calreg validity M06'; complete -C 'calreg export exp=xcs';"
        " complete -C 'calreg log --as-of='; complete -C 'calreg --store s panel show 1'"
    )
    assert run_shell(bin_folder, fish, "--no-config", "-c", program).splitlines() == [
        "M068",
        "exp=xcsls3716:run=",
        "--as-of=run18-final\t8",
        f"{PANEL_A}\tM068",
        f"{PANEL_B}\tM088",
    ]


def test_the_script_of_another_shell_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry", "--show-completion", "tcsh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "bash, zsh, fish" in done.stderr

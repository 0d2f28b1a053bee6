"""A registry in a folder that a group shares: who may write, and that nobody locks another one out."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.files import atomic_write
from registry.permissions import adopt_mode, describe_denial
from registry.store import ContentStore
from testing.panels import PANEL_A, write_panel_folder
from testing.stores import list_object_paths
from tests.conftest import act_as_ordinary_user
from tests.selection import keep_first, keep_first_rows
from tests.users import COLLEAGUE, GROUP, OWNER, User, list_modes, make_user

pytestmark = pytest.mark.slow

KILL_IN_TRANSACTION = """
import os, signal
from registry import open_registry
from registry.authorship import build_signature
with open_registry() as registry:
    registry.panels.add("{panel}")
    with registry._backend.database.write_transaction(build_signature()):
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILL_WHILE_READING = """
import os, signal
from registry import open_registry
with open_registry() as registry, registry._backend.read_transaction():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def shared(open_folder: Path) -> Path:
    """A folder with the group's bit set, as an administrator makes it for people who work together."""
    if os.geteuid() != 0:
        pytest.skip("only root may act as other users")
    os.chown(open_folder, -1, GROUP)
    open_folder.chmod(0o2775)
    return open_folder


@pytest.fixture
def make(shared: Path) -> Callable[[int, int], User]:
    """Return a function that returns a user of the registry in the shared folder."""
    database = f"sqlite:///{shared}/registry.sqlite"
    return lambda number, umask: make_user(number, umask, CALREG_DATABASE=database)


def list_panels(user: User) -> list[str]:
    done = user.calreg("panel", "list", "--json")
    assert done.returncode == 0, done.stderr
    return [row["panel"] for row in json.loads(done.stdout)]


def leave_only_regular_files(folder: Path) -> None:
    assert [path.name for path in folder.rglob(".arriving-*")] == []


@pytest.mark.parametrize("order", keep_first([(OWNER, COLLEAGUE), (COLLEAGUE, OWNER)]))
def test_with_umask_002_all_of_a_group_read_and_write(
    make: Callable[[int, int], User], shared: Path, order: tuple[int, int]
) -> None:
    first, second = (make(number, 0o002) for number in order)
    constants = write_panel_folder(shared / "constants")
    assert first.calreg("init").returncode == 0
    assert list_panels(second) == []
    for number, user in enumerate((first, second, first, second)):
        done = user.calreg("panel", "add", f"1-1-{number}")
        assert done.returncode == 0, done.stderr
    assert len(list_panels(first)) == len(list_panels(second)) == 4
    for user, start in ((second, "beginning"), (first, "20180101000000")):
        done = user.calreg("version", "add", "1-1-0", constants, "--valid-from", start)
        assert done.returncode == 0, done.stderr
    done = second.calreg(
        "export", "jungfrau_1-1-0", "--at", "2018-02-01T00:00:00Z", "--output", shared / "out"
    )
    assert done.returncode == 0, done.stderr
    done = first.calreg(
        "export", "jungfrau_1-1-0", "--at", "2018-02-01T00:00:00Z", "--output", shared / "out", "--force"
    )
    assert done.returncode == 0, done.stderr
    assert list_modes(
        shared,
        ["registry.sqlite", "store", "store/objects", "store/head.json", "store/registry.json", "out"],
    ) == {
        "registry.sqlite": "0664",
        "store": "2775",
        "store/objects": "2775",
        "store/head.json": "0664",
        "store/registry.json": "0664",
        "out": "2775",
    }
    for path in (shared / "store/objects").iterdir():
        assert f"{path.stat().st_mode & 0o7777:04o}" == "2775"
    assert {
        f"{path.stat().st_mode & 0o7777:04o}" for path in list_object_paths(ContentStore(shared / "store"))
    } == {"0444"}
    assert {f"{path.stat().st_mode & 0o7777:04o}" for path in (shared / "out").iterdir()} == {"0664"}
    for path in shared.rglob("*"):
        assert path.stat().st_gid == GROUP or "constants" in path.parts
    assert second.python("-m", "registry", "verify").returncode == 0
    leave_only_regular_files(shared)


def test_with_umask_022_colleagues_read_and_the_owner_is_not_locked_out(
    make: Callable[[int, int], User], shared: Path
) -> None:
    owner, colleague = make(OWNER, 0o022), make(COLLEAGUE, 0o022)
    assert owner.calreg("init").returncode == 0
    for number in range(2):
        assert len(list_panels(colleague)) == number
        done = owner.calreg("panel", "add", f"1-1-{number}")
        assert done.returncode == 0, done.stderr
    refused = colleague.calreg("panel", "add", "1-1-9", "--json")
    assert refused.returncode == 8
    message = json.loads(refused.stderr)["error"]["message"]
    assert f"'{shared}/registry.sqlite' belongs to uid {OWNER} and has mode 0644" in message
    assert owner.calreg("panel", "add", "1-1-2").returncode == 0
    assert list_panels(owner) == list_panels(colleague)


@pytest.mark.parametrize(
    ("umasks", "order"),
    keep_first_rows(
        [
            ((0o022, 0o027), (COLLEAGUE, OWNER)),
            ((0o002, 0o027), (OWNER, COLLEAGUE)),
            ((0o027, 0o002), (COLLEAGUE, OWNER)),
            ((0o027, 0o022), (OWNER, COLLEAGUE)),
        ]
    ),
)
def test_whatever_the_umasks_a_verb_is_done_or_names_the_file_and_its_owner(
    make: Callable[[int, int], User], shared: Path, umasks: tuple[int, int], order: tuple[int, int]
) -> None:
    constants = write_panel_folder(shared / "constants")
    first, second = (make(number, umask) for number, umask in zip(order, umasks, strict=True))
    assert first.calreg("init").returncode == 0
    assert list_panels(second) == []
    assert first.calreg("panel", "add", PANEL_A).returncode == 0
    done = second.calreg("version", "add", PANEL_A, constants, "--valid-from", "beginning")
    if umasks[0] == 0o002:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 8
        assert done.stderr.count("\n") == 1
        mode = 0o666 & ~umasks[0]
        owner = f"'{shared}/registry.sqlite' belongs to uid {first.number} and has mode {mode:04o}"
        assert owner in done.stderr
    done = first.calreg("version", "add", PANEL_A, constants, "--valid-from", "20180101000000")
    assert done.returncode == 0, done.stderr
    for user in (second, first):
        assert user.calreg("verify").returncode == 0
    assert list_panels(first) == list_panels(second) == [PANEL_A]
    leave_only_regular_files(shared)


@pytest.mark.parametrize("umask", keep_first([0o002, 0o027]))
@pytest.mark.parametrize("program", [KILL_IN_TRANSACTION, KILL_WHILE_READING], ids=["write", "read"])
@pytest.mark.parametrize("killed", keep_first([COLLEAGUE, OWNER]))
def test_a_killed_process_locks_nobody_out(
    make: Callable[[int, int], User], umask: int, program: str, killed: int
) -> None:
    owner, colleague = make(OWNER, umask), make(COLLEAGUE, umask)
    assert owner.calreg("init").returncode == 0
    user = owner if killed == OWNER else colleague
    done = user.python("-c", program.format(panel="1-1-7"))
    may_write = umask == 0o002 or killed == OWNER
    if may_write or program == KILL_WHILE_READING:
        assert done.returncode == -9, done.stderr
    recorded = ["1-1-7"] if may_write and program == KILL_IN_TRANSACTION else []
    for reader in (colleague, owner, colleague):
        assert list_panels(reader) == recorded
    for writer in (owner, colleague):
        done = writer.calreg("panel", "add", f"1-1-{writer.number:x}")
        assert done.returncode == (0 if umask == 0o002 or writer is owner else 8), done.stderr
    assert len(list_panels(owner)) == len(list_panels(colleague))


def test_a_file_that_somebody_else_has_left_beside_the_database_is_named_with_its_owner(
    make: Callable[[int, int], User], shared: Path
) -> None:
    owner = make(OWNER, 0o002)
    assert owner.calreg("init").returncode == 0
    for suffix in ("-wal", "-shm"):
        left = shared / f"registry.sqlite{suffix}"
        left.touch()
        os.chown(left, COLLEAGUE, GROUP)
        left.chmod(0o600)
    for verb in (["panel", "list"], ["panel", "add", "1-1-1"]):
        done = owner.calreg(*verb)
        assert done.returncode == 8
        assert f"belongs to uid {COLLEAGUE} and has mode 0600" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_reader_whose_files_would_lock_the_owner_out_is_refused_before_there_are_any(
    make: Callable[[int, int], User], shared: Path
) -> None:
    owner, colleague = make(OWNER, 0o022), make(COLLEAGUE, 0o022)
    assert owner.calreg("init").returncode == 0
    os.chown(shared, -1, 0)
    shared.chmod(0o1777)
    done = colleague.calreg("panel", "list")
    assert done.returncode == 8
    assert f"belongs to uid {OWNER}" in done.stderr
    assert list(shared.glob("registry.sqlite-*")) == []
    assert owner.calreg("panel", "add", "1-1-1").returncode == 0


def test_whoever_cannot_write_the_folder_is_told_whose_it_is(
    make: Callable[[int, int], User], shared: Path
) -> None:
    owner, colleague = make(OWNER, 0o022), make(COLLEAGUE, 0o022)
    assert owner.calreg("init").returncode == 0
    os.chown(shared, OWNER, GROUP)
    shared.chmod(0o2755)
    done = colleague.calreg("panel", "list")
    assert done.returncode == 8
    assert f"'{shared}' belongs to uid {OWNER} and has mode 2755" in done.stderr


def test_the_store_stays_that_of_the_group_whatever_the_umask_of_who_adds(
    make: Callable[[int, int], User], shared: Path
) -> None:
    constants = write_panel_folder(shared / "constants")
    owner, careful = make(OWNER, 0o002), make(COLLEAGUE, 0o077)
    assert owner.calreg("init").returncode == 0
    assert owner.calreg("panel", "add", PANEL_A).returncode == 0
    done = careful.calreg("version", "add", PANEL_A, constants, "--valid-from", "beginning")
    assert done.returncode == 0, done.stderr
    for folder in (shared / "store/objects").iterdir():
        status = folder.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (COLLEAGUE, GROUP, 0o2775)
    assert list_modes(shared / "store", ["head.json"]) == {"head.json": "0664"}
    assert owner.calreg("verify").returncode == 0
    assert owner.calreg("panel", "add", "1-1-1").returncode == 0


def test_what_may_not_be_read_is_not_called_damaged(make: Callable[[int, int], User], shared: Path) -> None:
    constants = write_panel_folder(shared / "constants")
    owner, colleague = make(OWNER, 0o002), make(COLLEAGUE, 0o002)
    assert owner.calreg("init").returncode == 0
    assert owner.calreg("panel", "add", PANEL_A).returncode == 0
    assert owner.calreg("version", "add", PANEL_A, constants, "--valid-from", "beginning").returncode == 0
    at = ["--at", "2018-02-01T00:00:00Z"]
    assert owner.calreg("export", f"jungfrau_{PANEL_A}", *at, "--output", shared / "out").returncode == 0
    hidden = min(list_object_paths(ContentStore(shared / "store")))
    hidden.chmod(0o400)
    for verb in (
        ["verify"],
        ["backup", shared / "backup"],
        ["snapshot", shared / "away" / "snapshot.sqlite"],
        ["export", f"jungfrau_{PANEL_A}", *at, "--output", shared / "again"],
        ["provenance", "verify", shared / "out" / "provenance.json"],
        ["provenance", "replay", shared / "out" / "provenance.json", "--output", shared / "again"],
    ):
        done = colleague.calreg(*verb)
        assert done.returncode == 8, (verb, done)
        assert f"'{hidden}' belongs to uid {OWNER} and has mode 0400" in done.stdout + done.stderr or (
            "belongs to uid" in done.stdout + done.stderr
        ), verb
    hidden.chmod(0o444)
    head, backup = shared / "store" / "head.json", shared / "backup"
    head.chmod(0o600)
    done = colleague.calreg("verify")
    assert done.returncode == 8, done
    assert f"'{head}' belongs to uid {OWNER} and has mode 0600" in done.stdout
    head.chmod(0o664)
    store = shared / "store"
    for path in (store, store / "registry.json"):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o700)
        done = colleague.calreg("provenance", "verify", shared / "out" / "provenance.json")
        path.chmod(mode)
        assert done.returncode == 8, done
        assert f"'{path}' belongs to uid {OWNER} and has mode 0700" in done.stdout
    for folder, verb in (
        (backup, ["--database", f"sqlite:///{shared}/restored.sqlite", "restore", backup]),
        (constants, ["version", "add", PANEL_A, constants, "--valid-from", "20180101000000"]),
        (constants, ["import", constants]),
    ):
        folder.chmod(0)
        done = colleague.calreg(*verb)
        folder.chmod(0o755)
        assert done.returncode == 8, (verb, done)
        assert "has mode 0000" in done.stderr, verb


def test_a_new_file_has_the_mode_of_the_umask_and_an_object_is_read_only(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new") as hidden:
            hidden.write_text("text")
            assert stat.S_IMODE(hidden.stat().st_mode) == 0o640
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_file_adopts_the_mode_of_a_folder_without_being_executable(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    file = tmp_path / "file"
    file.touch(mode=0o600)
    adopt_mode(file, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o660


def test_who_adds_to_a_folder_that_nobody_may_use_keeps_his_own_rights(tmp_path: Path) -> None:
    closed, file, folder = tmp_path / "closed", tmp_path / "file", tmp_path / "folder"
    for path in (closed, folder):
        path.mkdir()
    file.touch()
    closed.chmod(0)
    adopt_mode(file, closed)
    adopt_mode(folder, closed)
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_obstacle_of_a_path_is_the_first_folder_that_may_not_be_searched(open_folder: Path) -> None:
    (open_folder / "closed" / "deep").mkdir(parents=True)
    (open_folder / "closed").chmod(0o700)
    (open_folder / "file").touch(mode=0o600)
    with act_as_ordinary_user():
        if os.geteuid() == (open_folder / "closed").stat().st_uid:
            pytest.skip("this user owns the folder")
        assert f"'{open_folder}/closed' belongs to" in describe_denial(open_folder / "closed" / "deep" / "x")
        assert f"'{open_folder}/file' belongs to" in describe_denial(open_folder / "file")
        assert f"'{open_folder}' belongs to" in describe_denial(open_folder / "absent")

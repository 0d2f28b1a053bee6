"""The harnesses in short: they find nothing, leave nothing, and would find something if there was."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from harnesses import corruption, faults, writers
from harnesses.__main__ import main
from harnesses.commands import AddVersion, Rows, Trial
from harnesses.exports import Export
from harnesses.kill import COMMANDS, kill_command
from harnesses.moments import ChangeCounter, kill_at_change
from harnesses.readers import ReaderResult
from harnesses.writers import Attempt, Plan, run_writers
from registry.api import Registry
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import CorruptionError
from registry.records import Revision, Verification
from registry.store import ContentStore
from testing.panels import PANELS
from testing.registries import DATABASES, RegistryFactory


@pytest.fixture(params=DATABASES)
def run(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[list[str]]]:
    """Return a function that runs a harness, which must find nothing, and returns the rows of its table."""
    server: str = request.getfixturevalue("postgres_server")

    def found(*arguments: str) -> list[list[str]]:
        place = ("--database", request.param, "--folder", str(tmp_path), "--server", server)
        assert main([*arguments, *place]) == 0, capsys.readouterr().out
        assert list(tmp_path.glob("calreg-*")) == []
        assert _databases(server) == []
        head, *rows = capsys.readouterr().out.splitlines()
        width = head.index(" database") if not head.startswith("database") else 0
        return [[row[:width].strip(), *row[width:].split()] for row in rows]

    return found


def _databases(server: str) -> list[str]:
    engine = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        names = connection.execute(sa.text("SELECT datname FROM pg_database")).scalars().all()
    engine.dispose()
    return [name for name in names if name.startswith(f"harness_{os.getpid()}_")]


def test_commands_that_are_killed_leave_nothing_half_done(
    run: Callable[..., list[list[str]]], request: pytest.FixtureRequest
) -> None:
    names = [command.name for command in COMMANDS]
    if "postgresql" in request.node.name:  # what is no different on it is killed on SQLite
        names = ["version add", "init", "copy"]
    rows = run("kill", "--small", "--rounds", "1", "--measured", "1", "--command", *names)
    assert [row[0] for row in rows] == names
    for _, _, _, moments, done, before, after, ended, problems, *_ in rows:
        assert (done, problems) == ("1", "0")
        assert int(before) + int(after) + int(ended) == 1
        assert int(moments) > 0
    assert JUNGFRAU.panel_shape == (512, 1024)


@pytest.mark.usefixtures("small_panels")
def test_faults_of_every_kind_are_found_and_no_read_hands_out_a_wrong_byte(
    run: Callable[..., list[list[str]]], request: pytest.FixtureRequest
) -> None:
    database = "sqlite" if "sqlite" in request.node.name else "postgresql"
    kinds = corruption.list_kinds(database)
    promised = [kind for kind in kinds if corruption.is_detectable(kind)]
    every = database == "sqlite"
    rows = run("corruption", "--faults", str(len(promised) if every else 4), "--seed", "3")
    assert [row[0] for row in rows] == kinds if every else len(rows) == 4
    for kind, _, planted, found, reads, refused, sound, otherwise, problems in rows:
        assert (planted, problems) == ("1", "0")
        assert found == "1" or not corruption.is_detectable(kind)
        assert int(otherwise) == 0 or kind in (*corruption.CHANGE_ANSWERS, "untold: constants exchanged")
        if kind in faults.STORE_FAULTS:
            assert refused == reads != "0"
            assert int(sound) >= 4


@pytest.mark.usefixtures("small_panels")
def test_a_fault_that_verify_does_not_find_is_found_by_the_harness(
    factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = corruption.Testbed(factory, "sqlite")
    for kind, missed in (("file cut", "verify does not name "), ("minimum", "verify finds nothing")):
        blind = corruption.FaultTally(kind, "sqlite")
        with monkeypatch.context() as patch:
            patch.setattr(Registry, "verify", lambda *_, **__: Verification(0))
            corruption.plant_faults(hall, blind, 1, random.Random(1))  # noqa: S311 - repeatable on purpose
        assert blind.found == 0
        assert any(problem.startswith(missed) for problem in blind.problems)
    trusting = corruption.FaultTally("another file's bytes", "sqlite")
    real = ContentStore.read_into

    def unverified(store: ContentStore, sha256: str, size: int, room: memoryview, *digests: str) -> bytes:
        try:
            return real(store, sha256, size, room, *digests)
        except CorruptionError:
            content = store.object_path(sha256).read_bytes()
            room[:] = content[len(content) - room.nbytes :]
            return content[: len(content) - room.nbytes]

    monkeypatch.setattr(ContentStore, "read_into", unverified)
    corruption.plant_faults(hall, trusting, 1, random.Random(1))  # noqa: S311
    assert trusting.refused < trusting.reads
    assert any(problem.startswith("a read that needs ") for problem in trusting.problems)


def test_what_writers_and_readers_do_at_once_is_all_there_once(run: Callable[..., list[list[str]]]) -> None:
    ((_, _, tried, landed, same, conflicts, duels, reads, *_, problems),) = run(
        *("writers", "--writers", "2", "--registrations", "4", "--readers", "1"),
        *("--duels", "2", "--collections", "3"),
    )
    assert int(tried) == 8 == int(landed) + int(same) + int(conflicts)
    assert (duels, problems) == ("2", "0")
    assert int(reads) > 0


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[RegistryFactory]:
    with RegistryFactory(tmp_path) as factory:
        yield factory


class _Torn(AddVersion):
    """Something else writes while the command is killed: the state is neither that before nor that after."""

    asked = 0

    def read_state(self, trial: Trial) -> Rows:
        self.asked += 1
        if self.asked == 3:  # the first is that after the measured run, the second that before the kill
            with trial.location.open() as registry:
                registry.panels.add(PANELS[1])
            next((trial.location.store / "objects").glob("*/*.npy")).unlink()
        return super().read_state(trial)


def test_a_torn_state_is_found_with_the_round_and_the_instant(factory: RegistryFactory) -> None:
    found = kill_command(_Torn(factory, "sqlite"), rounds=1, seed=1, measured=1)
    assert all(problem.startswith("round 0, killed after ") for problem in found.problems)
    (torn,) = [problem for problem in found.problems if "neither whole nor absent" in problem]
    assert "panel" in torn
    assert any("is missing from the store" in problem for problem in found.problems)


class _Refused(AddVersion):
    """Works when it is measured, and is refused from then on."""

    scenes = 0

    def make_trial(self, number: int) -> Trial:
        self.scenes += 1
        made = super().make_trial(number)
        return made if self.scenes == 1 else Trial(made.location, ("version", "show", "99"))


def test_a_repeated_command_that_fails_is_found_with_what_it_said(factory: RegistryFactory) -> None:
    found = kill_command(_Refused(factory, "sqlite"), rounds=1, seed=1, measured=1)
    assert "again: exit code 3: error: there is no version 99" in found.problems[-1]


def test_a_partial_output_and_a_document_beside_other_arrays_are_found(factory: RegistryFactory) -> None:
    command = Export(factory, "sqlite")
    assert command.inspect(command.make_trial(1)).problems == []
    trial = command.make_trial(1)
    array = trial.output / "pixel_gain.npy"
    content = array.read_bytes()
    array.write_bytes(content[:-1])
    found = command.inspect(trial)
    assert "pixel_gain.npy is neither the old array nor the new one" in found.problems
    assert any("the bytes are not those that were written" in problem for problem in found.problems)
    (trial.output / "provenance.json").unlink()
    array.write_bytes(content)
    look = command.inspect(trial)
    assert look.leftovers["folder without a document"] == 1
    assert look.problems == ["the old provenance.json is lost"]


A, B = Attempt("M001", 7, 0), Attempt("M001", 7, 1)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (("conflict", "conflict"), "0 of 2 registrations landed"),
        ((5, 6), "2 of 2 registrations landed"),
        ((5, "unchanged"), "unchanged where conflict was due"),
        ((5, "UnavailableError: database is locked"), "database is locked where conflict was due"),
        ((5, "conflict"), "landed in revision 5, recorded are []"),
    ],
)
def test_a_registration_that_is_lost_or_landed_twice_is_found(
    results: tuple[int | str, ...], said: str
) -> None:
    group = [
        Attempt(each.module, each.slot, each.content, result)
        for each, result in zip((A, B), results, strict=True)
    ]
    problems = list(writers._check_start("M001", group, [], {}))
    assert any(said in problem for problem in problems), problems


def test_gaps_and_instants_that_run_backwards_are_found() -> None:
    def log(*revisions: tuple[int, int]) -> list[Revision]:
        blank = dict.fromkeys(Revision.__struct_fields__)
        return [
            Revision(**{**blank, "revision": number, "recorded_at": instant}) for number, instant in revisions
        ]

    def problems(*revisions: tuple[int, int]) -> list[str]:
        return list(writers._check_revisions(log(*revisions), [3], 2))

    assert problems((3, 30), (2, 20), (1, 10)) == []
    assert "the numbers of the revisions have gaps" in problems((4, 30), (2, 20), (1, 10))
    assert problems((3, 10), (2, 20), (1, 10)) == ["instants of revisions run backwards"]
    assert problems((2, 20), (1, 10)) == ["the revisions are not those that the writers were told"]


def test_what_a_reader_saw_wrong_is_a_problem(
    factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_LOST_READER", ReaderResult(problems=["half a revision"]))
    monkeypatch.setattr(writers, "run_reader", print)  # says nothing in its file
    found = run_writers(
        factory, "sqlite", Plan(writers=1, registrations=1, readers=1, duels=0, collections=0, seed=1)
    )
    assert "half a revision" in found.problems


class _Process:
    """A process that ends after it was looked at so many times, or is to be killed before."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def join(self, timeout: float | None = None) -> None:
        self.looks = 0 if timeout is None else self.looks - 1

    @property
    def exitcode(self) -> int | None:
        return None if self.looks > 0 else 0


def test_a_moment_is_a_change_that_others_can_see_and_the_one_that_is_asked_for_ends_the_process() -> None:
    def watch() -> Callable[[], object]:
        seen = iter((0, 0, 1, 1, 2, 3, 3, 3, 3))
        return lambda: next(seen)

    counting = ChangeCounter(watch())
    counting(_Process(7))  # type: ignore[arg-type]
    assert counting.changes == 3
    for number, looks in ((1, 2), (2, 4), (3, 5)):
        process = _Process(100)
        kill_at_change(watch(), number)(process)  # type: ignore[arg-type]
        assert 100 - process.looks == looks + 1  # and one look more, which may be a little later
    ended = _Process(3)
    kill_at_change(watch(), 3)(ended)  # type: ignore[arg-type]
    assert ended.exitcode == 0

"""Short runs of the harnesses: they find nothing, leave nothing, and detect problems that are planted."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from harnesses import file_faults, workers, writers
from harnesses.__main__ import main
from harnesses.commands import AddVersion, Command, Init, Inspection, Rows, Trial
from harnesses.copies import Copy, Restore
from harnesses.edits import list_edit_kinds
from harnesses.exports import Export
from harnesses.facts import SEALED_TABLES, read_facts
from harnesses.forgeries import FORGERIES, plant_forgery
from harnesses.forgery import compute_seals
from harnesses.guard_corruption import GuardTestbed, run_guard_faults
from harnesses.heads import Recover
from harnesses.history import make_history
from harnesses.kill import COMMANDS, kill_at_steps, kill_command
from harnesses.mirrors import Mirror
from harnesses.moments import ChangeCounter, kill_at_change
from harnesses.page_corruption import plant_page_fault
from harnesses.readers import ReaderResult
from harnesses.row_corruption import HistoryTestbed, plant_edit
from harnesses.scenarios import list_scenarios
from harnesses.steps import choose_steps
from harnesses.store_corruption import StoreTestbed, damage_store
from harnesses.tallies import FaultTally
from harnesses.writers import Attempt, Plan, run_writers
from registry.api import Registry
from registry.database.seal_text import lines_of
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import CorruptionError
from registry.heads import Head, HeadFile, StoreHead
from registry.records import Problem, Revision, Verification
from registry.store import ContentStore
from testing.buckets import BucketServer
from testing.panels import PANELS
from testing.registries import DATABASES, RegistryFactory
from testing.stores import find_object_path
from tests.selection import keep_first, keep_first_rows


@pytest.fixture(params=DATABASES)
def run(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[list[str]]]:
    """Return a function that runs a harness, which must find nothing, and returns the rows of its table."""
    server: str = request.getfixturevalue("postgres_server")

    def run(*arguments: str) -> list[list[str]]:
        location = ("--database", request.param, "--folder", str(tmp_path), "--server", server)
        assert main([*arguments, *location]) == 0, capsys.readouterr().out
        assert list(tmp_path.glob("calreg-*")) == []
        assert _databases(server) == []
        head, *rows = capsys.readouterr().out.splitlines()
        width = head.index(" database") if not head.startswith("database") else 0
        return [[row[:width].strip(), *row[width:].split()] for row in rows]

    return run


def _databases(server: str) -> list[str]:
    engine = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        names = connection.execute(sa.text("SELECT datname FROM pg_database")).scalars().all()
    engine.dispose()
    return [name for name in names if name.startswith(f"harness_{os.getpid()}_")]


ALIKE = {"export hdf5", "export psana", "fork", "init", "database seal"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    # Of every way in which a command publishes what it makes; the harness itself kills all of them.
    keep_first([["version add"], [command.name for command in COMMANDS if command.name not in ALIKE]]),
    ids=["one", "all"],
)
def test_commands_that_are_killed_leave_nothing_half_done(
    run: Callable[..., list[list[str]]], request: pytest.FixtureRequest, names: list[str]
) -> None:
    if "postgresql" in request.node.name and len(names) > 1:  # the commands that work differently there
        names = ["version add", "init", "copy"]
    rows = run("kill", "--small", "--rounds", "1", "--measured", "1", "--steps", "0", "--command", *names)
    assert [row[0] for row in rows] == names
    for _, _, _, changes, rounds, before, after, ended, problems, *_ in rows:
        assert (rounds, problems) == ("1", "0")
        assert int(before) + int(after) + int(ended) == 1
        assert int(changes) > 0
    assert JUNGFRAU.panel_shape == (512, 1024)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "names"), keep_first_rows([(2, ["version add"]), (4, ["version add", "database recover"])])
)
def test_a_write_that_is_killed_between_two_steps_is_whole_or_absent_and_blocks_no_other(
    run: Callable[..., list[list[str]]], count: int, names: list[str]
) -> None:
    arguments = ("--small", "--rounds", "0", "--steps", str(count), "--command", *names)
    rows = run("kill", *arguments)
    assert [row[0] for row in rows] == [f"{name}, steps" for name in names]
    for _, _, _, steps, rounds, before, after, ended, problems, *_ in rows:
        assert (rounds, ended, problems) == (str(count), "0", "0")
        assert int(before) + int(after) == count
        assert int(steps) > 50


def test_all_steps_of_the_protocol_are_chosen_before_any_other() -> None:
    steps = [
        *("mkdir begins", "Change.seal begins", "execute begins", "execute ends", "HeadKeeper.confirm ends"),
        *("write begins", "write ends"),
    ]
    rng = random.Random(1)  # noqa: S311 - repeatable on purpose
    assert choose_steps(steps, 4, rng) == [2, 3, 4, 5]
    assert choose_steps(steps, 7, rng) == [1, 2, 3, 4, 5, 6, 7]
    assert {2, 3, 4, 5} < set(choose_steps(steps, 5, rng))
    assert len(choose_steps(["write begins"] * 9, 3, rng)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rounds", "steps"),
    keep_first_rows(
        [(AddVersion, 0, 1), *((kind, 2, 4) for kind in (AddVersion, Init, Copy, Restore, Mirror, Recover))]
    ),
)
def test_a_command_that_is_killed_while_it_writes_into_a_bucket_leaves_nothing_half_done(
    bucket_server: BucketServer,
    small_panels: None,
    tmp_path: Path,
    kind: type[Command],
    rounds: int,
    steps: int,
) -> None:
    with RegistryFactory(tmp_path, bucket=bucket_server, prefix=tmp_path.name) as factory:
        command = kind(factory, "sqlite")
        tally = kill_at_steps(command, steps, 1)
        assert (tally.rounds, tally.problems) == (steps, [])
        if rounds:
            assert kill_command(command, rounds, 1, measured=1).problems == []


@pytest.mark.exhaustive
@pytest.mark.slow
def test_writers_into_a_bucket_and_mirrors_that_are_killed_lose_nothing(
    bucket_server: BucketServer, tmp_path: Path
) -> None:
    with RegistryFactory(tmp_path, bucket=bucket_server, prefix=tmp_path.name) as factory:
        result = run_writers(factory, "sqlite", Plan(2, 5, 1, 2, 0, 1, mirrors=2))
    assert result.problems == []
    assert result.followed > 0
    assert result.results.total() == 10


@pytest.mark.slow
@pytest.mark.parametrize("steps", keep_first([1, 8]))
def test_a_mirror_that_is_killed_is_whole_or_absent_and_goes_on(
    factory: RegistryFactory, small_panels: None, steps: int
) -> None:
    assert kill_at_steps(Mirror(factory, "sqlite"), steps, 1).problems == []


class _Forgotten(AddVersion):
    """After every command the store's head names a revision that is not there."""

    def inspect(self, trial: Trial) -> Inspection:
        file = HeadFile(trial.location.store)
        head = file.read()
        assert head is not None
        file.write(StoreHead(head.committed, Head(99, "0" * 64)))
        return super().inspect(trial)


@pytest.mark.slow
def test_a_head_that_stays_open_is_reported(factory: RegistryFactory) -> None:
    tally = kill_command(_Forgotten(factory, "sqlite"), rounds=1, seed=2, measured=1)
    assert any("the newest revision is 3:" in problem for problem in tally.problems), tally.problems


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.usefixtures("small_panels")
@pytest.mark.parametrize("edits", keep_first([3, 12]))
def test_faults_of_every_kind_are_detected_and_no_read_returns_a_wrong_byte(
    run: Callable[..., list[list[str]]], request: pytest.FixtureRequest, edits: int
) -> None:
    is_sqlite = "sqlite" in request.node.name
    files, guards = (len(file_faults.STORE_FAULTS), edits // 2) if is_sqlite else (0, 4)
    forgeries = list(FORGERIES) if edits > 3 and is_sqlite else list(FORGERIES)[:3]
    rows = run(
        *("corruption", "--files", str(files), "--edits", str(edits)),
        *("--forgeries", str(len(forgeries)), "--guards", str(guards), "--seed", "3"),
    )
    for kind, _, planted, _, detected, reads, refused, unchanged, changed, problems in rows:
        assert (detected, problems) == (planted, "0"), kind
        if kind in file_faults.STORE_FAULTS:
            assert refused == reads != "0"
            assert int(unchanged) >= 4
            assert changed == "0"
    assert sum(int(row[2]) for row in rows) >= files + edits + len(forgeries) + guards
    assert {row[0] for row in rows} > {*(file_faults.STORE_FAULTS if is_sqlite else ()), *forgeries}


def test_every_column_of_which_there_are_seals_is_edited() -> None:
    names = {kind.name for kind in list_edit_kinds()}
    for table in SEALED_TABLES:
        columns = lines_of(table.name).columns
        assert {f"{table.name}.{column.name}" for column in columns} <= names
        assert {f"{table.name} removed", f"{table.name} added"} <= names
    assert {f"version: withdrawal {what}" for what in ("cleared", "moved", "added")} <= names


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_the_harness_computes_the_seals_that_the_registry_records(factory: RegistryFactory) -> None:
    facts = read_facts(make_history(factory, "sqlite"))
    seals = {number: (row["text"], row["digest"]) for (number,), row in facts["seal"].items()}
    assert compute_seals(facts) == seals
    assert len(seals) > 30
    assert all(facts[table.name] for table in SEALED_TABLES)  # the history has rows of every table


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_the_harness_reports_a_fault_that_verify_does_not_detect(
    factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(4)  # noqa: S311 - repeatable on purpose
    store, history = StoreTestbed(factory, "sqlite"), HistoryTestbed(factory, "sqlite")
    cut, dated_back = FaultTally("file cut", "sqlite"), FaultTally("a start dated back", "sqlite")
    forged, page = FaultTally("newest revisions cut off", "sqlite"), FaultTally("page of zeros", "sqlite")
    unnamed = FaultTally("a start dated back", "sqlite")
    (edit,) = [kind for kind in list_scenarios(is_sqlite=True) if kind.name == "a start dated back"]
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "verify", lambda *_, **__: Verification(0))
        damage_store(store, cut, 1, rng)
        plant_edit(history, edit, dated_back, rng)
        plant_forgery(history, forged, rng)
        plant_page_fault(history, page, rng)
        problem = Problem(None, "", "version 1 is odd", 34)
        patch.setattr(Registry, "verify", lambda *_, **__: Verification(0, (problem,)))
        plant_edit(history, edit, unnamed, rng)
    for tally, missed in (
        (cut, "verify does not name "),
        (dated_back, "verify finds nothing"),
        (forged, "it is not found by the store's head"),
        (page, "verify finds nothing"),
        (unnamed, "verify does not name revision "),
    ):
        assert (tally.planted, tally.detected) == (1, 0), tally
        assert any(missed in problem for problem in tally.problems), tally.problems
    trusting = FaultTally("another file's bytes", "sqlite")
    real = ContentStore.read_into

    def read_unverified(
        store: ContentStore, sha256: str, size: int, buffer: memoryview, *digests: str
    ) -> bytes:
        try:
            return real(store, sha256, size, buffer, *digests)
        except CorruptionError:
            content = find_object_path(store, sha256).read_bytes()
            buffer[:] = content[len(content) - buffer.nbytes :]
            return content[: len(content) - buffer.nbytes]

    monkeypatch.setattr(ContentStore, "read_into", read_unverified)
    damage_store(store, trusting, 1, rng)
    assert trusting.refused < trusting.reads
    assert any(problem.startswith("a read that needs ") for problem in trusting.problems)


@pytest.mark.slow
def test_a_weakened_guard_that_nothing_names_is_reported(
    factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    testbed = GuardTestbed(factory, "sqlite")
    monkeypatch.setattr(Registry, "differences", lambda _: ["the trigger other is missing"])
    rng = random.Random(1)  # noqa: S311 - repeatable on purpose
    (first, *_) = run_guard_faults(testbed, 1, rng)
    assert (first.kind, first.planted, first.detected) == ("trigger dropped", 1, 0)
    assert "database check does not name it: ['the trigger other is missing']" in first.problems[0]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_server_answers_and_refuses_with_the_expected_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["servers", "--short"]) == 0, capsys.readouterr().out
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split("  ")[0] for row in rows] == [
        "server",
        "read-only by the URL",
        "read-only database",
        "search path without a schema",
        "client_encoding=LATIN1",
        "prepare_threshold=none",
        "database in SQL_ASCII",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("workers", keep_first([0, 2]))
def test_registrations_of_concurrent_writers_land_once(
    run: Callable[..., list[list[str]]], workers: int
) -> None:
    ((_, _, tried, landed, same, conflicts, duels, reads, *_, worker_writes, _, problems),) = run(
        *("writers", "--writers", "2", "--registrations", "4", "--readers", "1"),
        *(
            "--duels",
            "2",
            "--collections",
            "1",
            "--workers",
            str(workers),
            "--threads",
            "8",
            "--worker-runs",
            "2",
            "--mirrors",
            str(workers),
        ),
    )
    in_forks, in_threads, in_pools = 2 * (2 + 1) + 2, 8, 3 * 2
    expected = (in_forks + in_pools) * (2 + 1) + in_threads * 2 if workers else 0
    assert int(worker_writes) == expected
    assert int(tried) == 8 == int(landed) + int(same) + int(conflicts)
    assert (duels, problems) == ("2", "0")
    assert int(reads) > 0


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[RegistryFactory]:
    with RegistryFactory(tmp_path) as factory:
        yield factory


class _Torn(AddVersion):
    """Something else writes while the command is killed: the state is neither that before nor that after."""

    reads = 0

    def read_state(self, trial: Trial) -> Rows:
        self.reads += 1
        if self.reads == 3:  # the first is after the measured run, the second before the kill
            with trial.location.open() as registry:
                registry.panels.add(PANELS[1])
            next((trial.location.store / "objects").glob("*/*.npy")).unlink()
        return super().read_state(trial)


@pytest.mark.slow
def test_a_torn_state_is_reported_with_the_round_and_the_instant(factory: RegistryFactory) -> None:
    tally = kill_command(_Torn(factory, "sqlite"), rounds=1, seed=1, measured=1)
    assert all(problem.startswith("round 0, killed after ") for problem in tally.problems)
    (torn,) = [problem for problem in tally.problems if "neither whole nor absent" in problem]
    assert "panel" in torn
    assert any("is missing from the store" in problem for problem in tally.problems)


class _Refused(AddVersion):
    """Works when it is measured, and is refused from then on."""

    trials = 0

    def make_trial(self, number: int) -> Trial:
        self.trials += 1
        trial = super().make_trial(number)
        return trial if self.trials == 1 else Trial(trial.location, ("version", "show", "99"))


@pytest.mark.slow
def test_a_repeated_command_that_fails_is_reported_with_its_message(factory: RegistryFactory) -> None:
    tally = kill_command(_Refused(factory, "sqlite"), rounds=1, seed=1, measured=1)
    assert "again: exit code 3: error: " in tally.problems[-1]
    assert "99" in tally.problems[-1]


@pytest.mark.slow
def test_a_partial_output_and_a_document_beside_other_arrays_are_reported(factory: RegistryFactory) -> None:
    command = Export(factory, "sqlite")
    assert command.inspect(command.make_trial(1)).problems == []
    trial = command.make_trial(1)
    array = trial.output / "pixel_gain.npy"
    content = array.read_bytes()
    array.write_bytes(content[:-1])
    inspection = command.inspect(trial)
    assert "pixel_gain.npy is neither the old array nor the new one" in inspection.problems
    assert sum(problem.startswith(f"{array}: ") for problem in inspection.problems) == 1
    (trial.output / "provenance.json").unlink()
    array.write_bytes(content)
    inspection = command.inspect(trial)
    assert inspection.leftovers["folder without a document"] == 1
    assert inspection.problems == ["the old provenance.json is lost"]


A, B = Attempt("M001", 7, 0), Attempt("M001", 7, 1)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (("conflict", "conflict"), "0 of 2 registrations landed"),
        ((5, 6), "2 of 2 registrations landed"),
        ((5, "unchanged"), "unchanged instead of conflict"),
        ((5, "UnavailableError: database is locked"), "database is locked instead of conflict"),
        ((5, "conflict"), "landed in revision 5, recorded are []"),
    ],
)
def test_a_registration_that_is_lost_or_landed_twice_is_reported(
    results: tuple[int | str, ...], expected: str
) -> None:
    group = [
        Attempt(attempt.module, attempt.slot, attempt.content, result)
        for attempt, result in zip((A, B), results, strict=True)
    ]
    problems = list(writers._check_start("M001", group, [], {}))
    assert any(expected in problem for problem in problems), problems


def test_gaps_between_revisions_and_decreasing_instants_are_reported() -> None:
    def log(*revisions: tuple[int, int]) -> list[Revision]:
        blank = dict.fromkeys(Revision.__struct_fields__)
        return [
            Revision(**{**blank, "revision": number, "recorded_at": instant}) for number, instant in revisions
        ]

    def problems(*revisions: tuple[int, int]) -> list[str]:
        return list(writers._check_revisions(log(*revisions), [3], 2))

    assert problems((3, 30), (2, 20), (1, 10)) == []
    assert "the numbers of the revisions have gaps" in problems((4, 30), (2, 20), (1, 10))
    assert problems((3, 10), (2, 20), (1, 10)) == ["instants of revisions decrease"]
    assert problems((2, 20), (1, 10)) == ["the revisions are not those that the writers were given"]


@pytest.mark.slow
def test_what_workers_were_told_and_is_not_there_is_reported(factory: RegistryFactory) -> None:
    location = factory.make()
    with location.open() as registry:
        registry.runs.add("exp=worker:run=1")
        document = location.folder / "provenance.json"
        document.write_text("{}")
        report = workers.Report(runs={"exp=worker:run=1": 2, "exp=worker:run=2": 3}, exports=[str(document)])
        problems = list(workers._find_problems(registry, report, 0))
    assert problems[:2] == [
        "exp=worker:run=1 was acknowledged in revision 2, and is in 1",
        "exp=worker:run=2 was acknowledged in revision 3, and is in None",
    ]
    assert "an export that was acknowledged is not recorded" in problems[2]
    assert problems[3] == "the revisions are not those that the workers were given"
    assert len(problems) == 4


@pytest.mark.slow
def test_the_problems_of_a_reader_are_reported(
    factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_LOST_READER", ReaderResult(problems=["half a revision"]))
    monkeypatch.setattr(writers, "run_reader", print)  # writes no file
    result = run_writers(
        factory, "sqlite", Plan(writers=1, registrations=1, readers=1, duels=0, collections=0, seed=1)
    )
    assert "half a revision" in result.problems


class _Process:
    """A process that ends after a number of polls, unless it is killed before."""

    def __init__(self, polls: int) -> None:
        self.polls = polls

    def join(self, timeout: float | None = None) -> None:
        self.polls = 0 if timeout is None else self.polls - 1

    @property
    def exitcode(self) -> int | None:
        return None if self.polls > 0 else 0


def test_visible_changes_are_counted_and_a_timer_waits_for_the_one_with_its_number() -> None:
    def watch() -> Callable[[], object]:
        states = iter((0, 0, 1, 1, 2, 3, 3, 3, 3))
        return lambda: next(states)

    counter = ChangeCounter(watch())
    counter(_Process(7))  # type: ignore[arg-type]
    assert counter.changes == 3
    for number, polls in ((1, 2), (2, 4), (3, 5)):
        process = _Process(100)
        kill_at_change(watch(), number)(process)  # type: ignore[arg-type]
        assert 100 - process.polls == polls + 1  # one more for the delay
    ended = _Process(3)
    kill_at_change(watch(), 3)(ended)  # type: ignore[arg-type]
    assert ended.exitcode == 0

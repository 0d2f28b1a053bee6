"""A partial snapshot has all rows, and the files of some panels: what it leaves out is never called damaged."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.api import Registry, open_registry
from registry.api.backups import restore_registry
from registry.api.forks import fork_registry
from registry.api.replays import replay
from registry.errors import ConflictError, LeftOutError, NotFoundError
from registry.records import LeftOutFiles
from registry.service.options import Options
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from testing.stores import find_object_path, list_object_paths
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.test_interruptions import NEVER, interrupt

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

RUN_A, RUN_B = "exp=xcsa:run=1", "exp=xcsb:run=1"


def fill(location: RegistryLocation, folder: Path) -> None:
    """Record three panels of six files each: two experiments read out one each, the first also the third, once."""
    with location.open() as registry:
        for seed, panel in enumerate((PANEL_A, PANEL_B, PANEL_C)):
            registry.panels.add(panel)
            registry.versions.add(
                panel, write_panel_folder(folder / f"made-{seed}", seed), valid_from="beginning"
            )
        for experiment, panel in (("xcsa", PANEL_A), ("xcsb", PANEL_B)):
            registry.detectors.configure(experiment, SOURCE, panel, first_run=1)
            registry.runs.add(f"exp={experiment}:run=1", begin="2018-01-01T00:00:00Z")
        registry.detectors.configure("xcsa", "XcsEndstation.0:Jungfrau.1", PANEL_C, first_run=1)
        registry.detectors.withdraw("xcsa", "XcsEndstation.0:Jungfrau.1", first_run=1, comment="not mounted")
        registry.runs.add("exp=empty:run=1", begin="2018-01-01T00:00:00Z")
        registry.export(RUN_A, folder / "export-a")
        registry.export(RUN_B, folder / "export-b")


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    fill(sqlite_location, tmp_path)
    with sqlite_location.open() as registry:
        yield registry


@pytest.fixture
def taken(tmp_path: Path) -> RegistryLocation:
    return RegistryLocation(f"sqlite:///{tmp_path / 'taken' / 'part.sqlite'}", tmp_path / "taken" / "store")


def count_objects(store: Path) -> int:
    return len(list(list_object_paths(ContentStore(store))))


def test_an_experiment_is_handed_over_with_all_rows_and_the_files_of_every_panel_it_ever_read_out(
    location: RegistryLocation, taken: RegistryLocation, tmp_path: Path
) -> None:
    fill(location, tmp_path)
    with location.open() as registry:
        done = registry.snapshot(taken.file, experiments=["xcsa"])
        head, log = registry.head, registry.log()
    assert isinstance(done.left_out, LeftOutFiles)
    assert (done.files, done.left_out.files, count_objects(taken.store)) == (12, 6, 12)
    assert done.left_out.file_bytes == sum(
        path.stat().st_size for path in (tmp_path / "made-1").glob("*.npy")
    )
    assert (done.left_out.part.experiments, set(done.left_out.part.panels)) == (("xcsa",), {PANEL_A, PANEL_C})
    with taken.open() as part:
        verification = part.verify()
        assert (part.head, part.log()) == (head, log)
        assert (verification.problems, verification.head) == ((), str(head))
        assert any("left out" in note for note in verification.notes)
        assert part.differences() == []
        part.export(RUN_A, tmp_path / "again")
        part.deploy("xcsa", tmp_path / "calib")
        assert part.identify(tmp_path / "made-1" / "g0_gain.npy").inputs
        assert part.show(RUN_B)
        for make in (
            lambda: part.export(RUN_B, tmp_path / "refused"),
            lambda: part.constants(RUN_B),
            lambda: part.versions.diff(3, 5),
        ):
            with assert_refused(LeftOutError, "xcsa", "left out"):
                make()
    replay(tmp_path / "export-a" / "provenance.json", tmp_path / "replayed", store=taken.store)
    with assert_refused(LeftOutError):
        replay(tmp_path / "export-b" / "provenance.json", tmp_path / "refused", store=taken.store)
    assert not (tmp_path / "refused").exists()


def test_a_needed_file_that_is_missing_is_damage_and_one_that_was_left_out_is_not(
    small: Registry,
    taken: RegistryLocation,
    sqlite_location: RegistryLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    needed = next(iter(list_object_paths(ContentStore(taken.store))))
    needed.unlink()
    calreg = Calreg(taken, monkeypatch)
    verified = calreg("verify", "--json")
    assert (verified.code, [problem["sha256"] for problem in verified.json["problems"]]) == (6, [needed.stem])
    repaired = calreg.run("repair", "--from", str(sqlite_location.store), "--json").json
    assert [file["sha256"] for file in repaired["mended"]] == [needed.stem]
    assert count_objects(taken.store) == 12
    with taken.open() as part:
        assert part.verify().problems == ()
        done = part.repair(sqlite_location.store, everything=True)
        assert ({file.was for file in done.mended}, count_objects(taken.store)) == ({"left out"}, 18)
        assert not (taken.store / "left-out.json").exists()
        assert part.constants(RUN_B)
    (taken.store / "left-out.json").write_text("{")
    with taken.open() as part:
        assert part.verify().problems == ()


def test_the_store_of_a_partial_snapshot_lacks_what_another_one_needs(
    small: Registry, taken: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    path = find_object(small, 2, sqlite_location.store)
    path.unlink()
    done = small.repair(taken.store)
    assert ([file.copy_damage for file in done.unmended], done.mended) == (["left out"], ())


def find_object(registry: Registry, version: int, store: Path) -> Path:
    _, files = registry.versions.show(version + 1)
    return find_object_path(ContentStore(store), files[0].sha256)


def test_requests_are_a_union_and_unknown_ones_are_refused_with_near_names(
    small: Registry, taken: RegistryLocation
) -> None:
    both = small.snapshot(taken.file, experiments=["xcsb"], panels=[PANEL_A], store=taken.store)
    assert both.left_out is not None
    assert set(both.left_out.part.panels) == {PANEL_A, PANEL_B}
    run = small.snapshot(taken.file.with_name("run.sqlite"), panels=[RUN_B])
    assert (run.files_there, run.left_out is not None) == (6, True)
    other = taken.file.with_name("other.sqlite")
    with assert_refused(NotFoundError, near=["xcsb", "xcsa"]):
        small.snapshot(other, experiments=["xcsc"])
    for request in ({"panels": ["M068"]}, {"experiments": ["empty"]}, {"experiments": ["xcsa", "empty"]}):
        with assert_refused(NotFoundError):
            small.snapshot(other, **request)
    assert not other.exists()


def test_partial_snapshots_share_a_store_and_a_whole_one_completes_it(
    small: Registry, taken: RegistryLocation
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    other = RegistryLocation(f"sqlite:///{taken.file.with_name('b.sqlite')}", taken.store)
    small.snapshot(other.file, experiments=["xcsb"])
    for location in (taken, other):
        with location.open() as part:
            assert part.verify().problems == ()
    assert not (taken.store / "left-out.json").exists()
    for path in list_object_paths(ContentStore(taken.store)):
        path.unlink()
    with other.open() as part:
        assert len(part.verify().problems) == 6


def test_the_same_request_again_completes_and_another_one_is_refused(
    small: Registry, taken: RegistryLocation
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    next(iter(list_object_paths(ContentStore(taken.store)))).unlink()
    again = small.snapshot(taken.file, experiments=["xcsa"])
    assert (again.files, again.files_there) == (1, 11)
    for request in ({}, {"experiments": ["xcsb"]}, {"experiments": ["xcsa"], "panels": [PANEL_B]}):
        with assert_refused(ConflictError):
            small.snapshot(taken.file, **request)


def test_copies_of_a_partial_snapshot_are_partial_too(
    small: Registry, taken: RegistryLocation, tmp_path: Path
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    restored, second, third = (
        RegistryLocation(f"sqlite:///{tmp_path / name / 'new.sqlite'}", tmp_path / name / "store")
        for name in ("restored", "second", "third")
    )
    restored.folder.mkdir()
    with taken.open() as part:
        assert part.backup(tmp_path / "backup").left_out is not None
        assert part.snapshot(second.file).left_out is not None
        narrower = part.snapshot(third.file, panels=[PANEL_A]).left_out
        assert narrower is not None
        assert (narrower.files, narrower.part.whole.startswith("revision ")) == (12, True)
        with assert_refused(LeftOutError, PANEL_B):
            part.snapshot(tmp_path / "no.sqlite", panels=[PANEL_B])
    restore_registry(tmp_path / "backup", restored.database, restored.store)
    for location in (restored, second, third):
        with location.open() as copy:
            assert copy.verify().problems == ()
            with assert_refused(LeftOutError):
                copy.constants(RUN_B)
    with assert_refused(LeftOutError):
        fork_registry(
            f"sqlite:///{tmp_path / 'fork.sqlite'}",
            tmp_path / "fork",
            taken.database,
            taken.store,
            comment="why",
        )
    assert not (tmp_path / "fork").exists()


def test_a_killed_partial_snapshot_is_completed(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    fill(sqlite_location, tmp_path)
    file = tmp_path / "part" / "a.sqlite"
    arguments = ["snapshot", str(file), "--experiment", "xcsa"]
    for call in (600, 9000):
        interrupt(sqlite_location, arguments, call, "atomic_write", signal.SIGKILL)
        assert interrupt(sqlite_location, arguments, NEVER, "atomic_write").code == 0
        assert list(file.parent.rglob(".arriving-*")) == []
        with RegistryLocation(f"sqlite:///{file}", file.parent / "store").open() as part:
            assert part.verify().problems == ()
        file.unlink()


def test_a_part_beside_the_store_of_the_registry_says_that_all_files_are_there(
    small: Registry, tmp_path: Path
) -> None:
    beside = small.snapshot(
        tmp_path / "part.sqlite", experiments=["xcsa"], store=Path(small._backend.store.place)
    )
    assert beside.files == 0
    assert [note for note in beside.notes if "the registry's own" in note]
    whole = small.snapshot(tmp_path / "whole.sqlite", store=Path(small._backend.store.place))
    assert not [note for note in whole.notes if "the registry's own" in note]


@pytest.mark.parametrize("public", [False, True])
def test_a_service_says_that_a_file_was_left_out_in_the_words_of_the_snapshot(
    small: Registry, taken: RegistryLocation, public: bool
) -> None:
    small.snapshot(taken.file, experiments=["xcsa"])
    with taken.open() as part, pytest.raises(LeftOutError) as local:
        part.constants(RUN_B)
    with serve_in_thread(taken, Options(public=public)) as url, open_registry(url) as remote:
        assert len(remote.constants(RUN_A)) == 2
        with pytest.raises(LeftOutError) as served:
            remote.constants(RUN_B)
    if public:
        assert "operator" in str(served.value)
    else:
        assert str(served.value) == str(local.value).replace(repr(str(taken.store)), f"of {url}")

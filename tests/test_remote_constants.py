"""Constants through a service: the bytes of the registry, verified, fetched once; exports; what is refused."""

import multiprocessing
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from registry import create_registry, read_status, replay, transport, verify_export
from registry.api import Registry, open_registry
from registry.database.completion_names import list_completion_names
from registry.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    NotFoundError,
    NotValidError,
    RegistryError,
    RequestError,
    UnavailableError,
)
from registry.instants import BEGINNING
from registry.service.options import Options
from testing.panels import name_detector, use_small_panels, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg
from tests.sessions import find_blocks
from tests.test_configuration import write_user_file

PANELS = ("170505-149520170815-3d00b0", "170505-149520170815-3d00f7")
RUN = "exp=xcsls3716:run=631"
SOURCE = "XcsEndstation.0:Jungfrau.0"


@pytest.fixture(autouse=True)
def _small(small_panels: None) -> None:
    """Panels have few pixels."""


@pytest.fixture
def location(sqlite_factory: RegistryFactory, tmp_path: Path) -> Iterator[RegistryLocation]:
    """A registry with one run of two panels."""
    with use_small_panels():
        location = sqlite_factory.make("sqlite", tmp_path)
        with location.open() as registry:
            for seed, panel in enumerate(PANELS):
                write_panel_folder(tmp_path / panel, seed)
                registry.panels.add(panel)
                registry.versions.add(panel, tmp_path / panel, valid_from="2018-01-01T00:00:00Z")
            registry.runs.add(RUN, begin="2018-02-10T08:15:00Z")
            registry.detectors.configure("xcsls3716", SOURCE, "_".join(PANELS), first_run=1)
        yield location


@pytest.fixture
def url(location: RegistryLocation) -> Iterator[str]:
    with serve_in_thread(location) as served:
        yield served


@pytest.fixture
def remote(url: str) -> Iterator[Registry]:
    with open_registry(url) as registry:
        yield registry


def test_constants_are_those_of_the_registry(remote: Registry, location: RegistryLocation) -> None:
    with location.open() as local:
        expected, constants = local.constants(RUN), remote.constants(RUN)
    assert constants.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(constants[name], array)
    assert constants.provenance.resolution == expected.provenance.resolution
    assert constants.provenance.registry == expected.provenance.registry
    assert np.array_equal(remote.constants(RUN, panels=[1])["pixel_gain"], expected["pixel_gain"][:, 1:])
    assert np.array_equal(remote.constants(RUN, lazy=True)["pixel_gain"][:, 1], expected["pixel_gain"][:, 1])
    assert np.array_equal(remote.constants(RUN, shared=True)["pixel_offset"], expected["pixel_offset"])


def test_the_arrays_of_a_version_are_those_of_the_registry(
    remote: Registry, location: RegistryLocation
) -> None:
    with location.open() as local:
        expected = local.versions.arrays(2)
    arrays = remote.versions.arrays(2)
    assert np.array_equal(arrays.array, expected.array)
    assert (arrays.version, arrays.unit, arrays.warnings) == (expected.version, expected.unit, ())
    with pytest.raises(NotFoundError):
        remote.versions.arrays(99)


def test_what_is_compared_and_drawn_is_as_of_the_pin(
    remote: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    pin = remote.pin
    with location.open() as local:
        expected = local.diff(RUN, before=1)
        write_panel_folder(tmp_path / "new", 9)
        local.versions.add(PANELS[0], tmp_path / "new", valid_from="2018-02-01T00:00:00Z")
        assert local.diff(RUN, before=1).after == pin.number + 1
    assert remote.diff(RUN, before=1) == expected
    assert remote.plots.history(PANELS[0]).revision == pin.number
    assert remote.plots.validity(PANELS[0]).revision == pin.number
    with pytest.raises(NotFoundError):
        remote.versions.diff(1, 5)
    with pytest.raises(NotFoundError):
        remote.diff(RUN, before=pin.number + 1)


def test_many_checksums_are_asked_for_in_several_questions(
    remote: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as local:
        gains = local.constants(RUN, types=["pixel_gain"])["pixel_gain"]
        np.save(tmp_path / "many.npy", np.concatenate([gains] * 30 + [gains + 1], axis=1))
        expected = local.identify(tmp_path / "many.npy")
    identity = remote.identify(tmp_path / "many.npy")
    assert identity == expected
    assert len(identity.parts) == 186
    batches = remote._backend.split([str(number) for number in range(250)], 100)
    assert [len(batch) for batch in batches] == [100, 100, 50]


def test_a_picture_names_a_damaged_object_of_the_service(
    remote: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    path = min((location.store / "objects").rglob("*.npy"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CorruptionError, match=path.stem) as refusal:
        remote.plots.constants(RUN, tmp_path / "picture.png", gain_ranges=[0, 1, 2])
    assert len(refusal.value.values.get("missing", ())) == 1
    assert not (tmp_path / "picture.png").exists()


def test_an_object_is_fetched_once(remote: Registry, location: RegistryLocation) -> None:
    first = remote.constants(RUN)
    for path in (location.store / "objects").rglob("*.npy"):
        path.unlink()
    assert np.array_equal(remote.constants(RUN)["pixel_gain"], first["pixel_gain"])


@pytest.mark.parametrize("cache", ["off", None])
def test_a_damaged_object_is_refused_and_not_kept(
    location: RegistryLocation, url: str, cache: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cache is not None:
        monkeypatch.setenv("CALREG_CACHE", cache)
    path = min((location.store / "objects").rglob("*.npy"))
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with open_registry(url) as registry:
        with pytest.raises(CorruptionError, match=path.stem):
            registry.constants(RUN)
        path.write_bytes(content)
        assert registry.constants(RUN)["pixel_gain"].shape[:2] == (3, 2)
        path.unlink()
        if cache == "off":
            with pytest.raises(CorruptionError, match="is missing"):
                registry.constants(RUN)


@pytest.mark.parametrize("name", ["npy", "hdf5", "lcls2", "psana"])
def test_an_export_has_the_bytes_of_a_local_one(
    remote: Registry, location: RegistryLocation, tmp_path: Path, name: str
) -> None:
    with location.open() as local:
        expected = local.export(RUN, tmp_path / "local", format=name, **name_detector(name))
    written = remote.export(RUN, tmp_path / "remote", format=name, **name_detector(name))
    assert [output.sha256 for output in written.outputs] == [
        output.sha256 for output in expected.outputs
    ] or (
        name != "npy"  # the time of the export is in the other files
    )
    assert (written.recorded, written.revision) == (False, expected.revision)
    assert [note for note in written.notes if "not recorded" in note]


def test_files_that_serve_other_runs_wrongly_are_named_by_a_service_too(
    location: RegistryLocation, tmp_path: Path
) -> None:
    """Of a calibration directory and of the newer data system: before an export, after it, and when it is verified."""
    with location.open() as local:
        for run in (640, 650):
            local.runs.add(f"exp=xcsls3716:run={run}", begin="2018-03-10T08:15:00Z")
        deployed = {
            name: local.export(
                RUN,
                tmp_path / name / "calib",
                format=name,
                **name_detector(name),
                first_run=631,
                last_run=700,
            )
            for name in ("psana", "lcls2")
        }
        local.versions.add(
            PANELS[0], write_panel_folder(tmp_path / "later", 7), valid_from="2018-03-01T00:00:00Z"
        )
        shutil.copytree(tmp_path / "psana", tmp_path / "twin")
        written = local.export(
            "exp=xcsls3716:run=640", tmp_path / "psana" / "calib", format="psana", last_run=640
        )
        with serve_in_thread(location, Options(public=True)) as url, open_registry(url) as remote:
            for export in deployed.values():
                expected = verify_export(export.provenance, location.database, location.store)
                assert verify_export(export.provenance, url) == expected
                assert len(expected.serves_wrongly) == 2
            again = remote.export(
                "exp=xcsls3716:run=640", tmp_path / "twin" / "calib", format="psana", last_run=640
            )
    assert again.warnings == written.warnings
    assert any("still reads" in warning for warning in written.warnings)


def test_an_export_is_verified_through_its_service(
    location: RegistryLocation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALREG_CACHE", "off")
    with location.open() as local:
        document = Path(local.export(RUN, tmp_path / "constants").provenance)
        deployed = Path(
            local.export(RUN, tmp_path / "calib", format="lcls2", **name_detector("lcls2")).provenance
        )
        expected = verify_export(document, location.database, location.store)
    path = min((location.store / "objects").rglob("*.npy"))
    with serve_in_thread(location, Options(public=True)) as url:
        assert verify_export(document, url) == expected
        assert expected.problems == ()
        assert verify_export(deployed, url) == verify_export(deployed, location.database, location.store)
        path.rename(tmp_path / "away")
        (problem,) = [
            problem for problem in verify_export(document, url).problems if problem.sha256 == path.stem
        ]
        assert "is missing" in problem.problem
    verification = verify_export(document, url)
    assert (verification.problems, len(verification.notes)) == ((), 2)
    assert all("no server answers there" in note for note in verification.notes)
    other = RegistryLocation(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    create_registry(other.database, other.store)
    with serve_in_thread(other) as url, pytest.raises(ConflictError, match="the document is of registry"):
        verify_export(document, url)


def test_an_export_is_repeated_through_its_service(
    remote: Registry, url: str, location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as local:
        local.export(RUN, tmp_path / "local")
    replay(tmp_path / "local" / "provenance.json", tmp_path / "again", url)
    names = {path.name for path in (tmp_path / "local").iterdir()}
    assert names == {path.name for path in (tmp_path / "again").iterdir()}
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    calreg = Calreg(None, monkeypatch)
    monkeypatch.setenv("CALREG_DATABASE", url)
    calreg.run(
        "provenance", "replay", str(tmp_path / "local" / "provenance.json"), "--output", str(tmp_path / "3")
    )
    document = (tmp_path / "local" / "provenance.json").read_text()
    (tmp_path / "other.json").write_text(document.replace(remote.id, "0" * 8 + remote.id[8:]))
    calreg.assert_refused(
        5, "provenance", "replay", str(tmp_path / "other.json"), "--output", str(tmp_path / "4")
    )
    assert not (tmp_path / "4").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("restore", "."),
        ("fork", "--to", "sqlite:///fork.sqlite", "--to-store", "fork-store", "--comment", "fork"),
        ("copy", "--to", "sqlite:///copy.sqlite"),
        ("database", "upgrade"),
        ("serve",),
    ],
    ids=lambda command: command[0],
)
def test_what_needs_the_database_itself_says_so_of_a_service(
    url: str, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(None, monkeypatch)
    monkeypatch.setenv("CALREG_DATABASE", url)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    result = calreg(*command)
    assert (result.code, result.stdout) == (2, ""), result
    assert "service" in result.stderr
    assert set(tmp_path.iterdir()) == before


def test_the_users_file_may_name_a_service(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_user_file(f"database = '{url}'\n")
    calreg = Calreg(None, monkeypatch)
    assert PANELS[0] in calreg.run("panel", "list").stdout
    assert calreg.run("status", "--json").json["store"] == url
    with open_registry() as registry:
        assert registry.pin.number > 0  # type: ignore[union-attr]
    assert [name.text for name in list_completion_names("panels", PANELS[0][:20])] == [*PANELS]
    write_user_file("database = 3\n")
    assert list_completion_names("panels", "") == []
    calreg.assert_refused(2, "panel", "list")


def test_the_status_is_what_the_service_tells(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as local:
        local.export(RUN, tmp_path / "constants")
        local.versions.gap(PANELS[0], valid_from="2018-02-01T00:00:00Z", comment="broken")
        head = local.head
    expected = read_status(location.database, location.store)
    with serve_in_thread(location) as url:
        status = read_status(url)
        assert (status.database, status.registry, status.problems) == (url, expected.registry, ())
        assert (status.revision, status.seal) == (head.number, head.seal)
        for name in (
            "timezone",
            "recorded_at",
            "author",
            "newest_exports",
            "stale_exports",
            "exports_compared",
            "counts",
        ):
            assert getattr(status, name) == getattr(expected, name)
        assert len(status.stale_exports) == 1
        monkeypatch.setenv("CALREG_DATABASE", url)
        result = Calreg(None, monkeypatch).run("status")
        assert url in result.stdout
        assert "2 panels, 6 versions, 1 run, 1 export, " in result.stdout
        assert "schema" not in result.stdout
    refused = Calreg(None, monkeypatch)("status")
    assert (refused.code, "no server answers there" in refused.stderr) == (8, True)
    monkeypatch.setenv("CALREG_DATABASE", "http://user:secret@localhost:9")
    refused = Calreg(None, monkeypatch)("status", "--json")
    assert refused.code == 2
    assert "secret" not in refused.stdout + refused.stderr


def test_an_empty_list_of_names_is_of_nothing_and_not_of_all(
    remote: Registry, location: RegistryLocation
) -> None:
    with location.open() as local:
        for registry in (local, remote):
            assert [registry.panels.list([]), registry.aliases.list([]), registry.versions.list([])] == [
                [],
                [],
                [],
            ]
            assert list(registry.versions.iterate([])) == []
            with pytest.raises(RequestError, match="no panel is named"):
                registry.validity([])
            with pytest.raises(NotFoundError):
                registry.panels.list([], as_of=99)
            with pytest.raises(NotFoundError):
                registry.versions.list([], as_of=99)


@pytest.mark.parametrize("number", [-1, 0, 99, 10**12, 10**30, -(10**30)])
def test_a_number_that_nothing_has_is_not_found_as_by_the_registry(
    remote: Registry, location: RegistryLocation, number: int
) -> None:
    questions: list[Callable[[Registry], object]] = [
        lambda registry: registry.versions.show(number),
        lambda registry: registry.versions.diff(number, 1),
        lambda registry: registry.versions.arrays(number),
        lambda registry: registry.constants(RUN, panels=[number or 99]),
        lambda registry: registry.validity(PANELS[0], as_of=abs(number) if abs(number) > 1 else 99),
    ]
    with location.open() as local:
        for ask in questions:
            assert _take_refusal(ask, remote) == _take_refusal(ask, local)


def _take_refusal(ask: Callable[[Registry], object], registry: Registry) -> tuple[type, str]:
    with pytest.raises(RegistryError) as caught:
        ask(registry)
    return caught.type, str(caught.value)


def test_before_the_first_revision_there_is_nothing(remote: Registry) -> None:
    for moment in (BEGINNING, "2001-01-01T00:00:00Z"):
        assert remote.log(as_of=moment) == []
        assert remote.panels.list(as_of=moment) == []
    assert len(list(remote.iterate_log(max_changes=10**12))) == remote.pin.number  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["\udcff", "a\0b", ".", "..", "a\nb", "M068\n"])
def test_texts_that_no_url_has_are_refused_with_the_code_of_the_registry(
    remote: Registry, location: RegistryLocation, text: str
) -> None:
    questions: list[Callable[[Registry], object]] = [
        lambda registry: registry.validity(text),
        lambda registry: registry.validity(RUN, source=f"{text}-"),
        lambda registry: registry.validity(RUN, kinds=[text]),
        lambda registry: registry.show(f"{text}"),
        lambda registry: registry.panels.find(text),
        lambda registry: registry.panels.list([text]),
        lambda registry: registry.runs.show(text),
        lambda registry: registry.log(author=f"{text}\udcff"),
        lambda registry: registry.log(text),
        lambda registry: registry.diff(text, before=1),
        lambda registry: registry.constants(text, at="2018-03-01T00:00:00Z"),
    ]
    with location.open() as local:
        for ask in questions:
            with pytest.raises(RegistryError) as expected:
                ask(local)
            with pytest.raises(RegistryError) as refusal:
                ask(remote)
            assert refusal.value.code == expected.value.code


def test_a_session_answers_as_of_its_pin(remote: Registry, location: RegistryLocation) -> None:
    assert repr(remote).startswith(f"<Registry {remote.id} behind http://127.0.0.1:")
    pin = remote.pin
    with location.open() as local:
        local.versions.gap(PANELS[0], valid_from="2018-02-01T00:00:00Z", comment="broken")
        assert local.head.number == pin.number + 1
        with pytest.raises(NotValidError):
            local.constants(RUN)
    assert remote.head == pin
    assert remote.constants(RUN).provenance.registry.revision == pin.number
    assert len(remote.log(limit=1)) == 1
    with pytest.raises(RequestError):
        remote.constants(RUN, panels=[])


def test_writes_are_refused_and_nothing_is_recorded(
    remote: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    write_panel_folder(tmp_path / "new", 9)
    calls = (
        lambda: remote.panels.add("170505-149520170815-3d00f8"),
        lambda: remote.versions.add(PANELS[0], tmp_path / "new", valid_from="2019-01-01T00:00:00Z"),
        lambda: remote.versions.withdraw(1, comment="wrong"),
        lambda: remote.runs.withdraw(RUN, comment="wrong"),
        lambda: remote.tags.add("spring"),
        lambda: remote.revert(1, comment="wrong"),
        remote.verify,
        lambda: remote.backup(tmp_path / "backup"),
        lambda: remote.deploy("xcsls3716", tmp_path / "calib"),
    )
    for call in calls:
        with pytest.raises(ConflictError, match="through the service"):
            call()
    assert not (tmp_path / "backup").exists()
    with location.open() as local:
        assert local.head == remote.pin


def test_a_store_can_be_sent_to_another_process(remote: Registry) -> None:
    lazy = remote.constants(RUN, lazy=True)
    again = pickle.loads(pickle.dumps(lazy))  # noqa: S301 - just made
    assert np.array_equal(again["pixel_gain"][0], lazy["pixel_gain"][0])


def test_a_forked_process_asks_over_connections_of_its_own(remote: Registry) -> None:
    total = remote.constants(RUN)["pixel_gain"].sum()

    def work(sums: "multiprocessing.SimpleQueue[float]") -> None:
        sums.put(float(remote.constants(RUN)["pixel_gain"].sum()))

    context = multiprocessing.get_context("fork")
    sums = context.SimpleQueue()
    workers = [context.Process(target=work, args=(sums,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [sums.get() for _ in workers] == [float(total)] * 3
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0


def test_a_cache_or_a_service_that_cannot_be_used_is_not_called_damage_of_files(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_FIRST_WAIT", 0.001)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o755)
    with serve_in_thread(location) as url, open_registry(url) as remote:
        with monkeypatch.context() as patch:
            patch.setenv("CALREG_CACHE", str(tmp_path / "cache"))
            with open_registry(url) as other, pytest.raises(DeniedError) as denied:
                other.constants(RUN)
        constants = remote.constants(RUN, lazy=True)
    with pytest.raises(UnavailableError) as ended:
        np.asarray(constants["pixel_gain"][:])
    for refusal in (str(denied.value), str(ended.value)):
        assert "stored file" not in refusal
        assert "it is gain of" not in refusal


def test_a_service_that_has_ended_is_unavailable(location: RegistryLocation) -> None:
    with serve_in_thread(location) as url:
        registry = open_registry(url)
    with pytest.raises(UnavailableError, match="no server answers there"):
        registry.panels.list()


def test_the_program_of_the_page_reads_a_registry_through_its_service(url: str) -> None:
    (block,) = find_blocks(Path(__file__).parent.parent / "docs" / "how-to" / "serve.md", "python")
    names: dict[str, object] = {}
    exec(block.replace("https://calib.example.org", url), names)  # noqa: S102 - of the page
    constants = names["constants"]
    assert sorted(constants) == ["pixel_gain", "pixel_offset"]  # type: ignore[call-overload]

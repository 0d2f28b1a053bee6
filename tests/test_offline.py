"""Work without the service: what was fetched has the bytes that it had with it, and all else is refused."""

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import create_registry, instants, open_registry, verify_export
from registry.api import Registry
from registry.api.caches import clear_cache, read_cache, verify_cache
from registry.api.remote.narrowing import narrow_validity
from registry.cache import find_cache
from registry.cache.answers import KeptAnswer, decode_answer, encode_answer, name_answer
from registry.cache.names import EntryKind
from registry.errors import (
    CacheError,
    ConflictError,
    DeniedError,
    NotFoundError,
    NotValidError,
    OfflineError,
    RequestError,
)
from registry.records import Validity
from registry.service.options import Options
from registry.transport import Service
from testing.panels import SHORT_NAME
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg
from tests.test_remote_constants import PANELS, RUN, SOURCE, location  # noqa: F401 - a fixture

pytestmark = pytest.mark.small_panels


@pytest.fixture(autouse=True)
def _small(small_panels: None) -> None:
    """Panels have few pixels."""


class Site:
    """A service that can be stopped, with the requests that it got since the last look."""

    def __init__(self, place: RegistryLocation, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.location, self._patch, self._stack = place, monkeypatch, stack
        self.requests: list[str] = []
        self.url = stack.enter_context(serve_in_thread(place))
        monkeypatch.setenv("CALREG_DATABASE", self.url)
        self._watch()

    def _watch(self) -> None:
        follow = Service._follow

        def note(service: Service, address: str, headers: Any) -> Any:
            self.requests.append(address)
            return follow(service, address, headers)

        self._patch.setattr(Service, "_follow", note)

    def count_requests(self) -> int:
        count = len(self.requests)
        self.requests.clear()
        return count

    def go_offline(self, pin: str | None) -> None:
        """Stop the service."""
        self._stack.close()
        self._patch.setenv("CALREG_OFFLINE", "1")
        if pin is not None:
            self._patch.setenv("CALREG_PIN", pin)
        self.count_requests()


@pytest.fixture
def site(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:  # noqa: F811 - the fixture
    with ExitStack() as stack:
        yield Site(location, monkeypatch, stack)


@pytest.fixture
def calreg(monkeypatch: pytest.MonkeyPatch) -> Calreg:
    return Calreg(None, monkeypatch)


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _list_documents(folder: Path) -> list[Path]:
    documents = [
        path
        for path in folder.rglob("*.json")
        if json.loads(path.read_bytes()).get("format") == "calreg provenance"
    ]
    assert documents
    return documents


def fetch(calreg: Calreg, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(calreg.run("fetch", *(arguments or (RUN,)), "--json").stdout)
    return answer


def test_what_was_fetched_is_the_same_without_the_service(
    site: Site, calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = instants.instant_from_datetime(datetime(2030, 1, 1, tzinfo=UTC))
    commands = (
        ("validity", RUN),
        ("validity", PANELS[0]),
        ("run", "show", RUN),
        ("detector", "show", RUN),
    )
    exports = {
        name: ("export", RUN, "--output", str(tmp_path / "constants"), "--format", name, *words)
        for name, words in (("npy", ()), ("hdf5", ()), ("psana", ()), ("lcls2", ("--short-name", SHORT_NAME)))
    }
    kept: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.setattr(instants, "now", lambda: moment)
        online = {command: calreg.run(*command).stdout for command in commands}
        for name, command in exports.items():
            calreg.run(*command)
            kept[name] = read_files(tmp_path / "constants")
            (tmp_path / "constants").rename(tmp_path / f"online-{name}")
        shown = calreg.run("show", RUN).stdout
        with open_registry() as registry:
            arrays = registry.constants(RUN)
        clear_cache()
        fetched = fetch(calreg)
        site.go_offline(fetched["pin"])
        for command, printed in online.items():
            assert calreg.run(*command).stdout == printed
        for name, command in exports.items():
            calreg.run(*command)
            assert read_files(tmp_path / "constants") == kept[name]
            for document in _list_documents(tmp_path / "constants"):
                verification = verify_export(document)
                assert verification.problems == ()
                assert [note for note in verification.notes if "not known offline" in note]
            (tmp_path / "constants").rename(tmp_path / f"offline-{name}")
        result = calreg.run("show", RUN)
        assert (result.stdout, "answered at" in result.stderr) == (shown, True)
    with open_registry() as registry:
        assert registry.pin is not None
        assert registry.pin.pin == fetched["pin"]
        again = registry.constants(RUN, source=SOURCE)
        assert sorted(again) == sorted(arrays)
        assert all(np.array_equal(again[name], array) for name, array in arrays.items())
        assert registry.constants(RUN, shared=True)["pixel_gain"].shape == arrays["pixel_gain"].shape
    assert site.count_requests() == 0


def test_a_fetch_says_what_is_there_and_brings_only_what_is_missing(site: Site, calreg: Calreg) -> None:
    first = fetch(calreg)
    assert site.count_requests() > 10
    (one,) = first["fetched"]
    assert (one["target"], one["source"], one["panels"], one["files"]) == (RUN, SOURCE, 2, 12)
    assert (one["problem"], one["types"]) == (None, ["pixel_gain", "pixel_offset"])
    assert (first["files"], first["files_there"]) == (12, 0)
    again = fetch(calreg)
    assert (again["files"], again["files_there"], again["bytes"]) == (0, 12, 0)
    assert site.count_requests() == 1  # the head
    entry = next(name for name in Path(first["cache"]).iterdir() if name.name.startswith("object-"))
    entry.unlink()
    assert fetch(calreg)["files"] == 1
    assert site.count_requests() == 2
    printed = calreg.run("fetch", RUN).stdout
    assert f"CALREG_PIN={first['pin']}" in printed
    kinds = {row.kind for row in read_cache().entries}
    assert kinds == {"object", "answer", "pin"}
    assert verify_cache().removed == ()


def test_kinds_types_and_detectors_are_fetched(site: Site, calreg: Calreg, tmp_path: Path) -> None:
    at = ("--at", "2018-02-10T08:15:00Z")
    one = fetch(calreg, RUN, "--kind", "gain")
    assert one["fetched"][0]["types"] == ["pixel_gain"]
    other = fetch(calreg, "_".join(PANELS), *at, "--type", "pixel_offset")
    assert (other["fetched"][0]["files"], other["fetched"][0]["source"]) == (6, None)
    site.go_offline(one["pin"])
    calreg.run("export", RUN, "--type", "pixel_gain", "--output", str(tmp_path / "gain"))
    calreg.run(
        "export", "_".join(PANELS), *at, "--type", "pixel_offset", "--output", str(tmp_path / "offset")
    )
    refused = calreg("export", RUN, "--type", "pedestals", "--output", str(tmp_path / "all"))
    assert (refused.code, "calreg fetch" in refused.stderr) == (8, True)
    assert not (tmp_path / "all").exists()


def test_what_is_not_there_is_refused_and_named(site: Site, calreg: Calreg, tmp_path: Path) -> None:
    pin = fetch(calreg)["pin"]
    site.go_offline(None)
    refused = calreg("validity", RUN)
    assert (refused.code, f"CALREG_PIN={pin}" in refused.stderr, "fetch" in refused.stderr) == (8, True, True)
    os.environ["CALREG_PIN"] = pin
    try:
        for command in (
            ("validity", RUN, "--kind", "pedestals"),
            ("validity", RUN, "--as-of", "2"),
            ("exports",),
            ("affected", "--since", pin),
            ("log",),
            ("fetch", RUN),
        ):
            result = calreg(*command)
            assert result.code == (2 if command[0] == "fetch" else 8), command
            assert "CALREG_OFFLINE" in result.stdout + result.stderr, command
        assert pin in calreg.run("status").stdout
        for path in Path(find_cache().path).glob("object-*"):  # type: ignore[union-attr]
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        result = calreg("export", RUN, "--output", str(tmp_path / "constants"))
        assert (result.code, "calreg fetch" in result.stderr) == (8, True)
        assert "object" in result.stderr
        assert not (tmp_path / "constants").exists()
    finally:
        del os.environ["CALREG_PIN"]
    assert site.count_requests() == 0


def test_the_usual_commands_on_a_run_are_answered_after_its_fetch(
    site: Site, calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, start = "_".join(PANELS), "2018-02-10T08:15:00Z"
    commands = [
        ("validity", RUN, "--kind", "offset"),
        ("validity", RUN, "--kind", "offset", "--kind", "gain"),
        ("validity", RUN, "--source", SOURCE),
        ("validity", RUN, "--at", start),
        ("validity", RUN, "--at", RUN),
        ("validity", RUN, "--kind", "ped"),
        ("validity", detector),
        ("validity", detector, "--kind", "gain"),
        ("validity", detector, "--at", start),
        ("validity", PANELS[1], "--kind", "offset", "--kind", "gain"),
        ("run", "show", RUN),
        ("detector", "show", RUN),
        ("version", "show", "1"),
    ]
    commands += [(*command, "--json") for command in commands]
    shown = [("show", RUN), ("show", PANELS[0])]
    export = (
        "export",
        RUN,
        "--output",
        str(tmp_path / "out"),
        "--type",
        "pixel_gain",
        "--type",
        "pixel_offset",
    )
    moment = instants.instant_from_datetime(datetime(2030, 1, 1, tzinfo=UTC))
    with monkeypatch.context() as patch:
        patch.setattr(instants, "now", lambda: moment)
        online = {command: calreg(*command) for command in commands}
        screens = {command: calreg.run(*command).stdout for command in shown}
        pictures = _draw(calreg, tmp_path)
        assert any(result.code for result in online.values())
        clear_cache()
        site.go_offline(fetch(calreg)["pin"])
        for command, result in online.items():
            assert calreg(*command) == result, command
        for command, screen in screens.items():
            assert calreg.run(*command).stdout == screen
        assert _draw(calreg, tmp_path) == pictures
        calreg.run(*export)
    assert site.count_requests() == 0


def _draw(calreg: Calreg, folder: Path) -> list[bytes]:
    pytest.importorskip("matplotlib")
    calreg.run("plot", "constants", RUN, "--type", "pixel_gain", "--output", str(folder / "constants.png"))
    calreg.run("plot", "validity", RUN, "--output", str(folder / "validity.svg"))
    return [(folder / name).read_bytes() for name in ("constants.png", "validity.svg")]


def test_the_refusal_of_another_form_says_how_it_is_had(
    site: Site, calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = fetch(calreg)["pin"]
    command = ("validity", PANELS[0], "--at", "2018-03-01T00:00:00Z")
    monkeypatch.setenv("CALREG_OFFLINE", "1")
    monkeypatch.setenv("CALREG_PIN", pin)
    refused = calreg(*command)
    assert refused.code == 8
    assert f"/validity/{PANELS[0]}?at=2018-03-01T00%3A00%3A00Z is not in the cache" in refused.stderr
    assert "skip=" not in refused.stderr
    assert "once without CALREG_OFFLINE" in refused.stderr
    monkeypatch.delenv("CALREG_OFFLINE")
    online = calreg.run(*command)
    site.go_offline(pin)
    assert calreg(*command) == online
    refused = calreg("validity", RUN, "--as-of", "2")
    assert (refused.code, "once without CALREG_OFFLINE" in refused.stderr) == (8, True)


def test_a_part_of_an_answer_is_taken_only_where_it_is_the_whole_answer(
    location: RegistryLocation,  # noqa: F811 - the fixture
) -> None:
    with location.open() as registry:
        gains = {name: registry.validity(name) for name in (*PANELS, "_".join(PANELS))}
        at = registry.validity(RUN)
        for whole, options in ((gains[PANELS[0]], {}), (at, {"at": "2018-02-10T08:15:00Z"})):
            for kinds in (["gain"], ["offset"], ["offset", "gain"], ["gain", "gain"]):
                target = PANELS[0] if not options else RUN
                whole_answer = registry.validity(target, kinds=kinds, **options)  # type: ignore[arg-type]
                narrowed = narrow_validity(whole, kinds)
                assert narrowed is not None
                assert narrowed.versions == whole_answer.versions
            assert narrow_validity(whole, ["pedestals"]) is None
            assert narrow_validity(whole, ["gain", "rms"]) is None
            with pytest.raises(RequestError):
                narrow_validity(whole, ["gains"])
    some = gains["_".join(PANELS)].versions
    one_lacks = Validity(tuple(one for one in some if (one.panel, one.kind) != (PANELS[1], "gain")))
    assert narrow_validity(one_lacks, ["gain"]) is None
    assert narrow_validity(one_lacks, ["offset"]) is not None
    assert narrow_validity(Validity(()), ["gain"]) is None
    assert narrow_validity(Validity(some, without=("nothing",)), ["gain"]) is None


def test_an_export_into_a_used_calibration_folder_is_the_same_without_the_service(
    site: Site, calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder has a file of these runs that somebody else has written, and one of other runs."""
    used = ("foreign", "own", "wrong")
    command = ("export", RUN, "--format", "psana", "--output")
    moment = instants.instant_from_datetime(datetime(2030, 1, 1, tzinfo=UTC))
    with monkeypatch.context() as patch:
        patch.setattr(instants, "now", lambda: moment)
        for name in used:
            _use_folder(calreg, tmp_path / name / "calib", name, command)
            shutil.copytree(tmp_path / name, tmp_path / f"{name}-offline")
        online = {}
        for name in used:
            online[name] = calreg(*command, str(tmp_path / name / "calib"))
        clear_cache()
        site.go_offline(fetch(calreg)["pin"])
        for name in used:
            result = calreg(*command, str(tmp_path / f"{name}-offline" / "calib"))
            expected = online[name]
            assert (result.code, result.stdout.replace("-offline", "")) == (expected.code, expected.stdout), (
                result
            )
            assert result.stderr.replace("-offline", "") == expected.stderr
            assert read_files(tmp_path / f"{name}-offline").keys() == read_files(tmp_path / name).keys()
    assert site.count_requests() == 0


def _use_folder(calreg: Calreg, folder: Path, how: str, command: tuple[str, ...]) -> None:
    calreg.run(*command, str(folder))
    (file,) = folder.rglob("pixel_gain/*.data")
    if how == "foreign":
        file.chmod(0o644)
        file.write_text("a file of others\n")
        (file.parent / "7-end.data").write_text("1.0 2.0\n")
    if how == "wrong":
        file.rename(file.parent / "600-700.data")


def test_answers_that_were_asked_before_are_there_also_refusals(site: Site, calreg: Calreg) -> None:
    with open_registry() as registry:
        pin = registry.head.pin
        expected = registry.validity(PANELS[0], at="2018-02-10T08:15:00Z")
        for ask in (_ask_unknown, _ask_invalid):
            with pytest.raises((NotFoundError, NotValidError)):
                ask(registry)
        assert registry.find_head(2).number == 2
        assert registry.versions.list(as_of=1) == []
    site.go_offline(pin)
    with open_registry(pin=pin) as registry:
        assert registry.validity(PANELS[0], at="2018-02-10T08:15:00Z") == expected
        with pytest.raises(NotFoundError, match="M999"):
            _ask_unknown(registry)
        with pytest.raises(NotValidError):
            _ask_invalid(registry)
        assert registry.versions.list(as_of=1) == []
        with pytest.raises(OfflineError):
            registry.panels.list()
    assert site.count_requests() == 0


def _ask_unknown(registry: Registry) -> object:
    return registry.validity("M999")


def _ask_invalid(registry: Registry) -> object:
    return registry.validity(PANELS[0], at="2001-01-01T00:00:00Z")


def test_a_kept_answer_that_was_edited_is_asked_again_and_refused_offline(
    site: Site, calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = fetch(calreg)["pin"]
    expected = calreg.run("validity", RUN).stdout
    folder = find_cache().path  # type: ignore[union-attr]

    def edit() -> None:
        for path in folder.glob("answer-*"):
            path.chmod(0o600)
            path.write_bytes(path.read_bytes().replace(b"2018-01-01T00:00:00Z", b"2017-01-01T00:00:00Z"))

    edit()
    assert calreg.run("validity", RUN).stdout == expected
    assert verify_cache().removed
    fetch(calreg)
    edit()
    site.go_offline(pin)
    assert calreg("validity", RUN).code == 8
    # One that is put under another's name is not taken for it.
    monkeypatch.delenv("CALREG_OFFLINE")
    files = sorted(folder.glob("answer-*"))
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o400)
    monkeypatch.setenv("CALREG_OFFLINE", "1")
    assert calreg("validity", RUN).code == 8


def test_answers_of_other_services_registries_and_forms_never_mix(
    location: RegistryLocation,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve_in_thread(location) as url:
        with open_registry(url) as registry:
            registry.fetch(RUN)
            pin = registry.head.pin
            assert registry.log(limit=1)[0].author
        whole = Service(url)
    other = RegistryLocation(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    create_registry(other.database, other.store)
    with serve_in_thread(other) as url:
        with pytest.raises((ConflictError, NotFoundError)):
            open_registry(url, pin=pin)
        monkeypatch.setenv("CALREG_OFFLINE", "1")
        with pytest.raises(OfflineError, match="nothing of this service"):
            open_registry(url, pin=pin)
        monkeypatch.delenv("CALREG_OFFLINE")
    with serve_in_thread(location, Options(public=True)) as url, open_registry(url) as registry:
        assert registry.log(limit=1)[0].author == ""
    monkeypatch.setenv("CALREG_OFFLINE", "1")
    with open_registry(whole.url, pin=pin) as registry:
        assert registry.log(limit=1)[0].author
    with pytest.raises(OfflineError):
        open_registry(whole.url, pin=f"{pin[:2]}0123456789abcdef")
    token = tmp_path / "token"
    token.write_text("a-token-of-the-beamline")
    monkeypatch.setenv("CALREG_TOKEN_FILE", str(token))
    with pytest.raises(OfflineError):
        open_registry(whole.url, pin=pin)


def test_the_cache_is_needed_for_a_fetch_and_offline(
    site: Site, calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_CACHE", "off")
    assert calreg("fetch", RUN).code == 2
    assert calreg("validity", RUN).code == 0
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o755)
    monkeypatch.setenv("CALREG_CACHE", str(foreign))
    assert calreg("validity", RUN).code == 0  # it is only a help
    assert calreg("fetch", RUN).code == 8
    with open_registry() as registry, pytest.raises(DeniedError):
        registry.fetch(RUN)
    monkeypatch.setenv("CALREG_CACHE", str(tmp_path / "small"))
    monkeypatch.setenv("CALREG_CACHE_LIMIT", "1 kB")
    with open_registry() as registry, pytest.raises(CacheError, match="CALREG_CACHE_LIMIT"):
        registry.fetch(RUN)
    monkeypatch.delenv("CALREG_CACHE_LIMIT")
    with open_registry() as registry:
        pin = registry.fetch(RUN).pin
        with pytest.raises(RequestError):
            registry.fetch([])
    site.go_offline(pin)
    monkeypatch.setenv("CALREG_CACHE", "off")
    assert calreg("validity", RUN).code == 2
    monkeypatch.setenv("CALREG_CACHE", str(foreign))
    assert calreg("validity", RUN).code == 8
    monkeypatch.setenv("CALREG_OFFLINE", "yes")
    assert calreg("validity", RUN).code == 2
    with site.location.open() as registry, pytest.raises(RequestError, match="behind a service"):
        registry.fetch(RUN)


def test_what_cannot_be_brought_is_named_and_the_rest_is_there(site: Site, calreg: Calreg) -> None:
    path = min((site.location.store / "objects").rglob("*.npy"))
    content = path.read_bytes()
    path.unlink()
    result = calreg("fetch", RUN, "exp=xcsls3716:run=999", "--json")
    assert result.code == 4
    one, other = json.loads(result.stdout)["fetched"]
    assert (one["code"], path.stem in one["problem"]) == (6, True)
    assert (other["code"], other["files"]) == (4, 0)
    assert path.stem in result.stderr
    assert "no" in calreg("fetch", RUN).stdout.split()
    path.write_bytes(content)
    answer = fetch(calreg)
    assert (answer["files"], answer["files_there"]) == (1, 11)


def test_a_service_that_goes_away_in_the_middle_is_named(
    site: Site, calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.transport._ATTEMPTS", 1)
    follow, left = Service._follow, [6]

    def fail(service: Service, address: str, headers: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionResetError("gone")
        return follow(service, address, headers)

    monkeypatch.setattr(Service, "_follow", fail)
    result = calreg("fetch", RUN)
    assert (result.code, "the connection was lost" in result.stderr or "gone" in result.stderr) == (8, True)
    left[0] = 10_000
    assert fetch(calreg)["fetched"][0]["problem"] is None


def test_a_full_disk_ends_a_fetch_and_not_what_is_read(
    site: Site, calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("registry.cache.new_entries.os.pwrite", refuse)
        refused = calreg("fetch", RUN)
        assert (refused.code, os.strerror(errno.ENOSPC) in refused.stderr) == (8, True)
        with open_registry() as registry:
            assert registry.constants(RUN)["pixel_gain"].shape[:2] == (3, 2)
            assert registry.validity(PANELS[0]).versions
    assert read_cache().entries == ()
    assert fetch(calreg)["files"] == 12


def test_two_fetches_at_once_bring_each_file_once(site: Site) -> None:
    answers = []

    def run() -> None:
        with open_registry() as registry:
            answers.append(registry.fetch(RUN))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer.files for answer in answers) == 12
    assert len({address for address in site.requests if "/objects/" in address}) == 12
    assert len([address for address in site.requests if "/objects/" in address]) == 12


def test_an_entry_of_an_answer_is_verified_by_its_name() -> None:
    question = ("https://calib.example.org", "/v1/r/4-4f4a7c033166d624/panels")
    name = name_answer(EntryKind.ANSWER, question)
    answer = KeptAnswer(question, 5, b'{"answer": []}')
    content = encode_answer(answer)
    assert decode_answer(content, name) == answer
    for other in (
        content[:-1],
        content + b" ",
        content.replace(b"4-4f4a", b"5-4f4a"),
        b"",
        b"calreg answer 1\n",
    ):
        assert decode_answer(other, name) is None
    assert decode_answer(encode_answer(answer._replace(question=("x",))), name) is None


def test_old_answers_are_asked_again_and_the_present_is_never_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(ask: Callable[[Registry], object]) -> int:
        with open_registry() as registry:
            site.count_requests()
            ask(registry)
        return site.count_requests()

    def validity(registry: Registry) -> object:
        return registry.validity(PANELS[0])

    def exports(registry: Registry) -> object:
        return registry.exports.list()

    def show(registry: Registry) -> object:
        return registry.show(RUN)

    assert [count(validity), count(validity)] == [1, 0]
    assert [count(exports), count(exports), count(show), count(show)] == [1, 1, 1, 1]
    later = instants.Instant(instants.now() + 90_000_000_000)
    monkeypatch.setattr(instants, "now", lambda: later)
    assert [count(validity), count(validity)] == [1, 0]

"""Ask what an open registry is asked also through its service, and compare: for tests of the registry itself."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from registry import instants
from registry.api.detector_constants import DetectorConstants
from registry.api.detectors import Detectors
from registry.api.panels import Aliases, Panels
from registry.api.recorded_exports import Exports
from registry.api.registry import Registry
from registry.api.remote.registry import RemoteRegistry
from registry.api.revisions import Tags
from registry.api.runs import Runs
from registry.api.versions import Versions
from registry.errors import RegistryError
from registry.records import Export
from registry.records.json import to_builtins
from testing.registries import RegistryLocation
from testing.services import serve_in_thread

_QUESTIONS: dict[type, tuple[str, tuple[str, ...]]] = {
    Panels: ("panels", ("list", "find")),
    Aliases: ("aliases", ("list",)),
    Versions: ("versions", ("list", "show", "validity", "diff")),
    Runs: ("runs", ("list", "show")),
    Detectors: ("detectors", ("list", "show", "names")),
    Tags: ("tags", ("list",)),
    Exports: ("exports", ("list",)),
    Registry: (
        "",
        (
            *("validity", "show", "log", "constants", "export", "identify", "diff"),
            *("list_affected_runs", "group_affected_runs"),
        ),
    ),
}


class Comparison:
    """Compares the answers of registries with those of their services; ``count`` is how many were compared."""

    def __init__(self) -> None:
        self.count = 0
        self._is_nested = False
        self._thread = threading.current_thread()

    @contextmanager
    def compare(self) -> Iterator[None]:
        """Compare what is asked meanwhile, in this thread."""
        former = [
            (owner, name, getattr(owner, name)) for owner, (_, names) in _QUESTIONS.items() for name in names
        ]
        try:
            for owner, name, method in former:
                setattr(owner, name, self._wrap(owner, name, method))
            yield
        finally:
            for owner, name, method in former:
                setattr(owner, name, method)

    def _wrap(self, owner: type, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def ask(noun: Any, *values: Any, **options: Any) -> Any:
            is_asked = type(noun) is owner and not self._is_nested
            if (
                not is_asked
                or threading.current_thread() is not self._thread
                or _is_too_long(values, options)
            ):
                return method(noun, *values, **options)
            self._is_nested = True
            try:
                with tempfile.TemporaryDirectory() as folder, _stop_clock():
                    twin = _copy_output(name, values, Path(folder))
                    local = _take(lambda: method(noun, *values, **options))
                    remote = _ask_service(vars(noun)["_backend"], owner, name, twin, options)
                    places = dict(zip(map(str, twin), map(str, values), strict=True))
                    for served, known in _list_parts(local, remote, places):
                        if served != known:
                            raise AssertionError(
                                f"{name}{values}: through a service {served!r}, else {known!r}"
                            )
                    self.count += 1
            finally:
                self._is_nested = False
            if isinstance(local, RegistryError):
                raise local
            return local

        return ask


def _is_too_long(values: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Tell whether a text has no room in a URL of 8 kB: a service refuses it by its length, and not as a name."""
    return any(isinstance(value, str) and len(value) > 2000 for value in (*values, *options.values()))


@contextmanager
def _stop_clock() -> Iterator[None]:
    """Let both be asked at one moment."""
    former, present = instants.now, instants.now()
    instants.now = lambda: present
    try:
        yield
    finally:
        instants.now = former


def _copy_output(name: str, values: tuple[Any, ...], folder: Path) -> tuple[Any, ...]:
    """Return the arguments with a copy of the folder into which an export is to be written."""
    if name != "export":
        return values
    target, output, *rest = values
    twin = folder / "twin"
    if Path(output).is_dir():
        shutil.copytree(output, twin, symlinks=True)
    return (target, type(output)(twin), *rest)


def _take(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except RegistryError as error:
        return error


def _ask_service(backend: Any, owner: type, name: str, values: tuple[Any, ...], options: Any) -> Any:
    location = RegistryLocation(backend.database.url, Path(backend.store.place))
    zone = backend.chosen_zone
    with serve_in_thread(location) as url:
        remote = RemoteRegistry(
            url,
            timezone=None if zone is None else getattr(zone, "key", str(zone)),
            note=backend.note,
            present=backend.present,
        )
        with remote:
            noun = getattr(remote, _QUESTIONS[owner][0]) if _QUESTIONS[owner][0] else remote
            answer = _take(lambda: getattr(noun, name)(*values, **options))
            if isinstance(answer, RegistryError):
                answer.args = (str(answer).replace(f" of {url}", f" {backend.store.place!r}"),)
            return answer


def _list_parts(local: Any, remote: Any, places: dict[str, str]) -> Iterator[tuple[Any, Any]]:
    """Yield what must be the same of both answers, or refusals."""
    yield type(remote), type(local)
    if isinstance(local, RegistryError):
        yield _replace(str(remote), places), str(local)
        yield getattr(remote, "remedy", None), local.remedy
    elif isinstance(local, DetectorConstants):
        yield remote.provenance.resolution, local.provenance.resolution
        yield remote.warnings, local.warnings
        for name, array in local.items():
            yield remote[name].tobytes(), array.tobytes()
    elif isinstance(local, Export):
        for part in ("revision", "instant", "segments", "absent_segments"):
            yield getattr(remote, part, None), getattr(local, part)
        yield [_replace(text, places) for text in remote.warnings], [*local.warnings]
        for served, known in zip(remote.outputs, local.outputs, strict=True):
            yield (served.type, served.sha256), (known.type, known.sha256)
    else:
        yield to_builtins(remote), to_builtins(local)


def _replace(text: str, places: dict[str, str]) -> str:
    for remote, local in places.items():
        text = text.replace(remote, local)
    return text

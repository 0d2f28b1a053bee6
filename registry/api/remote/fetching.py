"""Fetch what constants and exports need: every question is asked, and every file brought and verified."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from registry.api.backend import Backend
from registry.api.export_verification import check_answer
from registry.api.exports import ExportRequest, draft_document
from registry.api.remote.backend import RemoteBackend
from registry.api.remote.fetched_questions import list_questions_about, list_questions_of_resolution
from registry.api.remote.kept_answers import KeptPins
from registry.api.remote.objects import RemoteStore
from registry.authorship import build_signature
from registry.cache import CacheFolder, find_cache
from registry.detectors import find_detector_type
from registry.errors import (
    CacheError,
    DeniedError,
    RegistryError,
    RequestError,
    UnavailableError,
)
from registry.exporters import npy
from registry.exporters.formats import find_format, list_formats_with_runs
from registry.identifiers import is_dataset
from registry.instants import Instant
from registry.parallel import Progress, map_in_threads
from registry.provenance.document import Resolution
from registry.records import Fetched, FetchedConstants
from registry.sizes import format_size

_THREADS = 8


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """The runs or detectors whose constants are wanted, of these types or kinds, by default the required ones."""

    targets: tuple[str, ...]
    source: str | None
    at: Instant | None
    types: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(slots=True)
class _Wanted:
    """A run or a detector: what its constants are made from, and what of it could not be had."""

    target: str
    resolution: Resolution | None = None
    files: dict[str, int] = field(default_factory=dict)
    problems: list[RegistryError] = field(default_factory=list)


class _Line:
    """Tells whether the service still answers: where it does not, nothing more is tried."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: UnavailableError | None = None

    def ask(self, problems: list[RegistryError], request: Callable[[], object]) -> bool:
        """Make a request; add its refusal to the problems, and return whether it was answered."""
        if self._failure is not None:
            problems.append(self._failure)
            return False
        try:
            request()
        except (CacheError, DeniedError):
            raise
        except RegistryError as error:
            problems.append(error)
            if isinstance(error, UnavailableError):
                with self._lock:
                    self._failure = error
            return False
        return True


def fetch(backend: Backend, request: FetchRequest, progress: Progress) -> Fetched:
    """Bring what is needed into the cache; see `Registry.fetch`."""
    if not isinstance(backend, RemoteBackend):
        raise RequestError(
            "fetch is for a registry behind a service: the files of this one are in its own store"
        )
    if not request.targets:
        raise RequestError("no run and no detector is named")
    cache = _find_cache(backend)
    strict = replace(backend, answers=backend.kept.make_strict(), note=None)
    pins = KeptPins(backend.service, cache)
    pins.keep(backend.kept.session)
    line = _Line()
    with progress("asking", len(request.targets)) as advance:
        wanted = []
        for one in map_in_threads(
            lambda target: _Asking(strict, request, line).ask_all(target), request.targets, threads=_THREADS
        ):
            advance()
            wanted.append(one)
    files = {sha256: size for one in wanted for sha256, size in one.files.items()}
    _refuse_small_cache(cache, sum(files.values()))
    brought, failed = _bring(cast("RemoteStore", backend.store), files, line, progress)
    pins.keep(backend.kept.session, is_fetched=True)
    return Fetched(
        registry=backend.database.registry_id,
        service=backend.service.url,
        pin=backend.pin.pin,
        revision=backend.pin.number,
        seal=backend.pin.seal,
        cache=str(cache.path),
        fetched=tuple(_describe(one, failed) for one in wanted),
        files=len(brought),
        files_there=len(files) - len(brought) - len(failed),
        bytes=sum(files[sha256] for sha256 in brought),
    )


def _find_cache(backend: RemoteBackend) -> CacheFolder:
    if backend.service.is_offline:
        raise RequestError("CALREG_OFFLINE lets no service be asked, and fetch asks one: unset it for this")
    cache = find_cache()
    if cache is None:
        raise RequestError("fetch fills the cache of this machine, and CALREG_CACHE switches it off")
    return cache


def _refuse_small_cache(cache: CacheFolder, size: int) -> None:
    limit = cache.find_limit()
    if size > limit:
        raise CacheError(
            f"the files have {format_size(size)}, and the limit of the cache {str(cache.path)!r} is"
            f" {format_size(limit)}; CALREG_CACHE_LIMIT sets another one",
            path=str(cache.path),
        )


def _bring(
    store: RemoteStore, files: dict[str, int], line: _Line, progress: Progress
) -> tuple[set[str], dict[str, RegistryError]]:
    """Bring files into the cache; return those that were not there, and those that could not be brought."""
    brought: set[str] = set()
    failed: dict[str, RegistryError] = {}

    def bring(file: tuple[str, int]) -> None:
        problems: list[RegistryError] = []

        def request() -> None:
            if store.bring(*file):
                brought.add(file[0])

        if not line.ask(problems, request):
            failed[file[0]] = problems[0]

    with progress("fetching files", len(files)) as advance:
        for _ in map_in_threads(bring, files.items(), threads=_THREADS):
            advance()
    return brought, failed


def _describe(wanted: _Wanted, failed: dict[str, RegistryError]) -> FetchedConstants:
    problems = [*wanted.problems, *(failed[sha256] for sha256 in wanted.files if sha256 in failed)]
    sentences = list(dict.fromkeys(map(str, problems)))
    resolution = wanted.resolution
    return FetchedConstants(
        target=wanted.target,
        source=resolution.configuration.source if resolution and resolution.configuration else None,
        instant=resolution.instant if resolution else None,
        panels=len(resolution.panels) if resolution else 0,
        types=resolution.types if resolution else (),
        files=len(wanted.files),
        bytes=sum(wanted.files.values()),
        problem="; ".join(sentences) or None,
        code=min((problem.code for problem in problems), default=None),
    )


class _Asking:
    """Asks all about one run or detector; the answers are kept when they come."""

    def __init__(self, backend: RemoteBackend, request: FetchRequest, line: _Line) -> None:
        self._backend, self._request, self._line = backend, request, line

    def ask_all(self, target: str) -> _Wanted:
        """Return what the constants are made from, after every question of them was asked."""
        wanted = _Wanted(target)
        types = self._find_types(wanted)
        resolution = None if wanted.problems else self._resolve(wanted, types, self._request.source, npy.NAME)
        if resolution is None:
            return wanted
        wanted.resolution = resolution
        for panel in resolution.panels:
            for constants in panel.constants:
                wanted.files.update((file.sha256, file.size) for file in constants.files)
        source = resolution.configuration.source if resolution.configuration else None
        if source is not None and source != self._request.source:
            self._resolve(wanted, types, source, npy.NAME)
        self._ask_rest(wanted, types, source)
        return wanted

    def _find_types(self, wanted: _Wanted) -> tuple[str, ...]:
        """Return the calibration types that are asked for; kinds are those of the detector's type."""
        types = list(self._request.types)
        if self._request.kinds:
            resolution = self._resolve(wanted, (), self._request.source, npy.NAME)
            if resolution is not None:
                try:
                    detector = find_detector_type(resolution.detector_type)
                    types += [detector.find_kind(kind).calibration_type for kind in self._request.kinds]
                except RegistryError as error:
                    wanted.problems.append(error)
        return tuple(dict.fromkeys(types))

    def _resolve(
        self, wanted: _Wanted, types: Sequence[str], source: str | None, name: str
    ) -> Resolution | None:
        """Ask what an export is made from, and what its verification asks; None where that is refused."""
        resolutions: list[Resolution] = []
        request = ExportRequest(wanted.target, source, self._request.at, tuple(types), None, name)

        def ask() -> None:
            document = draft_document(self._backend, request, find_format(name), build_signature()).document
            check_answer(self._backend, document)
            resolutions.append(document.resolution)

        self._line.ask(wanted.problems, ask)
        return resolutions[0] if resolutions else None

    def _ask_rest(self, wanted: _Wanted, types: Sequence[str], source: str | None) -> None:
        """Ask what else is said of a run or a detector; refusals are answers, too."""
        request, target, others = self._request, wanted.target, _Wanted(wanted.target)
        sources = dict.fromkeys((request.source, source))
        questions = list_questions_about(self._backend, target, tuple(sources), request.at, request.kinds)
        if is_dataset(target):
            questions += [
                lambda name=name, one=one: self._resolve(others, types, one, name)  # type: ignore[misc]
                for name in list_formats_with_runs()
                for one in sources
            ]
        if wanted.resolution is not None:
            whole = [list(wanted.resolution.types)] if len(wanted.resolution.types) > 1 and not types else []
            questions += [
                lambda names=names, one=one: self._resolve(others, names, one, npy.NAME)  # type: ignore[misc]
                for names in [*whole, *([name] for name in wanted.resolution.types)]
                for one in sources
            ]
            questions += list_questions_of_resolution(self._backend, target, wanted.resolution)
        for question in questions:
            refusals: list[RegistryError] = []
            self._line.ask(refusals, question)
            others.problems += refusals
        wanted.problems += [error for error in others.problems if isinstance(error, UnavailableError)]

"""The nouns of a remote registry: their methods ask its service; those that record are refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from msgspec.structs import replace

from registry.api.backend import InstantLike
from registry.api.detectors import Detectors
from registry.api.pages import parse_upper_end, refuse_invalid_limit
from registry.api.panels import Aliases, Panels
from registry.api.readings import find_reading
from registry.api.recorded_exports import Exports
from registry.api.remote.asking import make_method
from registry.api.remote.backend import RemoteBackend
from registry.api.remote.narrowing import narrow_validity
from registry.api.remote.pages import ask_pages, has_no_names, iterate_pages, make_list_method
from registry.api.revisions import Tags
from registry.api.runs import Runs
from registry.api.versions import Versions
from registry.errors import NotFoundError, NotValidError, OfflineError, RequestError
from registry.lookup.revisions import AsOf
from registry.lookup.targets import is_pattern
from registry.records import RecordedExport, Run, Validity, Version
from registry.records.record_lists import RecordIterator


class RemotePanels(Panels):
    """``registry.panels`` of a remote registry."""

    list = make_list_method(Panels.list, "list_panels")
    find = make_method("panels.find")


class RemoteAliases(Aliases):
    """``registry.aliases`` of a remote registry."""

    list = make_list_method(Aliases.list, "list_aliases")


class RemoteRuns(Runs):
    """``registry.runs`` of a remote registry."""

    _backend: RemoteBackend
    show = make_method("runs.show")

    def iterate(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> RecordIterator[Run]:
        """Yield runs, page by page; see `Runs.iterate`."""
        arguments = {"experiment": experiment, "withdrawn": withdrawn}
        pages = ask_pages(self._backend, find_reading("questions.list_runs"), arguments, as_of)
        return RecordIterator(Run, chain.from_iterable(pages))

    def experiments(self, *, as_of: AsOf = None) -> Sequence[str]:
        """Return the names of the experiments with registered runs, in their order."""
        return sorted({run.experiment for run in self.iterate(as_of=as_of)})


class RemoteDetectors(Detectors):
    """``registry.detectors`` of a remote registry."""

    list = make_list_method(Detectors.list, "list_configurations")
    show = make_method("detectors.show")
    names = make_list_method(Detectors.names, "list_detector_names")


class RemoteTags(Tags):
    """``registry.tags`` of a remote registry."""

    list = make_list_method(Tags.list, "list_tags")


class RemoteVersions(Versions):
    """``registry.versions`` of a remote registry."""

    _backend: RemoteBackend
    show = make_method("versions.show")

    def iterate(
        self,
        panel: str | Sequence[str] | None = None,
        *,
        withdrawn: bool = False,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordIterator[Version]:
        """Yield versions, page by page; see `Versions.iterate`."""
        refuse_invalid_limit(limit)
        below = parse_upper_end(before)
        arguments: dict[str, object] = {"panel": panel, "withdrawn": withdrawn}
        if has_no_names(arguments):
            self._backend.find_pin(as_of)
            return RecordIterator(Version, iter(()))
        if before is None and limit is None:
            number, arguments["after"] = "after", 0
        else:
            number, arguments["before"] = "before", below
        reading = find_reading("questions.list_versions")
        items = iterate_pages(self._backend, reading, arguments, as_of, limit, (number, "version"))
        return RecordIterator(Version, items)

    def validity(
        self,
        target: str | Sequence[str],
        *,
        kinds: Sequence[str] | None = None,
        at: InstantLike | None = None,
        source: str | None = None,
        as_of: AsOf = None,
    ) -> Validity:
        """Return the validity ranges of targets, or what is valid at an instant; see `Registry.validity`."""
        backend = self._backend
        if not isinstance(target, str) and not target:
            raise RequestError("no panel is named")
        reading = None if at is None else backend.read_instant(at, as_of=as_of)
        arguments = {
            "target": target,
            "kinds": kinds,
            "at": None if reading is None else reading.instant,
            "source": source,
        }
        answer = self._ask_validity(arguments, as_of)
        notes = () if reading is None else reading.describe()
        return replace(answer, notes=(*answer.notes, *notes))

    def _ask_validity(self, arguments: dict[str, Any], as_of: AsOf) -> Validity:
        """Return the answer; offline also a part of one about all kinds, where that is what is kept."""
        try:
            first, *more = ask_pages(self._backend, find_reading("questions.find_validity"), arguments, as_of)
        except OfflineError:
            part = self._narrow_validity(arguments, as_of)
            if part is None:
                raise
            return part
        answer: Validity = first
        versions = (version for page in (first, *more) for version in page.versions)
        return replace(answer, versions=tuple(versions))

    def _narrow_validity(self, arguments: dict[str, Any], as_of: AsOf) -> Validity | None:
        target, kinds = arguments["target"], arguments["kinds"]
        names = [target] if isinstance(target, str) else [*target]
        if not kinds or len(names) != 1 or is_pattern(names[0]):
            return None
        try:
            whole = self._ask_validity({**arguments, "kinds": None}, as_of)
        except (NotFoundError, NotValidError, OfflineError):
            return None
        return narrow_validity(whole, kinds)


class RemoteExports(Exports):
    """``registry.exports`` of a remote registry."""

    _backend: RemoteBackend

    def iterate(
        self,
        *,
        stale: bool = False,
        experiment: str | None = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordIterator[RecordedExport]:
        """Yield recorded exports, page by page; see `Exports.iterate`."""
        refuse_invalid_limit(limit)
        arguments = {"stale": stale, "experiment": experiment, "before": parse_upper_end(before)}
        reading = find_reading("exports.list")
        items = iterate_pages(self._backend, reading, arguments, as_of, limit, ("before", "export"))
        return RecordIterator(RecordedExport, items)

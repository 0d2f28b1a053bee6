"""A registry behind a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from registry.api.backend import InstantLike, Note, choose_zone
from registry.api.pages import parse_upper_end, refuse_invalid_limit
from registry.api.questions import show_named
from registry.api.readings import find_reading
from registry.api.registry import Registry
from registry.api.remote import nouns
from registry.api.remote.asking import decode_closure, refuse_method
from registry.api.remote.backend import RemoteBackend, ServedDatabase
from registry.api.remote.kept_answers import KeptAnswers
from registry.api.remote.objects import RemoteStore
from registry.api.remote.pages import ask_pages, iterate_pages, make_list_method
from registry.api.remote.sessions import pin_session
from registry.api.showing import show_local_file
from registry.cache import find_cache
from registry.database.transactions import Database
from registry.heads import LARGEST_NUMBER, Head
from registry.instants import Instant
from registry.lookup.revisions import AsOf
from registry.records import AffectedRuns, Revision, Subject
from registry.records.record_lists import RecordIterator
from registry.settings import Settings
from registry.timezones import find_zone
from registry.transport import Service


def open_remote_backend(
    url: str,
    timezone: str | None = None,
    note: Note | None = None,
    present: Instant | None = None,
    pin: Head | None = None,
) -> RemoteBackend:
    """Return a service in the place of a database, pinned to a revision, by default the newest."""
    service, cache = Service(url), find_cache()
    session = pin_session(service, cache, pin)
    return RemoteBackend(
        cast("Database", ServedDatabase(service, session.registry, decode_closure(session.closed))),
        RemoteStore(service, cache, session.registry),
        choose_zone(Settings(url, Path())) if timezone is None else find_zone(timezone),
        note,
        present,
        None if pin is None else session.head,
        session.head,
        session.timezone,
        answers=KeptAnswers(service, cache, session),
        warnings=session.warnings,
    )


class RemoteRegistry(Registry):
    """An open registry that is read through a service; ``pin`` is the revision as of which it answers."""

    def __init__(
        self,
        url: str,
        *,
        timezone: str | None = None,
        note: Note | None = None,
        present: Instant | None = None,
        pin: Head | None = None,
    ) -> None:
        self._backend: RemoteBackend = open_remote_backend(url, timezone, note, present, pin)

    def __repr__(self) -> str:
        return f"<Registry {self.id} behind {self._backend.service.url}, as of {self.pin.pin}>"

    @property
    def pin(self) -> Head:
        """The revision that was chosen, or was the newest when the registry was opened; every answer is as of it."""
        return self._backend.pin

    def find_head(self, as_of: AsOf = None) -> Head:
        """Return a revision with its seal, by default the pinned one."""
        return self._backend.find_pin(as_of)

    @property
    def timezone(self) -> str:
        """The registry's own time zone."""
        return self._backend.zone

    @property
    def panels(self) -> nouns.RemotePanels:
        """The panels."""
        return nouns.RemotePanels(self._backend)

    @property
    def aliases(self) -> nouns.RemoteAliases:
        """The M-numbers of panels."""
        return nouns.RemoteAliases(self._backend)

    @property
    def versions(self) -> nouns.RemoteVersions:
        """The versions."""
        return nouns.RemoteVersions(self._backend)

    @property
    def runs(self) -> nouns.RemoteRuns:
        """The runs."""
        return nouns.RemoteRuns(self._backend)

    @property
    def detectors(self) -> nouns.RemoteDetectors:
        """The detector configurations."""
        return nouns.RemoteDetectors(self._backend)

    @property
    def tags(self) -> nouns.RemoteTags:
        """The tags."""
        return nouns.RemoteTags(self._backend)

    @property
    def exports(self) -> nouns.RemoteExports:
        """The recorded exports."""
        return nouns.RemoteExports(self._backend)

    # What needs the database, and would begin to write before it asks for it.
    backup = refuse_method(Registry.backup)
    deploy = refuse_method(Registry.deploy)
    check_deployment = refuse_method(Registry.check_deployment)
    import_tree = refuse_method(Registry.import_tree)
    compare_tree = refuse_method(Registry.compare_tree)
    repair = refuse_method(Registry.repair)
    snapshot = refuse_method(Registry.snapshot)

    list_affected_runs = make_list_method(Registry.list_affected_runs, "list_affected_runs")

    def group_affected_runs(
        self,
        since: AsOf,
        *,
        as_of: AsOf = None,
        kinds: Sequence[str] | None = None,
        experiment: str | None = None,
        panel: str | None = None,
    ) -> AffectedRuns:
        """Return what `list_affected_runs` does, in groups; see `Registry.group_affected_runs`."""
        arguments = {"since": since, "kinds": kinds, "experiment": experiment, "panel": panel}
        reading = find_reading("questions.group_affected_runs")
        pages = ask_pages(self._backend, reading, arguments, as_of)
        first: AffectedRuns = next(pages)
        more = list(pages)
        return replace(first, groups=tuple(group for page in (first, *more) for group in page.groups))

    def show(self, name: str, *, source: str | None = None, as_of: AsOf = None) -> Subject:
        """Return what is known of the thing with a name; see `Registry.show`."""
        shown = show_local_file(self._backend, name, source, as_of)
        return self._backend.answer(show_named, name, source=source, as_of=as_of) if shown is None else shown

    def iterate_log(
        self,
        target: str | None = None,
        *,
        panels: Sequence[str] = (),
        experiment: str | None = None,
        author: str | None = None,
        since: InstantLike | None = None,
        until: InstantLike | None = None,
        after: AsOf = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
        max_changes: int | None = None,
    ) -> RecordIterator[Revision]:
        """Yield the revisions, page by page; see `Registry.iterate_log`."""
        refuse_invalid_limit(limit)
        refuse_invalid_limit(max_changes)
        arguments = {
            "target": target,
            "panels": panels,
            "experiment": experiment,
            "author": author,
            "since": since,
            "until": until,
            "after": after,
            "before": parse_upper_end(before),
            "max_changes": None if max_changes is None else min(max_changes, LARGEST_NUMBER),
        }
        items = iterate_pages(
            self._backend, find_reading("log"), arguments, as_of, limit, ("before", "revision")
        )
        return RecordIterator(Revision, items)

    def iterate_changes(
        self,
        revision: AsOf,
        target: str | None = None,
        *,
        panels: Sequence[str] = (),
        experiment: str | None = None,
        as_of: AsOf = None,
    ) -> Iterator[str]:
        """Yield the lines of one revision, page by page; see `Registry.iterate_changes`."""
        names = [*([] if target is None else [target]), *panels]
        number = self._backend.find_pin(revision).number
        arguments = {"revision": number, "panels": names, "experiment": experiment}
        for page in ask_pages(self._backend, find_reading("questions.list_changes"), arguments, as_of):
            yield from page

"""Panels and their M-numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from registry import detectors
from registry.api.backend import InstantLike, Noun
from registry.api.stated_instants import state_start
from registry.database.change import Change
from registry.errors import Remedy, RequestError
from registry.identifiers import parse_typed_m_number
from registry.instants import BEGINNING
from registry.lookup import aliases, panels
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Alias, Outcome, Panel
from registry.records.record_lists import RecordList
from registry.registration.alias_withdrawal import withdraw_aliases
from registry.registration.aliases import add_aliases, require_same_module_comment
from registry.registration.borne_ranges import AliasStatement
from registry.registration.firmware_upgrade import carry_constants
from registry.registration.panels import add_panels


class Panels(Noun):
    """``registry.panels``: record panels and list them."""

    def list(self, names: str | Sequence[str] | None = None, *, as_of: AsOf = None) -> RecordList[Panel]:
        """Return all panels, in the order in which they were recorded; or those of a name, in that of the detector.

        Parameters
        ----------
        names
            A panel Id, an M-number, a detector's Id or name, a run; or a list of these, and of patterns as ``M0*``.
        """
        with self._backend.read_transaction(as_of) as view:
            if names is not None:
                return RecordList(Panel, view.find_panels(names))
            return RecordList(Panel, panels.list_panels(view.connection, view.revision))

    def find(self, panel: str, *, as_of: AsOf = None) -> Panel:
        """Return the panel with that Id; if it is not known, the `NotFoundError` names similar ones."""
        name = detectors.parse_panel_id(panel).text
        with self._backend.read_transaction(as_of) as view:
            return panels.find_panels(view.connection, [name], view.revision)[0]

    def add(
        self,
        panel: str,
        *,
        alias: str | None = None,
        alias_from: InstantLike = BEGINNING,
        carry_from: str | None = None,
        valid_from: InstantLike | None = None,
        same_module: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record a panel and its M-number; both may be recorded already.

        Parameters
        ----------
        alias, alias_from
            The M-number, and the instant from which on the panel bears it.
        carry_from, valid_from
            After a firmware upgrade: from the instant `valid_from` on the panel has the constants that are valid
            then for the panel `carry_from`, and what is valid for that one later.
        same_module
            The module is the same although its serial number is another; needs a comment.
        any_time
            Accept an instant before 1990 or more than a year ahead.

        Raises
        ------
        ConflictError
            The panel has another M-number then, the M-number or the other panel belongs to another module, or other
            constants of the panel are valid from that instant.
        NotFoundError, NotValidError
            The other panel is not known, or has no valid constants then.
        RequestError
            Only one of `carry_from` and `valid_from` is given.
        """
        if (carry_from is None) != (valid_from is None):
            raise RequestError(
                "constants are carried from another panel at an instant: both are needed",
                remedy=Remedy.CARRY_CONSTANTS,
            )
        m_number = None if alias is None else parse_typed_m_number(alias)
        old = None if carry_from is None else detectors.parse_panel_id(carry_from).text
        start = None if valid_from is None else state_start(self._backend, valid_from, any_time=any_time)
        present = start.present if start else None
        alias_start = state_start(self._backend, alias_from, any_time=any_time, present=present)
        if m_number is None and alias_start.instant != BEGINNING:
            raise RequestError("a panel bears an M-number from an instant on: both are needed")
        if same_module:
            require_same_module_comment(comment)
            if m_number is None and old is None:
                raise RequestError(
                    "a panel alone is of no other module: an M-number or an old panel Id is needed"
                )

        def record(change: Change) -> None:
            add_panels(change, [panel])
            if m_number is not None:
                add_aliases(
                    change, [AliasStatement(m_number, panel, alias_start.resolve(change), same_module)]
                )
            if old is not None and start is not None:
                carry_constants(change, old, panel, start.resolve(change), same_module=same_module)

        return self._backend.record_revision(record, comment, dry_run=dry_run)


class Aliases(Noun):
    """``registry.aliases``: record the M-numbers of panels."""

    def list(
        self, panel: str | Sequence[str] | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> RecordList[Alias]:
        """Return the aliases, of the panels of a name or of all, by M-number; with `withdrawn` those too.

        Parameters
        ----------
        panel
            As for `Panels.list`.
        """
        with self._backend.read_transaction(as_of) as view:
            connection, revision = view.connection, view.revision
            if panel is None:
                known = aliases.list_aliases(connection, revision, withdrawn=withdrawn)
            else:
                names = [known.panel for known in view.find_panels(panel)]
                known = aliases.list_aliases_of_panels(connection, names, revision, withdrawn=withdrawn)
            return RecordList(Alias, known)

    def add(
        self,
        alias: str,
        *identifiers: str | Iterable[str],
        valid_from: InstantLike = BEGINNING,
        same_module: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record that known panels bear an M-number from an instant on, until their next one; they inherit no versions.

        Parameters
        ----------
        identifiers
            Panel Ids, or lists of them.
        same_module
            The module is the same although its serial number is another; needs a comment.
        any_time
            Accept a start before 1990 or more than a year ahead.

        Raises
        ------
        NotFoundError
            A panel is not known.
        ConflictError
            At the same time a panel has another M-number, its serial number belongs to another module, or the
            M-number to another serial number.
        """
        m_number, wanted = parse_typed_m_number(alias), _parse_panel_ids(identifiers)
        stated = state_start(self._backend, valid_from, any_time=any_time)

        def record(change: Change) -> None:
            panels.find_panels(change.connection, wanted, change.visible_revision)
            start = stated.resolve(change)
            add_aliases(change, [AliasStatement(m_number, name, start, same_module) for name in wanted])

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def withdraw(
        self,
        alias: str,
        *identifiers: str | Iterable[str],
        valid_from: InstantLike | None = None,
        comment: str,
        dry_run: bool = False,
    ) -> Outcome:
        """Withdraw the M-number of panels, from an instant on where one has several starts.

        What a panel bore before holds on instead. Panel Ids of one module that must go together are given together.

        Raises
        ------
        NotFoundError
            A panel does not have it.
        ConflictError
            It was withdrawn before, or what a panel bears instead contradicts what others bear.
        RequestError
            A panel has several starts, and none is given.
        """
        require_comment(comment, "a withdrawal")
        m_number, wanted = parse_typed_m_number(alias), _parse_panel_ids(identifiers)
        stated = None if valid_from is None else state_start(self._backend, valid_from, any_time=True)

        def record(change: Change) -> None:
            start = None if stated is None else stated.resolve(change)
            withdraw_aliases(change, m_number, wanted, start)

        return self._backend.record_revision(record, comment, dry_run=dry_run)


def _parse_panel_ids(identifiers: Iterable[str | Iterable[str]]) -> Sequence[str]:
    """Return the Ids, given one by one or in lists; refuse an empty request."""
    names = chain.from_iterable([item] if isinstance(item, str) else item for item in identifiers)
    wanted = [detectors.parse_panel_id(name).text for name in names]
    if not wanted:
        raise RequestError("no panel Id is given")
    return wanted

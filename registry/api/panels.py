"""Panels and their M-numbers."""

from __future__ import annotations

from collections.abc import Sequence

from registry import detectors
from registry.api.backend import InstantLike, Noun
from registry.database.change import Change
from registry.errors import Remedy, RequestError
from registry.identifiers import parse_m_number
from registry.lookup import panels
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Alias, Outcome, Panel
from registry.registration.firmware_upgrade import carry_constants
from registry.registration.panels import add_aliases, add_panels, withdraw_alias


class Panels(Noun):
    """``registry.panels``: record panels and list them."""

    def list(self, *, as_of: AsOf = None) -> list[Panel]:
        """Return all panels, in the order in which they were recorded."""
        with self._backend.read_transaction(as_of) as view:
            return panels.list_panels(view.connection, view.revision)

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
        carry_from: str | None = None,
        valid_from: InstantLike | None = None,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record a panel and its M-number; both may be recorded already.

        Parameters
        ----------
        carry_from, valid_from
            After a firmware upgrade: from the instant `valid_from` on the panel has the constants that are valid
            then for the panel `carry_from`.

        Raises
        ------
        ConflictError
            The panel has another M-number, its serial number belongs to another module, or other constants of
            it are valid from that instant.
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
        m_number = None if alias is None else parse_m_number(alias)
        old = None if carry_from is None else detectors.parse_panel_id(carry_from).text
        start = None if valid_from is None else self._backend.parse_start(valid_from)

        def record(change: Change) -> None:
            add_panels(change, [panel])
            if m_number is not None:
                add_aliases(change, [(m_number, panel)])
            if old is not None and start is not None:
                carry_constants(change, old, panel, start)

        return self._backend.record_revision(record, comment, dry_run=dry_run)


class Aliases(Noun):
    """``registry.aliases``: record the M-numbers of panels."""

    def list(self, *, withdrawn: bool = False, as_of: AsOf = None) -> list[Alias]:
        """Return the aliases by M-number, with `withdrawn` those too."""
        with self._backend.read_transaction(as_of) as view:
            return panels.list_aliases(view.connection, view.revision, withdrawn=withdrawn)

    def add(
        self, alias: str, identifiers: Sequence[str], *, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Record the M-number of known panels; they inherit no versions.

        Raises
        ------
        NotFoundError
            A panel is not known.
        ConflictError
            A panel has another M-number, or its serial number belongs to another module.
        """
        m_number = parse_m_number(alias)
        wanted = [detectors.parse_panel_id(name).text for name in identifiers]

        def record(change: Change) -> None:
            panels.find_panels(change.connection, wanted, change.visible_revision)
            add_aliases(change, [(m_number, name) for name in wanted])

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def withdraw(self, alias: str, panel: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw the M-number of a panel.

        Raises
        ------
        NotFoundError
            The panel does not have it.
        ConflictError
            It was withdrawn before.
        """
        require_comment(comment, "a withdrawal")
        m_number, name = parse_m_number(alias), detectors.parse_panel_id(panel).text
        return self._backend.record_revision(
            lambda change: withdraw_alias(change, m_number, name), comment, dry_run=dry_run
        )

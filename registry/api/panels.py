"""Panels and the M-numbers that they bear."""

from __future__ import annotations

from collections.abc import Sequence

from registry import detectors
from registry.api.backend import Backend, InstantLike
from registry.database.change import Change
from registry.errors import RequestError
from registry.identifiers import parse_m_number
from registry.lookup import panels
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Alias, Outcome, Panel
from registry.registration.firmware_upgrade import carry_constants
from registry.registration.panels import add_aliases, add_panels, withdraw_alias


class Panels:
    """``registry.panels``: record panels and list them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self, *, as_of: AsOf = None) -> list[Panel]:
        """Return all panels, in the order in which they were recorded."""
        with self._backend.read_transaction(as_of) as view:
            return panels.list_panels(view.connection, view.revision)

    def find(self, panel: str, *, as_of: AsOf = None) -> Panel:
        """Return the panel with that Id.

        Raises
        ------
        IdentifierError
            It is no canonical panel Id.
        NotFoundError
            It is not known; near ones are named.
        """
        with self._backend.read_transaction(as_of) as view:
            return panels.find_panels(view.connection, [detectors.parse_panel_id(panel).text], view.revision)[
                0
            ]

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
        """Record a panel, and the M-number that it bears; both may be recorded already.

        Parameters
        ----------
        carry_from, valid_from
            After a firmware upgrade: from this instant on the panel has what holds for that other one then.

        Raises
        ------
        IdentifierError
            The Id or the M-number is not canonical.
        ConflictError
            The panel bears another M-number, its serial number belongs to another module, or it has other
            constants from that instant on.
        NotFoundError, NotValidError
            The other panel is not known, or has nothing valid then, or is in a gap.
        RequestError
            Only one of `carry_from` and `valid_from` is given.
        """
        if (carry_from is None) != (valid_from is None):
            raise RequestError(
                "to carry constants give both: --carry-from, and --valid-from to say from when on"
            )
        m_number = None if alias is None else parse_m_number(alias)
        old = None if carry_from is None else detectors.parse_panel_id(carry_from).text
        start = None if valid_from is None else self._backend.parse_start(valid_from)

        def act(change: Change) -> None:
            add_panels(change, [panel])
            if m_number is not None:
                add_aliases(change, [(m_number, panel)])
            if old is not None and start is not None:
                carry_constants(change, old, panel, start)

        return self._backend.record_revision(act, comment, dry_run=dry_run)


class Aliases:
    """``registry.aliases``: record the M-numbers that panels bear."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self, *, withdrawn: bool = False, as_of: AsOf = None) -> list[Alias]:
        """Return the aliases by M-number, the withdrawn ones too if asked."""
        with self._backend.read_transaction(as_of) as view:
            return panels.list_aliases(view.connection, view.revision, withdrawn=withdrawn)

    def add(
        self, alias: str, identifiers: Sequence[str], *, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Record that known panels bear the M-number; they inherit no versions.

        Raises
        ------
        IdentifierError
            A name is not canonical.
        NotFoundError
            A panel is not known.
        ConflictError
            A panel bears another M-number, or its serial number belongs to another module.
        """
        m_number = parse_m_number(alias)
        wanted = [detectors.parse_panel_id(name).text for name in identifiers]

        def act(change: Change) -> None:
            panels.find_panels(change.connection, wanted, change.visible_revision)
            add_aliases(change, [(m_number, name) for name in wanted])

        return self._backend.record_revision(act, comment, dry_run=dry_run)

    def withdraw(self, alias: str, panel: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw the statement that the panel bears the M-number.

        Raises
        ------
        NotFoundError
            It does not bear it.
        ConflictError
            It was withdrawn already.
        RequestError
            There is no comment.
        """
        require_comment(comment, "a withdrawal")
        m_number, name = parse_m_number(alias), detectors.parse_panel_id(panel).text
        return self._backend.record_revision(
            lambda change: withdraw_alias(change, m_number, name), comment, dry_run=dry_run
        )

"""Versions: the constants that a panel has from an instant on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.api.backend import InstantLike, Noun
from registry.api.validity import check_kinds, find_validity
from registry.lookup import versions
from registry.lookup.revisions import AsOf, require_comment
from registry.lookup.stored_files import list_verified_files
from registry.parallel import Progress, no_progress
from registry.records import DeliveryOutcome, Outcome, StoredFile, Validity, Version, VersionDifference
from registry.records.record_lists import RecordIterator, RecordList

if TYPE_CHECKING:
    from registry.api.version_arrays import VersionArrays
    from registry.database.change import Change


class Versions(Noun):
    """``registry.versions``: record the constants of panels, and compare them."""

    def add(
        self,
        panel: str,
        path: str | Path,
        *,
        valid_from: InstantLike,
        kinds: Sequence[str] | None = None,
        allow_nonfinite: bool = False,
        allow_odd: bool = False,
        same_as: Sequence[str] = (),
        allow_pattern: bool = False,
        supersede: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Register the constants at `path` for a panel (or every panel under an M-number) from an instant on.

        Parameters
        ----------
        panel
            A panel Id or an M-number, which stands for the panels that bear it at `valid_from`.
        path
            A folder with ``g0_gain.npy`` and so on, each of the panel's shape (row, column); or the maker's
            ``gainMaps_M049.bin``, which is converted, and recorded with the version.
        valid_from
            The start of validity; ``"beginning"`` means always.
        kinds
            The kinds to take; by default the required ones, which must be complete, and all others in the folder.
            The maker's file holds gain only.
        allow_nonfinite
            Accept NaN and infinity; recorded with the version.
        allow_odd
            Accept values that cannot be: nothing but zeros, or a median that the detector type calls impossible;
            recorded with each version that has such values.
        same_as
            Modules, by M-number or by a panel Id, whose files are meant, the same bytes; recorded with each version
            that has such files.
        allow_pattern
            Accept a gain map whose pattern is that of another sensor, or is turned; recorded, and needs a comment.
        supersede
            Replace the version that starts then, or restore one that was withdrawn; needs a comment.
        any_time
            Accept a start before 1990 or more than a year ahead.

        Raises
        ------
        ArrayError
            Files are missing or have a wrong shape, dtype or values; all are listed.
        NotFoundError
            The panel is not known.
        NotValidError
            The M-number is known, but no panel bears it at `valid_from`.
        ConflictError
            Another version starts then, or these constants were withdrawn there; the maker's file is named for another
            module; or a file is another module's, by its bytes or by the pattern of its sensor.
        """
        from registry.api.version_registration import Terms, add_versions
        from registry.registration.stated_constants import Allowances

        terms = Terms(
            valid_from=valid_from,
            kinds=kinds,
            allow_nonfinite=allow_nonfinite,
            allow_odd=allow_odd,
            allowances=Allowances.parse(same_as, pattern=allow_pattern),
            supersede=supersede,
            any_time=any_time,
            comment=comment,
        )
        return add_versions(self._backend, panel, Path(path), terms, dry_run=dry_run)

    def add_delivery(
        self,
        folder: str | Path,
        *,
        valid_from: InstantLike,
        panels: Sequence[str] = (),
        kinds: Sequence[str] | None = None,
        allow_nonfinite: bool = False,
        allow_odd: bool = False,
        same_as: Sequence[str] = (),
        allow_pattern: bool = False,
        supersede: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> DeliveryOutcome:
        """Register the constants of several modules, valid from one instant on, as one revision or not at all.

        Below `folder`, also behind links, lie folders and maker's files as `add` takes them. Whose constants they
        are is said by the M-numbers and panel Ids in their names, or else in those of the folders around them; the
        ``matches`` of the outcome tell what was taken for which panel.

        Parameters
        ----------
        panels
            Panel Ids that are meant where several panel Ids of a module bear its M-number at `valid_from`.
        valid_from, kinds, allow_nonfinite, allow_odd, same_as, allow_pattern, supersede, any_time
            As for `add`.

        Raises
        ------
        RequestError
            Names mean several modules or contradict each other, a module has several panel Ids or several folders;
            or files cannot be taken (`ArrayError`). All that is wrong with the delivery is listed at once, and the
            refusal is of the class with the lowest exit code.
        NotFoundError
            A name means nothing that is known.
        NotValidError
            No panel bears an M-number at `valid_from`.
        ConflictError
            As for `add`; the files of a delivery are compared with each other too.
        """
        from registry.api.version_registration import Terms, add_delivery
        from registry.registration.stated_constants import Allowances

        terms = Terms(
            valid_from=valid_from,
            kinds=kinds,
            allow_nonfinite=allow_nonfinite,
            allow_odd=allow_odd,
            allowances=Allowances.parse(same_as, pattern=allow_pattern),
            supersede=supersede,
            any_time=any_time,
            comment=comment,
        )
        return add_delivery(self._backend, Path(folder), panels, terms, progress, dry_run=dry_run)

    def gap(
        self,
        panel: str,
        *,
        valid_from: InstantLike,
        comment: str,
        kinds: Sequence[str] | None = None,
        supersede: bool = False,
        any_time: bool = False,
        dry_run: bool = False,
    ) -> Outcome:
        """Register a gap: from an instant on no constants of these kinds (by default of all live ones) are valid.

        Raises
        ------
        NotFoundError
            The panel is not known.
        NotValidError
            The panel has no live version, or no panel bears the M-number then.
        ConflictError
            A version starts then, and `supersede` is not set.
        RequestError
            A kind is not known; or the start is before 1990 or more than a year ahead, and `any_time` is not set.
        """
        from registry.api.stated_instants import state_start
        from registry.api.version_targets import find_target_to_change
        from registry.registration.versions import record_gap

        require_comment(comment, "a gap")
        stated = state_start(self._backend, valid_from, any_time=any_time)

        def record(change: Change) -> None:
            start = stated.resolve(change)
            targets = find_target_to_change(change, panel, start)
            if kinds:
                check_kinds(targets[0].panel, kinds)
            record_gap(change, targets, kinds, start, supersede=supersede)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def withdraw(self, version: int, *more: int, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw versions in one revision; the notes of the outcome tell what is valid in their place.

        Raises
        ------
        NotFoundError
            A version is not known.
        ConflictError
            A version was withdrawn before; then none is withdrawn.
        """
        from registry.registration.versions import withdraw_versions

        require_comment(comment, "a withdrawal")
        return self._backend.record_revision(
            lambda change: withdraw_versions(change, (version, *more)), comment, dry_run=dry_run
        )

    def list(
        self,
        panel: str | Sequence[str] | None = None,
        *,
        withdrawn: bool = False,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordList[Version]:
        """Return the versions of a panel, of all panels under an M-number, or of all panels, by kind and start.

        Parameters
        ----------
        panel
            Any name of panels, also of a detector or a run; or a list of names, and of patterns such as ``M0*``.
        before, limit
            Return the newest instead, the newest first: at most `limit`, with numbers below `before`. The cost does
            not grow with the number of the others.
        """
        items = self.iterate(panel, withdrawn=withdrawn, as_of=as_of, before=before, limit=limit)
        return RecordList(Version, items)

    def iterate(
        self,
        panel: str | Sequence[str] | None = None,
        *,
        withdrawn: bool = False,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordIterator[Version]:
        """Yield what `list` returns, page by page, so that a list of any length needs little memory.

        The first page is read when the first version is asked for. No transaction stays open between two pages,
        and what is recorded meanwhile is not in them.
        """
        from registry.api.version_pages import iterate_versions

        items = iterate_versions(self._backend, panel, as_of, before, limit, withdrawn=withdrawn)
        return RecordIterator(Version, items)

    def show(self, version: int, *, as_of: AsOf = None) -> tuple[Version, tuple[StoredFile, ...]]:
        """Return a version and its files, in the order of the gain ranges; a gap has none."""
        with self._backend.read_transaction(as_of) as view:
            record = versions.find_version(view.connection, version, view.revision)
            files = list_verified_files(view.connection, [record])
            return record, files.get(record.constants or "", ())

    def arrays(self, version: int, *, as_of: AsOf = None) -> VersionArrays:
        """Return the arrays of a version by gain range, whatever is valid when; every file is verified.

        A version that was withdrawn is returned with a warning that says so.

        Raises
        ------
        NotFoundError
            The version is not known.
        NotValidError
            It is a gap.
        CorruptionError
            A stored file is missing or damaged.
        """
        from registry.api.version_arrays import read_version_arrays

        return read_version_arrays(self._backend, version, as_of)

    def diff(self, before: int, after: int, *, as_of: AsOf = None) -> VersionDifference:
        """Return how the pixels of two versions of one kind differ, by gain range.

        Raises
        ------
        NotFoundError
            A version is not known.
        NotValidError
            A version is a gap.
        RequestError
            They are of different kinds or detector types.
        CorruptionError
            A stored file is missing or damaged.
        """
        from registry.api.comparison import diff_versions

        return diff_versions(self._backend, before, after, as_of)

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
        return find_validity(self._backend, target, kinds, at, source, as_of)

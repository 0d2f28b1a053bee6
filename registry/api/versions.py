"""Versions: which constants a panel has from when on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry import detectors
from registry.api.backend import Backend, InstantLike
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.detectors import DetectorType
from registry.errors import RequestError
from registry.instants import Instant
from registry.lookup import panels, validity, versions
from registry.lookup.panels import Target
from registry.lookup.revisions import AsOf, parse_as_of, require_comment
from registry.lookup.stored_files import list_verified_files
from registry.records import Outcome, Panel, StoredFile, Validity, Version, VersionDifference
from registry.registration.planning import VersionStatement, find_conflicts, refuse_conflicts
from registry.registration.versions import record_constants, record_gap, record_versions, withdraw_versions

if TYPE_CHECKING:
    # numpy comes with it: a look-up does without.
    from registry.importers.gain_maps import GainMaps
    from registry.importers.panel_folders import PanelFolder


class Versions:
    """``registry.versions``: record the constants of panels, and compare them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def add(
        self,
        panel: str,
        path: str | Path,
        *,
        valid_from: InstantLike,
        kinds: Sequence[str] | None = None,
        allow_nonfinite: bool = False,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """State that a panel (or every panel under an M-number) has the constants at `path` from then on.

        Parameters
        ----------
        path
            A folder with ``g0_gain.npy`` and so on, each of the panel's shape (row, column); or the maker's
            ``gainMaps_M049.bin``, which is converted, and says so with the version.
        kinds
            The kinds to take; by default the required ones, which must be whole, and every other that is there.
            The maker's file holds gain only.
        allow_nonfinite
            Take NaN and infinity; recorded with the version.
        supersede
            Replace what is stated at this start, or bring back what was withdrawn there; needs a comment.

        Raises
        ------
        ArrayError
            Files are missing or not what they must be; all are listed.
        NotFoundError
            The panel is not known.
        ConflictError
            The start is taken by other content, or this content was withdrawn there; or the maker's file is
            named for another module.
        """
        if supersede:
            require_comment(comment, "--supersede")
        start = self._backend.parse_start(valid_from)
        with self._backend.database.autocommit_read() as connection:
            targets = _refuse_detector_id(panels.find_target(connection, panel, None)).panels
        with _open_constants(Path(path), targets, kinds, allow_nonfinite=allow_nonfinite) as read:

            def statements(panels_now: Sequence[Panel]) -> list[VersionStatement]:
                return [
                    VersionStatement(
                        panel=target.panel,
                        kind=constants.kind,
                        valid_from=start,
                        constants=constants.sha256,
                        source_path=escape_undecodable(str(Path(path).absolute())),
                        comment=comment,
                        nonfinite_allowed=allow_nonfinite,
                        conversion=read.conversion,
                    )
                    for target in panels_now
                    for constants in read.constants
                ]

            def act(change: Change) -> None:
                # Asked again under the writers' lock: a panel may bear the M-number only since a moment ago.
                now = panels.find_target(change.connection, panel, change.visible_revision).panels
                record_constants(change, read.constants)
                record_versions(change, statements(now), supersede=supersede)
                _add_notes(change, read, now)

            self._refuse_conflicts(statements(targets), supersede=supersede)
            files = [file for constants in read.constants for file in constants.files]
            return self._backend.record_revision(act, comment, files=files, dry_run=dry_run)

    def _refuse_conflicts(self, statements: Sequence[VersionStatement], *, supersede: bool) -> None:
        """Refuse before a file is stored what the recording would refuse."""
        with self._backend.database.autocommit_read() as connection:
            refuse_conflicts(find_conflicts(connection, statements, supersede=supersede))

    def gap(
        self,
        panel: str,
        *,
        valid_from: InstantLike,
        comment: str,
        kinds: Sequence[str] | None = None,
        supersede: bool = False,
        dry_run: bool = False,
    ) -> Outcome:
        """State that from an instant on nothing is valid, of these kinds or of all that are live.

        Raises
        ------
        NotFoundError
            The panel is not known.
        NotValidError
            It has no live kind.
        ConflictError
            The start is taken.
        RequestError
            There is no comment, or no such kind.
        """
        require_comment(comment, "a gap")
        start = self._backend.parse_start(valid_from)

        def act(change: Change) -> None:
            targets = _refuse_detector_id(
                panels.find_target(change.connection, panel, change.visible_revision)
            ).panels
            for kind in kinds or ():
                _detector_type_of(targets).find_kind(kind)
            record_gap(change, targets, kinds, start, supersede=supersede)

        return self._backend.record_revision(act, comment, dry_run=dry_run)

    def withdraw(self, version: int, *more: int, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw versions in one revision; the outcome's notes say what answers for the freed ranges now.

        Raises
        ------
        NotFoundError
            There is no such version.
        ConflictError
            One was withdrawn already; then none is.
        RequestError
            There is no comment.
        """
        require_comment(comment, "a withdrawal")
        return self._backend.record_revision(
            lambda change: withdraw_versions(change, (version, *more)), comment, dry_run=dry_run
        )

    def list(self, panel: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None) -> list[Version]:
        """Return the versions of a panel, of all under an M-number, or of all panels, by kind and start."""
        with self._backend.read_transaction(as_of) as view:
            chosen = (
                view.find_target(panel).panels
                if panel
                else panels.list_panels(view.connection, view.revision)
            )
            names = [each.panel for each in chosen]
            if withdrawn:
                return versions.list_recorded_versions(view.connection, names, view.revision)
            return versions.list_validity_ranges(view.connection, names, None, view.revision)

    def show(self, version: int, *, as_of: AsOf = None) -> tuple[Version, tuple[StoredFile, ...]]:
        """Return a version and its files (none for a gap).

        Raises
        ------
        NotFoundError
            There is no such version.
        """
        with self._backend.read_transaction(as_of) as view:
            found = versions.find_version(view.connection, version, view.revision)
            files = list_verified_files(view.connection, [found])
            return found, files.get(found.constants or "", ())

    def diff(self, before: int, after: int, *, as_of: AsOf = None) -> VersionDifference:
        """Return how the pixels of two versions of one kind differ, by gain range.

        Raises
        ------
        NotFoundError
            A version is not known.
        NotValidError
            One is a gap.
        RequestError
            They are of different kinds.
        CorruptionError
            A stored file is not what was recorded.
        """
        from registry.api.comparison import diff_versions

        return diff_versions(self._backend, before, after, as_of)

    def validity(
        self,
        target: str,
        *,
        kinds: Sequence[str] | None = None,
        at: InstantLike | None = None,
        as_of: AsOf = None,
    ) -> Validity:
        """Return what is valid when, or what holds at an instant; see `Registry.validity`."""
        if at is None:
            return self._find_ranges(target, kinds, as_of)
        instant = self._backend.parse_instant(at)
        return self._fast_path(target, kinds, instant, as_of) or self._full_path(
            target, kinds, instant, as_of
        )

    def _find_ranges(self, target: str, kinds: Sequence[str] | None, as_of: AsOf) -> Validity:
        """Return all ranges: by one query, but for an M-number, and where a panel has none."""
        sort, names = panels.parse_target(target)
        if sort != "alias":
            wanted = _check_kinds(detectors.find_panel_type(names[0]), kinds) if kinds else None
            known = parse_as_of(as_of, self._backend.timezone)
            with self._backend.database.autocommit_read() as connection:
                found = versions.list_validity_ranges(connection, names, wanted, known)
            if {version.panel for version in found} == set(names):
                return Validity(tuple(found))
        with self._backend.read_transaction(as_of) as view:
            panels_now = view.find_target(target).panels
            wanted = _check_kinds(_detector_type_of(panels_now), kinds) if kinds else None
            names = tuple(panel.panel for panel in panels_now)
            return Validity(
                tuple(versions.list_validity_ranges(view.connection, names, wanted, view.revision))
            )

    def _fast_path(
        self, target: str, kinds: Sequence[str] | None, instant: Instant, as_of: AsOf
    ) -> Validity | None:
        """Return what holds, by one statement; None where something is missing, or must be looked up first."""
        sort, names = panels.parse_target(target)
        if sort == "alias":
            return None
        asked = _check_kinds(detectors.find_panel_type(names[0]), kinds)
        known = parse_as_of(as_of, self._backend.timezone)
        with self._backend.database.autocommit_read() as connection:
            held = validity.versions_at(connection, names, asked, instant, known)
        if len(held) < len(names) * len(asked) or any(version.is_gap for version in held.values()):
            return None
        return Validity(tuple(held[name, kind] for name in names for kind in asked), instant=instant)

    def _full_path(self, target: str, kinds: Sequence[str] | None, instant: Instant, as_of: AsOf) -> Validity:
        """Return what holds under an M-number; of anything else, refuse with all that is missing."""
        with self._backend.read_transaction(as_of) as view:
            found = view.find_target(target)
            asked = _check_kinds(_detector_type_of(found.panels), kinds)
            names = [panel.panel for panel in found.panels]
            held = validity.versions_at(view.connection, names, asked, instant, view.revision)
            missing = validity.describe_missing(
                view.connection, found.panels, asked, instant, held, view.revision
            )
        if found.category != "alias" or len(missing) == len(names):
            validity.refuse_missing(missing)
        return Validity(
            versions=tuple(held[name, kind] for name in names if name not in missing for kind in asked),
            without=tuple(sentence for sentences in missing.values() for sentence in sentences),
            instant=instant,
        )


def _check_kinds(detector: DetectorType, kinds: Sequence[str] | None) -> list[str]:
    return [detector.find_kind(kind).name for kind in dict.fromkeys(kinds or detector.required_kinds)]


def _refuse_detector_id(target: Target) -> Target:
    if target.category == "detector":
        raise RequestError(
            "a version belongs to a panel: give one panel Id or an M-number, not a detector Id"
        )
    return target


def _detector_type_of(targets: Sequence[Panel]) -> DetectorType:
    return detectors.find_detector_type(targets[0].detector_type)


@contextmanager
def _open_constants(
    path: Path, targets: Sequence[Panel], kinds: Sequence[str] | None, *, allow_nonfinite: bool
) -> Iterator[PanelFolder | GainMaps]:
    """Check the constants in a folder, or convert the maker's file: converted files last as long as this."""
    from registry.importers import gain_maps, panel_folders

    detector = _detector_type_of(targets)
    if gain_maps.is_gain_maps_file(path):
        gain_maps.module_name_notes(path, targets)  # a file of another module is refused before it is read
        with gain_maps.convert_gain_maps(path, detector, kinds, allow_nonfinite=allow_nonfinite) as maps:
            yield maps
    else:
        yield panel_folders.read_panel_folder(path, detector, kinds, allow_nonfinite=allow_nonfinite)


def _add_notes(change: Change, read: PanelFolder | GainMaps, targets: Sequence[Panel]) -> None:
    change.warnings += read.warnings
    change.notes += read.notes
    from registry.importers.gain_maps import module_name_conflicts, module_name_notes

    if read.conversion is None:
        change.warnings += module_name_conflicts(read.path, targets)  # a folder may be called anything
        return
    change.notes += module_name_notes(read.path, targets)
    stated = versions.list_versions_with_numbers(change.connection, change.unchanged, change.visible_revision)
    change.notes += [
        f"version {version.version} states these constants already; that {read.conversion.file} holds"
        " them is not recorded with it"
        for version in stated
        if version.conversion != read.conversion
    ]

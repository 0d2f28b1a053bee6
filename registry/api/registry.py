"""An open registry: the nouns with their verbs, and what speaks of all of them. One call, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from registry.api.administration import Administration
from registry.api.backend import Backend, InstantLike
from registry.errors import RequestError
from registry.lookup import log
from registry.lookup.revisions import AsOf, find_revision_number, list_tags
from registry.parallel import Progress, no_progress
from registry.records import (
    AffectedRun,
    DetectorDifference,
    Export,
    Identity,
    Outcome,
    Revision,
    Tag,
    TreeComparison,
    Validity,
)

if TYPE_CHECKING:
    # Imported where they are used: a look-up starts without what registers and imports, and without numpy.
    from registry.api.detector_constants import DetectorConstants
    from registry.api.panels import Aliases, Panels
    from registry.api.plots import Plots
    from registry.api.runs import Detectors, Runs
    from registry.api.versions import Versions
    from registry.database.change import Change


class Registry(Administration):
    """An open registry: the nouns, each with its verbs, and the questions that concern several of them."""

    @cached_property
    def panels(self) -> Panels:
        """Panels, and what is recorded of them."""
        from registry.api.panels import Panels

        return Panels(self._backend)

    @cached_property
    def aliases(self) -> Aliases:
        """M-numbers, and the panels that bear them."""
        from registry.api.panels import Aliases

        return Aliases(self._backend)

    @cached_property
    def versions(self) -> Versions:
        """Versions: which constants a panel has from when on."""
        from registry.api.versions import Versions

        return Versions(self._backend)

    @cached_property
    def runs(self) -> Runs:
        """Runs, and when they began."""
        from registry.api.runs import Runs

        return Runs(self._backend)

    @cached_property
    def detectors(self) -> Detectors:
        """Which panels answered for a source, over which runs."""
        from registry.api.runs import Detectors

        return Detectors(self._backend)

    @cached_property
    def tags(self) -> Tags:
        """Names for revisions."""
        return Tags(self._backend)

    @cached_property
    def plots(self) -> Plots:
        """Pictures, as PNG or SVG files."""
        from registry.api.plots import Plots

        return Plots(self._backend)

    def import_tree(
        self,
        tree: str | Path,
        *,
        skip_bad: bool = False,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> Outcome:
        """Import a legacy directory of links as one revision; stamps are read in the registry's zone.

        Parameters
        ----------
        skip_bad
            Leave out what cannot be imported, with a warning each, instead of refusing all of it.
        supersede
            Replace what is stated otherwise at the same start; needs a comment.

        Raises
        ------
        ImportHazardError
            Entries cannot be imported; ``values["hazards"]`` lists them all.
        ConflictError
            All hazards are contradictions of what is recorded.
        """
        from registry.api import tree_import

        request = tree_import.ImportRequest(Path(tree), skip_bad, supersede, comment, dry_run)
        return tree_import.import_tree(self._backend, request, progress)

    def compare_tree(self, tree: str | Path, *, progress: Progress = no_progress) -> TreeComparison:
        """Compare a legacy directory with the registry, and what its own rule picks for every run; record nothing.

        Raises
        ------
        NotFoundError, RequestError
            There is no such directory, or it holds nothing that is meant as an entry.
        """
        from registry.api import tree_comparison

        return tree_comparison.compare_tree(self._backend, Path(tree), progress)

    def validity(
        self,
        target: str,
        *,
        kinds: Sequence[str] | None = None,
        at: InstantLike | None = None,
        as_of: AsOf = None,
    ) -> Validity:
        """Return what is valid when for a panel Id, an M-number or a detector Id.

        Parameters
        ----------
        kinds
            By default every kind; at an instant those that the detector type requires (for Jungfrau gain and offset).
        at
            Return only the ranges that hold at this instant: all must be there, or it is an error. Under
            an M-number the panels that have all of them suffice; ``without`` names the others.

        Raises
        ------
        IdentifierError, InstantError
            A name or time cannot be read.
        NotFoundError
            The target is not known.
        NotValidError
            Nothing is valid at that instant; what is known instead is named.
        """
        return self.versions.validity(target, kinds=kinds, at=at, as_of=as_of)

    def constants(
        self,
        target: str,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        as_of: AsOf = None,
    ) -> DetectorConstants:
        """Return a detector's arrays in memory, every input's checksum verified.

        Parameters
        ----------
        target
            A dataset, ``exp=xcsls3716:run=631``, or a detector Id.
        source
            The source, or a part that fits one of the run's; not needed where the run has one detector.
        at
            By default the begin of the run.
        types
            Calibration types, by default those of the required kinds: ``pixel_gain`` (ADU/keV), and for Jungfrau
            ``pixel_offset`` (ADU).

        Returns
        -------
        DetectorConstants
            By calibration type an array of shape (gain range, panel, row, column), and ``provenance``: float32,
            and uint64 for ``pixel_status``.

        Raises
        ------
        NotFoundError, NotValidError, RequestError
            As `lookup.resolution.resolve`: all that is missing is listed.
        CorruptionError
            A stored file is not what was recorded.
        """
        from registry.api import exports

        request = exports.ExportRequest(
            target,
            source,
            self._backend.parse_optional_instant(at),
            tuple(types or ()),
            as_of,
            exports.MEMORY,
        )
        return exports.assemble_constants(self._backend, request)

    def export(
        self,
        target: str,
        output: str | Path,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        as_of: AsOf = None,
        format: str = "npy",  # noqa: A002 - the name of the option
        first_run: int | None = None,
        last_run: int | None = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Export:
        """Write a detector's arrays and their provenance document below the folder `output`; see `constants`.

        Parameters
        ----------
        format
            ``npy``, ``psana`` (a calibration directory), ``lcls2`` or ``hdf5``; docs/formats.md shows them.
        source
            With a detector Id: the source under which psana or lcls2 look for the files.
        first_run, last_run
            For which runs the files of psana and lcls2 are good: by default the dataset's, and all from it on.

        Raises
        ------
        ConflictError
            A file is there already and `force` is not set.
        UnavailableError
            The folder cannot be written, or the format needs a package that is not installed.
        RequestError
            The runs are no range, or beyond those that psana knows, or the format does not say runs.
        """
        from registry.api import exports

        request = exports.ExportRequest(
            target,
            source,
            self._backend.parse_optional_instant(at),
            tuple(types or ()),
            as_of,
            format,
            first_run,
            last_run,
        )
        return exports.export(self._backend, request, Path(output), progress, force=force)

    def diff(
        self,
        target: str,
        *,
        before: AsOf,
        after: AsOf = None,
        source: str | None = None,
        at: InstantLike | None = None,
    ) -> DetectorDifference:
        """Return which panels and kinds of a detector change between two revisions, and by how much.

        Raises
        ------
        NotFoundError, NotValidError
            There is no answer as of either revision.
        """
        from registry.api import comparison

        return comparison.diff_detector(
            self._backend, target, source=source, at=at, before=before, after=after
        )

    def affected(self, since: AsOf, *, as_of: AsOf = None) -> list[AffectedRun]:
        """Return the registered runs that get another outcome than at revision `since`, refusals included.

        Raises
        ------
        NotFoundError
            There is no such revision.
        """
        from registry.api import comparison

        return comparison.find_affected_runs(self._backend, since, as_of)

    def identify(self, path: str | Path, *, as_of: AsOf = None) -> Identity:
        """Return which constants, versions or exports a file is, by its content.

        An array in one of the formats that are exported is also known by the values of its panels, whoever wrote it.

        Raises
        ------
        NotFoundError
            The registry does not know the file's content.
        ArrayError
            The file is meant as an array, and is cut, damaged or contradicts itself.
        """
        from registry.api import identification

        return identification.identify(self._backend, Path(path), as_of)

    def log(self, target: str | None = None, *, as_of: AsOf = None) -> list[Revision]:
        """Return the revisions, the newest first; with `target`, those that touched its panels."""
        with self._backend.read_transaction(as_of) as view:
            panels = view.find_panels_ever_named(target) if target else None
            return log.list_revisions(view.connection, view.revision, panels)


class Tags:
    """``registry.tags``: name revisions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self, *, as_of: AsOf = None) -> list[Tag]:
        """Return the tags, in the order of the revisions that they name."""
        with self._backend.read_transaction(as_of) as view:
            return list_tags(view.connection, view.revision)

    def add(
        self, name: str, *, as_of: AsOf = None, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Name a revision, by default the newest before this one.

        Raises
        ------
        RequestError
            The name looks like a number or a time, or there is no revision to name.
        ConflictError
            The name is taken: a tag never moves.
        """
        from registry.registration.tags import add_tag

        def act(change: Change) -> None:
            number = find_revision_number(change.connection, as_of, self._backend.timezone)
            if number == 0:
                raise RequestError("there is no revision yet that could be named", tag=name)
            add_tag(change, name, number)

        return self._backend.record_revision(act, comment, dry_run=dry_run)

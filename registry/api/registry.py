"""An open registry: its nouns, and the requests that concern several of them. One call is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from registry.api.backend import InstantLike
from registry.api.deploying import Deploying
from registry.api.differences import Differences
from registry.api.history import History
from registry.api.importing import Importing
from registry.api.reversing import Reversing
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, no_progress
from registry.records import (
    Export,
    Fetched,
    Identity,
    Subject,
    Validity,
)

if TYPE_CHECKING:
    # Imported where they are used: a look-up needs neither numpy nor the code that records.
    from registry.api.detector_constants import DetectorConstants, LazyConstants
    from registry.api.detectors import Detectors
    from registry.api.panels import Aliases, Panels
    from registry.api.plots import Plots
    from registry.api.recorded_exports import Exports
    from registry.api.revisions import Tags
    from registry.api.runs import Runs
    from registry.api.versions import Versions


class Registry(Deploying, Differences, History, Importing, Reversing):
    """An open registry, as `open_registry` returns it.

    Its attributes ``panels``, ``aliases``, ``versions``, ``runs``, ``detectors``, ``tags``, ``exports`` and
    ``plots`` have methods for what they are named after; the methods here concern several of them. Use it in a
    ``with`` statement, or close it.

    Instants are texts with their offset (``2018-02-10T08:15:00Z``), aware datetimes or `Instant`; or, in the registry's
    time zone, dates (``2018-02-10``, ``2018-02-10 14:30``), stamps of 14 digits, and the words ``now``, ``today``,
    ``yesterday``, ``3 days ago``; or a dataset, which means the start of the run. ``as_of`` is a revision's number,
    counted from the newest if it is negative, a tag, an instant, or a `Head` (or its text ``NUMBER:SEAL``), which must
    be part of the history, else it is a `ConflictError`: the answer is the one of that revision, by default of the
    newest, and before the first one that of a registry without facts. With ``dry_run`` everything is checked, and the
    outcome returned, but nothing recorded. Every method may raise a `RegistryError` of `registry.errors`:
    `UnavailableError` where the database or the store cannot be used, `ClosedError` where the registry takes no
    writes, `IdentifierError` or `InstantError` for a name or an instant that cannot be read, `NotFoundError` for
    a file, a name, a number or a revision that is not known, `RequestError` for a correction without its comment.
    """

    # Made anew each time: cached_property has a lock in Python 3.11, which a fork would take over from another thread.
    @property
    def panels(self) -> Panels:
        """The panels."""
        from registry.api.panels import Panels

        return Panels(self._backend)

    @property
    def aliases(self) -> Aliases:
        """The M-numbers of panels."""
        from registry.api.panels import Aliases

        return Aliases(self._backend)

    @property
    def versions(self) -> Versions:
        """The versions: the constants that a panel has from an instant on."""
        from registry.api.versions import Versions

        return Versions(self._backend)

    @property
    def runs(self) -> Runs:
        """The runs, with their start and end times."""
        from registry.api.runs import Runs

        return Runs(self._backend)

    @property
    def detectors(self) -> Detectors:
        """The detector configurations: the panels read out by a source over a range of runs."""
        from registry.api.detectors import Detectors

        return Detectors(self._backend)

    @property
    def tags(self) -> Tags:
        """The tags: names of revisions."""
        from registry.api.revisions import Tags

        return Tags(self._backend)

    @property
    def exports(self) -> Exports:
        """The recorded exports."""
        from registry.api.recorded_exports import Exports

        return Exports(self._backend)

    @property
    def plots(self) -> Plots:
        """Pictures of constants and of their validity, as PNG, SVG or PDF files."""
        from registry.api.plots import Plots

        return Plots(self._backend)

    def validity(
        self,
        target: str | Sequence[str],
        *,
        kinds: Sequence[str] | None = None,
        at: InstantLike | None = None,
        source: str | None = None,
        as_of: AsOf = None,
    ) -> Validity:
        """Return the validity ranges of the panels that a name stands for.

        Parameters
        ----------
        target
            A panel Id, an M-number, a detector's Id or name; or a dataset, of which is returned what is valid at the
            start of the run. Or a list of names, and of patterns such as ``M0*``.
        kinds
            By default every kind; at an instant those that the detector type requires (for Jungfrau gain and offset).
        at
            Return only the versions that are valid at this instant. All kinds must have one, or it is an error;
            under an M-number one complete panel suffices, and ``without`` names the others.
        source
            Of a run with several detectors: a source, or a part that only one has.

        Raises
        ------
        NotFoundError
            The target is not known.
        NotValidError
            Constants of a kind are not valid at that instant; the nearest ones are named.
        """
        return self.versions.validity(target, kinds=kinds, at=at, source=source, as_of=as_of)

    @overload
    def constants(
        self,
        target: str,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        panels: Sequence[str | int] | None = None,
        lazy: Literal[False] = False,
        shared: bool = False,
        verify: str = "always",
        as_of: AsOf = None,
    ) -> DetectorConstants: ...

    @overload
    def constants(
        self,
        target: str,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        panels: Sequence[str | int] | None = None,
        lazy: Literal[True],
        as_of: AsOf = None,
    ) -> LazyConstants: ...

    def constants(
        self,
        target: str,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        panels: Sequence[str | int] | None = None,
        lazy: bool = False,
        shared: bool = False,
        verify: str = "always",
        as_of: AsOf = None,
    ) -> DetectorConstants | LazyConstants:
        """Return a detector's arrays in memory; the checksum of every stored file is verified.

        Parameters
        ----------
        target
            A dataset, ``exp=xcsls3716:run=631``, or a detector Id.
        source
            The source, or a part that only one of the run's sources contains; not needed for a run of one detector.
        at
            By default the start time of the run.
        types
            Calibration types, by default those of the required kinds: ``pixel_gain`` (ADU/keV), and for Jungfrau
            ``pixel_offset`` (ADU).
        panels
            Only these panels of the detector: panel Ids, M-numbers that they bear at that instant, or segment numbers,
            in any order. The arrays have them in the order of the detector; the others need no valid constants, and
            their files are not read.
        lazy
            Read nothing yet: the arrays are `LazyArray`, each of which reads the files of the values that are asked
            for.
        shared
            Map the arrays, which then cannot be written to, from a file in the cache that all processes of this user on
            this machine share. Without a cache that can be used they are the process's own, and a warning says why.
        verify
            Of shared arrays: ``always`` verifies every byte that is mapped; ``once`` only reads what was verified when
            the file was made, since the machine was started.

        Returns
        -------
        DetectorConstants or LazyConstants
            A mapping: by calibration type an array of shape (gain range, panel, row, column), of dtype float32
            (uint64 for ``pixel_status``); and ``provenance``, the document that explains them.

        Raises
        ------
        NotFoundError
            The run, its detector, a panel or a type is not known; or one of `panels` is not of the detector.
        NotValidError
            Constants are missing at that instant, all of which are listed; or the run's start time is not known.
        RequestError
            Several sources fit; or `panels` is empty, names one panel twice, or has a segment number where they are
            not known; or `verify` is another word, or arrays that are to be `lazy` are to be shared, too.
        CorruptionError
            A stored file is missing or damaged.
        DeniedError
            The folder of the cache is another user's, or others may use it.
        """
        from registry.api import memory_arrays
        from registry.api.exports import ExportRequest
        from registry.api.questions import MEMORY

        instant = self._backend.parse_optional_instant(at, as_of)
        chosen = None if panels is None else tuple(panels)
        request = ExportRequest(target, source, instant, tuple(types or ()), as_of, MEMORY, panels=chosen)
        if shared or verify != "always":
            return memory_arrays.share_constants(self._backend, request, verify, shared=shared, lazy=lazy)
        return (memory_arrays.find_constants if lazy else memory_arrays.assemble_constants)(
            self._backend, request
        )

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
        short_name: str | None = None,
        experiment: str | None = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Export:
        """Write a detector's arrays and their provenance document into the folder `output`.

        Parameters
        ----------
        target, source, at, types
            As for `constants`. With a detector Id, `source` is the one under which psana and lcls2 look for the files.
        format
            ``npy``, ``psana`` (a calibration directory), ``lcls2`` or ``hdf5``; docs/formats.md shows them.
        first_run, last_run
            The range of runs that psana and lcls2 use the files for. By default from the dataset's run to the last
            recorded one before the constants change, without an end only if nothing is known to end them; with an `at`
            that is not the start of the run, the run alone.
        short_name
            The name of the detector in the database of the newer data system, ``jungfrau_000003``, for lcls2; by
            default the one that is recorded for it (`detectors.name`).
        experiment
            The experiment of the runs, for lcls2 and a detector Id.
        force
            Replace files that exist.

        Raises
        ------
        ConflictError
            A file exists and `force` is not set; or a file would be read for a run whose constants it does not hold.
        UnavailableError
            The folder cannot be written, or the format needs a package that is not installed.
        RequestError
            The range of runs is empty or too large for psana and lcls2, or the format has no range of runs; or lcls2
            lacks what the newer data system finds constants by; or a mask has bits that the reader would lose.
        NotValidError
            As for `constants`; or the range of runs reaches into other constants, and ``run`` is the first such run.
        NotFoundError, CorruptionError
            As for `constants`.
        """
        from registry.api.exports import ExportRequest, write_export

        instant = self._backend.parse_optional_instant(at, as_of)
        request = ExportRequest(
            target,
            source,
            instant,
            tuple(types or ()),
            as_of,
            format,
            first_run,
            last_run,
            short_name,
            experiment,
        )
        return write_export(self._backend, request, Path(output), progress, force=force)

    def fetch(
        self,
        targets: str | Sequence[str],
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        progress: Progress = no_progress,
    ) -> Fetched:
        """Bring all that `constants` and `export` of runs or detectors need from a service into the cache.

        With ``CALREG_OFFLINE=1`` and ``CALREG_PIN``, the ``pin`` of the answer, it is used without the service:
        `constants` and `export` of the same arguments, `validity`, `show`, and the verification of such an export.

        Parameters
        ----------
        targets
            Datasets, or the Ids or names of detectors.
        source, at, types
            As for `constants`, of all of them.
        kinds
            The kinds of the files, beside the `types` of the arrays that are made from them.

        Returns
        -------
        Fetched
            One of ``fetched`` for each target: ``problem`` says what of it could not be brought, and why.

        Raises
        ------
        RequestError
            The registry is not read through a service, or ``CALREG_OFFLINE`` lets it not be asked, or there is no
            cache.
        CacheError, DeniedError
            The cache cannot be written, or its limit is less than what is needed.
        """
        from registry.api.remote.fetching import FetchRequest, fetch

        instant = self._backend.parse_optional_instant(at)
        names = (targets,) if isinstance(targets, str) else tuple(dict.fromkeys(targets))
        request = FetchRequest(names, source, instant, tuple(types or ()), tuple(kinds or ()))
        return fetch(self._backend, request, progress)

    def identify(self, path: str | Path, *, as_of: AsOf = None) -> Identity:
        """Return the constants, versions or exports that contain a file, by its content.

        An array in one of the formats of exports is also recognised by the values of its panels, whoever wrote it.
        A gain map that is not registered, alone or in such an array, looks like the sensor whose pattern it has:
        ``looks_like`` of the answer names it, with the correlation.

        Raises
        ------
        NotFoundError
            The registry does not know the file's content, and it looks like no sensor that is known.
        ArrayError
            The file is an array that is cut, damaged or contradicts itself.
        """
        from registry.api.identification import identify

        return identify(self._backend, Path(path), as_of)

    def show(self, name: str, *, source: str | None = None, as_of: AsOf = None) -> Subject:
        """Return what is known of the thing with a name: its ``category``, and the field of that name.

        Parameters
        ----------
        name
            A dataset, a panel Id, an M-number, a detector's Id or short name, a tag, the path of a file;
            ``version:12``, ``revision:12``, ``export:12``; or any of these after its category, as in ``tag:spring``.
        source
            Of a run, only the detector of this source, or of a part of it.

        Raises
        ------
        NotFoundError
            Nothing has this name.
        RequestError
            It is a bare number, or the name of several things.
        """
        from registry.api.showing import show

        return show(self._backend, name, source, as_of)

"""Constants for a job of the newer data system (psana2), from a registry and without a deployment.

The framework keeps the constants of a run by detector and calibration type, each an array and a document that
describes it (slac-lcls/lcls2, ``psexp/run.py``: ``dsparms.calibconst``). `provide_constants` puts those of the registry
there before the job asks for a detector. It needs nothing of the framework but the run.

Every process of a job calls it by itself; those of one node share the arrays. Nothing stays open, so that processes
may be forked at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from registry import open_registry
from registry.detectors import find_detector_type, find_panel_type, parse_detector_id
from registry.errors import ConflictError, NotFoundError, NotValidError, RequestError
from registry.identifiers import Dataset, parse_experiment, parse_run_number, quote
from registry.instants import parse_instant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from registry.heads import Head
    from registry.provenance import Document

NEEDED_TYPES = {
    "jungfrau": ("pedestals", "pixel_gain", "pixel_offset", "pixel_rms", "pixel_status"),
    "epix10ka": ("pedestals", "pixel_gain", "pixel_rms", "pixel_status"),
}
"""The types that the framework calculates with, by detector type: it takes ones or zeros for one that is missing."""

Constants = dict[str, "tuple[NDArray[Any], dict[str, Any]]"]
"""Array and document by calibration type, as the framework keeps them for a detector."""


class DetectorInfo(Protocol):
    """The facts on a detector that the framework reads from the data of a run."""

    uniqueid: str
    sorted_segment_ids: Sequence[int]


class RunParameters(Protocol):
    """The part of the framework's parameters of a run that is used."""

    configinfo_dict: Mapping[str, DetectorInfo]
    calibconst: dict[str, Any]


class Run(Protocol):
    """A run of the framework, as its DataSource yields it."""

    expt: str
    runnum: int
    dsparms: RunParameters


@dataclass(frozen=True, slots=True)
class Provided:
    """The constants that a job has now, with the document of those that are from the registry, and warnings on them."""

    constants: Constants
    provenance: Document
    warnings: tuple[str, ...]


def provide_constants(
    run: Run,
    detector: str,
    *,
    types: Sequence[str] | None = None,
    without: Iterable[str] = (),
    source: str | None = None,
    as_of: str | int | Head | None = None,
    database: str | None = None,
    store: str | Path | None = None,
    verify: str = "always",
) -> Provided:
    """Give the job the constants of its run for a detector, as the registry has them; call it before ``run.Detector``.

    Parameters
    ----------
    run
        The framework's run. Its data say which panels are read out, with which segment numbers.
    detector
        The name of the detector in the data, ``jungfrau``.
    types
        The calibration types to take from the registry, by default all that the framework calculates with. Others that
        the job has already stay.
    without
        Types that the job may lack, though the framework calculates with them.
    source
        The source in the registry, by default the detector's name.
    as_of
        As of which revision.
    database, store
        The registry, or the URL of a service; by default as for `open_registry`.
    verify
        ``once`` trusts arrays on this node that were verified since it was started; see `Registry.constants`.

    Returns
    -------
    Provided
        The whole dictionary that the job has for the detector now.

    Raises
    ------
    NotFoundError
        The run, the detector or its source is not known.
    NotValidError
        Constants are missing that the framework would calculate without; or the start of the run is not known.
    ConflictError
        The panels or segment numbers in the data are not those of the registry; or arrays that the job has already are
        of another number of segments, or the framework has shared arrays that it calculated from them.
    """
    information = run.dsparms.configinfo_dict.get(detector)
    if information is None:
        known = sorted(run.dsparms.configinfo_dict)
        raise NotFoundError(
            f"the run has no detector {quote(detector)}; known: {', '.join(known) or 'none'}",
            detector=detector,
            known=known,
        )
    former = run.dsparms.calibconst.get(detector) or {}
    if former.get("pedestals") and getattr(run, "_jungfrau_shared_mem", None) is not None:
        raise ConflictError(
            f"the framework has loaded constants of {detector} and shared what it calculated from them: open the"
            f" DataSource with skip_calib_load=[{detector!r}]",
            detector=detector,
        )
    provided = find_constants(
        run.expt,
        run.runnum,
        information.uniqueid,
        tuple(map(int, information.sorted_segment_ids)),
        types=types,
        without=without,
        source=detector if source is None else source,
        as_of=as_of,
        database=database,
        store=store,
        verify=verify,
        beside=former,
    )
    run.dsparms.calibconst[detector] = provided.constants
    return provided


def find_constants(
    experiment: str,
    run: int,
    long_name: str,
    segments: Sequence[int],
    *,
    source: str,
    types: Sequence[str] | None = None,
    without: Iterable[str] = (),
    as_of: str | int | Head | None = None,
    database: str | None = None,
    store: str | Path | None = None,
    verify: str = "always",
    beside: Mapping[str, Any] | None = None,
) -> Provided:
    """Return the constants of a run as the framework keeps them; see `provide_constants`.

    Parameters
    ----------
    long_name
        The detector in the data: its type and panel Ids, ``jungfrau_9000000000000-230921-3007f0217``.
    segments
        The segment number of each panel.
    beside
        Arrays and documents of other types that stand beside, by type.
    """
    from registry.api.segment_constants import ReadOut, share_segment_constants

    panels = tuple(parse_detector_id(long_name))
    detector_type = find_panel_type(panels[0]).name
    needed = [name for name in NEEDED_TYPES[detector_type] if name not in set(without)]
    wanted = tuple(needed if types is None else dict.fromkeys(types))
    kept = {name: pair for name, pair in (beside or {}).items() if name not in wanted}
    _refuse_missing(needed, {*wanted, *kept}, detector_type)
    if not wanted:
        raise RequestError("no calibration type is asked for", types=[])
    dataset = str(Dataset(parse_experiment(experiment), parse_run_number(str(run)), ","))
    with open_registry(database, store) as registry:
        constants = share_segment_constants(
            registry,
            dataset,
            source,
            ReadOut(panels, tuple(segments)),
            wanted,
            slots=_find_slots(kept),
            as_of=as_of,
            verify=verify,
        )
    own = {
        name: (array, _describe(constants.document, name, array, long_name, source))
        for name, array in constants.arrays.items()
    }
    return Provided({**kept, **own}, constants.document, constants.warnings)


def _refuse_missing(needed: Sequence[str], types: set[str], detector_type: str) -> None:
    missing = [name for name in needed if name not in types]
    if missing:
        raise NotValidError(
            f"the framework would calculate {detector_type} without {', '.join(missing)}: take them from the registry,"
            " too, or let the framework load them, or say that the job goes without",
            types=missing,
        )


def _find_slots(kept: Mapping[str, Any]) -> int | None:
    """Return the number of segments of the arrays that the job has already; None without any."""
    counts = {
        pair[0].shape[1]
        for name, pair in kept.items()
        if any(name in types for types in NEEDED_TYPES.values()) and getattr(pair[0], "ndim", 0) == 4
    }
    if len(counts) > 1:
        raise ConflictError(
            f"the arrays that the job has already are of different numbers of segments: {sorted(counts)}",
            segments=sorted(counts),
        )
    return counts.pop() if counts else None


def _describe(
    document: Document, name: str, array: NDArray[Any], long_name: str, source: str
) -> dict[str, Any]:
    """Return the document that the framework keeps beside an array, with the fields of its database."""
    resolution = document.resolution
    run = resolution.run
    assert run is not None  # noqa: S101 - a dataset was asked for
    moment = parse_instant(resolution.instant).datetime
    kind = find_detector_type(resolution.detector_type).find_kind_of_type(name).name
    return {
        "experiment": run.experiment,
        "run": run.run,
        "run_end": run.run,
        "run_orig": run.run,
        "detector": long_name,
        "detname": source,
        "longname": long_name,
        "shortname": long_name,
        "dettype": resolution.detector_type,
        "ctype": name,
        "dtype": "ndarray",
        "data_type": "ndarray",
        "data_dtype": str(array.dtype),
        "data_shape": str(array.shape),
        "data_size": str(array.size),
        "data_ndim": str(array.ndim),
        "time_sec": int(moment.timestamp()),
        "time_stamp": f"{moment:%Y-%m-%dT%H:%M:%S%z}",
        "tstamp_orig": f"{moment:%Y-%m-%dT%H:%M:%S%z}",
        "version": f"calreg {document.software.get('calreg', '')}",
        "comment": str(document.registry),
        "extpars": {
            panel.panel: constants.constants
            for panel in resolution.panels
            for constants in panel.constants
            if constants.kind == kind
        },
    }

"""The pictures that a service draws, each with its path and its parameters: those of the command line.

What a user's own files show, constants that are not registered or a geometry, is drawn by the command line alone.
What draws is imported by the first picture, with numpy: a worker that draws none has neither in its memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.api.backend import Backend
from registry.api.picture_paths import refuse_options_of_detectors
from registry.api.readings import Reading
from registry.api.registry import Registry
from registry.errors import RequestError
from registry.heads import Head
from registry.identifiers import quote
from registry.instants import Instant
from registry.parallel import Progress, no_progress
from registry.plots.files import PictureFile, open_buffer

MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
"""By the suffix in a URL."""

MAX_PANELS = 64
MAX_MARKS = 20_000
"""Of one picture: versions, and starts of runs."""


def draw_validity(
    backend: Backend,
    picture: PictureFile,
    target: str,
    *,
    source: str | None = None,
    kinds: Sequence[str] | None = None,
    at: Instant | None = None,
    as_of: Head | None = None,
) -> None:
    """Draw the validity ranges of each panel in a row, and above them the runs that read the panels out."""
    from registry.api.timeline_pictures import draw_validity as draw_validity_of

    draw_validity_of(backend, picture, target, source, kinds, at, as_of)


def draw_history(
    backend: Backend,
    picture: PictureFile,
    target: str,
    *,
    source: str | None = None,
    kinds: Sequence[str] | None = None,
    units: bool = False,
    percent: bool = False,
    as_of: Head | None = None,
    progress: Progress = no_progress,
) -> None:
    """Draw the median of every version of panels over time, by kind and gain range."""
    if units and percent:
        raise RequestError("values in their unit are not changes in percent: choose one of the two")
    from registry.api.timeline_pictures import draw_trend

    draw_trend(backend, picture, target, source, kinds, as_of, progress, in_units=units, in_percent=percent)


def draw_constants(
    backend: Backend,
    picture: PictureFile,
    target: str,
    *,
    source: str | None = None,
    at: Instant | None = None,
    types: Sequence[str] | None = None,
    gain_ranges: Sequence[int] | None = None,
    panels: bool = False,
    as_of: Head | None = None,
    progress: Progress = no_progress,
) -> None:
    """Draw maps of the constants of a detector or of a version, with dead and odd pixels marked and counted."""
    from registry.api.array_pictures import Form, read_request
    from registry.api.array_pictures import draw_constants as draw_constants_of

    request = read_request(backend, target, source, at, types, as_of)
    if isinstance(request, int):
        refuse_options_of_detectors("a version", panels=panels)
    draw_constants_of(backend, picture, request, Form(gain_ranges, None, panels), as_of, progress)


def draw_diff(
    backend: Backend,
    picture: PictureFile,
    before: int,
    after: int,
    *,
    relative: bool = False,
    without_uniform: bool = False,
    gain_ranges: Sequence[int] | None = None,
    as_of: Head | None = None,
) -> None:
    """Draw what changed from one version to another of the same kind: maps around zero, and histograms."""
    from registry.api.difference_pictures import draw_difference

    draw_difference(
        backend,
        picture,
        before,
        after,
        as_of,
        relative=relative,
        without_uniform=without_uniform,
        gain_ranges=gain_ranges,
    )


@dataclass(frozen=True)
class Drawing(Reading):
    """A picture as of a pinned revision: the name of the last parameter in its path ends with the suffix."""

    def parse_file(
        self, path: Mapping[str, str], query: Sequence[tuple[str, str]]
    ) -> tuple[dict[str, Any], str]:
        """Return the arguments of the function, and the suffix; raise a `RequestError` as `Reading.parse`."""
        *_, last = self.path_names
        name, _, suffix = path[last].rpartition(".")
        if suffix not in MEDIA_TYPES:
            known = " or ".join(f".{known}" for known in MEDIA_TYPES)
            raise RequestError(f"{quote(path[last])} is not the name of a picture: it must end with {known}")
        return self.parse({**path, last: name}, query), suffix

    def draw(
        self,
        registry: Registry,
        as_of: Head,
        arguments: Mapping[str, Any],
        suffix: str,
        progress: Progress = no_progress,
    ) -> bytes:
        """Return the picture: the same bytes as those of the command line's file.

        Raises
        ------
        RequestError
            It has more panels or marks than are drawn here.
        UnavailableError
            matplotlib is not installed.
        CorruptionError
            A stored file is missing or damaged.
        """
        picture = open_buffer(suffix, max_panels=MAX_PANELS, max_marks=MAX_MARKS)
        backend = registry._backend  # noqa: SLF001 - of this package
        options = {"progress": progress} if self._reads_arrays else {}
        self.function(backend, picture, **arguments, as_of=as_of, **options)
        return picture.buffer.getvalue()

    @property
    def _reads_arrays(self) -> bool:
        return "progress" in self._hints


_MODULE = sys.modules[__name__]

DRAWINGS = (
    Drawing(_MODULE, "draw_validity", "plot/validity/{target}"),
    Drawing(_MODULE, "draw_history", "plot/history/{target}"),
    Drawing(_MODULE, "draw_constants", "plot/constants/{target}"),
    Drawing(_MODULE, "draw_diff", "plot/diff/{before}/{after}"),
)

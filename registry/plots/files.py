"""Files of pictures: the suffix gives the format; written whole or not at all, with the same bytes every time."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from registry.errors import ConflictError, Remedy, RequestError, UnavailableError
from registry.extras import import_extra
from registry.files import (
    atomic_write,
    has_content,
    make_absolute,
    open_regular,
    translate_os_errors,
)
from registry.identifiers import format_count, quote

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REQUIRED_MODULE = "matplotlib"
RESOLUTION = 150
"""Dots per inch of a PNG."""


class _Metadata(NamedTuple):
    """The names of a format's metadata: of title and description, and of what is left out.

    What is left out would tell the day and the library's version, and differ from picture to picture.
    """

    title: str
    description: str
    left_out: tuple[str, ...]


_METADATA = {
    "png": _Metadata("Title", "Description", ("Software",)),
    "svg": _Metadata("Title", "Description", ("Date", "Creator", "Format", "Type")),
    "pdf": _Metadata("Title", "Subject", ("Creator", "Producer", "CreationDate")),
}
_BEGINNINGS = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml ", "pdf": b"%PDF-"}


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file, not written yet, for a picture."""

    path: Path
    format: str
    force: bool

    def write(self, draw: Callable[[], Figure]) -> None:
        """Draw the picture and write its file, unless it is there already.

        Raises
        ------
        ConflictError
            There is another file, which `force` does not replace.
        UnavailableError
            It cannot be written.
        """
        content = encode_picture(draw, self.format)
        if not self.force and os.path.lexists(self.path):
            if has_content(self.path, content):
                return
            raise ConflictError(
                f"there is another file {str(self.path)!r} already",
                remedy=Remedy.REPLACE_FILES,
                path=str(self.path),
            )
        with translate_os_errors("written", self.path), atomic_write(self.path) as hidden:
            hidden.write_bytes(content)

    def check_extent(self, panels: int, marks: int = 0) -> None:
        """Accept a picture of so many panels, and marks over time: a user's file may have any number."""


@dataclass(frozen=True, slots=True)
class PictureBuffer(PictureFile):
    """A picture in memory, of a bounded number of panels and of marks over time, where they are given."""

    buffer: io.BytesIO = field(default_factory=io.BytesIO)
    max_panels: int | None = None
    max_marks: int | None = None

    def write(self, draw: Callable[[], Figure]) -> None:
        """Draw the picture and keep its bytes."""
        self.buffer.write(encode_picture(draw, self.format))

    def check_extent(self, panels: int, marks: int = 0) -> None:
        """Refuse a picture of more panels or marks, before it is drawn."""
        for count, limit, noun in ((panels, self.max_panels, "panel"), (marks, self.max_marks, "mark")):
            if limit is not None and count > limit:
                raise RequestError(
                    f"the picture would have {format_count(count, noun)}, more than {limit}, the most that is drawn"
                    " here: ask for a part of it",
                    limit=limit,
                )


def open_buffer(form: str, *, max_panels: int | None = None, max_marks: int | None = None) -> PictureBuffer:
    """Return a picture in memory, ``png`` or ``svg``; refuse it where matplotlib is not installed."""
    _require_library()
    return PictureBuffer(
        Path(f"picture.{form}"), form, force=False, max_panels=max_panels, max_marks=max_marks
    )


def encode_picture(draw: Callable[[], Figure], form: str) -> bytes:
    """Draw a picture, and return the bytes of its file. Only one thread at a time may draw."""
    content = io.BytesIO()
    with _fix_style():
        figure = draw()
        figure.savefig(content, format=form, dpi=RESOLUTION, metadata=_build_metadata(figure, form))
    return content.getvalue()


def _build_metadata(figure: Figure, form: str) -> dict[str, str | None]:
    from registry.plots.page import TitledFigure

    names = _METADATA[form]
    words: dict[str, str | None] = dict.fromkeys(names.left_out)
    if isinstance(figure, TitledFigure):
        words[names.title], words[names.description] = figure.title, figure.description
    return words


def _require_library() -> None:
    import_extra(f"{_REQUIRED_MODULE}.figure", "plots", f"pictures need {_REQUIRED_MODULE}")


def check_picture_file(path: Path, *, force: bool) -> PictureFile:
    """Check that a picture can be written there, before anything is read or drawn.

    Raises
    ------
    RequestError
        The suffix is not that of a picture.
    ConflictError
        It exists, is not a picture, and `force` is not set; or it is a folder.
    UnavailableError
        There is no such folder, or matplotlib is not installed.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in _METADATA:
        raise RequestError(
            f"{quote(path.name)} is not the name of a picture: it must end with .png, .svg or .pdf",
            path=str(path),
        )
    _require_library()
    make_absolute(path)  # refused before anything is drawn
    with translate_os_errors("written", path):
        is_folder = path.is_dir()
    if is_folder:
        raise ConflictError(f"{str(path)!r} is a folder, not a file", path=str(path))
    if os.path.lexists(path) and not force and not _may_be_picture(path, form):
        raise ConflictError(
            f"there is a file {str(path)!r} already", remedy=Remedy.REPLACE_FILES, path=str(path)
        )
    if not path.absolute().parent.is_dir():
        raise UnavailableError(f"there is no folder {str(path.parent)!r}", path=str(path))
    return PictureFile(path, form, force)


def _may_be_picture(path: Path, form: str) -> bool:
    """Tell whether a file begins as a picture of calreg does: it may be the very one that is to be written."""
    try:
        with open_regular(path) as file:
            return not path.is_symlink() and file.read(len(_BEGINNINGS[form])) == _BEGINNINGS[form]
    except OSError:
        return False


@contextmanager
def _fix_style() -> Iterator[None]:
    """Draw with matplotlib's defaults and our settings, not with the user's."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.size": 8,
                "axes.linewidth": 0.6,
                "hatch.linewidth": 0.6,
                "text.parse_math": False,  # names are names
                "svg.hashsalt": "calreg",  # ids that are the same each time
                "pdf.fonttype": 42,  # letters that can be searched and copied
            }
        )
        yield


def silence_matplotlib() -> None:
    """Keep matplotlib from telling of its folder, where there is no home; for programs, not for who imports calreg."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)

"""M-numbers, experiments, datasets and sources: parsed, formatted, and suggested.

One spelling of each name is canonical. The functions that parse a name raise `IdentifierError` for any other text;
where it is another spelling of the name, with the canonical one. For panel Ids see `registry.detectors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from registry.errors import IdentifierError, RequestError

_MAX_QUOTED_LENGTH = 80  # the longest panel Ids have 76 characters
MAX_RUN = 2**31 - 1
"""The largest run number that the database can hold; the last run of an open range."""
_MAX_SUGGESTED = 5

_LOOSE_M_NUMBER = re.compile(r"[mM]([0-9]{1,6})")
_M_NUMBER_IN_NAME = re.compile(r"(?:(?<![A-Z0-9])M|(?<![A-Za-z0-9])m)([0-9]{1,6})(?![0-9])")
_DETECTOR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")  # no '-', which every panel Id has
_EXPERIMENT = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RUN = re.compile(r"[1-9][0-9]{0,9}")
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\.[0-9]{1,9}:[A-Za-z][A-Za-z0-9_]{0,63}\.[0-9]{1,9}")
_NEWER_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_DETECTOR_PREFIX = re.compile(r"[a-z][a-z0-9]*_(?=.)")
_LOOSE_DATASET = re.compile(r"exp=([^:=,]*)([:,])run=([^:=]*)")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def quote(text: str) -> str:
    """Return `text` quoted for a message: control characters escaped, a long text cut."""
    if len(text) > _MAX_QUOTED_LENGTH:
        return f"{text[:_MAX_QUOTED_LENGTH]!r}... ({len(text)} characters)"
    return repr(text)


def escape_control_characters(text: str) -> str:
    """Return the text with every control character, line ends too, written as an escape."""
    if text.isprintable():  # most are
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def noncanonical_error(what: str, text: str, canonical: str) -> IdentifierError:
    """Return the error for a name that is not spelled canonically."""
    return IdentifierError(
        f"{what} {quote(text)} is not in its canonical form; write {canonical}", canonical=canonical
    )


def split_detector_id(text: str) -> list[str]:
    """Return the texts of the panel Ids in a detector Id, in segment order, not parsed yet.

    The detector type that the newer data system puts before the first panel Id (``jungfrau_``) is left out.
    """
    prefix = _DETECTOR_PREFIX.match(text)
    # A panel Id has no '_', so letters without '-' before the first '_' are a prefix.
    return (text[prefix.end() :] if prefix else text).split("_")


def join_detector_id(panels: list[str] | tuple[str, ...]) -> str:
    """Return the detector Id of these panel Ids in segment order."""
    return "_".join(panels)


def parse_m_number(text: str) -> str:
    """Read an M-number, the maker's module number: ``M`` and at least three digits."""
    loose = _LOOSE_M_NUMBER.fullmatch(text)
    if not loose:
        raise IdentifierError(
            f"{quote(text)} is not an M-number: M and three digits or more are expected, as in M068"
        )
    canonical = f"M{int(loose[1]):03d}"
    if text != canonical:
        raise noncanonical_error("M-number", text, canonical)
    return text


def parse_typed_m_number(text: str) -> str:
    """Return the M-number that a person typed: its letter may be small, which in the name of a file it may not."""
    return parse_m_number(f"M{text[1:]}" if text[:1] == "m" else text)


def extract_m_numbers(name: str) -> list[str]:
    """Return the M-numbers in the name of a file, canonical, as M049 in ``gainMaps_M049.bin``."""
    return [f"M{int(digits):03d}" for digits in _M_NUMBER_IN_NAME.findall(name)]


def is_m_number(text: str) -> bool:
    """Tell whether the text is an M-number in any spelling."""
    return _LOOSE_M_NUMBER.fullmatch(text) is not None


def parse_detector_name(text: str) -> str:
    """Read a short name of a detector: at most 64 letters, digits, ``_`` and ``.``, a letter first; no M-number."""
    if not _DETECTOR_NAME.fullmatch(text) or is_m_number(text):
        raise IdentifierError(
            f"{quote(text)} is not a name for a detector: a letter, then letters, digits, '_' and '.' are expected,"
            " as in jungfrau4M, and not the form of an M-number"
        )
    return text


def is_detector_name(text: str) -> bool:
    """Tell whether the text can be a short name of a detector."""
    return _DETECTOR_NAME.fullmatch(text) is not None and not is_m_number(text)


def parse_experiment(text: str) -> str:
    """Read the name of an experiment: at most 32 lower-case letters, digits and ``_``, a letter first."""
    if _EXPERIMENT.fullmatch(text):
        return text
    if _EXPERIMENT.fullmatch(text.lower()):
        raise noncanonical_error("experiment", text, text.lower())
    raise IdentifierError(f"{quote(text)} is not an experiment: a name like xcsls3716 is expected")


def parse_run_number(text: str) -> int:
    """Read a run number, 1 to 2147483647."""
    if not _RUN.fullmatch(text) or int(text) > MAX_RUN:
        raise IdentifierError(f"{quote(text)} is not a run number: 1, 2, 3 ... {MAX_RUN} is expected")
    return int(text)


def format_count(number: int, noun: str) -> str:
    """Return a number of things: ``1 panel``, ``2 panels``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_run_range(first: int, last: int | None) -> str:
    """Return a range of runs as text: ``1-631``, ``16`` or ``17-end``."""
    if last == first:
        return str(first)
    return f"{first}-{'end' if last is None else last}"


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """One run of one experiment, written ``exp=xcsls3716:run=631``, or with a comma as the newer data system does.

    It is written again as it was read; both are the same run.
    """

    experiment: str
    run: int
    separator: str = field(default=":", compare=False, repr=False)

    def __str__(self) -> str:
        return f"exp={self.experiment}{self.separator}run={self.run}"

    @classmethod
    def parse(cls, text: str) -> Dataset:
        """Read a dataset."""
        experiment, run, separator = split_dataset(text)
        return cls(parse_experiment(experiment), parse_run_number(run), separator)


def split_dataset(text: str) -> tuple[str, str, str]:
    """Return the texts of the experiment and the run in a dataset, not parsed yet, and what is between them."""
    parts = _LOOSE_DATASET.fullmatch(text)
    if not parts:
        raise IdentifierError(
            f"{quote(text)} is not a dataset: exp=EXPERIMENT:run=NUMBER is expected,"
            " as in exp=xcsls3716:run=631"
        )
    return parts[1], parts[3], parts[2]


def is_dataset(text: str) -> bool:
    """Tell whether the text is meant as a dataset, well formed or not."""
    return text.startswith("exp=")


def parse_source(text: str) -> str:
    """Read the whole name of a detector's data source, ``XcsEndstation.0:Jungfrau.0``.

    In the newer data system it is the name that the detector has in the data, ``jungfrau``.
    """
    if _NEWER_SOURCE.fullmatch(text):
        return text
    if not _SOURCE.fullmatch(text):
        raise IdentifierError(
            f"{quote(text)} is not a source: a name like XcsEndstation.0:Jungfrau.0 is expected"
        )
    canonical = re.sub(r"\.0+(?=[0-9])", ".", text)
    if text != canonical:
        raise noncanonical_error("source", text, canonical)
    return text


def is_newer_source(source: str) -> bool:
    """Tell whether a source is one of the newer data system, which has no station, device and numbers."""
    return ":" not in source


def get_device_name(source: str) -> str:
    """Return the name of the device in a source: ``Jungfrau`` of ``XcsEndstation.0:Jungfrau.0``."""
    return source.rpartition(":")[2].partition(".")[0]


def source_matches(part: str, source: str) -> bool:
    """Tell whether `part` is a whole part of `source`, between ``.``, ``:`` and its ends.

    ``Jungfrau.1`` matches ``XcsEndstation.0:Jungfrau.1``, but not ``XcsEndstation.0:Jungfrau.10``.
    """
    return re.search(rf"(?:^|[.:]){re.escape(part)}(?:$|[.:])", source) is not None if part else False


def parse_sha256(text: str) -> str:
    """Return a SHA-256 in hexadecimal digits; raise a `RequestError` for another text."""
    if not _SHA256.fullmatch(text):
        raise RequestError(f"{quote(text)} is not a SHA-256: 64 hexadecimal digits are expected", sha256=text)
    return text


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message on an unknown name: ``; near: ...``, ``; known: ...`` or ``; none is known yet``."""
    names = sorted(set(known))
    if not names:
        return "; none is known yet"
    near = find_near(name, names)
    return f"; near: {', '.join(near)}" if near else f"; known: {shorten(names)}"


def find_near(name: str, known: Iterable[str]) -> list[str]:
    """Return the few known names that resemble this one, the most similar first."""
    import difflib

    return difflib.get_close_matches(name[:100], sorted(set(known)), n=_MAX_SUGGESTED, cutoff=0.75)


def shorten(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _MAX_SUGGESTED
    return ", ".join(names[:_MAX_SUGGESTED]) + (f" and {more} more" if more > 0 else "")

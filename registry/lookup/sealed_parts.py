"""The parts of the text of a seal, and how two texts differ; a text may be anything that somebody put there."""

from __future__ import annotations

from collections.abc import Mapping

from registry.identifiers import format_count


def parse_text(text: object) -> dict[str, str]:
    """Return what the lines of a seal's text say, by what they are of; lines of any other form stand for themselves."""
    return dict(_parse_line(line) for line in str(text).split("\n"))


def _parse_line(line: str) -> tuple[str, str]:
    words = line.split(" ")
    if len(words) < 2:
        return line, ""
    if words[0] == "withdrawn":
        return " ".join(words[:2]), " ".join(words[2:])
    return words[0], " ".join(words[1:])


def describe_differences(sealed: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Return what differs between two texts, by part; the sealed one may have further lines, or the same twice."""
    different = [name for name in {**present, **sealed} if sealed.get(name) != present.get(name)]
    return {name: _describe_part(name, sealed.get(name), present.get(name)) for name in different}


def _describe_part(name: str, sealed: str | None, present: str | None) -> str:
    if name == "exports":
        return "the exports until then"
    before, now = _read_count(sealed), _read_count(present)
    if before is None or now is None or name in {"calreg", "number"}:
        return "its text"
    rows = f"{now} of {format_count(before, 'row')}" if before != now else "changed"
    return f"{name} ({rows})"


def _read_count(part: str | None) -> int | None:
    """Return the number of lines that a part of a text is of."""
    number = "0" if part is None else part.partition(" ")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else None

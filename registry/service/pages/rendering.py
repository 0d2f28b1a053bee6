"""The HTML of pages: templates that show the values of JSON, with every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote as quote_path

from registry.heads import Head
from registry.identifiers import escape_control_characters, format_count, format_run_range
from registry.records.json import to_builtins
from registry.service.pages.table import MENU
from registry.service.pictures import can_draw
from registry.service.redaction import redact

if TYPE_CHECKING:
    from jinja2 import Environment

_MAX_LISTED = 600
"""Characters of a comment, or of a sentence, in a list."""
_HEADINGS = {
    "panels": "Panels",
    "aliases": "Modules",
    "detector_names": "Detectors",
    "tags": "Tags",
    "experiments": "Experiments",
}


class StaticFile(NamedTuple):
    """A file that pages load; its URL changes with its content, so that a browser may keep it for good."""

    url: str
    content: bytes
    media_type: str


def _read_file(name: str, media_type: str) -> StaticFile:
    content = (files(__package__) / name).read_bytes()
    url = f"/static/{sha256(content).hexdigest()[:16]}.{name.rpartition('.')[2]}"
    return StaticFile(url, content, media_type)


FILES = {
    "style": _read_file("style.css", "text/css; charset=utf-8"),
    "script": _read_file("follow.js", "text/javascript; charset=utf-8"),
    "icon": _read_file("icon.svg", "image/svg+xml"),
}
"""The files that pages load."""


def render(template: str, values: Mapping[str, Any], *, is_public: bool, **frame: Any) -> bytes:
    """Return the HTML of a page; `values` are records, of which a public service leaves parts out."""
    shown = _prepare(to_builtins(dict(values)))
    if is_public:
        shown = redact(shown)
    text = (
        _find_environment()
        .get_template(f"{template}.html")
        .render(
            **shown,
            **frame,
            is_public=is_public,
            menu=MENU,
            headings=_HEADINGS,
            loaded=FILES,
        )
    )
    return text.encode(errors="backslashreplace")


def build_frame(registry_id: str, pin: Head, here: str, *, is_live: bool) -> dict[str, Any]:
    """Return what the frame of a page shows: the moment, and the way to this page at other moments.

    `here` is the path and query of the page of the newest revision.
    """
    text = pin.pin
    return {
        "registry_id": registry_id,
        "pin": pin,
        "pin_text": text,
        "is_live": is_live,
        "root": "" if is_live else f"/r/{text}",
        "here": here,
        "picture_root": f"/v1/r/{text}/plot",
        "has_pictures": can_draw(),
    }


def build_frame_without_registry() -> dict[str, Any]:
    """Return what the frame of a page shows where the registry cannot be asked."""
    return {"pin": None, "pin_text": "", "is_live": True, "root": "", "here": "/"}


def prepare_templates() -> None:
    """Read all templates, so that the first visitor of a worker does not wait for that."""
    environment = _find_environment()
    for name in environment.list_templates():
        environment.get_template(name)


def _prepare(value: Any) -> Any:
    """Return a value in JSON's types, its texts in one line each and without characters that turn others around."""
    if isinstance(value, str):
        return escape_control_characters(value)
    if isinstance(value, dict):
        return {name: _prepare(item) for name, item in value.items()}
    return [_prepare(item) for item in value] if isinstance(value, list) else value


@cache
def _find_environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "count": format_count,
        "path": _format_path,
        "runs": _format_runs,
        "short": _shorten,
        "short_time": _format_time,
        "exact_time": _format_exact_time,
        "summary": _cut_details,
        "value": _format_value,
    }
    return environment


def _format_path(name: str) -> str:
    return quote_path(name, safe="=:,+")


def _format_runs(configuration: Mapping[str, Any]) -> str:
    return format_run_range(configuration["first_run"], configuration["last_run"])


def _format_time(text: str) -> str:
    """Return when something was recorded, for reading: without T, and without the part of a second."""
    return text[:19].replace("T", " ")


def _format_exact_time(text: str) -> str:
    """Return an instant for reading, with the part of a second where it has one: two starts may differ by that."""
    return text.removesuffix("Z").replace("T", " ")


def _shorten(text: str) -> str:
    """Return a text as lists show it: the page of the thing itself has all of a long one."""
    return text if len(text) <= _MAX_LISTED else f"{text[:_MAX_LISTED]}... ({len(text):,} characters)"


def _cut_details(message: str, details: Sequence[str]) -> str:
    """Return the message of a refusal without its details, which are listed below it."""
    return message.removesuffix(f": {'; '.join(details)}")


def _format_value(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"

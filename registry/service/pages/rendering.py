"""The HTML of pages: templates that show the values of JSON, with every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as quote_path

from registry.heads import Head
from registry.identifiers import escape_control_characters, format_count, format_run_range
from registry.records.json import to_builtins
from registry.service.pages.table import MENU
from registry.service.redaction import redact

if TYPE_CHECKING:
    from jinja2 import Environment

_FILES = files(__package__)
STYLE, SCRIPT = ((_FILES / name).read_bytes() for name in ("style.css", "follow.js"))
_HEADINGS = {
    "panels": "Panels",
    "aliases": "Modules",
    "detector_names": "Detectors",
    "tags": "Tags",
    "experiments": "Experiments",
}


def _name_file(content: bytes, ending: str) -> str:
    return f"/static/{sha256(content).hexdigest()[:16]}.{ending}"


STYLE_URL, SCRIPT_URL = _name_file(STYLE, "css"), _name_file(SCRIPT, "js")
"""Their names change with their content, so that a browser may keep them for good."""


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
            style_url=STYLE_URL,
            script_url=SCRIPT_URL,
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
    }


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
        "short_time": _format_time,
        "summary": _cut_details,
        "value": _format_value,
    }
    return environment


def _format_path(name: str) -> str:
    return quote_path(name, safe="=:,+")


def _format_runs(configuration: Mapping[str, Any]) -> str:
    return format_run_range(configuration["first_run"], configuration["last_run"])


def _format_time(text: str) -> str:
    """Return an instant for reading: without T, and without the part of a second."""
    return text[:19].replace("T", " ")


def _cut_details(message: str, details: Sequence[str]) -> str:
    """Return the message of a refusal without its details, which are listed below it."""
    return message.removesuffix(f": {'; '.join(details)}")


def _format_value(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"

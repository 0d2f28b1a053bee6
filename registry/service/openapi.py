"""The OpenAPI document of the service, from the readings."""

from __future__ import annotations

from functools import cache
from typing import Any

from registry.api.drawings import DRAWINGS, MEDIA_TYPES, Drawing
from registry.api.parameters import Parameter, Sort
from registry.api.readings import READINGS, RECORD, SCRIPT, Reading
from registry.authorship import software_version
from registry.service.history import PARAMETERS, SUMMARY

_PIN = {
    "name": "pin",
    "in": "path",
    "required": True,
    "description": "The number of a revision, a hyphen, and 16 digits of its seal, from /v1/head.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,10}-[0-9a-f]{16}$"},
}
_AS_OF = {**_PIN, "name": "as_of", "in": "query", "required": False}
_FORM = {
    "name": "form",
    "in": "query",
    "description": "The short form for scripts, or the whole record for clients.",
    "schema": {"type": "string", "enum": [SCRIPT, RECORD], "default": SCRIPT},
}
_SUFFIX = {
    "name": "suffix",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "enum": [*MEDIA_TYPES]},
}
_SCHEMAS: dict[Sort, dict[str, Any]] = {
    Sort.TEXT: {"type": "string"},
    Sort.TEXTS: {"type": "array", "items": {"type": "string"}},
    Sort.NUMBER: {"type": "integer", "minimum": 0},
    Sort.NUMBERS: {"type": "array", "items": {"type": "integer", "minimum": 0}},
    Sort.FLAG: {"type": "boolean"},
    Sort.INSTANT: {"type": "string", "format": "date-time"},
    Sort.REVISION: {"type": "string"},
}
_STATUSES = {
    "400": "The request cannot be understood (exit code 2).",
    "404": "Nothing of that name is known (3); or the URL is none of this service (2).",
    "409": "The request contradicts what is recorded, as a pin of another history does (5).",
    "422": "Known, but nothing is valid then (4).",
    "500": "What is stored is damaged, or has another schema (6, 7).",
    "503": "The registry cannot answer now (8).",
}


@cache
def build_document() -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, Any] = {
        "/v1/head": _describe(
            "The newest revision with its seal, or that of a revision that as_of names.",
            [{"name": "as_of", "in": "query", "schema": {"type": "string"}}],
            {"type": "object"},
        ),
        "/v1/history": _describe(
            SUMMARY,
            [_describe_parameter(parameter, ()) for parameter in PARAMETERS],
            {"type": "object"},
        ),
        "/v1/objects/sha256/{sha256}": _describe(
            "The bytes of a stored file; Range is honoured.",
            [
                {
                    "name": "sha256",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                }
            ],
            None,
        ),
        "/healthz": _describe("Whether the database answers.", [], {"type": "object"}),
    }
    for reading in READINGS:
        start, first = ("/v1", [_AS_OF]) if reading.is_live else ("/v1/r/{pin}", [_PIN])
        for path in reading.list_paths():
            paths[f"{start}/{path}"] = _describe_reading(reading, first, path)
    for drawing in DRAWINGS:
        paths[f"/v1/r/{{pin}}/{drawing.path}.{{suffix}}"] = _describe_drawing(drawing)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "calreg",
            "version": software_version().split()[-1],
            "summary": "Calibration constants: what is valid when, as of a revision.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "kind", "message"],
            "properties": {
                "code": {"type": "integer"},
                "kind": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "string"}},
                "remedy": {"type": "string"},
            },
        }
    },
}


def _describe_reading(
    reading: Reading, first: list[dict[str, Any]], path: str | None = None
) -> dict[str, Any]:
    in_path = reading.path_names if path is None or "{" in path else ()
    parameters = [_describe_parameter(parameter, in_path) for parameter in reading.parameters]
    return _describe(reading.summary, [*first, *parameters, _FORM], {})


def _describe_drawing(drawing: Drawing) -> dict[str, Any]:
    parameters = [_describe_parameter(parameter, drawing.path_names) for parameter in drawing.parameters]
    described = _describe(drawing.summary, [_PIN, *parameters, _SUFFIX], None)
    media = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}
    described["get"]["responses"]["200"] = {"description": "The picture.", "content": media}
    return described


def _describe_parameter(parameter: Parameter, in_path: tuple[str, ...]) -> dict[str, Any]:
    if parameter.name in in_path:
        return {"name": parameter.name, "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "name": parameter.url_name,
        "in": "query",
        "required": parameter.is_required,
        "schema": _SCHEMAS[parameter.sort],
    }


def _describe(
    summary: str, parameters: list[dict[str, Any]], schema: dict[str, Any] | None
) -> dict[str, Any]:
    media = {"application/octet-stream": {}} if schema is None else {"application/json": {"schema": schema}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "get": {
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "The answer.", "content": media},
                **{status: {"description": text, "content": refusal} for status, text in _STATUSES.items()},
            },
        }
    }

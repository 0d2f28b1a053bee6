"""The OpenAPI document of the service, from the readings and the types of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from registry.api.drawings import DRAWINGS, MEDIA_TYPES, Drawing
from registry.api.parameters import MAX_NAMES, Parameter, Sort
from registry.api.readings import API, READINGS, RECORD, SCRIPT, Freshness, Reading, find_reading
from registry.authorship import software_version
from registry.database.closing import Closure
from registry.heads import LARGEST_NUMBER
from registry.lookup.history_pages import SealedRevision
from registry.records import StoredFile, Version
from registry.service.history import PARAMETERS, SUMMARY
from registry.service.schemas import Schemas

_Schema = dict[str, Any]
_VALIDITY, _VERSION, _SUBJECT = map(
    find_reading, ("questions.find_validity", "versions.show", "questions.show_named")
)
"""The readings whose short form is of another type than the record."""

_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
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
_NUMBER = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
_SCHEMAS: dict[Sort, _Schema] = {
    Sort.TEXT: {"type": "string"},
    Sort.TEXTS: {"type": "array", "items": {"type": "string"}, "maxItems": MAX_NAMES},
    Sort.NUMBER: _NUMBER,
    Sort.NUMBERS: {"type": "array", "items": _NUMBER, "maxItems": MAX_NAMES},
    Sort.FLAG: {"type": "boolean"},
    Sort.INSTANT: {"type": "string", "format": "date-time"},
    Sort.REVISION: {"type": "string", "pattern": "^[0-9]{1,10}(:[0-9a-f]{16,64})?$"},
}
_NAMED: dict[str, _Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER},
    "sha256": _SHA256,
    "sha256s": {"type": "array", "items": _SHA256, "minItems": 1, "maxItems": MAX_NAMES},
    "digest": _SHA256,
    "category": {"type": "string"},
}
_STATUSES = {
    "400": "The request cannot be understood (exit code 2).",
    "401": "The service needs a token (2).",
    "404": "Nothing of that name is known (3); or the URL is none of this service (2).",
    "405": "Another method than GET and HEAD (2).",
    "409": "The request contradicts what is recorded, as a pin of another history does (5).",
    "414": "The URL is too long (2).",
    "422": "Known, but nothing is valid then (4).",
    "500": "What is stored is damaged, or has another schema (6, 7).",
    "503": "The registry cannot answer now, or does not know the pinned revision yet (8); see Retry-After.",
}
_RETRY_AFTER = {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}
_HEADERS: dict[str, tuple[str, _Schema]] = {
    "Cache-Control": ("Whether caches may keep the answer, and for how many seconds.", {"type": "string"}),
    "ETag": ("Changes with the answer; If-None-Match asks whether it has.", {"type": "string"}),
    "Link": ("The next page of a listing, where there is one.", {"type": "string"}),
    "Repr-Digest": ("The SHA-256 of the whole file, as RFC 9530 has it.", {"type": "string"}),
    "Content-Range": ("The range of bytes that is sent.", {"type": "string"}),
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "description": "The values of the refusal, beside these keys.",
            "required": ["code", "kind", "message"],
            "properties": {
                "code": {"type": "integer", "description": "The exit code of the command line."},
                "kind": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "string"}},
                "remedy": {"type": "string"},
            },
        }
    },
}


@cache
def build_document() -> dict[str, Any]:
    """Return the document."""
    schemas = Schemas()
    paths: dict[str, Any] = {
        "/v1/head": _describe(
            "The newest revision with its seal, or that of a revision that as_of names.",
            [
                {"name": "as_of", "in": "query", "schema": {"type": "string"}},
                {**_AS_OF, "name": "pin", "description": "A revision that the client has seen."},
            ],
            _json(_describe_head(schemas)),
            ["Cache-Control"],
        ),
        "/v1/history": _describe(
            SUMMARY,
            [*(_describe_parameter(parameter, ()) for parameter in PARAMETERS), _AS_OF],
            _json(_describe_history(schemas)),
            ["Cache-Control", "Link"],
        ),
        "/v1/objects/sha256/{sha256}": _describe_object(),
        "/v1/openapi.json": _describe("This document.", [], _json({"type": "object"}), []),
        "/healthz": _describe(
            "Whether the database answers; no token is needed.",
            [],
            _json({"type": "object", "required": ["status"], "properties": {"status": {"enum": ["ok"]}}}),
            [],
        ),
        "/metrics": _describe(
            "Counts of all workers, for Prometheus.", [], {"text/plain": {"schema": {"type": "string"}}}, []
        ),
    }
    for reading in READINGS:
        start, first = ("/v1", [_AS_OF]) if reading.is_live else ("/v1/r/{pin}", [_PIN])
        for path in reading.list_paths():
            paths[f"{start}/{path}"] = _describe_reading(schemas, reading, first, path)
    for drawing in DRAWINGS:
        paths[f"/v1/r/{{pin}}/{drawing.path}.{{suffix}}"] = _describe_drawing(drawing)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "calreg",
            "version": software_version().split()[-1],
            "summary": "Calibration constants: what is valid when, as of a revision.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "paths": paths,
        "security": [{}, {"token": []}],
        "components": {
            "schemas": {"Error": _ERROR, **schemas.components},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_head(schemas: Schemas) -> _Schema:
    return {
        "type": "object",
        "required": ["registry", "revision", "seal", "timezone", "api", "public", "software"],
        "properties": {
            "registry": {"type": "string", "format": "uuid"},
            "revision": _NUMBER,
            "seal": _SHA256,
            "timezone": {"type": "string"},
            "api": {"const": API},
            "public": {"type": "boolean"},
            "software": {"type": "string"},
            "closed": {**schemas.describe(Closure), "description": "Why the database takes no writes."},
            "warnings": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What this database may lack.",
            },
        },
    }


def _describe_history(schemas: Schemas) -> _Schema:
    return {
        "type": "object",
        "required": ["registry", "revisions"],
        "properties": {
            "registry": {"type": "string", "description": "The text that seal 0 is the digest of."},
            "revisions": {"type": "array", "items": schemas.describe(SealedRevision)},
        },
    }


def _describe_object() -> dict[str, Any]:
    media: dict[str, Any] = {"application/octet-stream": {}}
    described = _describe(
        "The bytes of a stored file.",
        [
            {"name": "sha256", "in": "path", "required": True, "schema": _SHA256},
            {
                "name": "Range",
                "in": "header",
                "description": "One range of bytes; the file is whole for any other header.",
                "schema": {"type": "string", "pattern": "^bytes=([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})$"},
            },
        ],
        media,
        ["Cache-Control", "ETag", "Repr-Digest"],
    )
    refusal = described["get"]["responses"]["400"]["content"]
    described["get"]["responses"] |= {
        "206": {
            "description": "The range.",
            "content": media,
            "headers": _describe_headers(["Content-Range", "ETag"]),
        },
        "304": {"description": "The client has it.", "headers": _describe_headers(["ETag"])},
        "416": {
            "description": "No byte is in the range (2).",
            "content": refusal,
            "headers": _describe_headers(["Content-Range"]),
        },
    }
    return described


def _describe_reading(
    schemas: Schemas, reading: Reading, first: list[dict[str, Any]], path: str
) -> dict[str, Any]:
    in_path = reading.path_names if "{" in path else ()
    parameters = [_describe_parameter(parameter, in_path) for parameter in reading.parameters]
    record = schemas.describe(reading.answer_type)
    script = _describe_script(schemas, reading, record)
    described = _describe(
        reading.summary,
        [*first, *parameters, _FORM],
        _json(record if script == record else {"anyOf": [script, record]}),
        [
            "Cache-Control",
            *(["ETag"] if reading.freshness is Freshness.PINNED else []),
            *(["Link"] if reading.is_in_pages else []),
        ],
    )
    if reading.freshness is Freshness.PINNED:
        described["get"]["responses"]["304"] = {
            "description": "The client has the answer.",
            "headers": _describe_headers(["ETag"]),
        }
    return described


def _describe_drawing(drawing: Drawing) -> dict[str, Any]:
    parameters = [_describe_parameter(parameter, drawing.path_names) for parameter in drawing.parameters]
    media = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}
    return _describe(drawing.summary, [_PIN, *parameters, _SUFFIX], media, ["Cache-Control", "ETag"])


def _describe_script(schemas: Schemas, reading: Reading, record: _Schema) -> _Schema:
    """Return the schema of the short form of an answer."""
    if reading is _VALIDITY:
        return schemas.describe(list[Version])
    if reading is _VERSION:
        files = {"type": "array", "items": schemas.describe(StoredFile)}
        return {
            "allOf": [
                schemas.describe(Version),
                {"type": "object", "required": ["files"], "properties": {"files": files}},
            ]
        }
    if reading is _SUBJECT:
        return {"type": "object", "properties": schemas.components["Subject"]["properties"]}
    return record


def _describe_parameter(parameter: Parameter, in_path: tuple[str, ...]) -> dict[str, Any]:
    schema = _NAMED.get(parameter.name, _SCHEMAS[parameter.sort])
    if parameter.name in in_path:
        one = schema.get("items", schema)
        return {"name": parameter.name, "in": "path", "required": True, "schema": one}
    return {
        "name": parameter.url_name,
        "in": "query",
        "required": parameter.is_required,
        "schema": schema,
        **({"style": "form", "explode": True} if schema.get("type") == "array" else {}),
    }


def _json(schema: _Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _describe_headers(names: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"description": description, "schema": schema}
        for name, (description, schema) in _HEADERS.items()
        if name in names
    }


def _describe(
    summary: str, parameters: list[dict[str, Any]], media: dict[str, Any], headers: Sequence[str]
) -> dict[str, Any]:
    refusal = _json({"$ref": "#/components/schemas/Error"})
    refusals: dict[str, Any] = {
        status: {"description": text, "content": refusal} for status, text in _STATUSES.items()
    }
    refusals["503"]["headers"] = {"Retry-After": _RETRY_AFTER}
    return {
        "get": {
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "The answer.",
                    "content": media,
                    "headers": _describe_headers(headers),
                },
                **refusals,
            },
        }
    }

"""Encode and read provenance documents. A document is untrusted input: every field is checked."""

from __future__ import annotations

import codecs
from pathlib import Path

import msgspec

from registry.errors import DocumentError
from registry.files import read_bounded
from registry.identifiers import quote
from registry.provenance.document import FILE_NAME, FORMAT, KNOWN_VERSIONS, Document, DocumentHeader

__all__ = ["FILE_NAME", "Document", "encode", "read", "read_with_content"]

_MAX_REASON_LENGTH = 300
_MAX_BYTES = 64 << 20  # 32 panels with every kind make some 0.2 MB


def encode(document: Document) -> bytes:
    """Return the document as indented JSON, ending with a newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read(path: Path) -> Document:
    """Read a document; see `read_with_content`."""
    return read_with_content(path)[0]


def read_with_content(path: Path) -> tuple[Document, bytes]:
    """Read a document, checking its format, every field and every type; return it and its bytes.

    Raises
    ------
    NotFoundError
        There is no such file.
    DocumentError
        It is not a provenance document, is of a newer format, cut, changed to an invalid one, or too large.
    UnavailableError
        It cannot be read.
    """
    name = repr(str(path))
    content = read_bounded(path, _MAX_BYTES, "a provenance document", DocumentError)
    text = content.removeprefix(codecs.BOM_UTF8)  # from an editor; the checksum of the document has it too
    try:
        header = msgspec.json.decode(text, type=DocumentHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"{name} is not a provenance document, or it is cut or damaged"
        raise DocumentError(message, path=str(path)) from None
    if header.format != FORMAT:
        message = f"{name} is not a provenance document: its format is {quote(header.format)}"
        raise DocumentError(message, path=str(path))
    if (number := header.format_version) not in KNOWN_VERSIONS:
        known = " and ".join(map(str, KNOWN_VERSIONS))
        message = f"{name} is a provenance document of format {number}; this software reads {known}"
        raise DocumentError(message, path=str(path), format_version=number)
    try:
        return msgspec.json.decode(text, type=Document), content
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # in fields that the header does not have
        reason = str(error)  # contains the names of unknown fields
        if len(reason) > _MAX_REASON_LENGTH or not reason.isprintable():
            reason = quote(reason)
        message = f"{name} is not a whole provenance document: {reason}"
        raise DocumentError(message, path=str(path), reason=reason) from None

"""Regressions: inputs that once broke a parser or took it very long, by target."""

from __future__ import annotations

_DOCUMENT = b'{"format":"calreg provenance","format_version":1'

REGRESSIONS: dict[str, list[bytes]] = {
    # Each panel was searched for in the list of all others.
    "detector-id": [b"_".join(b"1-2-%x" % number for number in range(1, 20_000))],
    # There was a message for each of two million lines.
    "dataset-table": [b"a\n" * (1 << 21), b"a " * (1 << 19), b"a" * (1 << 20), b"exp=" * (1 << 18)],
    "logbook": [
        b"[" * (1 << 16),
        b'[{"num":' + b"9" * 5000 + b"}]",
        b'[{"run_num":1,"begin_time":1e999999999}]',
    ],
    "text": [
        b"# SHAPE (3,1,4,\x1f6)\n# DATATYPE float32\n",
        b"# SHAPE (1,1,4,6)\n" + b"1 " * (1 << 19),
        b"#" * (1 << 21),
        b"\n# SHAPE (9,9)\n" * (1 << 17),
    ],
    "location": [b"\0", b"sqlite:///a\0", b"postgresql://\0"],
    "provenance": [
        b'{"format":"\xff","format_version":1}',
        _DOCUMENT + b',"x":' + b"[" * (1 << 20),
        _DOCUMENT + b',"format_version":' + b"9" * 5000 + b"}",
        _DOCUMENT + b',"\\u001b[2J":1}',
        _DOCUMENT + b',"' + b"x" * 5000 + b'":1}',
    ],
    "backup": [b'{"format":"\xff","format_version":1}', b"[" * (1 << 16)],
    "store": [
        b'{"registry":"' + b"x" * (1 << 20) + b'"}',
        b'{"registry":"\\u001b[2J\\ud800"}',
        b'{"registry":' + b"9" * 5000 + b"}",
    ],
}

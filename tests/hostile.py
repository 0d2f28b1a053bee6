"""Texts that every parser of names must refuse cleanly, and values of every type."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from registry.instants import Instant

HOSTILE_TEXTS = [
    "",
    " ",
    "\n",
    "1" * 10_000,
    "-" * 10_000,
    "a-" + "b" * 10_000 + "-c",
    "\x1b[31m1-2-3\x1b[0m",
    "1-2-3\x07",
    "1-\x00-3",
    "../../etc/passwd",
    "1-2-3/../..",
    "1-2-3\n",
    "1-2-3\r\n",
    "\u202e1-2-3",
    "M068\n",
    "M06\u0668",
    "\uff11-2-3",
    "\u0661-2-3",
    "1\u20102\u20103",
    "exp=xcsls3716:run=631\n",
    "exp=xcsls3716\n:run=631",
    "exp=xcsls3716:run=\u0666\u0663\u0661",
    "exp=:run=",
    "XcsEndstation.0:Jungfrau.0\n",
    "\udc80",
]

HOSTILE_VALUES: list[Any] = [
    *("", "\ud800", "a\ud800b", "a\0b", "line\nline", "\x07bell", "x" * 100_000, "nan", "None"),
    *(None, 0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**300, 10**6000, 1.5, float("nan"), float("inf"), 1j),
    *(True, False, b"M068", b"\xff", bytearray(b"x"), Path("nowhere"), Path("bad\ud800"), Path("nul\0")),
    *([], [None], ["gain", 3], ("\ud800",), {"gain"}, {"gain": 1}, [["gain"]], object(), type, print),
    *(np.int64(7), np.float64(1.5), np.str_("M068"), np.bool_(True), np.datetime64("2018-01-01")),
    *(np.array([]), np.array(["gain"]), np.array([1, 2]), np.array(3), np.bytes_(b"x")),
    *(datetime(2018, 1, 1), datetime(2018, 1, 1, tzinfo=UTC), datetime.max),  # noqa: DTZ001, DTZ901
    *(datetime.min.replace(tzinfo=UTC), Instant(0), Instant(2**62), Instant(-(2**63)), iter(["gain"])),
    *(Ellipsis, NotImplemented),
]
"""Values that every argument of a public method must refuse cleanly, where it does not take them."""

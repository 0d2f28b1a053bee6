"""The lines of the service's log: an answer is sent also where its line cannot be written."""

import json
import logging
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from registry.service.request_log import log_request

_SCOPE = {"method": "GET", "client": ("127.0.0.1", 5)}


@pytest.fixture(autouse=True)
def _write_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_line_says_what_was_asked_and_sent(capsys: pytest.CaptureFixture[str]) -> None:
    log_request(_SCOPE, b'/panels?name="\\\xff\n', 200, 12, 0.00123)
    line = capsys.readouterr().err
    assert line.isascii()
    assert line.count("\n") == 1
    facts = json.loads(line)
    assert facts.pop("time").endswith("+00:00")
    assert facts == {
        "level": "info",
        "method": "GET",
        "url": '/panels?name="\\\xff\n',
        "status": 200,
        "bytes": 12,
        "ms": 1.2,
        "client": "127.0.0.1",
    }


@pytest.mark.parametrize("place", ["/dev/full", "/dev/null"])
def test_a_log_on_a_full_disk_or_that_is_closed_stops_no_answer(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with suppress(OSError), Path(place).open("w", buffering=1) as file:  # closing writes what could not be
        monkeypatch.setattr(sys, "stderr", file)
        log_request({"method": "GET", "client": None}, b"/", 0, 0, 0.0)
    assert file.closed
    log_request({"method": "GET", "client": None}, b"/", 0, 0, 0.0)


def test_a_process_that_writes_no_log_prints_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    log_request(_SCOPE, b"/", 200, 12, 0.00123)
    assert capsys.readouterr().err == ""

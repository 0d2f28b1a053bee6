"""Every test and every harness that docs/guarantees.md names exists."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from harnesses import __main__ as harnesses

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
PROMISES = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)[2:]


def test_every_promise_names_a_test_or_a_harness() -> None:
    assert len(PROMISES) > 10
    for promise, shown in PROMISES:
        assert re.fullmatch(r"`[^`]+`( · `[^`]+`)*", shown), promise


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[^`]+\.py[^`]*)`", PAGE))))
def test_a_test_that_is_named_exists(named: str) -> None:
    file, _, name = named.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert name in names if name else any(function.startswith("test_") for function in names)


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`python -m harnesses ([^`]+)`", PAGE))))
def test_a_harness_that_is_named_can_be_run(named: str) -> None:
    assert harnesses._build_parser().parse_args(shlex.split(named)).harness == named

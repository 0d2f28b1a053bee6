"""``calreg demo``: run the real commands on a sample directory, and show each with its output."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output
from registry.cli.quiet import is_quiet
from registry.errors import ConflictError
from registry.files import TEMPORARY_PREFIX, atomic_write, has_content, make_absolute, translate_os_errors

_MARKER = ".calreg-demo"
"""Names a folder that this command has made, and tells whether all is done that it shows."""
_BEGUN, _FINISHED = "begun\n", "finished\n"

_STEPS = (
    (
        "Create an empty registry, which reads times in the zone of the facility.",
        "init --timezone America/Los_Angeles",
    ),
    ("Import the directory of links.", "import tree"),
    ("Import the table of datasets, and record the start time of a run.", "run import datasets.txt"),
    ("", "run add exp=xcsls3716:run=631 --begin 2018-02-10T08:15:00Z"),
    ("What is valid when, for the module M068?", "validity M068"),
    ("What is valid at one instant? One second before the start, nothing is.", ""),
    ("", "validity 170505-149520170815-3d00b0 --at 2017-10-25T07:00:00Z"),
    ("", "validity 170505-149520170815-3d00b0 --at 2017-10-25T06:59:59Z"),
    ("Which panels were read out in the run?", "detector show exp=xcsls3716:run=631"),
    (
        "Export its constants, and show where they come from.",
        "export exp=xcsls3716:run=631 --output constants",
    ),
    ("", "provenance show constants/provenance.json"),
    ("", "provenance verify constants/provenance.json"),
    ("", "identify constants/pixel_gain.npy"),
    ("Check the whole registry.", "verify"),
)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
) -> None:
    """Run the real commands on a sample directory."""
    make_absolute(folder)  # refused before anything is written
    if _is_finished(folder):
        _print_end(folder)
        return
    _write_sample(folder)
    environment = {
        **os.environ,
        "CALREG_DATABASE": f"sqlite:///{folder.absolute() / 'registry.sqlite'}",
        "CALREG_STORE": str(folder.absolute() / "store"),
    }
    for name in ("CALREG_TIMEZONE", "CALREG_PIN"):
        environment.pop(name, None)
    output.print_text(_describe_entry(folder))
    for heading, command in _STEPS:
        if heading:
            output.print_text()
            output.print_text(f"# {heading}")
        if command:
            _run_command(command, folder, environment)
    with translate_os_errors("written", folder):
        (folder / _MARKER).write_text(_FINISHED)
    output.print_text()
    _print_end(folder)


def _describe_entry(folder: Path) -> str:
    return f"$ cd {shlex.quote(str(folder))}; export CALREG_DATABASE=sqlite:///registry.sqlite"


def _print_end(folder: Path) -> None:
    output.print_text(f"# Everything is in {folder}. To continue there:")
    output.print_text(_describe_entry(folder))
    output.print_text("$ calreg -h")


def _is_finished(folder: Path) -> bool:
    return has_content(folder / _MARKER, _FINISHED.encode())


def _write_sample(folder: Path) -> None:
    """Write what the commands work on, where a demonstration that was killed has not done so."""
    from registry import sample

    with translate_os_errors("written", folder):
        if not has_content(folder / _MARKER, _BEGUN.encode()):
            _make_folder(folder)
        if (folder / "datasets.txt").exists():
            return
        if not is_quiet():
            output.print_message("writing a sample directory of three modules ...")
        with suppress(FileNotFoundError):
            shutil.rmtree(folder / "tree")
        sample.write_legacy_tree(folder / "tree")
        with atomic_write(folder / "datasets.txt") as hidden:
            sample.write_dataset_table(hidden)


def _make_folder(folder: Path) -> None:
    """Make the folder with its mark in one step."""
    if os.path.lexists(folder):
        raise ConflictError(f"{folder} exists already; name a new folder")
    hidden = folder.absolute().parent / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    hidden.mkdir(parents=True)
    (hidden / _MARKER).write_text(_BEGUN)
    hidden.rename(folder)


def _run_command(command: str, folder: Path, environment: dict[str, str]) -> None:
    import subprocess

    output.print_text(f"$ calreg {command}")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "registry", *shlex.split(command)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL if is_quiet() else None,
        stderr=subprocess.PIPE,  # not a terminal: no hints
        text=True,
        errors="replace",
        check=False,
    )
    refused = command.endswith("06:59:59Z")  # one second too early
    if done.returncode > 1 and not refused:  # the disk is full, for example
        output.print_message(done.stderr.strip())
        raise typer.Exit(done.returncode)
    typer.echo(done.stderr, nl=False)
    if bool(done.returncode) != refused:
        raise RuntimeError(f"calreg {command} ended with exit code {done.returncode}")
    if refused:
        output.print_text(f"(exit code {done.returncode})")

"""``calreg demo``: run the real commands on a sample directory, and show each with its output."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output
from registry.cli.quiet import is_quiet
from registry.errors import ConflictError
from registry.files import make_absolute, translate_os_errors

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
    _write_sample(folder)
    environment = {
        **os.environ,
        "CALREG_DATABASE": f"sqlite:///{folder.absolute() / 'registry.sqlite'}",
        "CALREG_STORE": str(folder.absolute() / "store"),
    }
    environment.pop("CALREG_TIMEZONE", None)
    enter = f"$ cd {shlex.quote(str(folder))}; export CALREG_DATABASE=sqlite:///registry.sqlite"
    output.print_text(enter)
    for heading, command in _STEPS:
        if heading:
            output.print_text()
            output.print_text(f"# {heading}")
        if command:
            _run_command(command, folder, environment)
    output.print_text()
    output.print_text(f"# Everything is in {folder}. To continue there:")
    output.print_text(enter)
    output.print_text("$ calreg -h")


def _write_sample(folder: Path) -> None:
    from registry import sample

    with translate_os_errors("written", folder):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise ConflictError(f"{folder} exists already; name a new folder") from None
        if not is_quiet():
            output.print_message("writing a sample directory of three modules ...")
        sample.write_legacy_tree(folder / "tree")
        sample.write_dataset_table(folder / "datasets.txt")


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

"""A registry whose pages tests look at, and the paths of these pages."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from registry import authorship
from testing.panels import use_small_panels, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

PANEL, OTHER = "170505-149520170815-3d00b0", "170505-149520170815-3d00f7"
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}\u202etxt"
PAGES = (
    "/",
    "/panels/M068",
    "/runs/exp=xcsls3716:run=6",
    "/versions/1",
    "/log",
    "/changes?since=2",
    "/validity?target=M068&at=2018-02-10T00:00:00Z&kind=gain",
    "/versions/99",
    "/panels",
    f"/panels/{PANEL}",
    "/detectors",
    f"/detectors/{PANEL}_{OTHER}",
    "/runs",
    "/runs/exp=xcsls3716:run=5",
    "/versions",
    "/versions?withdrawn=true",
    "/versions/5",
    "/log/2",
    "/tags",
    "/validity",
    "/validity?target=M068",
    "/changes",
    "/search",
    "/search?q=M0",
)
"""One of each page; version 99 is not found."""


@contextmanager
def sign_as_ana() -> Iterator[None]:
    """Sign revisions by an author, a host and a command whose names stand nowhere else."""
    with (
        mock.patch.object(authorship, "_find_user_name", return_value="ana-of-the-beamline"),
        mock.patch.object(socket, "gethostname", return_value="host-of-the-beamline"),
        mock.patch.object(sys, "argv", ["calreg", "command-of-the-beamline"]),
    ):
        yield


def make_location(factory: RegistryFactory, folders: pytest.TempPathFactory) -> RegistryLocation:
    """Make a registry with two panels of a detector, a gap, a withdrawn version, two runs and a tag."""
    location = factory.make("sqlite")
    files = [folders.mktemp(f"files-{number}") for number in (1, 2)]
    with use_small_panels(), location.open() as registry, sign_as_ana():
        for number, folder in enumerate(files, 1):
            write_panel_folder(folder, number)
        registry.panels.add(PANEL, alias="M068")
        registry.versions.add(PANEL, files[0], valid_from="2018-01-01T00:00:00Z", comment=HOSTILE)
        registry.tags.add("spring")
        registry.panels.add(OTHER, alias="M088")
        registry.versions.add(OTHER, files[1], valid_from="2018-02-01T00:00:00Z")
        registry.versions.gap(PANEL, valid_from="2019-01-01T00:00:00Z", comment="broken", kinds=["gain"])
        registry.versions.withdraw(4, comment="measured in the dark")
        registry.detectors.configure("xcsls3716", "Xcs.0:Jungfrau.0", f"{PANEL}_{OTHER}", first_run=1)
        registry.runs.add("exp=xcsls3716:run=5", begin="2018-03-01T00:00:00Z")
        registry.runs.add("exp=xcsls3716:run=6", begin="2019-03-01T00:00:00Z")
    return location

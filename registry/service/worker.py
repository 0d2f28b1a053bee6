"""A worker of the service: granian imports it in each of its processes."""

from __future__ import annotations

import logging
import os

import msgspec

from registry.api.serving import open_to_serve
from registry.service.application import build_application
from registry.service.gate import Gate
from registry.service.state import Options, State
from registry.settings import find_settings
from registry.store import ContentStore

OPTIONS = "CALREG_SERVICE_OPTIONS"
"""The variable by which a server hands its options to its workers, as JSON."""


def build_service() -> Gate:
    """Open the registry of the environment, and return the service of it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    options = msgspec.json.decode(os.environ[OPTIONS], type=Options)
    settings = find_settings()
    return build_application(State(open_to_serve(settings), ContentStore(settings.store), options))

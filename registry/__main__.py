"""``python -m registry`` is ``calreg``."""

from __future__ import annotations

from registry.cli import main

main()

"""The field's present method as a program that imports nothing but numpy: ``python merge.py FOLDER SOURCE...``."""

from __future__ import annotations

import sys

import numpy as np


def main(folder: str, *sources: str) -> None:
    """Write both arrays of the panels whose files are in these folders; nothing is checked."""
    for kind in ("gain", "offset"):
        ranges = [
            np.stack([np.load(f"{source}/g{gain_range}_{kind}.npy") for source in sources])
            for gain_range in range(3)
        ]
        np.save(f"{folder}/pixel_{kind}.npy", np.stack(ranges))


if __name__ == "__main__":
    main(*sys.argv[1:])

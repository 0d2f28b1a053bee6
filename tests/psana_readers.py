"""Independent versions of the two readers of the analysis framework, as far as their rules are known."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _split(path: Path) -> tuple[list[list[str]], list[str]]:
    """Return the fields of the header's lines (# KEY value), and the lines of numbers."""
    header, numbers = [], []
    for line in path.read_text(encoding="ascii").split("\n"):
        if line.startswith("#"):
            header.append(line.split(" ", 2))
        elif line.strip():
            numbers.append(line)
    return header, numbers


def read_older(path: Path) -> NDArray[Any]:
    """Take DTYPE, NDIM, DIM:0 ... in this order, and the numbers in a row."""
    header, numbers = _split(path)
    fields = [(line[1], line[2].strip()) for line in header if len(line) == 3]
    (first, dtype), (second, axes), *sizes = [
        (key, value) for key, value in fields if key.split(":")[0] in ("DTYPE", "NDIM", "DIM")
    ]
    assert (first, second) == ("DTYPE", "NDIM")
    assert [key for key, _ in sizes] == [f"DIM:{axis}" for axis in range(int(axes))]
    values = [float(word) for line in numbers for word in line.split()]
    return np.array(values).astype(dtype).reshape([int(size) for _, size in sizes])


def read_newer(path: Path) -> NDArray[Any]:
    """Take DATATYPE and SHAPE wherever they stand, and lines of numbers of one length."""
    header, numbers = _split(path)
    fields = {line[1]: line[2].strip() for line in header if len(line) == 3}
    table = np.array([line.split() for line in numbers], dtype=fields["DATATYPE"])
    return table.reshape(ast.literal_eval(fields["SHAPE"]))


def find_file_for_run(folder: Path, run: int) -> Path | None:
    """Return the file for a run: of those that contain it the one with the highest first, then lowest last run.

    Raises
    ------
    ValueError
        If any name that ends in .data is not FIRST-LAST or FIRST-end: the framework fails.
    """
    candidates = []
    for path in folder.iterdir():
        if path.name.endswith(".data"):
            first, last = path.name.removesuffix(".data").split("-")
            runs = int(first), 9999 if last == "end" else int(last)
            if max(runs) > 9999:
                raise ValueError(path.name)
            if runs[0] <= run <= runs[1]:
                candidates.append((runs[0], -runs[1], path))
    return max(candidates)[2] if candidates else None

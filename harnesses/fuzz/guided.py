"""Run one target under atheris, as a process: ``python -m harnesses.fuzz.guided TARGET FOLDER OPTION...``.

The modules of calreg are instrumented while they are imported, so this module must not import them earlier.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_ADDRESSES = 8 << 30  # bytes of address space; libFuzzer limits the memory that is used


def main(name: str, folder: Path, options: list[str]) -> None:
    """Feed a target until an input breaks it, or the limit in the options of libFuzzer is reached."""
    import atheris

    with atheris.instrument_imports(include=["registry"]):
        from harnesses.fuzz.targets import TARGETS
    target = TARGETS[name]
    work, corpus = folder / "work", folder / "corpus"
    for path in (work, corpus):
        path.mkdir()
    for number, seed in enumerate(target.seeds(work)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    atheris.Setup([sys.argv[0], str(corpus), *options], lambda data: target.feed(work, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""One target under atheris, in a process of its own: ``python -m harnesses.fuzz.guided TARGET FOLDER OPTION...``.

The modules of calreg are instrumented while they are imported, so nothing here may import them before.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_ADDRESSES = 8 << 30  # bytes, of which hardly any are used; libFuzzer watches those that are


def main(name: str, folder: Path, options: list[str]) -> None:
    """Feed a target until an input breaks it, or the options, which are libFuzzer's, say that it is enough."""
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

"""Optional packages that are missing, or installed and broken: the command that needs one is refused in a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import UnavailableError
from registry.extras import import_extra
from tests.refusals import assert_refused

BROKEN = {
    "an extension for another numpy": "raise ValueError('numpy.dtype size changed, may indicate incompatibility')",
    "a missing library": "raise ImportError('libhdf5.so.310: cannot open shared object file')",
    "a library that cannot be read": "raise OSError('libpq.so.5: file too short')",
    "a dependency without a name": "import os; os.name_of_a_later_version",
    "a missing dependency": "import a_package_that_nobody_has",
    "half an update": "def",
    "a warning": "raise DeprecationWarning('removed in the next release')",
}
USES = {
    "h5py": "from registry.exporters.formats import find_format; find_format('hdf5')",
    "matplotlib": "from registry.plots.files import *; check_picture_file(Path('picture.png'), force=False)",
    "psycopg": "from registry.database.engine import make_engine; make_engine('postgresql://localhost/calreg')",
    "pandas": "from registry.records import Tag, record_lists; record_lists.RecordList(Tag).to_pandas()",
    "xarray": "from registry.extras import import_extra; import_extra('xarray', 'xarray', 'xarray is not installed')",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_package_is_refused_with_the_reason(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with assert_refused(UnavailableError, "broken_package", "calreg[hdf5]", package="broken_package"):
        import_extra("broken_package", "hdf5", "it needs broken_package")


@pytest.mark.parametrize(
    "content",
    [
        "raise MemoryError",
        "import errno\nraise OSError(errno.ENOMEM, 'Cannot allocate memory')",
        "try:\n    raise MemoryError\nexcept MemoryError:\n    raise ImportError('see our pages')",
    ],
)
def test_a_package_for_which_there_is_not_enough_memory_is_not_called_broken(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large_package.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with assert_refused(UnavailableError, "large_package", package="large_package") as refusal:
        import_extra("large_package", "hdf5", "it needs large_package")
    assert "not enough memory" in str(refusal.value)
    assert "remove it" not in str(refusal.value)


LIMITED = """
import resource, sys
import numpy, registry.errors, registry.extras
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from registry.errors import UnavailableError
from registry.extras import import_extra
try:
    import_extra("h5py", "hdf5", "h5py is not installed")
except UnavailableError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set by Linux's count of pages")
def test_h5py_under_a_limit_of_memory_is_not_called_broken() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("there is not enough memory to import h5py ("), done


def test_a_missing_package_is_refused_with_the_extra_that_has_it() -> None:
    with assert_refused(UnavailableError, "it needs missing_package: pip install 'calreg[hdf5]'"):
        import_extra("missing_package", "hdf5", "it needs missing_package")


@pytest.mark.slow
@pytest.mark.parametrize("package", USES)
def test_whatever_needs_a_broken_package_is_refused(package: str, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text(BROKEN["an extension for another numpy"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    program = f"from registry.errors import UnavailableError\ntry:\n    {USES[package]}\n"
    program += "except UnavailableError as error:\n    print(error)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{package} is installed and cannot be imported (ValueError: numpy.dtype size"
    )


WITHOUT_EXTRA = """
import sys
for package in ("granian", "starlette", "anyio", "jinja2"):
    sys.modules[package] = None
from registry.cli import main
sys.argv = ["calreg", *sys.argv[1:]]
main()
"""


def test_serve_without_its_packages_is_refused_with_the_extra_that_has_them(tmp_path: Path) -> None:
    environment = {**os.environ, "CALREG_DATABASE": f"sqlite:///{tmp_path}/registry.sqlite"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, "serve"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (8, "")
    assert "pip install 'calreg[serve]'" in done.stderr
    assert "Traceback" not in done.stderr

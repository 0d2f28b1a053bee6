"""Checks of arrays: exactly one layout is accepted, every other is refused with the command that converts it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_arrays

from registry.arrays import array_warnings, check_file, compare_pixels, compute_statistics, parse_array
from registry.detectors import DETECTOR_TYPES, ZeroMeaning
from registry.detectors.types import Kind
from registry.errors import ArrayError, Remedy, UnavailableError
from registry.records import CheckedFile, Statistics
from tests.refusals import assert_refused
from tests.selection import examples

JUNGFRAU = DETECTOR_TYPES["jungfrau"]
GAIN = JUNGFRAU.find_kind("gain")
OFFSET = JUNGFRAU.find_kind("offset")
STATUS = JUNGFRAU.find_kind("status")
SHAPE = (512, 1024)
PAYLOAD = 512 * 1024 * 4
DAMAGED = "is not a .npy file, or its header is damaged"
HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (512, 1024), }"
# As a user may well have them: spaces, quotes, what a shell would expand, a line end, an escape sequence.
NASTY = 'it\'s "my" $HOME `id` \\ map;\n\x1b[31m*.npy'


@pytest.fixture(scope="module")
def gain() -> np.ndarray:
    """Return a map like a real one of gain range 0."""
    return np.random.default_rng(68).normal(41.5, 0.5, SHAPE).astype("<f4")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g0_gain.npy"


def npy(header: str | bytes, payload: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """Return a .npy file with that header, however wrong it is."""
    text = header.encode("latin1") if isinstance(header, str) else header
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + text + payload


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def encode_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def check(
    path: Path, content: bytes | np.ndarray, kind: Kind = GAIN, gain_range: int = 0, **options: bool
) -> CheckedFile:
    path.write_bytes(content if isinstance(content, bytes) else encode_npy(content))
    return check_file(path, JUNGFRAU, kind, gain_range, **options)


def refusal(
    path: Path, content: bytes | np.ndarray, kind: Kind = GAIN, gain_range: int = 0, **options: bool
) -> str:
    """Return the sentence, without the file's name, with which the content is refused."""
    with pytest.raises(ArrayError) as caught:
        check(path, content, kind, gain_range, **options)
    message = str(caught.value)
    assert caught.value.values["path"] == str(path)
    assert message.isprintable()
    assert message.startswith(f"{str(path)!r} ")
    return message.removeprefix(f"{str(path)!r} ")


# Accepted files


def test_a_correct_file_is_accepted_and_described(path: Path, gain: np.ndarray) -> None:
    file = check(path, gain)
    content = path.read_bytes()
    assert file.path == path
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert (file.size, file.dtype, file.shape) == (len(content), "<f4", SHAPE)
    assert file.statistics.minimum == gain.min()
    assert file.statistics.maximum == gain.max()
    assert file.statistics.median == pytest.approx(float(np.median(gain)), rel=1e-7)
    assert (file.statistics.zeros, file.statistics.nonfinite) == (0, 0)
    assert array_warnings(GAIN, [file]) == []


def test_checking_a_file_does_not_touch_it(path: Path, gain: np.ndarray) -> None:
    path.write_bytes(encode_npy(gain))
    path.chmod(0o444)
    before = path.stat()
    check_file(path, JUNGFRAU, GAIN, 0)
    after = path.stat()
    assert (before.st_mtime_ns, before.st_mode, before.st_ino) == (
        after.st_mtime_ns,
        after.st_mode,
        after.st_ino,
    )
    assert names(path.parent) == [path.name]


def test_a_link_to_a_correct_file_is_accepted(tmp_path: Path, gain: np.ndarray) -> None:
    (tmp_path / "real.npy").write_bytes(encode_npy(gain))
    (tmp_path / "link.npy").symlink_to("real.npy")
    assert check_file(tmp_path / "link.npy", JUNGFRAU, GAIN, 0).path == tmp_path / "link.npy"


def test_a_header_of_version_2_is_accepted(path: Path, gain: np.ndarray) -> None:
    assert check(path, npy(HEADER, gain.tobytes(), (2, 0))).statistics.maximum == gain.max()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_header_written_by_python_2_is_accepted_without_a_warning(path, gain, version) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (512L, 1024L), }"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        file = check(path, npy(header, gain.tobytes(), version))
    assert seen == []
    assert file.statistics.minimum == gain.min()


@pytest.mark.slow
@given(any_arrays("<f4", (2, 3), elements=st.floats(width=32)))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_values_read_are_the_very_bytes_of_the_file(array: np.ndarray) -> None:
    content = encode_npy(array)
    read = parse_array(content, Path("a.npy"), (2, 3), "<f4")
    assert read.dtype == "<f4"
    assert read.tobytes() == array.tobytes() == content[-24:]


# Other layouts, and the command that converts them


@pytest.mark.parametrize(
    ("dtype", "shown"), [("<f8", "<f8"), (">f4", ">f4"), ("<f2", "<f2"), ("<i4", "<i4"), ("u1", "|u1")]
)
def test_another_dtype_is_refused_with_the_command_that_converts_it(path, dtype: str, shown: str) -> None:
    message = refusal(path, np.full(SHAPE, 41, dtype))
    assert message.startswith(f"is {shown}, must be <f4; python -c ")
    assert ".astype(" in message
    assert message.endswith(" writes it so")


@pytest.mark.parametrize(
    "dtype", ["<c8", "|b1", "<U4", "|S4", "<M8[s]", [("gain", "<f4"), ("offset", "<f4")]]
)
def test_a_dtype_whose_meaning_is_not_known_is_refused_without_a_command(path: Path, dtype) -> None:
    message = refusal(path, np.zeros(SHAPE, dtype))
    assert message.endswith(", must be <f4")
    assert "python" not in message


@pytest.mark.parametrize("shape", [(1, 512, 1024), (512, 1024, 1), (1, 1, 512, 1, 1024)])
def test_an_extra_axis_of_length_1_is_refused_with_the_command_that_removes_it(path: Path, shape) -> None:
    message = refusal(path, np.full(shape, 41.5, "<f4"))
    assert message.startswith(f"has the shape {shape}, must have (512, 1024); python -c ")
    assert message.endswith(" writes it so")


@pytest.mark.parametrize(
    "shape", [(1024, 512), (524288,), (), (0,), (2, 512, 1024), (512, 1024, 0), (511, 1024)]
)
def test_another_shape_is_refused_without_a_guess(path: Path, shape) -> None:
    assert refusal(path, np.full(shape, 41.5, "<f4")) == f"has the shape {shape}, must have (512, 1024)"


def test_fortran_order_is_refused_with_the_command_that_converts_it(path: Path, gain: np.ndarray) -> None:
    message = refusal(path, np.asfortranarray(gain))
    assert message.startswith("is in Fortran order, must be in C order; python -c ")
    assert message.endswith(" writes it so")


def run_fix(path: Path, message: str) -> Path:
    """Run the command that the message shows, in a shell, and return the file that it says it writes."""
    command = message.partition("; python -c ")[2].removesuffix(" writes it so")
    script = f'python() {{ "$PYTHON" "$@"; }}\npython -c {command}\n'
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONWARNINGS": "error"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path.with_name(f"mended-{path.name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["g0_gain.npy", NASTY], ids=["plain", "nasty"])
@pytest.mark.parametrize(
    "change",
    [
        lambda gain: gain.astype("<f8"),
        lambda gain: gain.astype(">f4"),
        np.asfortranarray,
        lambda gain: gain.reshape(1, 512, 1024),
    ],
    ids=["float64", "big-endian", "Fortran order", "extra axis"],
)
def test_the_command_shown_writes_a_file_of_the_same_values_that_is_accepted(
    tmp_path, gain, change, name
) -> None:
    path = tmp_path / name
    mended_path = run_fix(path, refusal(path, change(gain)))
    original = path.read_bytes()
    file = check_file(mended_path, JUNGFRAU, GAIN, 0)
    assert mended_path.read_bytes() == encode_npy(gain)
    assert file.sha256 == hashlib.sha256(encode_npy(gain)).hexdigest()
    assert path.read_bytes() == original
    assert names(tmp_path) == sorted([path.name, mended_path.name])


@pytest.mark.slow
def test_a_file_that_is_wrong_in_every_respect_is_accepted_after_the_commands_shown(path, gain) -> None:
    path.write_bytes(encode_npy(np.asfortranarray(gain.reshape(1, 512, 1024).astype(">f8"))))
    for _ in range(3):
        try:
            check_file(path, JUNGFRAU, GAIN, 0)
            break
        except ArrayError as error:
            path = run_fix(path, str(error))
    assert check_file(path, JUNGFRAU, GAIN, 0).size == len(encode_npy(gain))
    assert path.read_bytes() == encode_npy(gain)


# Damaged and malicious files


@pytest.mark.parametrize("lost", [1, 4, 4096, PAYLOAD])
def test_a_file_that_is_cut_short_is_refused_with_both_lengths(path: Path, gain, lost: int) -> None:
    assert refusal(path, encode_npy(gain)[:-lost]) == (
        f"is cut short: {PAYLOAD - lost} of {PAYLOAD} bytes are there after the header"
    )


@pytest.mark.parametrize("more", [b"\0", b"\n", b"x" * 4096, b"x" * 200_000])
def test_a_file_with_bytes_after_its_array_is_refused(path: Path, gain, more: bytes) -> None:
    assert refusal(path, encode_npy(gain) + more) == (
        f"has bytes after its array: {PAYLOAD} bytes are expected after the header, more are there"
    )


def test_two_arrays_in_one_file_are_refused(path: Path, gain) -> None:
    assert refusal(path, encode_npy(gain) * 2).startswith("has bytes after its array")


def test_a_file_of_terabytes_is_refused_without_being_read(path: Path, gain) -> None:
    path.write_bytes(encode_npy(gain))
    os.truncate(path, 2**40)  # sparse
    tracemalloc.start()
    try:
        with pytest.raises(ArrayError, match="has bytes after its array"):
            check_file(path, JUNGFRAU, GAIN, 0)
        assert tracemalloc.get_traced_memory()[1] < 10 * PAYLOAD
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "shape", ["(1125899906842624,)", "(512, 1024, 2147483648)", "(1000000000000000000000000000000, 1024)"]
)
def test_a_header_that_asks_for_petabytes_is_refused_without_allocating_them(path: Path, shape: str) -> None:
    tracemalloc.start()
    try:
        message = refusal(path, npy(HEADER.replace("(512, 1024)", shape), b"x" * 100))
        assert tracemalloc.get_traced_memory()[1] < 10 * PAYLOAD
    finally:
        tracemalloc.stop()
    assert message == f"has the shape {shape}, must have (512, 1024)"


@pytest.mark.parametrize("shape", [f"(0x{'f' * 9000},)", f"({'9' * 4000},)", f"({'1, ' * 2500})"])
def test_an_endless_shape_is_refused_in_a_short_sentence(path: Path, shape: str) -> None:
    message = refusal(path, npy(HEADER.replace("(512, 1024)", shape)))
    assert message.startswith("has the shape ")
    assert len(message) < 200


def test_a_header_of_version_3_is_refused_and_the_versions_that_are_read_are_named(path, gain) -> None:
    assert (
        refusal(path, npy(HEADER, gain.tobytes(), (3, 0))) == "is .npy of version 3.0; 1.0 and 2.0 are read"
    )


def test_pickled_objects_are_refused_and_not_loaded(path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (path.with_name("sprung"),))

    array = np.full(SHAPE, None, object)
    array[0, 0] = Trap()
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    assert refusal(path, stream.getvalue()) == "holds pickled objects, which are never loaded"
    assert not path.with_name("sprung").exists()


def test_a_pickle_is_not_an_array(path: Path) -> None:
    assert refusal(path, b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94.") == DAMAGED


def test_a_structure_that_hides_an_object_is_refused_as_pickled(path: Path) -> None:
    header = "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (512, 1024), }"
    assert refusal(path, npy(header)) == "holds pickled objects, which are never loaded"


def test_code_in_a_header_is_not_run(tmp_path: Path, path: Path, gain) -> None:
    code = f"__import__('pathlib').Path({str(tmp_path / 'sprung')!r}).touch()"
    for header in (code, HEADER.replace("(512, 1024)", f"({code}, 1024)"), HEADER.replace("False", code)):
        assert refusal(path, npy(header, gain.tobytes())) == DAMAGED
    assert not (tmp_path / "sprung").exists()


def test_a_zip_of_arrays_under_the_name_of_one_is_refused(path: Path, gain) -> None:
    stream = io.BytesIO()
    np.savez(stream, gain)
    assert refusal(path, stream.getvalue()) == DAMAGED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x94" + npy(HEADER)[1:],
        b"\x93numpy" + npy(HEADER)[6:],
        b"\x00" * 1000,
        b"41.5 41.5 41.5\n" * 100,
        b"# DTYPE float32\n",
        b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_file_that_does_not_begin_as_a_npy_file_is_refused(path: Path, content: bytes) -> None:
    assert refusal(path, content) == DAMAGED


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "[]",
        "5",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (512",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (512, 1024), 'more': 1}",
        "{'descr': '<f4', 'shape': (512, 1024), }",
        "{5: '<f4', 'fortran_order': False, 'shape': (512, 1024), }",
        "{[]: 1}",
        HEADER.replace("False", "0"),
        HEADER.replace("(512, 1024)", "[512, 1024]"),
        HEADER.replace("(512, 1024)", "(512.0, 1024)"),
        HEADER.replace("'<f4'", "'<q77'"),
        HEADER.replace("'<f4'", "5"),
        HEADER.replace("'<f4'", "()"),
        HEADER.replace("'<f4'", "[('a', '<f4'), ('a', '<f4')]"),
        HEADER.replace("'<f4'", "[('a',)]"),
        HEADER.replace("'<f4'", "[]*9**9"),
        "'''",
        "\\",
        "  {\n 1",
        "(" * 9000,
        "-" * 9000 + "1",
        "1+" * 4000 + "1",
        " " * 60_000 + HEADER,
        "\xff" * 40,
        "\0" * 40,
    ],
    ids=lambda header: repr(header[:70]),
)
def test_a_damaged_header_is_refused(path: Path, header: str) -> None:
    assert refusal(path, npy(header)) == DAMAGED


def test_an_outdated_dtype_in_a_header_is_refused_without_a_warning(path: Path) -> None:
    known = (
        "is |S4, must be <f4",
        "is not a .npy file, or its header is damaged",
    )  # numpy 2.5 has it no more
    assert refusal(path, npy(HEADER.replace("'<f4'", "'|a4'"))) in known


@pytest.mark.slow
@given(st.data())
@settings(deadline=None, max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
def test_a_header_with_any_bytes_changed_is_read_as_it_stands_or_refused(data) -> None:
    good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", b"payload of 24 bytes here")
    content = bytearray(good)
    offsets = st.integers(0, len(good) - 25)
    letters = st.one_of(st.sampled_from(b"'\"(){}[],:L0-\\#\n\0"), st.integers(0, 255))
    for offset, byte in data.draw(st.lists(st.tuples(offsets, letters), min_size=1, max_size=4)):
        content[offset] = byte
    assert_read_or_refused(bytes(content))


@pytest.mark.slow
@given(st.text("{}[]()'\",:<>f4O0123L \n\\-x*+#" + "descrshapefortran_order", max_size=60))
@example("{'descr': ('<f4',), 'fortran_order': False, 'shape': (2, 3)}")
@example("{'descr': ('<f4', -1), 'fortran_order': False, 'shape': (2, 3)}")
@example("{'descr': ('<f4', (2**70,)), 'fortran_order': False, 'shape': (2, 3)}")
@example("{'descr': {1: 2}, 'fortran_order': False, 'shape': (2, 3)}")
@settings(deadline=None, max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
def test_any_text_in_place_of_a_header_is_refused(header: str) -> None:
    assert_read_or_refused(npy(header, b"payload of 24 bytes here"))


def assert_read_or_refused(content: bytes) -> None:
    try:
        array = parse_array(content, Path("a.npy"), (2, 3), "<f4")
    except ArrayError as error:
        assert error.message.isprintable()  # noqa: PT017 - most are refused; a few changes leave the header right
    else:
        assert array.tobytes() == b"payload of 24 bytes here"


# Paths that are not files


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(ArrayError) as caught:
        check_file(path, JUNGFRAU, GAIN, 0)
    assert str(caught.value) == f"there is no file {str(path)!r}"
    assert caught.value.values == {"path": str(path)}


def test_a_folder_a_dangling_link_and_a_pipe_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "link.npy").symlink_to("nothing.npy")
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    problems = {
        "folder.npy": "is a folder, not an array",
        "link.npy": "there is no file",
        "loop.npy": "is a link that leads in a circle",
        "pipe.npy": "is not a regular file, so not an array",
        "a\0b.npy": "there is no file",
    }
    for name, problem in problems.items():
        with pytest.raises(ArrayError, match=problem):
            check_file(tmp_path / name, JUNGFRAU, GAIN, 0)


def test_a_file_that_cannot_be_read_is_not_called_wrong(path: Path, gain, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error", str(path))

    path.write_bytes(encode_npy(gain))
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(UnavailableError) as caught:
        check_file(path, JUNGFRAU, GAIN, 0)
    assert str(caught.value) == f"{str(path)!r} cannot be read: Input/output error"


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot be read: File name too long$"):
        check_file(tmp_path / ("x" * 5000), JUNGFRAU, GAIN, 0)


# Values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_counted_unless_they_are_allowed(
    path, gain, value
) -> None:
    array = gain.copy()
    array[1, :3] = value
    with assert_refused(ArrayError, remedy=Remedy.ALLOW_NONFINITE, path=str(path), nonfinite=3):
        check(path, array)
    file = check(path, array, allow_nonfinite=True)
    assert file.statistics.nonfinite == 3
    assert file.statistics.median == pytest.approx(41.5, abs=0.1)
    assert array_warnings(GAIN, [file]) == [
        f"{str(path)!r}: 3 values are NaN or infinite, as allowed; they are kept as they are"
    ]


def test_an_array_without_any_finite_value_is_refused_even_where_nan_is_allowed(path: Path) -> None:
    with assert_refused(ArrayError, path=str(path)):
        check(path, np.full(SHAPE, np.nan, "<f4"), allow_nonfinite=True)


@pytest.mark.parametrize("kind", [GAIN, OFFSET], ids=lambda kind: kind.name)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_nothing_but_zeros_is_refused(path: Path, kind: Kind, zero: float) -> None:
    array = np.full(SHAPE, zero, "<f4")
    with assert_refused(ArrayError, remedy=Remedy.ALLOW_ODD, path=str(path), gain_range=0, median=0.0):
        check(path, array, kind)
    assert refusal(path, array, kind) == "holds nothing but zeros"
    array[0, :2] = np.nan
    assert refusal(path, array, kind, allow_nonfinite=True) == "holds nothing but zeros"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in JUNGFRAU.kinds if kind.zero is not ZeroMeaning.GOOD and not kind.condition],
    ids=lambda kind: kind.name,
)
def test_nothing_but_zeros_is_accepted_with_a_warning_where_it_is_meant(path: Path, kind: Kind) -> None:
    file = check(path, np.zeros(SHAPE, kind.dtype), kind, allow_odd=True)
    assert file.odd == "holds nothing but zeros"
    zero = "0" if kind.is_mask else f"0 {kind.unit}"
    warnings = array_warnings(kind, [file])
    assert f"{str(path)!r}: every pixel has the same value {zero} (a placeholder?)" in warnings


def test_nothing_but_zeros_is_accepted_silently_where_zero_means_a_good_pixel(path: Path) -> None:
    file = check(path, np.zeros(SHAPE, "<u8"), STATUS)
    assert file.statistics == Statistics(0.0, 0.0, 0.0, zeros=512 * 1024, nonfinite=0)
    assert array_warnings(STATUS, [file]) == []


def test_flagged_pixels_are_accepted_unaltered_and_counted_in_a_warning(path: Path) -> None:
    array = np.zeros(SHAPE, "<u8")
    array[100, 200:207] = (1, 2, 4, 64, 65, 2**63, 2**64 - 1)
    file = check(path, array, STATUS)
    assert path.read_bytes().endswith(array.tobytes())
    assert (file.dtype, file.statistics.zeros, file.statistics.nonfinite) == ("<u8", 512 * 1024 - 7, 0)
    assert array_warnings(STATUS, [file, check(path, np.zeros(SHAPE, "<u8"), STATUS)]) == [
        f"{str(path.parent)!r}: 7, 0 pixels (by gain range) are flagged by status; kept as they are"
    ]


def test_the_same_flag_on_every_pixel_is_accepted_with_a_warning(path: Path) -> None:
    assert array_warnings(STATUS, [check(path, np.full(SHAPE, 64, "<u8"), STATUS)]) == [
        f"{str(path)!r}: every pixel has the same value 64 (a placeholder?)",
        f"{str(path.parent)!r}: 524288 pixels (by gain range) are flagged by status; kept as they are",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u8", "<i8", "<i4"])
def test_flags_in_another_integer_are_refused_and_the_command_shown_keeps_their_values(path, dtype) -> None:
    array = np.zeros(SHAPE, dtype)
    array[3, 5] = 65
    mended_path = run_fix(path, refusal(path, array, STATUS))
    assert check_file(mended_path, JUNGFRAU, STATUS, 0).dtype == "<u8"
    assert np.array_equal(np.load(mended_path), array)


@pytest.mark.slow
def test_the_command_shown_writes_nothing_where_an_integer_is_negative(path: Path) -> None:
    array = np.zeros(SHAPE, "<i8")
    array[3, 5] = -1
    script = refusal(path, array, STATUS).partition("; ")[2].removesuffix(" writes it so")
    done = subprocess.run(
        ["sh", "-c", script.replace("python", sys.executable, 1)], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"AssertionError" in done.stderr
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_flags_in_floats_are_refused_without_a_command(path: Path, dtype: str) -> None:
    assert refusal(path, np.zeros(SHAPE, dtype), STATUS) == f"is {dtype}, must be <u8"


def test_dead_pixels_are_accepted_unaltered_and_counted_in_a_warning(path: Path, gain) -> None:
    array = gain.copy()
    array[100, 200:207] = 0
    file = check(path, array)
    assert file.statistics.zeros == 7
    assert array_warnings(GAIN, [file]) == [
        f"{str(path.parent)!r}: 7 pixels (by gain range) have gain 0 (dead?); kept as they are"
    ]


def test_zeros_of_an_offset_are_ordinary(path: Path, gain) -> None:
    array = gain - 41.5
    array[0, :7] = 0
    assert array_warnings(OFFSET, [check(path, array, OFFSET)]) == []


@pytest.mark.parametrize(
    ("gain_range", "value", "limits"),
    [
        (0, 400.0, "14 to 125"),
        (0, 4.3, "14 to 125"),
        (1, -13.0, "-4.2 to -0.46"),
        (2, -0.012, "-0.33 to -0.036"),
    ],
)
def test_a_gain_of_an_unusual_size_is_accepted_with_a_warning(path, gain, gain_range, value, limits) -> None:
    array = (gain / 41.5 * value).astype("<f4")
    file = check(path, array, GAIN, gain_range)
    assert file.odd is None
    warning = array_warnings(GAIN, [file] * (gain_range + 1))[-1]
    assert warning == (
        f"{str(path)!r}: the median {file.statistics.median:.4g} ADU/keV is outside {limits},"
        f" where gain of gain range {gain_range} is expected"
    )


@pytest.mark.parametrize(
    ("gain_range", "value", "hint"),
    [
        (0, -41.5, ""),
        (0, 416.0, ""),
        (0, 4.14, ""),
        (0, 2.4e10, ""),
        (0, -1.39, "; it is as expected of gain range 1"),
        (0, 1 / 41.5, "; its inverse and its thousandfold is as expected: another unit?"),
        (1, 1.39, ""),
        (1, 41.5, "; it is as expected of gain range 0"),
        (1, -0.11, "; it is as expected of gain range 2"),
        (2, -1.39, "; it is as expected of gain range 1"),
        (2, -1 / 0.11, "; its inverse is as expected: another unit?"),
        (2, 1e-40, ""),
        (0, 0.0415, "; its inverse and its thousandfold is as expected: another unit?"),
        (1, -0.00139, "; its thousandfold is as expected: another unit?"),
        (1, -1390.0, "; its thousandth is as expected: another unit?"),
    ],
)
def test_a_gain_that_cannot_be_is_refused_with_what_it_may_be_instead(path, gain_range, value, hint) -> None:
    array = np.linspace(0.999, 1.001, 512 * 1024).reshape(SHAPE) * value
    array[7, :9] = 0  # dead pixels, whatever the rest is
    array = array.astype("<f4")
    median = compute_statistics(array).median
    typical = f"{GAIN.typical_medians[gain_range]:g} ADU/keV"
    sentence = (
        f"has the median {median:.4g} ADU/keV, which cannot be that of gain of gain range {gain_range}:"
        f" about {typical} is expected, of that sign and within a factor of ten{hint}"
    )
    assert refusal(path, array, GAIN, gain_range) == sentence
    with assert_refused(
        ArrayError, remedy=Remedy.ALLOW_ODD, gain_range=gain_range, kind="gain", median=median
    ):
        check(path, array, GAIN, gain_range)
    file = check(path, array, GAIN, gain_range, allow_odd=True)
    assert file.odd == sentence
    assert "is expected" in array_warnings(GAIN, [file] * (gain_range + 1))[-2]


@pytest.mark.parametrize(
    ("name", "value", "is_possible"),
    [
        ("offset", -0.01, True),
        ("offset", -16383.0, True),
        ("offset", -16384.0, False),
        ("offset", 16384.0, False),
        ("pedestals", 0.5, True),
        ("pedestals", 16383.0, True),
        ("pedestals", 16384.0, False),
        ("pedestals", -0.5, False),
        ("rms", 1e-9, True),
        ("rms", -1.0, False),
        ("rms", 16384.0, False),
    ],
)
def test_other_values_cannot_be_beyond_the_range_of_the_adc(path, name, value, is_possible) -> None:
    kind = JUNGFRAU.find_kind(name)
    array = np.full(SHAPE, value, "<f4")
    array[:10] = 1e6  # odd pixels are in every map
    if is_possible:
        assert check(path, array, kind).odd is None
        return
    low = -16383 if name == "offset" else 0
    assert refusal(path, array, kind) == (
        f"has the median {value:.4g} ADU, which cannot be that of {name} of gain range 0: it lies between {low:g} and"
        " 16383 ADU"
    )


@pytest.mark.parametrize("kind", [GAIN, OFFSET], ids=lambda kind: kind.name)
def test_values_with_their_bytes_swapped_are_refused_even_where_nan_is_allowed(
    path: Path, gain, kind: Kind
) -> None:
    array = (gain if kind is GAIN else gain * 7).byteswap()
    message = refusal(path, array, kind, allow_nonfinite=True)
    assert ("with the bytes of each value in the other order" in message) == (kind is GAIN)
    assert "gain range 0" in message
    assert refusal(path, array, kind) == message, "not advised to allow NaN first"


def test_a_denormal_median_cannot_be(path: Path) -> None:
    array = np.full(SHAPE, 300.0, "<f4").byteswap()
    assert refusal(path, array, OFFSET, 1).endswith(
        "between -16383 and 16383 ADU, and is not so close to zero"
    )


@pytest.mark.parametrize(("kind", "value"), [(GAIN, -1.0), (OFFSET, 1e6), (GAIN, 1.0)])
def test_a_quarter_of_the_pixels_may_be_odd_and_dead_ones_are_not_counted(
    path: Path, gain, kind, value
) -> None:
    array = gain.copy()
    array[:, :256] = value
    array[:, 256:300] = 0
    assert check(path, array, kind).odd is None
    array[0, 300] = value
    message = refusal(path, array, kind)
    assert message.startswith("has 131073 values of 524288 beyond ")
    assert check(path, array, kind, allow_odd=True).odd == message


def test_one_value_everywhere_is_accepted_with_a_warning(path: Path) -> None:
    assert array_warnings(GAIN, [check(path, np.full(SHAPE, 41.5, "<f4"))]) == [
        f"{str(path)!r}: every pixel has the same value 41.5 ADU/keV (a placeholder?)"
    ]


def test_a_warning_never_prints_the_escapes_of_a_files_name(tmp_path: Path) -> None:
    file = check(tmp_path / NASTY, np.full(SHAPE, 8.0, "<f4"))
    result = array_warnings(GAIN, [file])
    assert len(result) == 2
    assert all(warning.isprintable() for warning in result)


def test_a_refusal_names_the_whole_path_however_long_it_is(tmp_path: Path) -> None:
    folder = tmp_path / ("very-long-" * 20)
    folder.mkdir()
    assert refusal(folder / "g0_gain.npy", b"") == DAMAGED


@pytest.mark.slow
@given(any_arrays("<f4", (3, 5), elements=st.floats(width=32)))
@example(np.full((3, 5), np.finfo("<f4").max, "<f4"))
@example(np.full((3, 5), np.finfo("<f4").tiny / 2, "<f4"))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_statistics_are_those_of_a_naive_count(array: np.ndarray) -> None:
    finite = sorted(float(value) for value in array.ravel() if np.isfinite(value))
    seen = compute_statistics(array)
    assert seen.nonfinite == array.size - len(finite)
    assert seen.zeros == finite.count(0.0)
    if finite:
        middle = (finite[(len(finite) - 1) // 2] + finite[len(finite) // 2]) / 2
        assert (seen.minimum, seen.maximum, seen.median) == (finite[0], finite[-1], middle)
    else:
        assert (seen.minimum, seen.maximum, seen.median) == (None, None, None)


def test_the_median_of_the_largest_values_does_not_overflow() -> None:
    assert compute_statistics(np.full((2, 2), np.finfo("<f4").max, "<f4")).median == np.finfo("<f4").max


@given(any_arrays("<u8", (3, 5)))
@example(np.full((3, 5), 2**64 - 1, "<u8"))
@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_the_statistics_of_integers_are_those_of_a_naive_count(array: np.ndarray) -> None:
    values = sorted(array.ravel().tolist())
    seen = compute_statistics(array)
    assert (seen.zeros, seen.nonfinite) == (values.count(0), 0)
    assert (seen.minimum, seen.maximum, seen.median) == (
        float(values[0]),
        float(values[-1]),
        float(values[7]),
    )


@pytest.mark.slow
@given(any_arrays("<u8", (3, 5)), any_arrays("<u8", (3, 5)))
@example(np.full((3, 5), 2**63, "<u8"), np.full((3, 5), 2**63 + 1, "<u8"))
@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_the_difference_of_integers_is_taken_before_anything_is_rounded(before, after) -> None:
    result = compare_pixels(0, before, after)
    steps = [abs(new - old) for old, new in zip(before.ravel().tolist(), after.ravel().tolist(), strict=True)]
    assert result.count == sum(step != 0 for step in steps)
    assert result.maximum == float(max(steps))
    assert result.rms == pytest.approx((sum(step**2 for step in steps) / 15) ** 0.5, rel=1e-12)
    assert result.nonfinite == 0


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["<f4", "<u8", "<i2"]),
    st.integers(1, 40_000),
    st.sampled_from([1, 3, 100, 10_000]),
)
@settings(deadline=None, max_examples=examples(40))
def test_the_median_of_many_values_is_that_of_numpy(seed: int, dtype: str, size: int, distinct: int) -> None:
    values = np.random.default_rng(seed).integers(0, distinct, size).astype(dtype)
    assert compute_statistics(values).median == float(np.median(values.astype(np.float64)))


@pytest.mark.parametrize("size", [40_000, 40_001])
@pytest.mark.parametrize("odd_one_out", [0.0, 7.0])
def test_the_median_is_exact_where_the_sample_is_misleading(size: int, odd_one_out: float) -> None:
    """Every value that is looked at first is another than all the rest."""
    values = np.linspace(1, 2, size, dtype="<f4")
    values[:: size // 4096 | 1] = odd_one_out
    assert compute_statistics(values).median == float(np.median(values.astype(np.float64)))

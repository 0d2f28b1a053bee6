"""Sizes as people write them."""

import pytest

from registry.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1000", 1000),
        ("20 GB", 20_000_000_000),
        ("1.5 kB", 1500),
        ("500MiB", 500 << 20),
        ("10G", 10 << 30),
        (" 2 TB ", 2_000_000_000_000),
        ("7 B", 7),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "0.2", "-1", "much", "1 iB", "1 XB", "1e9", "1 GBB", "9" * 400, "٣"]
)
def test_what_is_not_a_size_is_none(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (402_653_184, "403 MB"),
        (999_600, "1.00 MB"),
        (99_960, "100 kB"),
        (15_400_000, "15.4 MB"),
        (10**16, "10000 TB"),
    ],
)
def test_a_size_is_written_with_three_digits(size: int, text: str) -> None:
    assert format_size(size) == text

"""Two digests of every file: SHA-256 names it, BLAKE3 verifies it; files of before schema 0005 have no BLAKE3."""

from pathlib import Path

import blake3
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from registry.digests import blake3_of, sha256_of
from registry.errors import CorruptionError
from testing.panels import PANEL_A, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation

LATER = "2020-01-01T00:00:00Z"


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(
            PANEL_A, write_panel_folder(tmp_path / "arrays", seed=1), valid_from="beginning"
        )
    return location


def update_blobs(location: RegistryLocation, assignment: str) -> None:
    """Change what is recorded of every file, behind the guard, which is put back."""
    engine = location.engine()
    with engine.begin() as connection:
        if location.is_sqlite:
            query = sa.text("SELECT sql FROM sqlite_master WHERE name = 'blob_update'")
            guard = connection.execute(query).scalar_one()
            off, on = "DROP TRIGGER blob_update", guard
        else:
            off, on = (f"ALTER TABLE blob {how} TRIGGER blob_update" for how in ("DISABLE", "ENABLE ALWAYS"))
        for statement in (off, f"UPDATE blob SET {assignment}", on):
            connection.exec_driver_sql(statement)
    engine.dispose()


def flip_a_bit(location: RegistryLocation) -> Path:
    path = min((location.store / "objects").rglob("*.npy"))
    content = bytearray(path.read_bytes())
    content[4711] ^= 8
    path.chmod(0o644)
    path.write_bytes(content)
    return path


@given(st.lists(st.binary(max_size=5000), max_size=4))
def test_the_digests_are_of_the_pieces_one_after_the_other(pieces: list[bytes]) -> None:
    assert blake3_of(*pieces) == blake3.blake3(b"".join(pieces)).hexdigest()
    assert blake3_of(*map(memoryview, pieces)) == blake3_of(*pieces)
    assert sha256_of(*pieces) == sha256_of(b"".join(pieces))
    # The test vectors of their inventors.
    assert sha256_of() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert blake3_of() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_both_digests_of_every_registered_file_are_recorded(filled: RegistryLocation, tmp_path: Path) -> None:
    with filled.open() as registry:
        files = [file for number in (1, 2) for file in registry.versions.show(number)[1]]
    contents = {sha256_of(path.read_bytes()): path.read_bytes() for path in (tmp_path / "arrays").iterdir()}
    assert {file.sha256: file.blake3 for file in files} == {
        sha256: blake3_of(content) for sha256, content in contents.items()
    }


def test_what_reads_many_files_verifies_them_by_the_quicker_digest(
    filled: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def sha256(*pieces: bytes | memoryview) -> str:
        computed.append(len(pieces))
        return sha256_of(*pieces)

    monkeypatch.setattr("registry.store.sha256_of", sha256)
    with filled.open() as registry:
        array = registry.constants(PANEL_A, at=LATER)["pixel_gain"]
        registry.export(PANEL_A, tmp_path / "out", at=LATER)
        assert computed == []
        assert registry.verify().problems == ()
    assert len(computed) == 6  # a verification computes both
    for gain_range in range(3):
        assert array[gain_range, 0].tobytes() == make_panel_array("gain", gain_range, seed=1).tobytes()


@pytest.mark.parametrize("known", [True, False])
def test_a_flipped_bit_is_found_by_either_digest(
    filled: RegistryLocation, tmp_path: Path, known: bool
) -> None:
    """A file that was recorded before schema 0005 has no BLAKE3."""
    if not known:
        update_blobs(filled, "blake3 = NULL")
    with filled.open() as registry:
        registry.export(PANEL_A, tmp_path / "sound", at=LATER)
        damaged = flip_a_bit(filled)
        with pytest.raises(CorruptionError, match=f"object {damaged.stem} .* is damaged"):
            registry.constants(PANEL_A, at=LATER)
        with pytest.raises(CorruptionError, match=f"object {damaged.stem} .* is damaged"):
            registry.export(PANEL_A, tmp_path / "out", at=LATER)
        assert not (tmp_path / "out").exists()
        assert [problem.sha256 for problem in registry.verify().problems] == [damaged.stem]


def test_a_digest_that_was_edited_is_found_and_its_file_is_not_taken(filled: RegistryLocation) -> None:
    update_blobs(filled, f"blake3 = '{'0' * 64}'")
    with filled.open() as registry:
        with pytest.raises(CorruptionError, match="its bytes have another checksum"):
            registry.constants(PANEL_A, at=LATER)
        problems = registry.verify().problems
    assert len(problems) == 6
    assert all("what is recorded of its content is not what it holds" in each.problem for each in problems)

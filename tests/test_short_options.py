"""Short options: the same letter wherever the long option is."""

from pathlib import Path

import pytest

from registry.secrets import find_misplaced_url, mask_words
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.cli import Calreg, list_verbs

LETTERS = {
    "--output": "-o",
    "--dry-run": "-n",
    "--force": "-f",
    "--quiet": "-q",
    "--comment": "-m",
    "--help": "-h",
}


def test_a_verb_that_has_the_long_option_has_its_letter_and_no_verb_has_another() -> None:
    for path, command in list_verbs().items():
        for parameter in command.params:
            short = [
                name for name in parameter.opts if len(name) == 2 and parameter.param_type_name == "option"
            ]
            long = [name for name in parameter.opts if name in LETTERS]
            assert short == [LETTERS[name] for name in long], (path, parameter.opts)


def test_a_change_is_tried_and_recorded_with_letters_alone(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    words = ("panel", "add", PANEL_A)
    assert "dry run: nothing was recorded" in calreg.run(*words, "-nm", "the first panel").stdout
    assert calreg.run("panel", "list", "--json").json == []
    assert calreg.run(*words, "-qm", "see https://elog.lab/1").stdout == ""
    assert calreg.run("log", "--json").json[0]["comment"] == "see https://elog.lab/1"
    calreg.run("version", "gap", PANEL_A, "--valid-from", "beginning", "--kind", "gain", "-mthe maker has it")
    assert calreg.run("log", "--json").json[0]["comment"] == "the maker has it"
    assert calreg("export", PANEL_A, "--at", "2018-02-10T08:15:00Z", "-fo", str(tmp_path / "out")).code == 4


def test_a_comment_after_its_letter_is_shown_as_it_was_typed() -> None:
    text = "ask ana:x@lab, password=none"
    for words in (["-m", text], [f"-m{text}"], ["-nm", text], ["-n", "-m", text]):
        assert mask_words(words) == words
        assert find_misplaced_url(words) is None


def test_a_url_after_the_letter_of_a_folder_is_neither_used_nor_shown() -> None:
    assert find_misplaced_url(["export", "-o", "s3://bucket"]) == "s3://"
    assert find_misplaced_url(["export", "-os3://bucket"]) == "s3://"
    for words in (["-o", "postgresql://ana:S3cret@h/db"], ["-fopostgresql://ana:S3cret@h/db"]):
        assert find_misplaced_url(words) == ""
        assert "S3cret" not in " ".join(mask_words(words))


@pytest.mark.parametrize("option", ["--store", "--to-store", "--from", "--from-store"])
def test_a_bucket_is_expected_where_a_store_is_named_and_without_credentials(option: str) -> None:
    for words in ([option, "s3://bucket/x"], [f"{option}=s3://bucket/x"]):
        assert find_misplaced_url(["verify", *words]) is None
    for words in ([option, "s3://key:S3cret@bucket/x"], [f"{option}=s3://key:S3cret@bucket/x"]):
        assert find_misplaced_url(["verify", *words]) == ""
    assert find_misplaced_url(["verify", option, "http://host/x"]) == "http://"

"""No password survives in a text that is shown or kept, and no other text is changed."""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.authorship import build_signature, refuse_unrecordable
from registry.cli.application import VERBS
from registry.errors import RegistryError, RequestError
from registry.secrets import find_misplaced_url, hide_secrets, mask_url, mask_words
from registry.settings import find_settings
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.selection import examples, keep_first

NAMES = st.text(string.ascii_letters + string.digits + "._-", max_size=12)
# Whatever a person may choose, with the marks on which a reader of URLs would stop.
SECRETS = st.one_of(
    st.text(min_size=1, max_size=20), st.text("aZ0 @:/?#&='\"\\%+$!\n[]", min_size=1, max_size=12)
)
NOT_UNDERSTOOD = [
    "u:S3cret@h/db",
    "postgresql//u:S3cret@h/db",
    "host=h password=S3cret dbname=x",
    "jdbc:postgresql://h/db?user=u&password=S3cret",
    "postgresql:/u:S3cret@h/db",
    "postgresql:u:S3cret@h/db",
    "postgresql://u:S3cret",
    "postgresql://u:half@S3cret@h/db",
    "postgresql://h:5432/db?password=a@S3cret",
    "mysql://u:S3cret@h/db",
    "//u:S3cret@h/db",
    "PGPASSWORD=S3cret",
    "Server=h;Pwd = S3cret",
    "sqlite:u:S3cret@h/db",
    "sqlite://u:S3cret@h/db",
    "S3cret",
]


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
@pytest.mark.parametrize("user", ["", "ana", "ana@lab", "ana lovelace"])
@pytest.mark.parametrize(
    "secret", ["s3cret", "p:ss", "p/ss", "p?ss", "p#ss", "5432/x", "a b", "'", "*", "p%40ss"]
)
def test_the_password_of_a_url_is_masked_and_all_else_is_left(scheme: str, user: str, secret: str) -> None:
    assert mask_url(f"{scheme}://{user}:{secret}@host:5432/db?sslmode=require") == (
        f"{scheme}://{user}:***@host:5432/db?sslmode=require"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://host/db?user=ana&password=s3cret", "postgresql://host/db?user=ana&password=***"),
        (
            "postgresql://host/db?password=s3cret&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("postgresql://host/db?sslpassword=s3cret&port=1", "postgresql://host/db?sslpassword=***&port=1"),
        ("postgresql://host/db?PassWord=s3cret", "postgresql://host/db?PassWord=***"),
        ("postgresql://host/db?pasword=s3cret", "postgresql://host/db?pasword=***"),
        ("postgresql://host/db?password=half&s3cret", "postgresql://host/db?password=***&***"),
        ("postgresql://ana:one@host/db?password=two", "postgresql://ana:***@host/db?password=***"),
        ("postgresql://h1:1,h2:2/db", "postgresql://h1:1,h2:2/db"),
        ("postgresql://ana@[::1]:5432/db", "postgresql://ana@[::1]:5432/db"),
        ("postgresql:///?service=lab", "postgresql:///?service=lab"),
        ("sqlite:////data/a:b@c/registry.sqlite", "sqlite:////data/a:b@c/registry.sqlite"),
    ],
)
def test_a_url_is_shown_with_what_is_known_to_be_no_password(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert mask_url(shown) == shown


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_as_a_url_is_not_shown(text: str, tmp_path: Path) -> None:
    assert "S3cret" not in mask_url(text).replace("postgresql://u:***", "")
    assert "S3cret" not in " ".join(mask_words(["--database", text, f"--to={text}"]))
    from registry.api import open_registry

    with pytest.raises(RegistryError) as refused:
        open_registry(text, tmp_path)
    assert refused.value.code in {2, 8}
    assert "S3cret" not in f"{refused.value} {refused.value.values}"


@pytest.mark.slow
@given(NAMES, SECRETS)
@settings(deadline=None, max_examples=examples(300))
def test_no_password_of_a_url_survives(user: str, secret: str) -> None:
    for spelled in (secret, quote(secret, safe="")):
        shown = mask_url(f"postgresql://{user}:{spelled}@host/db")
        assert shown in {f"postgresql://{user}:***@host/db", "***"}
    assert mask_url(f"postgresql://{user}:{quote(secret, safe='')}@host/db") != "***"


@pytest.mark.slow
@given(SECRETS)
@settings(deadline=None, max_examples=examples(300))
def test_no_password_in_the_query_of_a_url_survives(secret: str) -> None:
    shown = mask_url(f"postgresql://host/db?password={quote(secret, safe='')}&sslmode=require")
    assert shown == "postgresql://host/db?password=***&sslmode=require"
    assert mask_url(f"postgresql://host/db?password={secret.replace('&', '')}") in {
        "postgresql://host/db?password=***",
        "***",
    }


@pytest.mark.parametrize(
    "text",
    [
        "see https://elog.lab:8443/x?id=3 and ask me@lab",
        "the password is in the safe: ask ana@lab",
        "password = what Ana knows",
        "u:S3cret@h/db",
    ],
)
def test_a_comment_is_recorded_as_it_is(
    text: str, sqlite_calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["panel", "add", "1-1-1", "--comment", text]
    monkeypatch.setattr(sys, "argv", ["calreg", *words])
    sqlite_calreg.run(*words)
    (revision,) = sqlite_calreg.run("log", "--json").json
    assert revision["comment"] == text
    assert text in revision["command"].replace("'", "")


@pytest.mark.parametrize(
    "text",
    [
        "moved from postgresql://ana:S3cret@h/db",
        "postgres://h/db?user=u&password=S3cret",
        "moved from host=h dbname=calreg user=ana password = S3cret",
        "jdbc:postgresql://h/db?user=u&password=S3cret",
        "PGPASSWORD=S3cret psql dbname=calreg",
    ],
)
def test_a_comment_with_the_password_of_a_database_is_refused_and_not_repeated(
    text: str, sqlite_calreg: Calreg
) -> None:
    ended = sqlite_calreg("panel", "add", "1-1-1", "--comment", text)
    assert ended.code == 2
    assert "S3cret" not in ended.stderr
    assert sqlite_calreg.run("panel", "list", "--json").json == []
    with pytest.raises(RequestError):
        refuse_unrecordable(text, "the comment")


def test_the_signature_of_a_command_has_its_words_and_none_of_its_passwords(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [
        *("--db-password", "s3cret", "--passwd=s3cret", "--token", "--to"),
        *("--database", "postgresql://ana@lab:s3cret w0rd@host/db"),
        "--to=u:s3cret@host/db",
        "host=h password='s3cret w0rd' dbname=x",
        *("--url", "postgresql://ana:s3cret@host/db"),
        "it's so",
        "ana@lab",
        *("--comment", "https://elog.lab:1/x, ask me@lab"),
    ]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/calreg", *words])
    assert build_signature().command == (
        "calreg --db-password '***' '--passwd=***' --token '***'"
        " --database 'postgresql://ana@lab:***@host/db' '--to=***' 'host=h password=***'"
        """ --url 'postgresql://ana:***@host/db' 'it'"'"'s so' ana@lab"""
        " --comment 'https://elog.lab:1/x, ask me@lab'"
    )


def test_a_drivers_message_that_repeats_a_secret_is_not_shown() -> None:
    url = "postgresql://ana:s3cr%20t@host/db?password=two2&pasword=three"
    for message in ('invalid "s3cr%20t"', 'invalid "s3cr t"', 'invalid "two2"', 'invalid "three"'):
        assert hide_secrets(message, url) != message
    assert hide_secrets('role "ana" does not exist', url) == 'role "ana" does not exist'


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "demo"])
@pytest.mark.parametrize("where", ["--database", "CALREG_DATABASE", "a word", "--store"])
def test_no_verb_repeats_a_password_wherever_it_was_typed(
    verb: str,
    where: str,
    sqlite_location: RegistryLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    for text in NOT_UNDERSTOOD[:4]:
        words = {
            "--database": ["--database", text, verb],
            "a word": [verb, text],
            "--store": ["--store", text, verb],
        }
        if where == "CALREG_DATABASE":
            monkeypatch.setenv(where, text)
        for form in ([], ["--json"]):
            ended = calreg(*words.get(where, [verb]), *form)
            assert ended.code in {2, 3, 8}, ended
            assert "S3cret" not in ended.stdout + ended.stderr


def test_a_url_in_the_place_of_a_folder_is_refused_and_no_folder_is_made(
    sqlite_calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    for url in ("s3://bucket/x", "http://host/x", "gs:///x", "file:///tmp/x", "jdbc:x://h/x"):
        for words in (
            ["--store", url, "init"],
            ["export", "jungfrau_1-1-1", "--at", "20180101000000", "--output", url],
            ["deploy", "xcsls3716", f"--output={url}"],
            ["backup", url],
            ["restore", url],
            ["snapshot", f"{url}/s.sqlite"],
            ["snapshot", "s.sqlite", "--to-store", url],
            ["copy", "--to", "sqlite:///new.sqlite", "--to-store", url],
            ["fork", "--to", "sqlite:///new.sqlite", "--to-store", url, "--comment", "x"],
            ["plot", "constants", "1", "--output", f"{url}/x.png"],
            ["provenance", "replay", "x.json", "--output", url],
            ["import", url],
            ["demo", url],
        ):
            if url.startswith("s3:") and {"--store", "--to-store"} & {*words}:
                continue  # a store may be in a bucket
            ended = sqlite_calreg(*words)
            assert (ended.code, ended.stdout) == (2, ""), words
            assert ended.stderr.count("\n") == 1
        for name in ("CALREG_STORE", "CALREG_DATABASE")[url.startswith("s3:") :]:
            with monkeypatch.context() as patch:
                patch.setenv(name, f"sqlite:///{url}" if name == "CALREG_DATABASE" else url)
                assert sqlite_calreg("init").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name",
    keep_first(["what?", "50%25", "a#b", "two words", "zürich", "line\nbreak", "?", "a&b=c", "'quoted'"], 3),
)
def test_a_registry_may_be_in_a_folder_of_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    monkeypatch.setenv("CALREG_DATABASE", f"sqlite:///{folder}/{name}.sqlite")
    calreg = Calreg(None, monkeypatch)
    calreg.run("init")
    calreg.run("panel", "add", "1-1-1")
    calreg.run("snapshot", folder / "snapshot.sqlite")
    calreg.run("backup", folder / "backup")
    calreg.run("copy", "--to", f"sqlite:///{folder}/moved {name}.sqlite")
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.sqlite", f"moved {name}.sqlite", "store", "snapshot.sqlite", "backup")
    }
    assert json.loads((folder / "backup" / "backup.json").read_text())["revision"] == 1


@pytest.mark.parametrize("slashes", [4, 5, 6])
def test_more_slashes_than_needed_are_one(
    slashes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_DATABASE", f"sqlite:{'/' * slashes}{str(tmp_path)[1:]}/registry.sqlite")
    calreg = Calreg(None, monkeypatch)
    calreg.run("init")
    assert calreg.run("panel", "list", "--json").json == []
    assert (tmp_path / "registry.sqlite").exists()
    assert find_settings().store == tmp_path / "store"


def test_a_word_that_is_not_a_url_is_left() -> None:
    words = [
        "exp=xcsls3716:run=631",
        "XcsEndstation.0:Jungfrau.0",
        "ana@lab",
        "/data/a:b@c",
        "./a:b@c",
        "12:abcdef",
    ]
    assert find_misplaced_url(words) is None
    assert mask_words(words) == words


def test_the_url_that_a_mirror_follows_is_in_its_place() -> None:
    for before in ([], ["--database", "sqlite:///m.sqlite"], ["--store=s"]):
        for url in ("https://calib.example.org", "postgresql://reader:word@db/calib"):
            assert find_misplaced_url([*before, "mirror", url, "--json"]) is None
    assert find_misplaced_url(["tag", "add", "mirror", "s3://bucket"]) == "s3://"
    assert find_misplaced_url(["--store", "mirror", "panel", "add", "https://host"]) == "https://"

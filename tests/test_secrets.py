"""No password survives in a text that is shown or kept."""

from __future__ import annotations

import string
import sys
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.authorship import build_signature
from registry.secrets import mask_passwords

NAMES = st.text(string.ascii_letters + string.digits + "@._- ", max_size=12)
# Whatever a person may choose, with the marks on which a reader of URLs or of libpq's text would stop.
SECRETS = st.one_of(
    st.text(min_size=1, max_size=20), st.text("aZ0 @:/?#&='\"\\%+$!\n[]", min_size=1, max_size=12)
)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql", "https"])
@pytest.mark.parametrize("user", ["", "ana", "ana@lab", "ana lovelace"])
@pytest.mark.parametrize(
    "secret",
    [
        "s3cret",
        "p@ss",
        "p:ss",
        "p/ss",
        "p?ss",
        "p#ss",
        "5432/x",
        "a b",
        "@",
        "://u:v@",
        "'",
        "*",
        "p%40ss",
        "[::1]",
    ],
)
def test_the_password_of_a_url_is_masked_and_all_else_is_left(scheme: str, user: str, secret: str) -> None:
    assert mask_passwords(f"{scheme}://{user}:{secret}@host:5432/db?sslmode=require") == (
        f"{scheme}://{user}:***@host:5432/db?sslmode=require"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://host/db?user=ana&password=s3cret", "postgresql://host/db?user=ana&password=***"),
        (
            "postgresql://host/db?password=s3cret&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("postgresql://host/db?sslpassword=s3cret&a=b", "postgresql://host/db?sslpassword=***&a=b"),
        ("postgresql://host/db?PassWord=s3cret", "postgresql://host/db?PassWord=***"),
        ('postgresql://host/db?password=it\'s "so"&a=b', "postgresql://host/db?password=***&a=b"),
        ("postgresql://ana:one@host/db?password=two&a=b", "postgresql://ana:***@host/db?password=***&a=b"),
        ("postgresql://[::1]/db?password=a@b", "postgresql://[:***"),
    ],
)
def test_a_password_field_of_a_url_is_masked(text: str, shown: str) -> None:
    assert mask_passwords(text) == shown


def test_the_message_after_a_masked_url_is_kept() -> None:
    masked = mask_passwords("postgresql://ana@host/db?sslmode=require&password=s3cret")
    for message in (
        f"the database {masked} cannot be used: no route",
        f"{masked!r} is not a URL",
        f"at {masked};",
    ):
        assert mask_passwords(message) == message
    assert mask_passwords("postgresql://host/db?password=***s3cret") == "postgresql://host/db?password=***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=h password=s3cret dbname=x", "host=h password=*** dbname=x"),
        ("host=h password='a b' dbname=x", "host=h password=*** dbname=x"),
        ("host=h password = 'a b' dbname=x", "host=h password = *** dbname=x"),
        (r"host=h password='a\' b\\' dbname=x", "host=h password=*** dbname=x"),
        (r"host=h password=a\ b dbname=x", "host=h password=*** dbname=x"),
        ("host=h password=a&b dbname=x", "host=h password=*** dbname=x"),
        ('host=h password="a b" dbname=x', "host=h password=*** dbname=x"),
        ("host=h password=a'b", "host=h password=***"),
        ("host=h password='never closed", "host=h password=***"),
        ("host=h password='ends so\\", "host=h password=***"),
        ("sslpassword='a b' x", "sslpassword=*** x"),
        ("PGPASSWORD=s3cret calreg init", "PGPASSWORD=*** calreg init"),
        ("PASSWORD='a b'", "PASSWORD=***"),
    ],
)
def test_a_password_field_in_libpqs_text_is_masked(text: str, shown: str) -> None:
    assert mask_passwords(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "calreg import /data/gains --timezone America/Los_Angeles",
        "sqlite:////data/registry.sqlite",
        "sqlite:////data/a:b@c/registry.sqlite",
        "postgresql://host/db",
        "postgresql://host:5432/db?sslmode=require",
        "postgresql://ana@host:5432/db",
        "postgresql://ana@[::1]:5432/db",
        "exp=xcsls3716:run=631",
        "XcsEndstation.0:Jungfrau.0",
        "ask ana@lab: the password is in the safe",
        "see https://elog.lab:8443/x and password",
        "password=",
        "host=h passfile=/home/ana/.pgpass",
    ],
)
def test_a_text_without_a_password_is_left_as_it_is(text: str) -> None:
    assert mask_passwords(text) == text


@pytest.mark.slow
@given(st.text().filter(lambda text: "@" not in text and "password" not in text.lower()))
@settings(deadline=None)
def test_no_other_text_is_ever_changed(text: str) -> None:
    assert mask_passwords(text) == text


def left_of(shown: str, before: str, after: str) -> bool:
    """Tell whether the mask stands at the password's place and nothing but (an end of) `after` follows."""
    return shown.startswith(before + "***") and after.endswith(shown.removeprefix(before + "***"))


@pytest.mark.slow
@given(NAMES, SECRETS)
@settings(deadline=None, max_examples=300)
def test_no_password_of_a_url_survives(user: str, secret: str) -> None:
    for spelled in (secret, quote(secret, safe="")):
        shown = mask_passwords(f"postgresql://{user}:{spelled}@host/db")
        assert left_of(shown, f"postgresql://{user}:", "@host/db")


@pytest.mark.slow
@given(SECRETS)
@settings(deadline=None, max_examples=300)
def test_no_password_field_of_a_url_survives(secret: str) -> None:
    for spelled in {secret.replace("&", "%26"), quote(secret)}:
        shown = mask_passwords(f"postgresql://host/db?password={spelled}&sslmode=require")
        assert left_of(shown, "postgresql://host/db?password=", "&sslmode=require")


@pytest.mark.slow
@given(SECRETS)
@settings(deadline=None, max_examples=300)
def test_no_password_in_libpqs_text_survives(secret: str) -> None:
    quoted = "'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'"
    escaped = "".join(f"\\{letter}" if letter.isspace() or letter in "'\\" else letter for letter in secret)
    assert mask_passwords(f"host=h password={quoted} dbname=x") == "host=h password=*** dbname=x"
    assert left_of(mask_passwords(f"host=h password={escaped} dbname=x"), "host=h password=", " dbname=x")


@pytest.mark.slow
@given(NAMES, SECRETS)
@settings(deadline=None)
def test_masking_twice_is_masking_once(user: str, secret: str) -> None:
    for text in (f"postgresql://{user}:{secret}@host/db", f"password={secret}", secret):
        assert mask_passwords(mask_passwords(text)) == mask_passwords(text)


@pytest.mark.parametrize("letter", ["a", ":", "@", "&", "'", "\\", " ", "://", "password", "password="])
def test_a_long_text_is_masked_quickly(letter: str) -> None:
    # Squared, this many letters would take minutes.
    assert mask_passwords(letter * 100_000 + "password=s3cret").endswith("***")


def test_the_signature_of_a_command_has_its_words_and_none_of_its_passwords(monkeypatch) -> None:
    words = [
        "--database",
        "postgresql://ana@lab:s3cret w0rd@host/db",
        "host=h password='s3cret w0rd' dbname=x",
        "it's so",
        "ana@lab",
    ]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/calreg", *words])
    assert build_signature().command == (
        "calreg --database 'postgresql://ana@lab:***@host/db' 'host=h password=*** dbname=x'"
        """ 'it'"'"'s so' ana@lab"""
    )

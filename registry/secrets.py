"""Passwords: masked where a value enters, in a database's URL and in the words of a command line.

A value that is not understood is not shown at all. Sentences and comments are never changed: nobody can tell the
password in a text from the rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

MASK = "***"

_SQLITE_PREFIX = "sqlite:///"
_PATH_STARTS = (_SQLITE_PREFIX, "./", "../")
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(?::\d*)?"
# As SQLAlchemy reads a URL: a user's name may hold an @, a password anything else, and neither a host nor what follows.
_POSTGRESQL = re.compile(
    r"(?P<scheme>postgres(?:ql(?:\+\w+)?)?)://"
    r"(?:(?P<user>[^:/?#]*)(?::(?P<password>[^@]*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<database>/[^?@]*)?(?:\?(?P<query>[^@]*))?",
    re.DOTALL,
)
# The names of the options whose values are shown. Others may hold a password, or be the end of one.
_SHOWN_OPTIONS = re.compile(
    "application_name|channel_binding|client_encoding|connect_timeout|dbname|gssencmode|host|hostaddr|keepalives(_count"
    "|_idle|_interval)?|load_balance_hosts|options|passfile|pgbouncer|port|prepare_threshold|service|sslcert|sslkey|sslmode"
    "|sslrootcert|target_session_attrs|tcp_user_timeout|user"
)
_OPTION_NAME = re.compile("[A-Za-z_]+")
# The names of the options whose values are URLs and comments.
_URL_OPTIONS = ("database", "to")
_URL_VERBS = ("mirror",)
_TEXT_OPTIONS = ("comment",)
# The options whose values may be the URLs of buckets.
_STORE_OPTIONS = ("store", "to-store", "from", "from-store")
_BUCKET = "s3://"
# Short options, which may be written together and with their value, -nm TEXT or -mTEXT; -m is --comment, -o --output.
_SHORT_COMMENT = re.compile("-[a-ln-z]*?m(?P<value>.*)", re.DOTALL)
_SHORT_OUTPUT = re.compile("-[a-ln-z]*?o(?P<value>.+)", re.DOTALL)
# "//user:password@host", whatever comes before it; "password=...", "PGPASSWORD=...".
_CREDENTIALS = re.compile(r"[\w+.-]*:?/{0,3}[^/\s:@]*:[^@]*@.", re.DOTALL)
_IN_SENTENCE = re.compile(r"postgres(?:ql(?:\+\w+)?)?://(?:[^\s:@/]*:[^\s@]+@|\S*password=)", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+://")  # with a colon as of "jdbc:postgresql://"
_FIELD = re.compile(r"(?:passw(?:or)?d|pwd)\s*=\s*", re.IGNORECASE)
# The other form that libpq takes: "host=db.example.org user=ana password=...".
_KEYWORDS = re.compile(r"\b(?:host|hostaddr|port|dbname|user|service)\s*=\s*\S", re.IGNORECASE)
_SECRET_OPTION = re.compile(r"-{1,2}[\w-]*(?:passw(?:or)?d|pwd|secret|token)", re.IGNORECASE)
_MIN_SECRET = 3  # letters; a shorter one is found in any message


def mask_url(url: str) -> str:
    """Return a database's URL for others to read: without passwords; nothing of one that is not understood."""
    if url.startswith(_SQLITE_PREFIX):
        return url
    parts = _match(url)
    if parts is None:
        return MASK
    user = parts["user"]
    if parts["password"] is not None:
        user += f":{MASK}"
    query = parts["query"]
    return "".join(
        (
            f"{parts['scheme']}://",
            "" if user is None else f"{user}@",
            parts["hosts"],
            parts["database"] or "",
            "" if query is None else f"?{'&'.join(map(_mask_option, query.split('&')))}",
        )
    )


def drop_masked_passwords(url: str) -> str | None:
    """Return a masked URL without the passwords that it had, so that the driver looks for them in its own ways.

    None where more of it is masked.
    """
    if url.startswith(_SQLITE_PREFIX):
        return url
    parts = _match(url)
    if parts is not None:
        options = [option for option in (parts["query"] or "").split("&") if option != f"password={MASK}"]
        query = "&".join(filter(None, options))
        user = "" if parts["user"] is None else f"{parts['user']}@"
        url = f"{parts['scheme']}://{user}{parts['hosts']}{parts['database'] or ''}{'?' if query else ''}{query}"
    return None if MASK in url else url


def _match(url: str) -> re.Match[str] | None:
    """Return the parts of a URL of PostgreSQL; None where it is not clear what is the password."""
    parts = _POSTGRESQL.fullmatch(url)
    if parts is not None and _FIELD.search(f"{parts['user']}{parts['password']}{parts['database']}"):
        return None  # a query, with an @ in its password
    return parts


def _mask_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if not option or _SHOWN_OPTIONS.fullmatch(name):
        return option
    return f"{name}={MASK}" if equals and _OPTION_NAME.fullmatch(name) else MASK


def hide_secrets(message: str, url: str) -> str:
    """Return a driver's message about a database; only that there is one where it repeats a secret of the URL."""
    return "its message repeats a part of the URL, and is not shown" if _repeats(message, url) else message


def _repeats(message: str, url: str) -> bool:
    parts = _match(url)
    if parts is None:
        return False
    options = [option for option in (parts["query"] or "").split("&") if _mask_option(option) != option]
    secrets = [parts["password"] or "", *(option.partition("=")[2] or option for option in options)]
    spelled = {text for secret in secrets for text in (secret, unquote(secret))}
    return any(len(text) >= _MIN_SECRET and text in message for text in spelled)


def mask_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line for others to read: URLs without passwords, comments as they are."""
    masked, option = [], ""
    for word in words:
        name, equals, value = word.partition("=")
        if _SECRET_OPTION.fullmatch(option):
            masked.append(MASK)
        elif option:
            masked.append(_mask_value(option, word))
        elif _SHORT_COMMENT.fullmatch(word):
            masked.append(word)
        elif equals and _SECRET_OPTION.fullmatch(name):
            masked.append(f"{name}={MASK}")
        elif equals and name.startswith("--"):
            masked.append(f"{name}={_mask_value(name[2:], value)}")
        else:
            masked.append(_mask_value("", word))
        is_secret = not option and _SECRET_OPTION.fullmatch(word) is not None
        option = "" if option else word if is_secret else _text_option(word)
    return masked


def _text_option(word: str) -> str:
    """Return the name of the option, if the word is one whose URL or comment is the next word; else nothing."""
    comment = _SHORT_COMMENT.fullmatch(word)
    if comment is not None:
        return "" if comment["value"] else "comment"
    return word[2:] if word.startswith("--") and word[2:] in (*_URL_OPTIONS, *_TEXT_OPTIONS) else ""


def _mask_value(option: str, value: str) -> str:
    """Return the value of an option, or a word without one."""
    if option in _TEXT_OPTIONS:
        return value
    if option in _URL_OPTIONS or _POSTGRESQL.match(value):
        return mask_url(value)
    if _CREDENTIALS.match(value) is not None and not value.startswith(_PATH_STARTS):
        return MASK
    field = _FIELD.search(value)
    return value if field is None else f"{value[: field.end()]}{MASK}"


def find_misplaced_url(words: Sequence[str]) -> str | None:
    """Return the start of a word that is a URL where none is expected, ``s3://``; None where there is none.

    It is empty where the word has a password.
    """
    for option, word in _iterate_other_values(words):
        scheme = _SCHEME.match(word)
        if _has_credentials(word):
            return ""
        is_expected = word.startswith(_SQLITE_PREFIX) or (
            option.removeprefix("--") in _STORE_OPTIONS and word.startswith(_BUCKET)
        )
        if scheme is not None and not is_expected:
            return scheme[0]
    return None


def _iterate_other_values(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the words of a command line that are not URLs of databases nor comments, with the names of options."""
    expected = {index + 1 for index, word in enumerate(words) if _text_option(word)}
    for index, (before, word) in enumerate(zip(("", *words), _leave_out_urls(words), strict=False)):
        name, equals, value = word.partition("=")
        output = _SHORT_OUTPUT.fullmatch(word)
        if index in expected or _text_option(name) or _SHORT_COMMENT.fullmatch(word):
            continue
        if output is not None:
            yield "-o", output["value"]
        else:
            yield (name, value) if equals and name.startswith("-") else (before, word)


def _leave_out_urls(words: Sequence[str]) -> Sequence[str]:
    """Return the words before those of a verb whose argument is a URL, all where there is no such verb."""
    is_value = False
    for index, word in enumerate(words):
        if not is_value and not word.startswith("-"):
            return words[:index] if word in _URL_VERBS else words
        is_value = not is_value and word.startswith("--") and "=" not in word
    return words


def _has_credentials(word: str) -> bool:
    if word.startswith(_PATH_STARTS):
        return False
    return _CREDENTIALS.match(word) is not None or _FIELD.search(word) is not None


def has_database_password(text: str) -> bool:
    """Tell whether a sentence repeats the URL, or the connection string, of a database with its password."""
    field = _FIELD.search(text)
    return _IN_SENTENCE.search(text) is not None or (
        field is not None and field.end() < len(text) and _KEYWORDS.search(text) is not None
    )

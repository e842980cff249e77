"""Secrets: found however they are written, and whatever holds them."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from plimsoll.errors import UserError
from tasks.secrecy import is_secret, refuse_passwords, refuse_secrets, without_secrets

PLANTED = 'pl@nted "and\\ quoted/ü'


@pytest.mark.parametrize(
    "environ",
    [
        {"PGPASSWORD": PLANTED},
        {"DB_PASS": PLANTED},
        {"MYSQL_PWD": PLANTED},
        {"SOME_TOKEN": PLANTED},
        {"WAREHOUSE_URL": f"postgresql://ada:{quote(PLANTED, safe='')}@db.example/flights"},
        {"STORAGE": f"AccountName=ada;AccountKey={quote(PLANTED, safe='')};Suffix=example"},
        {"LINK": f"https://files.example/batch?sig={quote(PLANTED, safe='')}&v=1"},
    ],
    ids=lambda environ: next(iter(environ)),
)
@pytest.mark.parametrize(
    "write", [str, json.dumps, lambda s: json.dumps(s, ensure_ascii=False), lambda s: quote(s, "")]
)
def test_a_secret_is_found_however_it_is_written(environ: dict[str, str], write: Any) -> None:
    text = f"it failed: {write(PLANTED)} was refused"
    (name,) = environ
    assert is_secret(name, environ[name])
    with pytest.raises(UserError, match=f"holds the value of the variable {name}") as refused:
        refuse_secrets(text.encode(), "A parameter", environ)
    assert "nted" not in str(refused.value)
    hidden = without_secrets({"said": [text], text: 1}, environ)
    assert "nted" not in json.dumps(hidden, ensure_ascii=False)
    assert "***" in hidden["said"][0]


def test_a_longer_secret_hides_before_a_shorter_one_in_it() -> None:
    environ = {"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefgh-and-more"}
    assert without_secrets("abcdefgh-and-more", environ) == "***"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", "/home/ada/of/some/length"),
        ("LANG", "en_GB.UTF-8"),
        ("URL", "https://db.example:5432/a@b"),
        ("A", "b=c"),
    ],
)
def test_what_is_harmless_is_no_secret(name: str, value: str) -> None:
    assert not is_secret(name, value)
    refuse_secrets(value.encode(), "A parameter", {name: value})
    refuse_passwords(value.encode(), "A parameter")


def test_an_address_with_a_password_is_refused_wherever_it_is_from() -> None:
    with pytest.raises(UserError, match=r"holds a password, inside an address postgresql://…@…\.") as refused:
        refuse_passwords(b'{"source":{"query":"postgresql://ada:hunter2@db.example/x"}}', "The config of m")
    assert "hunter2" not in str(refused.value)

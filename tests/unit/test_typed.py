"""What a person typed: bytes that are no text and places that are no file are refused in a sentence."""

import io
import json
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import cli
from flows.asking import ask_code, refuse_undecodable
from flows.cli import main
from plimsoll.approvers_config import not_allowed
from plimsoll.errors import FolderError, UserError
from tasks.cards import write_card

BAD = "J\udce9r\udcf4me"  # as Python reads Jérôme in Latin-1


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["plimsoll", *words])
    with pytest.raises(SystemExit) as end:
        main()
    found = capsys.readouterr()
    return int(end.value.code or 0), found.out + found.err


def test_the_command_line_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["plimsoll", "no-such-command"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(Path(cli.__file__)), run_name="__main__")
    assert end.value.code == 2
    assert "no-such-command" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "flight_delay", "1", "--as", BAD),
        ("reject", "flight_delay", "1", "--as", "ada", "--comment", BAD),
        ("rollback", "flight_delay", "--as", "ada", "--reason", BAD),
        ("retire", "flight_delay", "1", "--as", "ada", f"--reason={BAD}"),
        ("approver", "remove", BAD, "--as", "ada"),
        ("trace", BAD),
        ("card", "flight_delay", "1", "--out", f"{BAD}.md"),
    ],
)
def test_bytes_that_are_no_text_are_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, text = said(monkeypatch, capsys, *words)
    assert code == 2
    assert "Expected text in UTF-8, found other bytes in: " in text
    assert r"J\xe9r\xf4me" in text
    code, text = said(monkeypatch, capsys, *words, "--json")
    assert (code, "Nothing was done." in json.loads(text)["error"]) == (2, True)


def test_a_code_that_is_no_text_is_not_shown_and_a_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--code", "12\udcff"), ("--code=12\udcff",)):
        code, text = said(monkeypatch, capsys, "approve", "flight_delay", "1", "--as", "ada", *words)
        assert (code, "in: --code." in text, "12" in text) == (2, True, False)
    monkeypatch.setenv("PLIMSOLL_USER", BAD)
    assert "in the variable PLIMSOLL_USER." in said(monkeypatch, capsys, "train", "flight_delay")[1]


@given(st.lists(st.text()))
def test_what_is_text_is_never_refused(words: list[str]) -> None:
    refuse_undecodable(words, {"PLIMSOLL_USER": "Jérôme", "OTHER": BAD})


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_text_on_the_input_are_no_code(monkeypatch: pytest.MonkeyPatch, errors: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12\xff456\n"), "utf-8", errors))
    with pytest.raises(UserError, match="code of ada, six digits, found bytes that are no text"):
        ask_code("", "ada")


def test_an_empty_name_is_asked_for() -> None:
    assert not_allowed(" ", "approve", "flight_delay", ("ada",)) == (
        "Expected the name of whoever wants to approve flight_delay, found none. May approve: ada "
        "(configs/approvers.yaml)."
    )


@pytest.mark.parametrize("name", ["/", ".", "", "..", "folder"])
def test_a_place_that_is_no_file_takes_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FolderError, match=r"Is a directory\. Name another file"):
        write_card(Path(name), "# A card")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"], "nothing is left behind"

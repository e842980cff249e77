"""What commands print: tables that can be read in a terminal of 80 columns."""

import pytest

from flows.output import print_table

SENTENCE = "late_from_ewr v1 was approved by grace and is champion now: it scores the next batch."


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("heads", [["model", "version", "accepted", ""], ["", "version", "", "why"], ["", "", "", ""]])
def test_a_sentence_under_an_empty_heading_leaves_room_for_the_others(
    heads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    print_table("Decided", heads, [["late_from_ewr", "v1", "yes", SENTENCE]])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    first = next(line for line in said.splitlines() if "late_from_ewr" in line)
    assert first.split()[:3] == ["late_from_ewr", "v1", "yes"]
    assert set(SENTENCE.split()) <= set(said.split()), "the sentence is told to its end"


def test_the_column_that_is_to_be_copied_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    run = "20261122T192129549234Z-train_model-b70dbb-and-more"
    print_table("Runs", ["run", ""], [[run, SENTENCE]], whole="run")
    assert run in capsys.readouterr().out

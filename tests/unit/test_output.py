"""What commands print: tables that can be read in a terminal of 80 columns."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.output import print_markdown, print_table

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


def test_a_date_is_not_broken_while_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    heads = ["model", "state", "champion", "last batch", "loss", "alarms"]
    row = [
        "flight_delay_minutes",
        "v2 waits for a person",
        "v1, 8 d",
        "2013-03-10",
        "0.5650 +14%",
        "late losses, inputs",
    ]
    print_table("Models", heads, [row], whole="model")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert {"2013-03-10", "losses,", "flight_delay_minutes"} <= set(said.split())


@given(rows=st.lists(st.lists(st.text("ab ", max_size=90), min_size=9, max_size=9), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_table_is_wider_than_the_terminal(rows: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Many", [*"abcdefgh", ""], rows)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_addresses_in_a_table_are_told_whole_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = "https://reports.of-a-company-with-a-long-name.example.com/plimsoll/late_from_ewr/v2.html"
    card = page.replace(".html", "-card.html")
    table = f"| model | gates |\n| --- | --- |\n| [late_from_ewr v2]({page}) · [card]({card}) | 12 passed |"
    print_markdown(f"## Shall it?\n\n{table}\n\nBound to digests.\n\n[Full page]({page}) · [Model card]({card})")
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in said if "http" in line] == [
        f"late_from_ewr v2: {page}",
        f"late_from_ewr v2, card: {card}",
        f"Full page: {page}",
        f"Model card: {card}",
    ]
    row = said.index(" late_from_ewr v2 · card  12 passed")
    assert (
        row
        < said.index(f"late_from_ewr v2: {page}")
        < said.index("Bound to digests.")
        < said.index(f"Full page: {page}")
    )

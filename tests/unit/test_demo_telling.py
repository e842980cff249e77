"""What the demo prints: what begins before a long step, and what happened; only the latter is kept."""

import pytest

from flows.demo_story import Story


def test_what_begins_is_printed_and_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(quiet=False)
    story.begin("Training v1")
    story.tell("2013-03-01", "Trained v1.")
    begun, done = capsys.readouterr().out.splitlines()
    assert begun.endswith("  Training v1 …")
    assert done.endswith("2013-03-01  Trained v1.")
    assert begun.index("Training") == done.index("Trained"), "in one column"
    assert [one["what"] for one in story.told] == ["Trained v1."]


def test_for_programs_nothing_is_printed_on_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    Story(quiet=True).begin("Training v1")
    assert not capsys.readouterr().out

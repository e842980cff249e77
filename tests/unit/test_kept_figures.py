"""Figures of a whole run of a benchmark are not overwritten by a quick one."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import benchmarks.__main__ as command
from benchmarks import figures
from benchmarks.figures import Figure, plain


@pytest.mark.parametrize("kept_whole", [True, False])
def test_a_quick_run_leaves_what_a_whole_one_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept_whole: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(full: bool) -> Iterator[Figure]:
        yield plain("repeats", 200 if full else 40, "")

    made_up = SimpleNamespace(measure=measure, **({"KEPT_WHOLE": True} if kept_whole else {}))
    monkeypatch.setattr(command.importlib, "import_module", lambda _: made_up)
    monkeypatch.setattr(command, "load", lambda name: figures.load(name, tmp_path))
    monkeypatch.setattr(command, "save", lambda name, found: figures.save(name, found, tmp_path))

    def kept() -> float:
        return figures.load("made_up", tmp_path)[0].value

    assert command.run("made_up", full=False)
    assert kept() == 40, "nothing was there before"
    assert command.run("made_up", full=True)
    assert command.run("made_up", full=False)
    assert kept() == (200 if kept_whole else 40)
    assert ("Not kept: results/made_up.json is of a whole run" in capsys.readouterr().out) == kept_whole

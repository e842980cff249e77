"""The form about a family as a person meets it: a misspelt model decides about nothing, a right answer about one."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import CHROMIUM
from tests.system.test_demo import enrol, open_form, plimsoll, submit, wait_for_paused

ROOT = Path(__file__).parents[2]
FAMILY = "cancer"
LAID_OUT = """
import sys, pathlib
import pandas as pd
from flows.demo_data import lay_out_breast_cancer
from tests.flows.places import ROOT, copy_project
folder = pathlib.Path(sys.argv[1])
lay_out_breast_cancer(folder / "landing")
samples = folder / "landing/breast_cancer/samples.parquet"
rows = pd.read_parquet(samples)
rows.assign(site=["north" if n % 2 else "south" for n in range(len(rows))]).to_parquet(samples, index=False)
models = copy_project(ROOT, folder / "project") / "configs/models"
text = (models / "breast_cancer.yaml").read_text()
each = "model: cancer\\nfor_each: {column: site, values: [north, south]}\\nsuite: breast_cancer\\n"
text = text.replace("model: breast_cancer\\n", each).replace("at_least: 0.97", "at_least: 0.8")
text = text.replace("at_most: 0.2", "at_most: 1").replace("max_error: 0.15", "max_error: 1")
for path in models.glob("*.yaml"):
    path.unlink()
(models / "cancer.yaml").write_text(text)
"""
pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]


def test_the_form_of_a_family_refuses_a_misspelt_model_and_then_hears_a_right_answer(
    start: Callable[..., Any], browser: Any, environ: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", LAID_OUT, tmp_path], cwd=ROOT, env=environ, check=True, capture_output=True)
    where = {"PLIMSOLL_DATA": str(tmp_path / "landing"), "PLIMSOLL_ROOT": str(tmp_path / "project")}
    environ |= {**where, "PLIMSOLL_USER": "schedule"}
    up = start(environ, "up", until="deployments are up")
    app = enrol(environ, "ada")
    plimsoll(environ, "train", FAMILY)
    ui = f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}"
    run = wait_for_paused(ui)
    assert run["name"] == f"APPROVE? {FAMILY}"
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    assert f"Shall these 2 versions of {FAMILY} become champion?" in open_form(page, ui, run)
    submit(page, "ada", app.code(), Models="cancer_nroth")
    run = wait_for_paused(ui, after=run)
    form = open_form(page, ui, run)
    assert "'cancer_nroth' is not in the table. Nothing was decided. Did you mean cancer_north?" in form
    assert f"Shall these 2 versions of {FAMILY} become champion?" in form
    submit(page, "ada", app.code(), Models="cancer_north", Comment="the north first")
    run = wait_for_paused(ui, after=run)
    form = open_form(page, ui, run)
    page.close()  # an open page of the UI draws without end and keeps a core busy
    assert f"Shall this version of {FAMILY} become champion?" in form
    assert "Entered about 1 of 1." in form
    stands = {one["model"]: one["champion"] for one in plimsoll(environ, "models")}
    assert stands == {"cancer_north": 1, "cancer_south": None}
    approved = [e for e in plimsoll(environ, "history", "cancer_north")["entries"] if e["kind"] == "approved"][-1]
    assert (approved["by"], approved["facts"]["comment"], approved["facts"]["via"]) == (
        "ada",
        "the north first",
        "Prefect",
    )
    shown = plimsoll(environ, "history", "cancer_north", "--shown", str(approved["n"]))["markdown"]
    assert "'cancer_nroth' is not in the table" in shown, "as the form had it that ada filled in"
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 0

"""Configs: every mistake is one sentence with file, field, what was found and what is allowed."""

from pathlib import Path

import pytest
import yaml

from plimsoll.config_loading import check_config, overlay, parse_config
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig
from tasks.workspace import PROJECT, open_workspace

MODELS = sorted((PROJECT / "configs/models").glob("*.yaml"))
LEARNER = "kind: xgboost\n  params: {max_depth: 5, learning_rate: 0.05, min_child_weight: 20, subsample: 0.8}"
FLIGHTS = (PROJECT / "configs/models/flight_delay.yaml").read_text()


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(ModelConfig, text, "configs/models/x.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_config_is_valid_and_says_why_each_column_is_allowed(path: Path) -> None:
    config = parse_config(ModelConfig, path.read_text(), path.name)
    assert config.model == path.stem
    assert all(len(feature.because) >= 10 for feature in config.features.columns)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("one_in_nights", "one_in_night", "unknown key drift.one_in_night. Did you mean one_in_nights?"),
        ("kind: dates", "kind: hours", "source.kind: should be 'dates' or 'table'; found 'hours'"),
        ("seed: 7", "seed: seven", "estimator.seed: should be a valid integer"),
        ("model: flight_delay\n", "", "model is missing; it has no default"),
        ("metric: auc, at_least: 0.62", "metric: rmse, at_most: 0.62", "gates ask for rmse"),
        (LEARNER, "kind: ridge", "cannot do classification"),
        ("name: carrier,", "name: arrival_delay_minutes,", "is also a feature"),
        ("name: carrier,", "name: origin,", "names origin twice"),
        ("metric: auc, at_least: 0.62", "metric: auc", "a gate of limits needs"),
        (
            "metric: auc, at_least: 0.62",
            "metric: auc, at_most: 0.95",
            "gates.limits.0: auc is better the higher it is, so at_most 0.95 would refuse good models and pass bad "
            "ones. Write at_least.",
        ),
        ("metric: auc, at_least: 0.62", "metric: log_loss, at_least: 0", "log_loss is better the lower it is"),
        (
            "max_depth: 5",
            "max_deph: 5",
            "x.yaml: estimator.params: unknown setting max_deph. Did you mean max_depth?",
        ),
        ("max_depth: 5", "n_jobs: 5", "n_jobs is set as estimator.threads; take it out of params."),
        ("max_depth: 5", "C: 5", "unknown setting C. Allowed: alpha, base_score, "),
        ("quality_false_alarm_share: 0.1", "quality_false_alarm_share: 0.9", "less than or equal to 0.5"),
        ("drift:\n", "drift:\n  slices: [distance]\n", "distance, which is no feature of kind category"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, expected: str) -> None:
    assert old in FLIGHTS
    message = refused(FLIGHTS.replace(old, new, 1))
    assert expected in message
    assert message.startswith("configs/models/x.yaml: ")


def test_the_old_form_of_gates_is_told_the_new_one() -> None:
    body = {**yaml.safe_load(FLIGHTS), "gates": [{"metric": "auc", "at_least": 0.62, "champion_margin": 0.01}]}
    message = refused(yaml.safe_dump(body))
    assert message.startswith("configs/models/x.yaml: gates: is a mapping of parts now, no list: put at_least")
    assert "gates.champion as margin; docs/gates.md" in message


def test_all_mistakes_are_told_at_once() -> None:
    assert len(refused(FLIGHTS.replace("owner:", "oner:").replace("seed: 7", "seed: x")).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "expected"), [("a: [", "expected YAML"), ("- a", "expected a mapping"), ("", "mapping")]
)
def test_what_is_not_a_mapping_is_said(text: str, expected: str) -> None:
    assert expected in refused(text)


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a: 1\nb:\n  \t- 1\n"])
def test_a_tab_is_named_since_nobody_sees_it(text: str) -> None:
    assert "expected YAML, found a tab at the beginning of the line; indent with spaces." in refused(text)


def test_a_text_that_a_comma_cuts_is_to_be_quoted() -> None:
    body = FLIGHTS.replace("because: ", "because: known, ", 1)
    assert body != FLIGHTS
    assert "If it is the rest of a text, quote the text: it has a comma." in refused(body)


@pytest.mark.parametrize("line", ["5 o clock", "0 5 * *", "0 5 * * * *", "0  5 * * *", ""])
def test_a_schedule_is_a_cron_line_of_five_fields(line: str) -> None:
    message = refused(FLIGHTS.replace('score: "0 5 * * *"', f'score: "{line}"'))
    said = "schedule.score: should be a cron line of five fields, as '0 5 * * *' for 05:00 UTC each day"
    assert f"{said}; found {line!r}" in message


def test_environment_variables_lie_over_the_file() -> None:
    body = overlay({"prefect": {"port": 1, "host": "a"}}, {"PLIMSOLL_PREFECT__PORT": "4300", "OTHER": "x"}, "PLIMSOLL_")
    assert check_config(PlatformConfig, body, "p").prefect.port == 4300
    assert body["prefect"]["host"] == "a"


def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_PREFECT__PROT", "1")
    with pytest.raises(ConfigError, match=r"unknown key prefect.prot. Did you mean port\?"):
        open_workspace()


def test_every_path_of_the_platform_lies_in_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLIMSOLL_HOME", str(tmp_path))
    platform = open_workspace().platform
    text = yaml.safe_dump(platform.model_dump())
    assert "{home}" not in text
    assert platform.store.url == str(tmp_path / "store")


def test_a_model_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"No model named 'flight_dely'.*Did you mean flight_delay"):
        open_workspace().model("flight_dely")
    with pytest.raises(ConfigError, match="No model named"):
        open_workspace().model("../platform")


@pytest.mark.parametrize(
    "url", ["ftp://host", "reports.example.com", "https://ada:secret@host/", "https://a b", "https://host/)x"]
)
def test_the_pages_address_is_one_that_a_link_can_hold(url: str) -> None:
    with pytest.raises(ConfigError, match=r"reports_url.* expected an address such as https://reports"):
        check_config(PlatformConfig, {"reports_url": url}, "configs/platform.yaml")
    assert PlatformConfig(reports_url="https://host/p/").reports_address == "https://host/p"
    assert PlatformConfig(reports_port=4300).reports_address == "http://127.0.0.1:4300"

"""README and docs: what they tell a reader to type parses, what they point at is there, nothing is left out."""

import ast
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import typer
import yaml
from pydantic import BaseModel

from flows.cli import app
from plimsoll.config_loading import check_config, overlay, parse_config
from plimsoll.ledger import Kind
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig
from plimsoll.telling import RULES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CHANGELOG.md"]
GENERATED = {ROOT / "docs/performance.md"}  # by `make bench`
LANGUAGES = {"bash", "text", "python", "yaml", "json"}
ASSIGNMENT = re.compile(r"^([A-Z_]+)=(.*)$")
COMMAND: Any = typer.main.get_command(app)
TARGETS = frozenset(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
NOT_CONFIG = {"PLIMSOLL_ROOT", "PLIMSOLL_USER", "PLIMSOLL_SIGNING_KEY"}
PLACES = {"configs", "docs", "flows", "plimsoll", "tasks", "tests", "benchmarks", "infra", "great_expectations", ".ci"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^```(.*)\n((?s:.*?))^```$", text, re.MULTILINE):
        yield Block(page, text[: found.start()].count("\n") + 1, found[1].strip(), found[2])


def lines_of(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


BLOCKS = [block for page in PAGES if page not in GENERATED for block in blocks_of(page)]
LINES = [(block.name, line) for block in BLOCKS if block.language == "bash" for line in lines_of(block)]


def parse_plimsoll(words: list[str]) -> None:
    """Parse a command line of plimsoll without running it; an unknown command or option raises."""
    command = COMMAND
    while hasattr(command, "commands"):
        assert words, f"{command.name} needs a command"
        assert words[0] in command.commands, f"no command {words[0]}; there are {', '.join(command.commands)}"
        command, words = command.commands[words[0]], words[1:]
    if "--help" not in words:
        command.make_context("plimsoll", list(words))


def check_make(words: list[str]) -> None:
    assert set(words) <= TARGETS, f"no such make target: {set(words) - TARGETS}"


def check_python(words: list[str]) -> None:
    if words[:1] == ["-c"]:
        return check_imports(words[1])
    assert words[0] == "-m"
    return check_paths([word for word in words[2:] if not word.startswith("-") and "/" in word])


def check_imports(code: str) -> None:
    """Check that what a snippet imports from this project is there, without importing it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PLACES:
            path = ROOT / f"{str(node.module).replace('.', '/')}.py"
            there = {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)}
            assert {alias.name for alias in node.names} <= there


def check_paths(words: list[str]) -> None:
    assert not [word for word in words if not (ROOT / word).exists()]


def check_variable(name: str, value: str) -> None:
    """Check that a variable of ours sets a field that exists, to a value that it takes."""
    if name.startswith("PLIMSOLL_") and name not in NOT_CONFIG:
        body = yaml.safe_load((ROOT / "configs/platform.yaml").read_text())
        check_config(PlatformConfig, overlay(body, {name: value}, "PLIMSOLL_"), name)


def settle_environment(words: list[str]) -> list[str]:
    """Check the assignments that a line begins with and return what follows them."""
    words = words[1:] if words[:1] == ["export"] else words
    while words and (found := ASSIGNMENT.match(words[0])):
        check_variable(found[1], found[2])
        words = words[1:]
    return words


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "plimsoll": parse_plimsoll,
    "make": check_make,
    "python": check_python,
    **dict.fromkeys(("sudo", "tail", "pre-commit"), lambda _: None),
}


def check_line(line: str) -> None:
    for tool, *rest in filter(None, [settle_environment(shlex.split(line))]):
        check = CHECKS.get(tool.removeprefix(".venv/bin/"))
        assert check, f"{tool} is not something that the docs may ask for unchecked"
        check(rest)


def test_every_block_can_be_checked_or_is_marked_as_output() -> None:
    other = [f"{block.name}: {block.language}" for block in BLOCKS if block.language not in LANGUAGES]
    assert not other, "write ```bash for what is typed and ```text for output"


def test_every_line_to_be_typed_is_right() -> None:
    assert len(LINES) > 100
    for name, line in LINES:
        try:
            check_line(line)
        except Exception as error:  # whatever the parser of a command raises
            raise AssertionError(f"{name}: {line}: {error!r}") from error


@pytest.mark.parametrize(
    "line",
    [
        "plimsoll tarin flight_delay",
        "plimsoll train flight_delay --form 2013-01-01",
        "plimsoll train",
        "plimsoll score flight_delay --date yesterday",
        "plimsoll config",
        "make demmo",
        "PLIMSOLL_PREFECT__PROT=1 make up",
        "PLIMSOLL_PREFECT__PORT=high make up",
        ".venv/bin/python -c 'from flows.demo_data import lay_out_moon'",
        "python -m pytest tests/unit/test_moon.py",
        "rm -r .plimsoll",
    ],
)
def test_a_wrong_line_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r".+"):
        check_line(line)


def test_every_link_leads_to_a_file() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose_of(page))]
    assert len(links) > 100
    lost = [(page, link) for page, link in links if "://" in link or not (page.parent / link).exists()]
    assert not [f"{page.name}: {link}" for page, link in lost]


def test_every_file_named_in_the_text_is_there() -> None:
    text = "\n".join(prose_of(page) for page in PAGES)
    named = set(re.findall(r"`([\w./-]+/[\w./-]+\.\w+|requirements\.lock|pyproject\.toml)`", text))
    ours = [name for name in named if name.split("/")[0] in PLACES or "/" not in name]
    taught = {"configs/features/cells.py", "configs/models/biopsy.yaml", "great_expectations/expectations/biopsy.json"}
    check_paths([name for name in ours if name not in taught and ROOT / name not in GENERATED])


def test_every_variable_named_is_a_setting() -> None:
    text = "\n".join(prose_of(page) for page in PAGES)
    for name in set(re.findall(r"`(PLIMSOLL_[A-Z_]*[A-Z])`", text)) - NOT_CONFIG:
        beside = {"PLIMSOLL_STORE__SSE": "aws:kms"} if name.endswith("KMS_KEY_ID") else {}
        check_config(PlatformConfig, overlay({}, beside | {name: _sample(name)}, "PLIMSOLL_"), name)


def _sample(name: str) -> str:
    fixed = {"PLIMSOLL_DISPATCH": "inline", "PLIMSOLL_ENGINE": "local", "PLIMSOLL_SNAPSHOT__PARANOID": "true"}
    fixed |= {
        "PLIMSOLL_NOTIFY__ABOUT": "alarms",
        "PLIMSOLL_STORE__SSE": "AES256",
        "PLIMSOLL_DASK__SCHEDULER": "tcp://host:8786",
        "PLIMSOLL_PROCESSES": "2",
        "PLIMSOLL_REPORTS_URL": "https://reports.example.com/plimsoll",
    }
    numbers = {"PORT": "4300", "RETRIES": "3", "SECONDS": "5", "DAYS": "90", "HOURS": "72", "SCHEDULE": "0 3 * * 0"}
    return fixed.get(name, next((n for end, n in numbers.items() if name.endswith(f"_{end}")), "word"))


def test_no_page_names_a_path_of_a_machine() -> None:
    path = re.compile(r"(?:^|[\s`(=\"'])(/[a-z]\w*/[\w./-]*)", re.MULTILINE)
    found = [(page.name, one) for page in PAGES for one in path.findall(page.read_text())]
    assert not [(page, one) for page, one in found if not one.startswith("/usr/lib/")]


def commands(group: Any, *words: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield " ".join([*words, name])


def test_the_readmes_table_of_commands_lists_all_and_none_that_is_gone() -> None:
    listed = re.findall(r"^\| `(plimsoll [a-z -]+)` \|", README.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(commands(COMMAND, "plimsoll")), "keep the table of commands in README.md"


def test_every_flow_is_in_the_readme() -> None:
    recipes = [p for p in (ROOT / "flows").glob("*.py") if re.search(r"^@flow\(", p.read_text(), re.MULTILINE)]
    text = README.read_text()
    assert recipes
    assert all(f"| `{path.stem}` | [flows/{path.name}](flows/{path.name}) |" in text for path in recipes)


def fields(schema: type[BaseModel]) -> Iterator[str]:
    for name, field in schema.model_fields.items():
        parts = [a for a in (field.annotation, *get_args(field.annotation)) if isinstance(a, type)]
        inner = [part for part in parts if issubclass(part, BaseModel)]
        yield from fields(inner[0]) if inner else [name]


def test_every_config_field_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/models.md").read_text(), re.MULTILINE))
    assert sorted(set(fields(ModelConfig)) - explained) == []


def test_every_platform_field_is_explained() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    explained = set(re.findall(r"^\| `(?:\w+\.)?(\w+)` \|", text, re.MULTILINE))
    assert sorted(set(fields(PlatformConfig)) - explained) == []


def test_every_kind_of_ledger_entry_is_explained() -> None:
    text = (ROOT / "docs/records.md").read_text()
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in text] == []


RULES_OF_POLICY = {"backfill", "cooldown", "nothing"} | {
    node.value
    for node in ast.walk(ast.parse((ROOT / "plimsoll/retrain.py").read_text()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", node.value)
}


def test_every_rule_of_the_policy_is_explained() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/drift.md").read_text(), re.MULTILINE))
    assert listed == RULES_OF_POLICY


def test_every_rule_of_the_policy_has_words_on_a_models_page() -> None:
    assert set(RULES) == RULES_OF_POLICY


def example(language: str) -> str:
    blocks = [b.text for b in BLOCKS if b.page.name == "models.md" and b.language == language]
    [found] = [text for text in blocks if language != "yaml" or text.startswith("model:")]
    return found


SOURCES = [b for b in BLOCKS if b.page.name == "models.md" and b.text.startswith("source:")]


@pytest.mark.parametrize("block", SOURCES, ids=lambda block: block.name)
def test_the_examples_of_sources_are_valid(block: Block) -> None:
    whole = yaml.safe_load((ROOT / "configs/models/flight_delay.yaml").read_text())
    for part, feed in yaml.safe_load(block.text).items():
        other = {name: value for name, value in whole[part].items() if name != "path"}
        check_config(ModelConfig, {**whole, part: {**other, **feed}}, block.name)


def test_the_example_config_is_valid() -> None:
    config = parse_config(ModelConfig, example("yaml"), "docs/models.md")
    assert config.features.function == "cells:build"


def test_the_example_function_keeps_its_contract() -> None:
    space: dict[str, Any] = {}
    exec(compile(example("python"), "cells.py", "exec"), space)  # noqa: S102  # it is our own page
    batch = pd.DataFrame({"mean_area": [3.141592653589793, None], "mean_perimeter": [6.283185307179586, 1.0]}, [7, 3])
    built = space["build"](batch)
    assert built.index.tolist() == [7, 3]
    assert built["roundness"].iloc[0] == pytest.approx(1.0)
    assert built["roundness"].isna().tolist() == [False, True]
    assert "roundness" not in batch
    assert set(batch.columns) <= set(built.columns)


def test_the_example_suite_speaks_for_itself() -> None:
    suite = json.loads(example("json"))
    columns = {"sample_id", *parse_config(ModelConfig, example("yaml"), "docs/models.md").feature_names}
    assert suite["name"] == "biopsy"
    for one in suite["expectations"]:
        assert one["meta"]["level"] in {"batch", "row"}
        assert one["meta"]["says"]
        assert one["kwargs"].get("column", "sample_id") in columns


def test_the_decisions_are_numbered_dated_and_in_the_changelog() -> None:
    paths = sorted((ROOT / "docs/decisions").glob("*.md"))
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert [int(path.name[:4]) for path in paths] == list(range(1, len(paths) + 1))
    for path in paths:
        title, _, second, *_ = path.read_text().splitlines()
        assert title.startswith(f"# {path.name[:4]}: ")
        assert re.match(r"20\d\d-\d\d-\d\d\. ", second)
        assert f"docs/decisions/{path.name}" in changelog

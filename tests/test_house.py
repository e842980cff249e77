"""The rules of the house that a reader would otherwise have to remember."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("plimsoll", "tasks", "flows")
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
MAX_LINES = 250


def functions(path: Path) -> list[ast.FunctionDef]:
    """Return a module's functions and its classes' methods; what is defined inside a function is its own affair."""
    tree = ast.parse(path.read_text())
    holders = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return [node for holder in holders for node in holder.body if isinstance(node, ast.FunctionDef)]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_opens_with_a_docstring_and_stays_short() -> None:
    assert len(SOURCES) > 200
    assert not [named(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not [named(path) for path in SOURCES if len(path.read_text().splitlines()) > MAX_LINES]


def test_public_functions_state_their_contract() -> None:
    public = [(named(path), one) for path in SOURCES for one in functions(path) if not one.name.startswith("_")]
    assert not [f"{where}: {one.name}" for where, one in public if not ast.get_docstring(one)]


def test_no_basename_twice() -> None:
    names = Counter(path.name for path in SOURCES if path.name != "__init__.py")
    assert not [name for name, count in names.items() if count > 1]


def test_no_utils() -> None:
    assert not [p for p in SOURCES if re.search(r"util|helper|misc|common", p.stem)]


def test_great_expectations_is_no_package() -> None:
    assert not list((ROOT / "great_expectations").rglob("*.py"))


def test_no_package_under_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]


def test_core_reads_no_clock_and_no_global_chance() -> None:
    banned = re.compile(r"\b(datetime\.now|time\.time|date\.today|random\.(random|seed)|np\.random\.(seed|rand))\b")
    assert not [p.name for p in (ROOT / "plimsoll").glob("*.py") if banned.search(p.read_text())]


def test_only_what_runs_imports_prefect() -> None:
    """It takes more than a second, which nobody who only looks should wait for."""
    at_once = re.compile(r"^(from|import) prefect\b", re.MULTILINE)
    assert not [p.name for p in (ROOT / "tasks").glob("*.py") if at_once.search(p.read_text())]
    assert not [p.name for p in (ROOT / "flows").glob("cli*.py") if at_once.search(p.read_text())]


def test_nothing_runs_code_when_read() -> None:
    banned = re.compile(r"^\s*(import|from) (pickle|joblib|cloudpickle|dill|shelve)\b", re.MULTILINE)
    door = "pickle_door.py"  # reads, in a process of its own, a pickle whose digest a config names, to convert it
    assert [p.name for p in SOURCES if re.search(r"\b(pickle|joblib)\.load", p.read_text())] == [door]
    assert not [p.name for p in SOURCES if banned.search(p.read_text()) and p.name != door]


def test_only_the_demo_and_the_configs_know_flights() -> None:
    known = [
        p.relative_to(ROOT).as_posix()
        for p in SOURCES
        if re.search(r"flight[s_]delay|carrier|nycflights|tailnum", p.read_text())
    ]
    assert all(Path(name).name.startswith("demo") for name in known), known


def test_flows_hold_no_try_and_no_arithmetic() -> None:
    for name in ("train_model", "promote_model", "promote_family", "score_batch", "check_drift", "backtest_policy"):
        body = next(f for f in functions(ROOT / f"flows/{name}.py") if f.name == name)
        inside = [node for statement in body.body for node in ast.walk(statement)]
        assert not [node for node in inside if isinstance(node, ast.Try | ast.BinOp)], name


def test_every_make_target_is_in_the_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    assert phony == set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))


def test_no_address_of_a_machine_or_a_registry_is_kept() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    banned = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian\.org|file:///opt")
    texts = [
        name for name in files if Path(name).suffix in {".py", ".md", ".toml", ".yaml", ".lock", ".json", ".txt", ""}
    ]
    found = [
        n
        for n in texts
        if n != "tests/test_house.py" and (ROOT / n).is_file() and banned.search((ROOT / n).read_text())
    ]
    assert not found


def test_no_tracked_name_is_a_placeholder() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert "{" not in files, "a folder named {home} is what code makes that forgot to resolve a platform config"

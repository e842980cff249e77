"""The source of a feature function: whether an edit changes what it computes, or comments and names of lines only."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from plimsoll.feature_imports import Reader, imported_files, read_nothing

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINED = (ast.ClassDef, *FUNCTIONS)
DOCUMENTED = (ast.Module, *DEFINED)
IMPORTED = (ast.Import, ast.ImportFrom)
ASSIGNED = (ast.Assign, ast.AnnAssign, ast.AugAssign)
BY_TEXT = {
    "eval",
    "exec",
    "globals",
    "locals",
    "vars",
    "sys",
    "importlib",
    "__import__",
}  # whoever uses them may reach any name


@dataclass(frozen=True)
class Source:
    """A Python file of the folder of features, and how its neighbours are read."""

    data: bytes
    file: str = "features.py"  # its path in the folder
    read: Reader = read_nothing


def means_the_same(one: Source, other: Source, function: str) -> bool:
    """Return whether a function is the same program in two Python files but for comments, layout and docstrings.

    That is the function, what it reaches in its file by name, one from the other, every statement of the file that may
    have an effect of its own, and whole every file of the folder that these import, or that is imported there. Other
    functions, constants and imports of the file do not count, nor do libraries. False where a file is no Python:
    nobody can tell.
    """
    try:
        return _program(one, function) == _program(other, function)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _program(source: Source, function: str) -> dict[str, list[str]]:
    """Return the statements that count, by file; those of the file itself under no name."""
    reached = _reached(_statements(source.data), function)
    neighbours = imported_files(reached, source.file, source.read)
    mine = [ast.dump(one) for one in reached]
    theirs = {path: [ast.dump(one) for one in _statements(data)] for path, data in neighbours.items()}
    return {"": mine} | {path: dumped for path, dumped in theirs.items() if dumped}  # an empty file does nothing


def _statements(data: bytes) -> list[ast.stmt]:
    tree = ast.parse(data)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return [part for statement in tree.body for part in _parts(statement)]


def _parts(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Give an import of several names as one of each, so that each counts for itself."""
    if isinstance(statement, ast.Import):
        yield from (ast.Import([alias]) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield from (ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names)
    else:
        yield statement


def _reached(statements: list[ast.stmt], function: str) -> list[ast.stmt]:
    """Return the statements that make a function, in their order: all of them where its name is not bound plainly."""
    bound, acting = [_bound(one) for one in statements], [_acts(one) for one in statements]
    if not any(function in names for names in bound):
        return statements
    names, count = {function}, -1
    while len(names) > count:
        count = len(names)
        counted = [one for one, of, acts in zip(statements, bound, acting, strict=True) if acts or of & names]
        names |= {name for one in counted for name in _mentioned(one)}
    return statements if names & BY_TEXT else counted


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a plain statement binds."""
    if isinstance(statement, IMPORTED):
        return {statement.names[0].asname or statement.names[0].name.partition(".")[0]}
    if isinstance(statement, DEFINED):
        return {statement.name}
    if not isinstance(statement, ASSIGNED):
        return set()
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _acts(statement: ast.stmt) -> bool:
    """Return whether a statement may do more than bind its names.

    A call, a base class or a decorator may enter something in a table that the function reads.
    """
    if isinstance(statement, IMPORTED):
        return statement.names[0].name == "*" or getattr(statement, "module", "") == "__future__"
    if any(isinstance(node, ast.Call) for part in _run(statement) for node in ast.walk(part)):
        return True
    if isinstance(statement, DEFINED):
        derived = isinstance(statement, ast.ClassDef) and (statement.bases or statement.keywords)
        return bool(statement.decorator_list or derived)
    if not isinstance(statement, ASSIGNED):
        return True
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(node, ast.Attribute | ast.Subscript) for target in targets for node in ast.walk(target))


def _run(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement that run when it is read: of a function all but its body."""
    if isinstance(statement, FUNCTIONS):
        annotated = [one.annotation for one in ast.walk(statement.args) if isinstance(one, ast.arg) and one.annotation]
        yield from (statement.args, *annotated, *([statement.returns] if statement.returns else []))
    elif isinstance(statement, ast.ClassDef):
        yield from statement.keywords
        for part in statement.body:
            yield from _run(part)
    else:
        yield statement


def _mentioned(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Global):
            yield from node.names

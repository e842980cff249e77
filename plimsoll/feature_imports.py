"""What a feature file imports from its own folder: those modules are part of its program, libraries are not."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

PACKAGE = ("configs", "features")  # the name of the folder, in an absolute import
START = "__init__.py"  # of the folder itself: it runs before any module of it
Reader = Callable[[str], bytes | None]  # a file of the folder by its path in it, None where there is none


def read_nothing(_: str) -> bytes | None:
    """Return no file: of a source that stands alone."""
    return None


def imported_files(nodes: Iterable[ast.AST], file: str, read: Reader) -> dict[str, bytes]:
    """Return the files of the folder that some statements of a file import, and what those import in turn, by path.

    Relative and absolute imports count, wherever they stand, and a plain name that is also that of a file there. Each
    file comes once, so that modules may import each other. Raises SyntaxError or ValueError for one that is no Python.
    """
    found: dict[str, bytes] = {}
    waiting = [START, *_named(nodes, file)]
    while waiting:
        path = waiting.pop()
        if path not in found and (data := read(path)) is not None:
            found[path] = data
            waiting += _named([ast.parse(data)], path)
    return found


def _named(nodes: Iterable[ast.AST], file: str) -> Iterator[str]:
    """Yield the paths at which the modules may lie that some statements import."""
    for node in (inner for one in nodes for inner in ast.walk(one)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _paths(tuple(alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            base = (*_base(node.level, file), *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield from _paths((*base, alias.name))


def _base(level: int, file: str) -> tuple[str, ...]:
    """Return the package that a relative import starts from; nothing for an absolute one."""
    package = (*PACKAGE, *PurePosixPath(file).parent.parts)
    return package[: len(package) - level + 1] if level else ()


def _paths(module: tuple[str, ...]) -> Iterator[str]:
    inside = module[len(PACKAGE) :] if module[: len(PACKAGE)] == PACKAGE else module
    for count in range(1, len(inside) + 1):
        place = "/".join(inside[:count])
        yield from (f"{place}.py", f"{place}/{START}")

"""The source of a feature function: whether an edit changes what it computes, or comments and names of lines only."""

import ast

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def means_the_same(one: bytes, other: bytes) -> bool:
    """Return whether two Python files are the same program but for comments, layout and docstrings.

    False where either is no Python: nobody can tell. What the files import is not looked at.
    """
    if one == other:
        return True
    try:
        return _program(one) == _program(other)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _program(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)

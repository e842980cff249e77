"""Modules of configs/features, run from the bytes that lie there: a feature file and what it imports beside it.

They are modules of a package of that name, so that they import each other by relative imports, or by absolute ones
of configs.features. All are loaded anew once any of them has other bytes, or those of another project are asked for;
nothing is taken from bytecode.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from threading import RLock
from types import ModuleType

from plimsoll.digest import sha256_file, sha256_json
from plimsoll.feature_imports import PACKAGE, START

NAME = ".".join(PACKAGE)
_LOADING = RLock()  # dates may be scored by threads


class _Uncached(SourceFileLoader):
    """Runs the bytes that lie there: Python takes bytecode for that of any file of the same size and second."""

    def path_stats(self, path: str) -> dict[str, float]:
        """Say that nothing is known of the file's age, so that no bytecode is read or written."""
        raise OSError(path)


class _Finder(MetaPathFinder):
    """Finds modules of the folder of features of the project that was asked for last."""

    folder = Path()
    digest = ""  # of all files of the folder when the modules were loaded

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the folder is known
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return where a module of the package lies; None for all others, and where it does not."""
        if fullname == PACKAGE[0]:
            return _folder_spec(fullname, self.folder.parent)
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        place = self.folder.joinpath(*fullname.split(".")[len(PACKAGE) :])
        for file in (place / START, place.parent / f"{place.name}.py"):
            if file.is_file():
                return spec_from_file_location(fullname, file, loader=_Uncached(fullname, str(file)))
        return _folder_spec(fullname, place) if place.is_dir() else None


_FINDER = _Finder()


def load_module(folder: Path, stem: str) -> ModuleType:
    """Return a module of a folder of features as its files are now; raises what it, or what it imports, raises."""
    with _LOADING:
        digest = _digest(folder)
        if (folder, digest) != (_FINDER.folder, _FINDER.digest):
            _FINDER.folder, _FINDER.digest = folder, digest
            for name in [one for one in sys.modules if one in (PACKAGE[0], NAME) or one.startswith(f"{NAME}.")]:
                del sys.modules[name]
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        return importlib.import_module(f"{NAME}.{stem}")


def _digest(folder: Path) -> str:
    return sha256_json({str(path.relative_to(folder)): sha256_file(path) for path in sorted(folder.rglob("*.py"))})


def hint(error: Exception, folder: Path) -> str:
    """Return what to write instead where a module beside the file was imported like a library, else nothing."""
    name = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    there = name.isidentifier() and ((folder / f"{name}.py").is_file() or (folder / name).is_dir())
    return f" {name} lies beside it: from . import {name}" if there else ""


def _folder_spec(name: str, folder: Path) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec

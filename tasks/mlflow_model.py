"""MLflow model folders: which of their files is the model itself, so that it is adopted without MLflow's loaders.

`mlflow.pyfunc.load_model` imports code that the folder names and reads pickles; the file of a flavor that we can read
without running code gives the same scores.
"""

from pathlib import Path
from typing import Any

from plimsoll.errors import DataError

ABOUT = "MLmodel"
FILE_OF = {"xgboost": "data", "sklearn": "pickled_model"}  # flavor → the key that names its file


def model_file(path: Path) -> Path:
    """Return the file of a model: path itself, or the one inside an MLflow model folder.

    Raises DataError for a folder that has no flavor we read: a pyfunc that is Python code alone is one.
    """
    if not path.is_dir():
        return path
    flavors = _flavors(path)
    for flavor, key in FILE_OF.items():
        about = flavors.get(flavor)
        if isinstance(about, dict) and (found := path / str(about.get(key, ABOUT))).resolve().parent == path.resolve():
            return found
    raise DataError(
        f"Expected an MLflow model of {' or '.join(FILE_OF)} at {path}, found {', '.join(sorted(flavors)) or 'none'}. "
        "A pyfunc of Python code alone would have to be run to be read; log what is inside it with mlflow.xgboost, or "
        "with mlflow.sklearn and serialization_format='skops'."
    )


def _flavors(folder: Path) -> dict[str, Any]:
    import yaml

    try:
        body = yaml.safe_load((folder / ABOUT).read_text())
        flavors: dict[str, Any] = dict(body["flavors"])
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise DataError(
            f"Expected a model file or an MLflow model folder at {folder}, found a folder without a readable {ABOUT}."
        ) from None
    return flavors

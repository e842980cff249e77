"""The one place that reads a pickle: run as a process of its own, it turns one into a file that runs no code.

    python pickle_door.py MODEL FOLDER

writes FOLDER/model.ubj for a model of XGBoost, FOLDER/model.skops for one of scikit-learn. Whatever code is in the
pickle runs here, with the rights of this process. So it is called only for a file whose digest the config names.
"""

import sys
from pathlib import Path


def convert(model: Path, folder: Path) -> None:
    """Write a pickled model in a form that runs no code when it is read."""
    import joblib  # type: ignore[import-untyped]

    found = joblib.load(model)
    if hasattr(found, "get_booster"):
        found = found.get_booster()
    if type(found).__module__.startswith("xgboost"):
        (folder / "model.ubj").write_bytes(bytes(found.save_raw("ubj")))
        return
    import skops.io

    (folder / "model.skops").write_bytes(skops.io.dumps(found))


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))

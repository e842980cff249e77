"""One file per outside system: each task fetches, calls one pure function, saves, logs one line.

Importing this package switches off all telemetry, whoever starts the process, unless a variable says
otherwise; forbids MLflow to read pickles, whatever a variable says; and lets idle OpenMP threads sleep, since
spinning ones make XGBoost four times slower beside a server on the same cores. All of it is read when the
libraries load, so it is set before any of them.
"""

import os

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
}
NO_PICKLE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
os.environ.update(NO_PICKLE)  # servers and workers that are started from here have it too
for _name, _value in {**TELEMETRY_OFF, "OMP_WAIT_POLICY": "PASSIVE"}.items():
    os.environ.setdefault(_name, _value)

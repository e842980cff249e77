"""One file per outside system: each task fetches, calls one pure function, saves, logs one line.

Importing this package switches off all telemetry, whoever starts the process, unless a variable says
otherwise; and lets idle OpenMP threads sleep, since spinning ones make XGBoost four times slower beside a
server on the same cores. Both are read when the libraries load, so they are set before any of them.
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
for _name, _value in {**TELEMETRY_OFF, "OMP_WAIT_POLICY": "PASSIVE"}.items():
    os.environ.setdefault(_name, _value)

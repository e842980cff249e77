import os, sys, time, shutil, sqlite3
from pathlib import Path
import pytest
def test_probe(project, home):
    import datetime as dt
    t=time.time()
    def lap(s):
        nonlocal t
        print(f"{s}: {time.time()-t:.2f}", flush=True); t=time.time()
    p = project/"configs/models/flight_delay.yaml"
    text = p.read_text().replace("rounds: 200","rounds: 20").replace("at_least: 0.62","at_least: 0.5").replace("test_days: 14","test_days: 5")
    p.write_text(text)
    from flows.train_model import train_model
    from flows.score_batch import score_batch
    from flows.check_drift import check_drift
    from tasks.approvals import submit_decision
    from tasks.workspace import open_workspace
    lap("imports")
    D=dt.date
    r=train_model("flight_delay",start=D(2013,2,10),as_of=D(2013,3,2),requested_by="data team"); print(r)
    lap("train")
    ws=open_workspace()
    print(submit_decision(ws,"flight_delay",1,"approve","ada","ok")); lap("approve")
    s=score_batch("flight_delay",start=D(2013,3,2),end=D(2013,3,3),as_of=D(2013,3,3),return_state=True); print(s); lap("score 2")
    print(check_drift("flight_delay",as_of=D(2013,3,3))); lap("check 2")
    r=train_model("flight_delay",start=D(2013,2,10),as_of=D(2013,3,2),requested_by="data team"); print(r)
    lap("train again")
    r=train_model("breast_cancer",as_of=D(2013,3,2),requested_by="data team"); print(r)
    lap("bc")
    r=train_model("flight_delay_minutes",start=D(2013,2,10),as_of=D(2013,3,2),requested_by="data team"); print(r)
    lap("minutes")
    new=home.with_name("copy"); shutil.copytree(home,new); lap("copy")
    os.environ["PLIMSOLL_HOME"]=str(new)
    from tasks.trace import trace_prediction
    from tasks.mlflow_registry import connect
    connect(open_workspace()); lap("connect")
    os.system(f"sqlite3 {new}/mlflow/mlflow.db .tables; du -sh {new}/*; ls {new} {new}/store")
    import sqlite3
    c=sqlite3.connect(new/"mlflow/mlflow.db")
    for (n,) in c.execute("select name from sqlite_master where type='table'").fetchall():
        for row in c.execute(f"select * from {n}").fetchall():
            if str(home) in str(row): print(n,row)

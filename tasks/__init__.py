"""One file per outside system: each task fetches, calls one pure function, saves, logs one line."""

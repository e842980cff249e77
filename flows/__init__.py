"""What Prefect runs, one recipe per file, and the command line."""

"""What Plimsoll costs: every benchmark measures the real code and leaves its figures in results/."""

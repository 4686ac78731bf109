"""What is measured: ratios and limits, both sides in one run, printed as a table and kept as JSON."""

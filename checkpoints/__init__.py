"""Builds the checkpoints that tests, benchmarks and examples export: real weights by formula, tiny ones by seed."""

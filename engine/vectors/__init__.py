"""Compares, ranks, cuts, stores and remembers embeddings."""

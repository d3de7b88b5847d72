"""Computes what follows a body: pooling, projections, normalisation."""

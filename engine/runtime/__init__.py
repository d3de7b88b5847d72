"""Runs graphs: which provider, in what order, in which batches."""

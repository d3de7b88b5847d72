"""Reads the recipes of checkpoints that read pictures as well as texts."""

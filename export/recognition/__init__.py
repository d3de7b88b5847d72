"""Finds out what a checkpoint is, from its own files, and says it as a recipe."""

"""Finds out from a checkpoint's own files what it is, and says so as a recipe."""

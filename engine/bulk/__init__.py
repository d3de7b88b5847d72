"""Reads files of documents, a few at a time."""

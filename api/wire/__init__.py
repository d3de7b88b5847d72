"""Decodes requests and encodes answers: what all dialects have in common."""

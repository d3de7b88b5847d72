"""Renders score templates, which strangers wrote, in a sandbox with a budget, and keeps control tokens out of texts."""

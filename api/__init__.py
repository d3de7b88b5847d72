"""Serves exported models over HTTP; `python -m api` starts the server."""

"""Reads the server's settings from the command line, variables and a TOML file."""

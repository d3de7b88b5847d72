"""Defines the error of settings, apart from them, so that who raises it imports nothing else."""


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names it, and where it was given."""

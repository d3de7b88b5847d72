"""Names the error of settings, so that whoever refuses one imports no more than that."""


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names it, and where it was given."""

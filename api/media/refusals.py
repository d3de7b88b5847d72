"""Says why an image was not taken. A URL is never in the sentence: it may hold a secret, and errors are logged.

Whoever sends URLs learns nothing of the server's network: a host that is not allowed, an address that is not public,
a connection that fails and an error that a host answers with get the same sentence.
"""

from engine import InvalidInput


def unknown_scheme() -> InvalidInput:
    """The phrase is vLLM's."""
    return InvalidInput("The URL must be either a HTTP, data or file URL.")


def not_fetched(seconds: float) -> InvalidInput:
    """Of everything that goes wrong with http and https URLs before an image's bytes are there."""
    return InvalidInput(
        "The image at this URL could not be fetched: its host must be one that the server's --allowed-media-domain "
        f"names, and send the image within {seconds:g} s; or send the image as a data URL."
    )


def not_read() -> InvalidInput:
    """Of everything that goes wrong with file URLs before an image's bytes are there."""
    return InvalidInput(
        "The image at this URL could not be read: it must be a file in the folder that the server's "
        "--allowed-media-path names; or send the image as a data URL."
    )


def too_large(most: int) -> InvalidInput:
    """Of what is not read to its end."""
    return InvalidInput(
        f"The image at this URL has more than {most:,} bytes, the most that are accepted: use a smaller one."
    )

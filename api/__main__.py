"""Runs `python -m api`, the server."""

import os
import sys

# Set before numpy reads it: similarities are computed on the threads of their requests, while the engine's workers have
# all cores, and threads of one product that wait for each other then take many times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .server import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

"""`python -m api`."""

from .server import main

main()

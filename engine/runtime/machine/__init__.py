"""Tells what the machine is, and what of it this process may use."""

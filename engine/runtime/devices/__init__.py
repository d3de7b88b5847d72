"""Tells what each provider needs, which is the fastest, and what the GPU's can do beside running graphs."""

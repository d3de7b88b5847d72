"""Holds graphs against their originals on the shipped texts."""

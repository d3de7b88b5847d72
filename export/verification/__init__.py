"""Holds graphs against their references on the shipped texts."""

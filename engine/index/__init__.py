"""Embeds documents ahead of their queries, keeps them on disk and ranks them by their ids."""

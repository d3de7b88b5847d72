"""Turns text into inputs of a graph: tokens, layouts of pairs and texts, truncation, prefixes that prompts share."""

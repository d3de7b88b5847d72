"""Splits multimodal models into a vision tower and a text body, which meet in a table of image embeddings alone."""

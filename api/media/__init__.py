"""Turns the URLs of images in requests into decoded pictures, within limits and without reaching what is not public."""

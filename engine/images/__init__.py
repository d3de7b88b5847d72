"""Decodes pictures within limits and prepares their pixels as each family's image processor does, without PyTorch."""

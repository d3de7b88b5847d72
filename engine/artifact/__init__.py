"""Says what an artifact is: its manifest, the precisions of its graphs, and the seal on what it says."""

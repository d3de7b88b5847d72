"""Keeps ONNX Runtime from reporting its use, which it does by itself, unless whoever runs the process asks for it.

It reads the variable when it is imported, and leaves an identifier in the user's home and looks up a host where it is
not set; `onnxruntime.disable_telemetry_events()` comes too late for both.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

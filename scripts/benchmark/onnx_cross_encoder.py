"""Scores with CrossEncoder's ONNX backend and dynamic int8: [query, documents] a line in, scores a line out.

Runs in an environment of its own: python onnx_cross_encoder.py CHECKPOINT FOLDER.
"""

import json
import platform
import sys
from pathlib import Path

from sentence_transformers import CrossEncoder, export_dynamic_quantized_onnx_model


def quantized(checkpoint: str, folder: Path) -> CrossEncoder:
    """Exported and quantised by the library itself, for this processor's instructions."""
    if platform.machine() != "x86_64":
        kind = "arm64"
    else:
        kind = "avx512_vnni" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "avx2"
    target = folder / f"{Path(checkpoint).name}-{kind}"
    if not target.exists():
        model = CrossEncoder(checkpoint, backend="onnx", device="cpu")
        model.save_pretrained(str(target))
        export_dynamic_quantized_onnx_model(model, kind, str(target))
    (file,) = (target / "onnx").glob("model_q*.onnx")
    settings = {"file_name": f"onnx/{file.name}"}
    loaded: CrossEncoder = CrossEncoder(str(target), backend="onnx", device="cpu", model_kwargs=settings)
    return loaded


def main() -> None:
    checkpoint, folder = sys.argv[1:]
    model = quantized(checkpoint, Path(folder))
    print("ready", flush=True)
    for line in sys.stdin:
        query, documents = json.loads(line)
        scores = model.predict([(query, document) for document in documents], show_progress_bar=False)
        print(json.dumps([float(score) for score in scores]), flush=True)


if __name__ == "__main__":
    main()

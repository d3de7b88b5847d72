"""Writes graphs for TensorRT, and builds its plans on the kind of GPU that will serve them.

TensorRT has none of the operators that other graphs are fused into, and ONNX Runtime takes explicit shapes only for a
graph that it takes whole; so it is given one of its own, of ONNX's operators alone. Unmeasured: see
`engine.runtime.devices.tensorrt`.
"""

from pathlib import Path

import msgspec
import onnx_ir as ir

from engine.artifact.artifact import Graph, Manifest, Verification
from engine.artifact.manifest import files_of
from engine.artifact.precisions import Precision
from engine.errors import ProviderError
from engine.extras import install
from engine.runtime.devices.providers import TENSORRT, preferred
from engine.runtime.devices.tensorrt import Plans, largest_batch
from engine.runtime.opened import Opened
from engine.runtime.sessions import open_session
from engine.staging import scratch

from .errors import ExportError
from .graph import interface, save
from .precisions import Limit
from .verification.expected import Expected
from .verification.verify import verify

_ADVICE = "run the export on the GPU that will serve the model, with `{}` and TensorRT, or leave --provider out"


def require_tensorrt() -> None:
    """Raises `ExportError` where TensorRT does not start: it is not in ONNX Runtime, or a library or GPU is missing."""
    x = ir.Value(name="x", shape=ir.Shape(["batch"]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("Add", [x, x])
    node.outputs[0].shape, node.outputs[0].type = x.shape, x.type
    graph = ir.Graph([x], node.outputs, nodes=[node], opset_imports={"": 20}, name="probe")
    with scratch() as folder:
        path = folder / "probe.onnx"
        ir.save(ir.Model(graph, ir_version=10), path)
        try:
            preferred(TENSORRT.name)
            open_session(path, TENSORRT, threads=1)
        except ProviderError as error:
            # Its advice is for those who serve.
            raise ExportError(f"{error.reason}: {_ADVICE.format(install('gpu'))}.") from None


def save_graph(model: ir.Model, precision: Precision, manifest: Manifest, folder: Path) -> Graph:
    """Write a graph for TensorRT. Raises `ExportError` for operators that are not ONNX's own."""
    foreign = sorted({node.op_type for node in model.graph.all_nodes() if node.domain not in ("", "ai.onnx")})
    if foreign:
        raise ExportError(
            f"The {precision} graph has operators that TensorRT lacks ({', '.join(foreign)}): import one that is not "
            "optimised for ONNX Runtime, or leave --provider out."
        )
    path = folder / f"model_{precision}_tensorrt.onnx"
    save(model, path)
    inputs, outputs = interface(model)
    return Graph(
        precision=precision,
        provider=TENSORRT.name,
        file=path.name,
        inputs=inputs,
        outputs=outputs,
        max_batch=largest_batch(manifest, TENSORRT.max_tokens),
    )


def build(folder: Path, manifest: Manifest, graph: Graph, wanted: Expected, limit: Limit) -> Verification:
    """Measure how far a graph is from its reference on TensorRT's plans, which are built in `folder` and stay there.

    Raises `VerificationError`, and `ExportError` where TensorRT does not take the graph.
    """
    files = files_of(folder, graph.file)
    plans = Plans.of(folder, msgspec.structs.replace(manifest, files=files), graph)
    try:
        verification = verify(folder, manifest, graph, wanted, limit, plans)
        built = plans.files
        Opened.of(folder, manifest, graph, TENSORRT, TENSORRT.schedule(graph, None), None, plans).close()
    except ProviderError as error:
        raise ExportError(
            f"TensorRT cannot build the {graph.precision} graph for inputs of {plans.tokens} tokens: give a shorter "
            f"--max-length, or leave --provider out ({error})."
        ) from None
    # It would happen without a word at every start of a server.
    if not built or plans.files != built:
        raise ExportError(
            f"ONNX Runtime does not keep TensorRT's plan of the {graph.precision} graph: leave --provider out, and "
            "serve it with --provider cuda."
        )
    return verification

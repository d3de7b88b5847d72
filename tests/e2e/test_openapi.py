"""The description of the API, held against what the server answers to requests that it allows or does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.server import ROOT, Server

pytestmark = pytest.mark.slow

# The page is at the path where POST ranks, and some of what a schema allows a model refuses: token ids that it has not.
_LEFT_OUT = "unsupported_method,positive_data_acceptance"
_ONE_SCORE_TYPE = {
    "minilm-ce": {"/classify", "/predict"},
    "minilm-bi": {"/v1/embeddings", "/v2/embed", "/v1/multimodalembeddings", "/embed", "/similarity"},
    "minilm-colbert": {"/token_similarity", "/embed_all"},
}
_ALL = {
    "/score",
    "/rerank",
    "/v1/rerank",
    "/v2/rerank",
    "/v1/ranking",
    "/pooling",
    "/tokenize",
    "/detokenize",
    "/invocations",
    "/info",
}


@pytest.mark.parametrize("name", _ONE_SCORE_TYPE)
def test_every_answer_is_as_described(contract_artifacts: dict[str, Path], name: str, tmp_path: Path) -> None:
    tool = Path(sys.executable).parent / "schemathesis"
    options = ["--phases", "coverage,fuzzing", "--max-examples", "5", "--generation-deterministic", "--no-color"]
    with Server("--model", contract_artifacts[name], "--threads", "1") as server:
        command = [tool, "run", f"{server.url}/openapi.json", *options, "--exclude-checks", _LEFT_OUT]
        # It leaves files where it runs.
        environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.e2e.lax_bodies", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert re.search(r"Selected: (\d+)/\1\n", done.stdout), done.stdout
        assert "Traceback" not in server.stderr()
        samples = [
            sample
            for family in text_string_to_metric_families(server.client.get("/metrics").text)
            for sample in family.samples
            if sample.name == "scorert_requests_total" and sample.value
        ]
    answered = {sample.labels["route"] for sample in samples if sample.labels["status"] == "200"}
    assert _ALL | _ONE_SCORE_TYPE[name] <= answered, "the rest were refused, which proves less"
    assert not [sample for sample in samples if sample.labels["status"].startswith("5")]

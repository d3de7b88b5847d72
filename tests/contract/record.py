"""Records what another server answers to the requests of a recording: python -m tests.contract.record --help."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.contract.recordings import MODELS, MULTIMODAL, Case, read, send

# What is kept of long lists of numbers, and of base64.
_NUMBERS, _CHARACTERS = 8, 200


def record(client: httpx.Client, case: Case) -> Case:
    """The same request, with what the server answers to it now."""
    response = send(client, case)
    content_type = response.headers.get("content-type")
    answer = _cut(response.json()) if content_type == "application/json" else {"text": response.text}
    return Case(case.name, case.request, response.status_code, content_type, answer)


def _cut(answer: Any) -> Any:
    """Long lists of numbers and long strings of base64 by their beginning, and how long they were."""
    if isinstance(answer, dict):
        return {key: _cut(value) for key, value in answer.items()}
    if isinstance(answer, list) and len(answer) > _NUMBERS and all(isinstance(item, float) for item in answer):
        return [*answer[:_NUMBERS], f"... {len(answer)} numbers in all"]
    if isinstance(answer, list):
        return [_cut(item) for item in answer]
    if isinstance(answer, str) and len(answer) > _CHARACTERS and " " not in answer:
        return f"{answer[:_CHARACTERS]}... {len(answer)} characters in all"
    return answer


def main(arguments: list[str] | None = None) -> int:
    """Write a new recording. Returns 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.record", description=__doc__)
    parser.add_argument("url", help="where the other server listens, such as http://127.0.0.1:8000")
    parser.add_argument("model", choices=MODELS | MULTIMODAL, help="the model it serves, under this name")
    parser.add_argument("output", type=Path, help="the file to write, such as tests/contract/vllm-0.33-bi-encoder.json")
    options = parser.parse_args(arguments)
    with httpx.Client(base_url=options.url, timeout=120) as client:
        cases = [record(client, case) for case in read(options.model).values()]
    content = json.dumps(msgspec.to_builtins(cases), ensure_ascii=False, indent=1)
    options.output.write_text(content + "\n", encoding="utf-8")
    print(f"{len(cases)} cases, {sum(case.status == 200 for case in cases)} of them with status 200: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

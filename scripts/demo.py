"""Starts a server on the default model, and shows three documents that it reranks: `scripts/quickstart`."""

import argparse
import json
import shlex
import signal
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.server import Server, StartError, start_server

LOG = Path(".venv-serve/server.log")
QUERY = "How do I undo my last git commit?"
DOCUMENTS = [
    "The Eiffel Tower was built for the World's Fair of 1889.",
    "git stash puts uncommitted changes aside until you want them back.",
    "git reset --soft HEAD~1 takes back the latest commit and keeps its changes.",
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description=__doc__, allow_abbrev=False)
    parser.add_argument("--keep", action="store_true", help="leave the server running")
    parser.add_argument("--port", type=int, default=0, help="where it listens (default: any free port)")
    options = parser.parse_args()
    # However this is ended, the server is not left behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with ExitStack() as at_exit:
        try:
            server = start_server(LOG, "--port", str(options.port))
        except StartError as error:
            sys.exit(str(error))
        at_exit.callback(server.stop)
        print(f"The server was ready after {server.ready_after:.1f} s.\n")
        print_ranking(rerank(server.url))
        if options.keep:
            print_how_to_call(server)
            at_exit.pop_all()


def rerank(url: str) -> list[dict[str, Any]]:
    """The server's answer: documents by falling score."""
    body = json.dumps({"query": QUERY, "documents": DOCUMENTS}).encode()
    request = urllib.request.Request(f"{url}/rerank", body, {"Content-Type": "application/json"})
    # A proxy meant for the outside world must not get between us and this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        results: list[dict[str, Any]] = json.load(response)["results"]
    return results


def print_ranking(results: list[dict[str, Any]]) -> None:
    print(QUERY)
    print("rank   score  document")
    for rank, result in enumerate(results, start=1):
        print(f"{rank:4}  {result['relevance_score']:6.3f}  {DOCUMENTS[result['index']]}")


def print_how_to_call(server: Server) -> None:
    body = {"query": "…", "documents": ["…", "…"]}
    print(f"\nIt keeps running, and writes to {LOG}. Call it:\n")
    print(f"  curl {server.url}/rerank -H 'Content-Type: application/json' \\")
    print(f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))}\n")
    print(f"Stop it: kill {server.process.pid}")


if __name__ == "__main__":
    main()

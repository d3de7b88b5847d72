"""Endpoints that share a path: each can be reached, whatever order the dialects stand in."""

from collections import defaultdict

from api.dialects import ENDPOINTS
from api.endpoint import Endpoint


def test_only_the_last_endpoint_of_a_path_takes_the_rest() -> None:
    sharing: dict[tuple[str, str], list[Endpoint]] = defaultdict(list)
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            sharing[endpoint.method, path].append(endpoint)
    assert any(len(endpoints) > 1 for endpoints in sharing.values())
    for (method, path), endpoints in sharing.items():
        told = [endpoint.when is not None for endpoint in endpoints]
        assert told == [True] * (len(endpoints) - 1) + [False], f"{method} {path}: {told}"

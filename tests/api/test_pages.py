"""The files of the page over HTTP, without a server: what they are sent with."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api import pages

STATIC = Path(pages.__file__).parent / "static"
OWN = [path for path in STATIC.rglob("*") if path.is_file() and "swagger-ui" not in path.parts]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=pages.routes())) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/docs", "/static/page.js", "/static/swagger-ui/swagger-ui.css"])
def test_headers(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-cache"
    policy = dict(rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert ("'unsafe-inline'" in policy["style-src"]) == (path == "/docs")


@pytest.mark.parametrize("path", ["/", "/docs", "/static/page.css"])
def test_what_has_not_changed_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["Cache-Control"] == "no-cache"
    assert client.get(path, headers={"If-None-Match": '"another"'}).content == first.content


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/static/page.css", "text/css"), ("/static/icon.svg", "image/svg+xml")],
)
def test_media_types(client: TestClient, path: str, kind: str) -> None:
    assert client.get(path).headers["Content-Type"].split(";")[0] == kind


@pytest.mark.parametrize("path", ["/static/", "/static/none.js", "/static/%2e%2e/pages.py", "/static//etc/passwd"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_pages_are_read_only(client: TestClient) -> None:
    refused = client.post("/static/page.js")
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_what_a_page_refers_to_is_there(client: TestClient, name: str) -> None:
    references = References()
    references.feed((STATIC / name).read_text())
    assert references.found
    for reference in references.found:
        if reference.startswith("static/"):
            assert client.get(f"/{reference}").status_code == 200, reference
        else:
            assert reference in {"docs", "openapi.json"}
    modules = re.findall(r'from "\./(.+)"', "".join(path.read_text() for path in STATIC.glob("*.js")))
    assert all((STATIC / module).exists() for module in modules)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_are_short_and_name_no_other_host(path: Path) -> None:
    content = path.read_text()
    assert content.count("\n") < 300
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content)


class References(HTMLParser):
    """The addresses in a page, of links, styles, scripts and images."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]
        assert not {name for name, _ in attrs if name.startswith("on") or name == "style"}

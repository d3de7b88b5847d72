"""The page and the documentation in a real browser, behind a proxy that has the server under a prefix."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

PREFIX = "/a/scorert"


@contextmanager
def proxied(server: Server) -> Iterator[str]:
    """The address of a proxy that passes on what is under `PREFIX`, and leaves that out."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.removeprefix(PREFIX)
            answer = httpx.request(self.command, server.url + path, content=body, headers=dict(self.headers))
            self.send_response(answer.status_code)
            for name in ("content-type", "content-security-policy", "location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        yield f"http://127.0.0.1:{proxy.server_port}"
        proxy.shutdown()


def test_page_and_documentation_stay_under_a_proxys_prefix(
    chromium: Browser, contract_artifacts: dict[str, Path]
) -> None:
    model = contract_artifacts["minilm-bi"]
    with Server("--model", model, "--threads", "1", "--root-path", PREFIX) as server, proxied(server) as proxy:
        chromium.driver.get(f"{proxy}{PREFIX}/")
        chromium.wait(lambda: chromium.texts("#results .rank"), "the first ranking")
        assert f"{proxy}{PREFIX}/v1/rerank" in chromium.find("body").get_attribute("textContent")
        chromium.find("nav a").click()
        chromium.wait(lambda: chromium.texts(".opblock"), "the documentation")
        assert chromium.texts(".servers option") == [PREFIX]
        chromium.find("[id$='health'] .opblock-summary-control").click()
        for button in (".try-out__btn", ".execute"):
            chromium.wait(lambda button=button: chromium.texts(button), button)
            chromium.find(button).click()
        chromium.wait(lambda: chromium.texts(".live-responses-table .response-col_status"), "an answer")
        assert chromium.texts(".live-responses-table .response-col_status")[-1].strip() == "200"
        # A slash at the end leads to the page without it, under the prefix too.
        chromium.driver.get(f"{proxy}{PREFIX}/docs/")
        chromium.wait(lambda: chromium.texts(".opblock"), "the documentation")
        outside = [url for url in chromium.requested() if not url.startswith((f"{proxy}{PREFIX}/", server.url))]
        assert outside == []
        assert chromium.complaints() == []

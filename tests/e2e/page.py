"""What tests do on the page: open it, fill in its form, and read what it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.browser import Browser
from tests.e2e.server import Server


@contextmanager
def opened(chromium: Browser, server: Server) -> Iterator[Browser]:
    """The page as it is when its first ranking is there; nothing but this server is asked for anything, ever."""
    chromium.emulate()
    chromium.requested()
    chromium.complaints()
    chromium.driver.get(server.url)
    chromium.wait(lambda: chromium.texts("#results .rank"), "the first ranking")
    yield chromium
    assert {url for url in chromium.requested() if not url.startswith(server.url)} == set()
    # A refused request is on the console too; it is not what this looks for.
    assert [line for line in chromium.complaints() if "Failed to load resource" not in line] == []


def fill(page: Browser, query: str, documents: list[str]) -> None:
    page.write("#query", query)
    page.write("#documents", "\n".join(documents))


def shown(page: Browser) -> list[tuple[str, float]]:
    """The rows: text and score."""
    script = """
    const rows = [...document.querySelectorAll("#results li")];
    return rows.map((row) => [row.querySelector(".text").textContent, Number(row.querySelector(".score").value)]);
    """
    return [(text, score) for text, score in page.driver.execute_script(script)]


def ranked(server: Server, model: str, query: str, documents: list[str]) -> list[tuple[str, float]]:
    """What the server says the rows should be."""
    answer = server.client.post("/v1/rerank", json={"model": model, "query": query, "documents": documents}).json()
    return [(documents[result["index"]], result["relevance_score"]) for result in answer["results"]]


def wait_for(page: Browser, rows: list[tuple[str, float]]) -> None:
    def there() -> bool:
        now = shown(page)
        return [text for text, _ in now] == [text for text, _ in rows] and [score for _, score in now] == pytest.approx(
            [score for _, score in rows], abs=1e-5
        )

    page.wait(there, f"{rows}")


def module(page: Browser, name: str, call: str, *arguments: Any) -> Any:
    """What a function of one of the page's modules returns, or the message of the error that it throws."""
    script = f"""
    const done = arguments[arguments.length - 1];
    import("/static/{name}").then((it) => done(it.{call}(...arguments[0]))).catch((error) => done(error.message));
    """
    return page.driver.execute_async_script(script, list(arguments))


_CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
// Colours drawn over each other, as 0 to 255.
const painted = (...colours) => {
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const luminance = (rgb) => rgb
  .map((value) => value / 255)
  .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
const contrasts = {};
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest(".hidden, noscript")) continue;
  const grounds = [];
  for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
  const ground = painted("white", ...grounds);
  const text = painted(getComputedStyle(element).color);
  const [dark, light] = [luminance(ground), luminance(text)].sort((a, b) => a - b);
  const name = element.tagName + "." + element.className + "#" + element.id;
  contrasts[name] = Math.min(contrasts[name] ?? 99, (light + 0.05) / (dark + 0.05));
}
return [contrasts, luminance(painted("white", getComputedStyle(document.body).backgroundColor))];
"""


def contrasts(page: Browser) -> tuple[dict[str, float], float]:
    """The least contrast of each kind of element with text of its own, and the luminance of the page's ground."""
    found, ground = page.driver.execute_script(_CONTRAST)
    return found, ground

"""Pictures on the page: chosen, dropped and pasted, ranked, and shaded by what a query matched."""

import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.e2e.browser import Browser
from tests.e2e.page import contrasts, fill, module, opened, shown, wait_for
from tests.e2e.server import ROOT, Server

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "export/verification/samples"
QUERY = "When does the last ferry leave?"
DOCUMENTS = ["Bicycles travel free of charge.", "The last boat leaves at 18:40."]
MODEL = "colqwen2"
MOST_BYTES = 400_000
# Every answer comes to the page 0.7 s late.
SLOWLY = """
const soon = window.fetch;
window.fetch = async (...asked) => {
  const answer = await soon(...asked);
  await new Promise((done) => setTimeout(done, 700));
  return answer;
};
"""

Content = str | dict[str, Any]


@pytest.fixture(scope="module")
def server(multimodal: Callable[..., tuple[Path, Path]], artifacts: Callable[[str], Path]) -> Iterator[Server]:
    names = ["--served-model-name", MODEL, "--served-model-name", "minilm-bi"]
    models = (multimodal("colqwen2")[1], artifacts("minilm-bi"))
    limits = ["--threads", "1", "--max-body-bytes", str(MOST_BYTES)]
    with Server("--model", *models, *names, *limits) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Browser]:
    with opened(chromium, server) as page:
        yield page


def url_of(file: Path) -> str:
    kind = "jpeg" if file.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def pictured(file: Path, text: str = "") -> Content:
    """A content as the server takes it."""
    image = {"type": "image_url", "image_url": {"url": url_of(file)}}
    return {"content": [image, *([{"type": "text", "text": text}] if text else [])]}


def ranked(server: Server, query: Content, documents: list[tuple[str, Content]]) -> list[tuple[str, float]]:
    """What the server says the rows should be, of documents with what the page calls them."""
    contents = [content for _, content in documents]
    body = {"model": MODEL, "query": query, "documents": contents, "return_documents": False}
    results = server.client.post("/v1/rerank", json=body).json()["results"]
    return [(documents[result["index"]][0], result["relevance_score"]) for result in results]


def similarity(server: Server, query: Content, document: Content) -> Any:
    body = {"model": MODEL, "query": query, "document": document, "truncate_prompt_tokens": -1}
    return server.client.post("/token_similarity", json=body).json()


def add(page: Browser, *files: Path, to: str = "#files") -> None:
    page.find(to).send_keys("\n".join(map(str, files)))


def hand_over(page: Browser, event: str, selector: str, *files: tuple[str, str, bytes], text: str = "") -> bool:
    """Drop or paste files, each a name, a type and its bytes, on an element. Returns whether the page took them."""
    script = """
    const [event, target, files, text] = arguments;
    const transfer = new DataTransfer();
    for (const [name, type, data] of files) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    if (text) transfer.setData("text/plain", text);
    const options = { bubbles: true, cancelable: true };
    const made = event === "paste"
      ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
      : new DragEvent(event, { ...options, dataTransfer: transfer });
    return !target.dispatchEvent(made);
    """
    encoded = [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]
    taken: bool = page.driver.execute_script(script, event, page.find(selector), encoded, text)
    return taken


def png(name: str) -> tuple[str, str, bytes]:
    return name, "image/png", (SAMPLES / name).read_bytes()


def heats(page: Browser) -> list[float]:
    """How strongly each token of the document is shaded, patches first."""
    script = """
    const marks = document.querySelectorAll("#matches .document .patch, #matches .document .token");
    return [...marks].map((mark) => Number(mark.style.getPropertyValue("--heat")));
    """
    found: list[float] = page.driver.execute_script(script)
    return found


def loaded(page: Browser, selector: str) -> list[bool]:
    """Whether the browser shows each image."""
    script = (
        "return [...document.querySelectorAll(arguments[0])].map((image) => image.complete && image.naturalWidth > 0)"
    )
    found: list[bool] = page.driver.execute_script(script, selector)
    return found


def choose(page: Browser, text: str) -> None:
    """Click the row of a document, and wait for the view of its tokens."""
    at = page.texts("#results .text").index(text)
    score = shown(page)[at][1]
    page.driver.find_elements("css selector", "#results button")[at].click()
    said = f"Score {score:.4f}".replace("-", "\N{MINUS SIGN}")
    page.wait(lambda: page.texts("#tokens-status")[0].startswith(said), "its tokens")


def names(page: Browser) -> list[str]:
    """What assistive technology calls each control; none where the page changes while they are asked."""
    controls = page.driver.find_elements("css selector", "#form input, #form button, #matches .query button")
    try:
        return [control.accessible_name for control in controls]
    except StaleElementReferenceException:
        return []


def tokens_of(page: Browser) -> list[WebElement]:
    return page.driver.find_elements("css selector", "#matches .query button.token")


def test_pictures_are_ranked_beside_texts(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    add(page, SAMPLES / "slide.png", SAMPLES / "photograph.jpg")
    slide, photograph = (SAMPLES / name for name in ("slide.png", "photograph.jpg"))
    texts: list[tuple[str, Content]] = [(text, text) for text in DOCUMENTS]
    pictures = [("slide.png", pictured(slide)), ("photograph.jpg", pictured(photograph))]
    wait_for(page, ranked(server, QUERY, [*texts, *pictures]))
    assert page.texts("#count") == ["4 documents"]
    assert loaded(page, "#results .thumbnail") == [True, True]
    assert loaded(page, "#document-pictures .thumbnail") == [True, True]
    assert page.texts("#announcement")[0].startswith("4 documents ranked. First: ")

    # A caption is part of its picture's document, and what the row says.
    page.find("#document-pictures input").send_keys("passengers")
    pictures[0] = ("passengers", pictured(slide, "passengers"))
    wait_for(page, ranked(server, QUERY, [*texts, *pictures]))
    (caption,) = [text for text, _ in shown(page) if text == "passengers"]
    assert caption

    # Pictures of the query are seen with its text, and alone.
    add(page, SAMPLES / "table.png", to="#query-files")
    wait_for(page, ranked(server, pictured(SAMPLES / "table.png", QUERY), [*texts, *pictures]))
    fill(page, "", DOCUMENTS)
    wait_for(page, ranked(server, pictured(SAMPLES / "table.png"), [*texts, *pictures]))

    page.find("[aria-label='Remove table.png']").click()
    page.wait(lambda: page.texts("#status") == ["Type a query to rank the documents."], "the hint")
    assert not page.find("#query-pictures").is_displayed()
    fill(page, QUERY, [])
    wait_for(page, ranked(server, QUERY, pictures))
    page.find("[aria-label='Remove slide.png']").click()
    wait_for(page, ranked(server, QUERY, pictures[1:]))
    # The focus does not fall off the page.
    focused = page.driver.execute_script("return document.activeElement.ariaLabel")
    assert focused == "Remove photograph.jpg"


def test_a_row_says_what_was_ranked_whatever_was_typed_since(page: Browser, server: Server) -> None:
    slide = SAMPLES / "slide.png"
    fill(page, QUERY, DOCUMENTS)
    add(page, slide)
    texts: list[tuple[str, Content]] = [(text, text) for text in DOCUMENTS]
    wait_for(page, ranked(server, QUERY, [*texts, ("slide.png", pictured(slide))]))
    page.driver.execute_script(SLOWLY)
    # The next rankings wait for as long as this one took.
    page.driver.execute_script("document.querySelector('#status').textContent = ''; form.requestSubmit()")
    page.wait(lambda: page.texts("#status")[0].startswith("3 documents ·"), "a slow ranking")
    want = ranked(server, QUERY, [*texts, (QUERY, pictured(slide, QUERY))])
    page.driver.execute_script("form.requestSubmit()")
    time.sleep(0.3)
    page.write("#document-pictures input", QUERY)
    rows: list[tuple[str, float]] = []

    def captioned() -> bool:
        rows[:] = shown(page)
        return QUERY in dict(rows)

    page.wait(captioned, "the caption")
    assert [text for text, _ in rows] == [text for text, _ in want]
    assert [score for _, score in rows] == pytest.approx([score for _, score in want], abs=1e-5)


def test_pictures_are_dropped_and_pasted(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    assert hand_over(page, "drop", "#results", png("slide.png"), png("diagram.png"))
    page.wait(lambda: page.texts("#document-pictures .note") == ["slide.png", "diagram.png"], "the pictures")
    assert hand_over(page, "drop", "#query", png("page.png"))
    page.wait(lambda: page.texts("#query-pictures .note") == ["page.png"], "the query's picture")
    # What is pasted is called the same each time.
    assert hand_over(page, "paste", "#documents", ("image.png", "image/png", png("tiny.png")[2]))
    page.wait(lambda: len(page.texts("#document-pictures li")) == 3, "the first")
    assert hand_over(page, "paste", "body", ("image.png", "image/png", png("table.png")[2]))
    page.wait(lambda: page.texts("#document-pictures .note")[2:] == ["image.png", "image-2.png"], "the second")
    assert hand_over(page, "paste", "#query", ("image.png", "image/png", png("tiny.png")[2]))
    page.wait(lambda: page.texts("#query-pictures .note") == ["page.png", "image.png"], "the third")
    # A spreadsheet puts a picture of its text beside it: the text is what is meant.
    assert not hand_over(page, "paste", "#documents", png("table.png"), text="Aurora")
    # Files of documents go on as they did, a picture beside them or not.
    lines = ("more.txt", "text/plain", b"Cows eat grass.\nParis is a city.")
    assert hand_over(page, "drop", "#documents", lines, png("palette.png"))
    page.wait(lambda: page.texts("#count") == ["7 documents"], "all of them")
    names = ["slide.png", "diagram.png", "tiny.png", "table.png", "palette.png"]
    called = ["slide.png", "diagram.png", "image.png", "image-2.png", "palette.png"]
    documents: list[tuple[str, Content]] = [(text, text) for text in lines[2].decode().split("\n")]
    documents += [(call, pictured(SAMPLES / name)) for call, name in zip(called, names, strict=True)]
    images = [part for name in ("page.png", "tiny.png") for part in pictured(SAMPLES / name)["content"]]  # type: ignore[index]
    query = {"content": [*images, {"type": "text", "text": QUERY}]}
    wait_for(page, ranked(server, query, documents))


def test_a_file_that_is_no_text_leaves_the_form_as_it_is(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    pdf = b"%PDF-1.4\n% \xe2\xe3\xcf\xd3\n1 0 obj\n"
    for name, content in (("report.pdf", pdf), ("page.bin", png("page.png")[2]), ("latin.txt", "ü".encode("latin-1"))):
        assert hand_over(page, "drop", "#documents", (name, "", content))
        page.wait(lambda name=name: page.find("#error").text.startswith(f"{name} is no text"), name)  # type: ignore[misc]
        assert page.find("#documents").get_attribute("value") == "\n".join(DOCUMENTS)
    # Systems that know no type for a picture's name are not believed, and of several files none is left out.
    assert hand_over(page, "drop", "#documents", ("slide.PNG", "", png("slide.png")[2]))
    page.wait(lambda: page.texts("#document-pictures .note") == ["slide.PNG"], "the picture")
    assert hand_over(page, "drop", "#documents", ("a.txt", "text/plain", b"Grass."), ("b.txt", "", b"Paris.\nLyon."))
    page.wait(lambda: page.find("#documents").get_attribute("value") == "Grass.\nParis.\nLyon.", "both files")
    slide = ("slide.PNG", pictured(SAMPLES / "slide.png"))
    wait_for(page, ranked(server, QUERY, [*((text, text) for text in ("Grass.", "Paris.", "Lyon.")), slide]))


@pytest.mark.parametrize("name", ["page.png", "rotated.jpg"])
def test_patches_are_where_the_server_says(page: Browser, server: Server, name: str) -> None:
    fill(page, QUERY, [])
    add(page, SAMPLES / name)
    page.wait(lambda: loaded(page, "#matches .document img") == [True], "the picture")
    wanted = similarity(server, QUERY, pictured(SAMPLES / name))
    script = """
    const [shown] = document.querySelectorAll("#matches .document .picture");
    const within = shown.getBoundingClientRect();
    const image = shown.querySelector("img").getBoundingClientRect();
    const part = ({ left, top, right, bottom }) => [
      (left - within.left) / within.width, (top - within.top) / within.height,
      (right - within.left) / within.width, (bottom - within.top) / within.height,
    ];
    return [part(image), [...shown.querySelectorAll(".patch")].map((patch) => part(patch.getBoundingClientRect())),
      within.width / within.height];
    """
    image, cells, ratio = page.driver.execute_script(script)
    assert image == pytest.approx([0, 0, 1, 1], abs=0.01)
    width, height = (160, 240) if name == "rotated.jpg" else (400, 560)
    assert ratio == pytest.approx(width / height, rel=0.01)
    boxes = [box["box"] for box in wanted["document_boxes"] if box is not None]
    assert len(cells) == len(boxes) > 40
    np.testing.assert_allclose(cells, np.array(boxes) / [width, height, width, height], atol=0.01)
    # Each is in one row and one column.
    rows, columns = len({box[1] for box in boxes}), len({box[0] for box in boxes})
    titles = [patch.get_attribute("title") for patch in page.driver.find_elements("css selector", "span.patch")]
    assert titles[0] is not None
    assert titles[0].startswith(f"row 1, column 1 of {name}: ")
    assert titles[-1] is not None
    assert titles[-1].startswith(f"row {rows}, column {columns} of {name}: ")


def test_a_token_shows_what_it_matched(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    document = pictured(SAMPLES / "page.png", "a page")
    add(page, SAMPLES / "page.png")
    page.find("#document-pictures input").send_keys("a page")
    page.wait(lambda: "a page" in page.texts("#results .text"), "its row")
    choose(page, "a page")
    wanted = similarity(server, QUERY, document)
    products = np.array(wanted["similarity"])
    on_picture = np.array([box is not None for box in wanted["document_boxes"]])
    # Patches stand before the text on the page, as they do in `heats`.
    order = [*np.flatnonzero(on_picture), *np.flatnonzero(~on_picture)]
    best = products.argmax(axis=1)
    sums = np.bincount(best, products.max(axis=1), minlength=products.shape[1])
    assert page.texts("#tokens-status")[0].endswith(f", {sums[on_picture].sum():.4f} of it on pictures")

    def shades(values: np.ndarray) -> list[float]:
        low, high = values[on_picture].min(), values[on_picture].max()
        return (((values - low) / (high - low)).clip(0, 1) ** 1.5)[order].tolist()

    assert heats(page) == pytest.approx(shades(sums), abs=2e-3)
    assert page.driver.find_elements("css selector", "#matches .document .match") == []
    said = page.texts("#matches [role=status]")[0]
    assert said.startswith("All of the query: ")

    for row in (0, 4, len(best) - 1):
        page.driver.execute_script("arguments[0].focus()", tokens_of(page)[row])
        assert heats(page) == pytest.approx(shades(products[row]), abs=2e-3)
        marks = page.driver.find_elements("css selector", "#matches .document :is(.patch, .token)")
        (match,) = page.driver.find_elements("css selector", "#matches .document .match")
        assert marks.index(match) == order.index(best[row])
        told = page.texts("#matches [role=status]")[0]
        assert told.endswith(f", {products[row].max():.2f}.")
        assert told != said
    # The pointer goes before the focus, and without either all of the query is shown again.
    ActionChains(page.driver).move_to_element(tokens_of(page)[2]).perform()
    assert heats(page) == pytest.approx(shades(products[2]), abs=2e-3)
    assert page.texts("#matches .query .chosen") == [tokens_of(page)[2].text]
    ActionChains(page.driver).move_to_element(page.find("#request-title")).perform()
    assert heats(page) == pytest.approx(shades(products[len(best) - 1]), abs=2e-3)
    page.driver.execute_script("document.activeElement.blur()")
    assert heats(page) == pytest.approx(shades(sums), abs=2e-3)
    # A text without pictures has its table.
    choose(page, DOCUMENTS[0])
    assert page.find("#matrix").is_displayed()
    assert not page.find("#matches").is_displayed()


def test_patches_of_a_query_are_chosen_too(page: Browser, server: Server) -> None:
    fill(page, "", [])
    add(page, SAMPLES / "diagram.png", to="#query-files")
    add(page, SAMPLES / "slide.png")
    page.wait(lambda: page.texts("#matches .query button.patch"), "the query's patches")
    wanted = similarity(server, pictured(SAMPLES / "diagram.png"), pictured(SAMPLES / "slide.png"))
    products = np.array(wanted["similarity"])
    rows = [row for row, box in enumerate(wanted["query_boxes"]) if box is not None]
    patches = page.driver.find_elements("css selector", "#matches .query button.patch")
    assert len(patches) == len(rows)
    assert patches[0].accessible_name == "row 1, column 1 of diagram.png"
    columns = len({box["box"][0] for box in wanted["query_boxes"] if box is not None})

    def focused() -> int:
        return patches.index(page.driver.switch_to.active_element)

    def press(key: str) -> None:
        ActionChains(page.driver).send_keys(key).perform()

    page.driver.execute_script("arguments[0].focus()", patches[0])
    for key, at in (
        (Keys.ARROW_DOWN, columns),
        (Keys.ARROW_RIGHT, columns + 1),
        (Keys.ARROW_DOWN, 2 * columns + 1),
        (Keys.ARROW_UP, columns + 1),
        (Keys.ARROW_LEFT, columns),
    ):
        press(key)
        assert focused() == at
        (match,) = page.driver.find_elements("css selector", "#matches .document .match")
        value = products[rows[at]].max()
        assert (match.get_attribute("title") or "").endswith(f": {value:.2f}".replace("-", "\N{MINUS SIGN}"))


def test_without_a_mouse(page: Browser) -> None:
    def press(*keys: str) -> None:
        ActionChains(page.driver).send_keys(*keys).perform()

    def focused() -> str:
        script = "const it = document.activeElement; return it.id || it.ariaLabel || it.type || it.textContent"
        return str(page.driver.execute_script(script))

    fill(page, QUERY, [])
    add(page, SAMPLES / "page.png")
    page.wait(lambda: tokens_of(page), "the tokens")
    page.find("#model").send_keys("")
    order = []
    for _ in range(10):
        order.append(focused())
        outline = page.driver.execute_script(
            "const it = document.activeElement;"
            "return getComputedStyle(it.type === 'file' ? it.nextElementSibling : it).outlineStyle"
        )
        assert outline == "solid"
        press(Keys.TAB)
    pictures = ["Caption of page.png", "Remove page.png"]
    assert order == ["model", "key", "query-files", "query", "files", "file", "documents", *pictures, "submit"]
    # One stop for the ranking, one for all tokens of the query.
    press(Keys.TAB)
    tokens = tokens_of(page)
    assert page.driver.switch_to.active_element == tokens[0]
    for key, at in ((Keys.ARROW_RIGHT, 1), (Keys.END, len(tokens) - 1), (Keys.ARROW_LEFT, len(tokens) - 2)):
        before = heats(page)
        press(key)
        assert page.driver.switch_to.active_element == tokens[at]
        assert heats(page) != before
        assert page.driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(Keys.TAB)
    assert focused() == "copy"


def test_models_of_texts_are_not_sent_pictures(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    add(page, SAMPLES / "slide.png")
    page.wait(lambda: len(shown(page)) == 3, "the ranking with a picture")
    buttons = page.driver.find_elements("css selector", ".adding")
    assert len(buttons) == 3
    assert all(button.is_displayed() for button in buttons)
    Select(page.find("#model")).select_by_value("minilm-bi")
    page.wait(lambda: len(shown(page)) == 2, "the ranking of the texts")
    assert not any(button.is_displayed() for button in buttons)
    assert not page.find("#document-pictures").is_displayed()
    assert page.texts("#count") == ["2 documents"]
    assert "base64" not in page.texts("#curl")[0]
    for event, place in (("drop", "#documents"), ("paste", "#query")):
        fill(page, QUERY, DOCUMENTS)
        page.wait(lambda: not page.find("#error").is_displayed(), "no sentence")
        hand_over(page, event, place, png("page.png"))
        page.wait(lambda: page.find("#error").is_displayed(), "the sentence")
        assert page.texts("#error") == ["minilm-bi reads text alone: choose a model that reads pictures."]
        assert len(shown(page)) == 2
    # They are there again for a model that reads them.
    Select(page.find("#model")).select_by_value(MODEL)
    page.wait(lambda: len(shown(page)) == 3, "the ranking with a picture")
    assert loaded(page, "#document-pictures .thumbnail") == [True]


def test_what_the_server_refuses_is_its_sentence(page: Browser, server: Server, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes((SAMPLES / "page.png").read_bytes()[:200])
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > MOST_BYTES
    fill(page, QUERY, [])
    for name, status in (("broken.png", 400), ("large.png", 413)):
        add(page, tmp_path / name)
        content = pictured(tmp_path / name)
        refused = server.client.post("/v1/rerank", json={"model": MODEL, "query": QUERY, "documents": [content]})
        assert refused.status_code == status
        sentence = refused.json()["error"]["message"]
        page.wait(lambda sentence=sentence: page.texts("#error") == [sentence], "the sentence")
        page.find(f"[aria-label='Remove {name}']").click()
        page.wait(lambda: page.texts("#status") == ["Type documents to rank."], "the hint")


HOSTILE = [
    "<img src=x onerror=window.hit=1>.png",
    '"><script>window.hit=1</script>.png',
    "it's $(touch hit) `touch hit` \\ $HOME &amp;.png",
    "line\nBODY\ntouch hit\n.png",
]


def test_names_and_captions_are_only_ever_text(page: Browser, tmp_path: Path) -> None:
    fill(page, QUERY, [])
    before = page.driver.execute_script("return document.scripts.length")
    hand_over(page, "drop", "#documents", *((name, "image/png", png("tiny.png")[2]) for name in HOSTILE))
    page.wait(lambda: sorted(page.texts("#results .text")) == sorted(HOSTILE), "their names")
    assert page.texts("#document-pictures .note") == HOSTILE
    ranking = shown(page)
    page.write("#document-pictures input", HOSTILE[0])
    page.wait(lambda: len(shown(page)) == len(HOSTILE) and shown(page) != ranking, "the caption's ranking")
    choose(page, HOSTILE[0])
    assert page.texts("#matches figcaption") == [HOSTILE[0]]
    page.driver.execute_script("document.querySelector('#matches .query button').focus()")
    assert page.driver.execute_script("return [window.hit, document.scripts.length]") == [None, before]
    # Files of these names are read by the command, and run by no shell.
    (command,) = page.texts("#curl")
    ran = subprocess.run(["bash", "-c", command.replace("curl ", "echo ", 1)], cwd=tmp_path, capture_output=True)
    assert ran.stdout.startswith(b"http")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_command_asks_for_the_same(page: Browser, server: Server, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "slide.png", tmp_path / HOSTILE[2])
    shutil.copy(SAMPLES / "photograph.jpg", tmp_path)
    documents = ['It\'s "Paris", not `Lyon`: $HOME \\ é 首都', DOCUMENTS[0]]
    fill(page, QUERY, documents)
    add(page, tmp_path / HOSTILE[2], tmp_path / "photograph.jpg")
    wanted: list[tuple[str, Content]] = [(text, text) for text in documents]
    wanted += [(name, pictured(tmp_path / name)) for name in (HOSTILE[2], "photograph.jpg")]
    rows = ranked(server, QUERY, wanted)
    wait_for(page, rows)
    (command,) = page.texts("#curl")
    assert len(command) < 2000
    for shell in ("bash", "sh"):
        quiet = command.replace("curl ", "curl -s ", 1)
        ran = subprocess.run([shell, "-c", quiet], cwd=tmp_path, capture_output=True, check=True)
        results = json.loads(ran.stdout)["results"]
        assert [wanted[result["index"]][0] for result in results] == [text for text, _ in rows]
        scores = [result["relevance_score"] for result in results]
        assert scores == pytest.approx([score for _, score in rows], abs=1e-5)


def test_tiles_and_the_whole_picture_are_layers_of_their_own(page: Browser) -> None:
    def box(image: int, left: float, top: float, size: float) -> dict[str, Any]:
        return {"image": image, "box": [left, top, left + size, top + size]}

    def grid(left: float, size: float) -> list[dict[str, Any]]:
        return [box(0, left + column * size, row * size, size) for row in range(2) for column in range(2)]

    third = 10 / 3
    boxes = [None, *grid(0, third), None, *grid(2 * third, third), None, *grid(0, 10), None, box(1, 0, 0, 5)]
    layers = module(page, "patches.js", "layersOf", boxes)
    assert [(layer["image"], layer["again"]) for layer in layers] == [(0, False), (0, True), (1, False)]
    assert [(cell["place"], cell["row"], cell["column"]) for cell in layers[0]["cells"]] == [
        *((1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 2)),
        *((6, 1, 3), (7, 1, 4), (8, 2, 3), (9, 2, 4)),
    ]
    assert [cell["place"] for layer in layers[1:] for cell in layer["cells"]] == [11, 12, 13, 14, 16]


def test_a_picture_that_the_browser_cannot_show(page: Browser) -> None:
    """Servers read TIFF, and Chromium does not: its name and its patches are there all the same."""
    file = io.BytesIO()
    PIL.Image.open(SAMPLES / "slide.png").convert("RGB").save(file, "TIFF", compression="tiff_lzw")
    fill(page, QUERY, [])
    hand_over(page, "drop", "#documents", ("slide.tiff", "image/tiff", file.getvalue()))
    page.wait(lambda: page.texts("#matches span.patch"), "its patches")
    assert page.texts("#results .text") == ["slide.tiff"]
    shape = page.driver.execute_script(
        "const { width, height } = document.querySelector('#matches .picture').getBoundingClientRect();"
        "return width / height"
    )
    assert shape == pytest.approx(640 / 360, rel=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_every_control_has_a_name(page: Browser, scheme: str) -> None:
    page.emulate(scheme=scheme)
    fill(page, QUERY, DOCUMENTS)
    add(page, SAMPLES / "table.png", to="#query-files")
    add(page, SAMPLES / "page.png")
    page.wait(lambda: "page.png" in page.texts("#results .text"), "the picture's row")
    choose(page, "page.png")
    page.driver.execute_script("document.querySelector('#matches .query button.token').focus()")
    found, _ = contrasts(page)
    assert any("special" in name for name in found)
    assert {name: contrast for name, contrast in found.items() if contrast < 4.5} == {}
    page.wait(lambda: len(named := names(page)) > 60 and all(named), "a name for every control")
    assert [image.get_attribute("alt") for image in page.driver.find_elements("css selector", "#matches img")] == [
        "table.png",
        "page.png",
    ]


def test_fits_a_phone(page: Browser) -> None:
    fill(page, QUERY, DOCUMENTS)
    add(page, SAMPLES / "wide.png", SAMPLES / "page.png", SAMPLES / "tall.png")
    page.write("#document-pictures input", "a" * 300)
    page.emulate(width=360, height=740)
    for name in ("a" * 300, "tall.png", "page.png"):
        page.wait(lambda name=name: name in page.texts("#results .text"), "its row")
        choose(page, name)
        assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        width = page.driver.execute_script("return document.querySelector('.picture').getBoundingClientRect().width")
        assert 0 < width <= 360

"""The page in a real browser, with a real server behind it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from tokenizers.pre_tokenizers import ByteLevel

from tests.e2e.browser import Browser
from tests.e2e.page import contrasts, fill, module, opened, ranked, shown, wait_for
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "capital of France"
DOCUMENTS = ["Cows eat grass.", "The capital of France is Paris.", 'It\'s "Paris", not `Lyon`: $HOME \\ é 首都']


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    names = ("minilm-bi", "minilm-ce", "minilm-colbert")
    with Server("--model", *(contract_artifacts[name] for name in names), "--threads", "1") as server:
        yield server


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Browser]:
    with opened(chromium, server) as page:
        yield page


def test_ranks_what_was_typed(page: Browser, server: Server) -> None:
    for selector, text in (("#query", QUERY), ("#documents", "\n".join(DOCUMENTS[:2]))):
        field = page.find(selector)
        field.clear()
        field.send_keys(text)
    page.find("button[type=submit]").click()
    wait_for(page, ranked(server, "minilm-bi", QUERY, DOCUMENTS[:2]))
    assert page.texts("#results .text")[0] == DOCUMENTS[1]
    (status,) = page.texts("#status")
    assert status.startswith("2 documents · ")
    assert status.endswith(" documents/s")
    assert DOCUMENTS[1] in page.texts("[role=status]")[0]


def test_ranks_again_as_one_types(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    wait_for(page, ranked(server, "minilm-bi", QUERY, DOCUMENTS))
    page.find("#documents").send_keys(Keys.CONTROL, Keys.END)
    page.find("#documents").send_keys("\nFrance")
    wait_for(page, ranked(server, "minilm-bi", QUERY, [*DOCUMENTS, "France"]))


def test_a_late_answer_is_dropped(page: Browser, server: Server) -> None:
    Select(page.find("#model")).select_by_value("minilm-ce")
    fill(page, QUERY, [f"{number} " + "Paris is a large city. " * 20 for number in range(40)])
    page.find("#query").send_keys(Keys.ENTER)
    page.wait(lambda: page.texts("#status") == ["Ranking 40 documents …"], "the page to say that it waits")
    fill(page, QUERY, DOCUMENTS)
    page.find("#query").send_keys(Keys.ENTER)
    rows = ranked(server, "minilm-ce", QUERY, DOCUMENTS)
    wait_for(page, rows)
    assert any(failed["canceled"] for failed in page.network("loadingFailed"))
    assert [text for text, _ in shown(page)] == [text for text, _ in rows]


def test_files(page: Browser, server: Server, tmp_path: Path) -> None:
    documents = [*DOCUMENTS, "two lines"]
    lines = [*map(json.dumps, DOCUMENTS), "", json.dumps({"id": 7, "text": "two\nlines"})]
    (tmp_path / "some.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    (tmp_path / "some.txt").write_text("\n".join(DOCUMENTS[:2]) + "\n\n", encoding="utf-8")
    query = page.find("#query").get_attribute("value")
    assert query
    page.find("#file").send_keys(str(tmp_path / "some.jsonl"))
    wait_for(page, ranked(server, "minilm-bi", query, documents))
    assert page.texts("#count") == ["4 documents"]
    page.find("#file").send_keys(str(tmp_path / "some.txt"))
    wait_for(page, ranked(server, "minilm-bi", query, DOCUMENTS[:2]))


@pytest.mark.parametrize(("line", "problem"), [("Cows.", "is not valid JSON"), ('{"txt": "Cows."}', "has no text")])
def test_files_that_are_not_documents(page: Browser, tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "wrong.jsonl").write_text(f'"Grass."\n{line}\n')
    before = page.find("#documents").get_attribute("value")
    page.find("#file").send_keys(str(tmp_path / "wrong.jsonl"))
    page.wait(lambda: page.find("#error").is_displayed(), "the sentence")
    assert f"Document 2 of wrong.jsonl {problem}" in page.find("#error").text
    assert page.find("#documents").get_attribute("value") == before


def test_the_model_is_chosen(page: Browser, server: Server) -> None:
    assert page.texts("#model option") == ["minilm-bi", "minilm-ce", "minilm-colbert"]
    fill(page, QUERY, DOCUMENTS)
    for name, about in (("minilm-ce", "cross-encoder"), ("minilm-colbert", "late-interaction"), ("minilm-bi", "bi-")):
        Select(page.find("#model")).select_by_value(name)
        wait_for(page, ranked(server, name, QUERY, DOCUMENTS))
        assert page.find("#about-model").text.startswith(about)
        assert page.find("#tokens").is_displayed() == (name == "minilm-colbert")


def test_which_token_matched_which(page: Browser, server: Server) -> None:
    Select(page.find("#model")).select_by_value("minilm-colbert")
    fill(page, QUERY, DOCUMENTS)
    rows = ranked(server, "minilm-colbert", QUERY, DOCUMENTS)
    wait_for(page, rows)
    # Of the best document at first, then of the one that is chosen.
    for position in (0, 2):
        if position:
            page.driver.find_elements("css selector", "#results button")[position].click()
        text, score = rows[position]
        body = {"model": "minilm-colbert", "query": QUERY, "document": text}
        wanted = server.client.post("/token_similarity", json=body).json()
        page.wait(lambda said=f"Score {score:.4f}": page.texts("#tokens-status")[0].startswith(said), "its tokens")
        labels = [label.removeprefix("##") for label in wanted["query_tokens"]]
        assert page.texts("#matrix tbody th") == labels
        assert page.texts("#matrix thead th")[2:] == [token.removeprefix("##") for token in wanted["document_tokens"]]
        cells = [cell.replace("\N{MINUS SIGN}", "-") for cell in page.texts("#matrix tbody td:not(.best)")]
        best = [max(range(len(row)), key=row.__getitem__) for row in wanted["similarity"]]
        assert cells == [
            f"{value:.2f}" + (", best match" if column == best[row] else "")
            for row, values in enumerate(wanted["similarity"])
            for column, value in enumerate(values)
        ]
        assert len(page.texts("#matrix td.match")) == len(labels)
        pressed = page.texts("#results button[aria-pressed=true] .text")
        assert pressed == [text]


def test_the_key_is_sent_and_kept(chromium: Browser, contract_artifacts: dict[str, Path]) -> None:
    with Server("--model", contract_artifacts["minilm-bi"], environment={"SCORERT_API_KEY": "open-sesame"}) as server:
        chromium.driver.get(server.url)
        chromium.wait(lambda: chromium.find("#error").is_displayed(), "the refusal")
        refused = server.client.post("/v1/rerank", json={"query": "a", "documents": ["b"]})
        assert refused.status_code == 401
        assert chromium.find("#error").text == refused.json()["error"]["message"]
        assert chromium.find("#key").get_attribute("aria-invalid") == "true"
        chromium.find("#key").send_keys("open-sesame")
        chromium.wait(lambda: chromium.texts("#results .rank"), "a ranking")
        assert not chromium.find("#error").is_displayed()
        chromium.driver.refresh()
        chromium.wait(lambda: chromium.texts("#results .rank"), "a ranking without typing the key again")
        (command,) = chromium.texts("#curl")
        assert "Bearer $SCORERT_API_KEY" in command
        assert "sesame" not in command
        chromium.complaints()


def test_the_server_may_be_gone(page: Browser) -> None:
    page.disconnect(True)
    try:
        page.find("button[type=submit]").click()
        page.wait(lambda: page.find("#error").is_displayed(), "the sentence")
    finally:
        page.disconnect(False)
    assert page.find("#error").text == "The server cannot be reached: is it still running?"
    assert shown(page) == []
    page.find("button[type=submit]").click()
    page.wait(lambda: shown(page), "the ranking")


def test_refusals_are_the_servers_sentence(page: Browser, server: Server) -> None:
    documents = ["a"] * 10_001
    refused = server.client.post("/v1/rerank", json={"query": QUERY, "documents": documents})
    assert refused.status_code == 400
    fill(page, QUERY, documents)
    page.wait(lambda: page.texts("#error") == [refused.json()["error"]["message"]], "the sentence")
    fill(page, QUERY, DOCUMENTS)
    wait_for(page, ranked(server, "minilm-bi", QUERY, DOCUMENTS))
    assert not page.find("#error").is_displayed()


def test_any_number_of_documents(page: Browser, server: Server) -> None:
    fill(page, QUERY, [])
    page.wait(lambda: page.texts("#status") == ["Type documents to rank."], "the hint")
    assert shown(page) == []
    fill(page, " ", ["Paris"])
    page.wait(lambda: page.texts("#status") == ["Type a query to rank the documents."], "the other hint")
    fill(page, QUERY, ["Paris"])
    wait_for(page, ranked(server, "minilm-bi", QUERY, ["Paris"]))
    thousand = [f"Paris has {number % 10} rivers" for number in range(1000)]
    fill(page, QUERY, thousand)
    page.wait(lambda: page.texts("#status")[0].startswith("1,000 documents · "), "the ranking of them all")
    wait_for(page, ranked(server, "minilm-bi", QUERY, thousand))


def test_bars_of_any_scores(page: Browser) -> None:
    def filled(*scores: float) -> list[float]:
        bounds = module(page, "ranking.js", "range", scores)
        return [module(page, "ranking.js", "filled", score, bounds) for score in scores]

    # Between 0 and 1 bars begin at 0; else at the lowest score, which still has a little of one.
    assert filled(0.9, 0.25, 0.0) == [0.9, 0.25, 0]
    assert filled(8.5, -11.0) == [1, 0.03]
    assert filled(0.5, -0.5) == [1, 0.03]
    assert filled(30.0, 25.0, 20.0) == pytest.approx([1, 0.515, 0.03])
    assert filled(-3.0) == [1]
    assert filled(0.0) == [0]


def test_tokens_are_readable(page: Browser) -> None:
    def readable(*tokens: str) -> list[str]:
        answer: list[str] = module(page, "readable.js", "readable", tokens)
        return answer

    assert readable("[CLS]", "token", "##izer", "##", "[SEP]") == ["[CLS]", "token", "izer", "##", "[SEP]"]
    assert readable("<s>", "▁Paris", "▁", "</s>") == ["<s>", "Paris", "␣", "</s>"]
    text = "Ça coûte 5 €\n首都"
    words = ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert any(word.startswith("Ġ") for word, _ in words)
    assert readable(*(word for word, _ in words)) == ["Ça", "coûte", "5", "€", "↵", "首都"]
    # Half a character stays as it is.
    assert readable("Ġa", "é¦") == ["a", "é¦"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_command_asks_for_the_same(page: Browser, server: Server) -> None:
    fill(page, QUERY, DOCUMENTS)
    rows = ranked(server, "minilm-bi", QUERY, DOCUMENTS)
    wait_for(page, rows)
    (command,) = page.texts("#curl")
    ran = subprocess.run(["bash", "-c", command.replace("curl ", "curl -s ", 1)], capture_output=True, check=True)
    results = json.loads(ran.stdout)["results"]
    assert [DOCUMENTS[result["index"]] for result in results] == [text for text, _ in rows]
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.find("#copy").click()
    page.wait(lambda: page.texts("#copy") == ["Copied"], "it to be copied")
    read = "navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))"
    assert page.driver.execute_async_script(read) == command


def test_without_a_mouse(page: Browser, server: Server) -> None:
    def press(*keys: str) -> None:
        ActionChains(page.driver).send_keys(*keys).perform()

    def focused() -> str:
        script = "const it = document.activeElement; return it.id || it.dataset.index || it.type || it.textContent"
        return str(page.driver.execute_script(script))

    order = []
    for _ in range(7):
        press(Keys.TAB)
        order.append(focused())
        outline = page.driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or order[-1] == "file"
    assert order == ["API reference", "model", "key", "query", "file", "documents", "submit"]

    page.find("#query").clear()
    page.find("#query").send_keys(QUERY)
    page.find("#documents").clear()
    page.find("#documents").send_keys("\n".join(DOCUMENTS), Keys.CONTROL, Keys.ENTER)
    rows = ranked(server, "minilm-bi", QUERY, DOCUMENTS)
    wait_for(page, rows)
    # One stop for the whole list; arrows go on from there.
    press(Keys.TAB)
    press(Keys.TAB)
    assert focused() == str(DOCUMENTS.index(rows[0][0]))
    press(Keys.END)
    press(Keys.ARROW_UP)
    assert focused() == str(DOCUMENTS.index(rows[1][0]))
    press(Keys.ENTER)
    assert page.texts("#results [aria-pressed=true] .text") == [rows[1][0]]
    press(Keys.TAB)
    assert focused() == "copy"


def test_every_field_has_a_name(page: Browser) -> None:
    script = """
    return [...document.querySelectorAll("input, select, textarea, button, section, pre")].map((element) => [
      element.outerHTML.slice(0, 80),
      element.labels?.[0]?.textContent || element.ariaLabel || element.textContent && element.matches("button") &&
        element.textContent || document.getElementById(element.getAttribute("aria-labelledby"))?.textContent,
    ])
    """
    named = page.driver.execute_script(script)
    assert len(named) > 10
    assert [html for html, name in named if not name] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(page: Browser, scheme: str) -> None:
    """WCAG 2's contrast for text of any size: 4.5 and more."""
    page.emulate(scheme=scheme)
    Select(page.find("#model")).select_by_value("minilm-colbert")
    page.wait(lambda: page.texts("#matrix td.match"), "the tokens")
    found, ground = contrasts(page)
    assert (ground > 0.5) == (scheme == "light")
    assert len(found) > 15
    assert {name: contrast for name, contrast in found.items() if contrast < 4.5} == {}


def test_fits_a_phone(page: Browser) -> None:
    Select(page.find("#model")).select_by_value("minilm-colbert")
    fill(page, QUERY, ["Paris is a city in France. " * 20, "a" * 400 + " France" * 50])
    page.emulate(width=360, height=740)
    page.wait(lambda: len(page.texts("#results .rank")) == 2 and len(page.texts("#matrix thead th")) > 40, "the tokens")
    # Less by a scroll bar, where those take room.
    assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.driver.execute_script("return innerWidth") == 360
    assert page.find("#results").location["y"] > page.find("#documents").location["y"]


def test_interactive_documentation(page: Browser, server: Server) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    page.driver.get(f"{server.url}/docs")
    operations = sum(len(path) for path in paths.values())
    page.wait(lambda: len(page.texts(".opblock")) >= operations, "the operations")
    block = "[id$=get_v1_models]"
    page.find(f"{block} button").click()
    for button in (".try-out__btn", ".execute"):
        page.wait(lambda button=button: page.texts(f"{block} {button}"), button)
        page.find(f"{block} {button}").click()
    page.wait(lambda: page.texts(f"{block} .live-responses-table .response-col_status"), "the answer")
    assert '"minilm-colbert"' in page.texts(f"{block} .live-responses-table .microlight")[0]

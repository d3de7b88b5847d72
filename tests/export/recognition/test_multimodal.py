"""Every row of the table of multimodal families, held against other people's code on the same checkpoint.

Rows that differ from another in the names of their weights and in prompts alone are not exported: their model, prompts
and tokens are, as the export has them before it traces anything.
"""

import contextlib
import dataclasses
import io
from dataclasses import dataclass

import numpy as np
import onnx
import PIL.Image
import PIL.ImageOps
import pytest

from checkpoints import multimodal as checkpoints
from engine import Engine, InvalidInput, Job, Text
from engine.artifact.artifact import TOKENIZER, Manifest
from engine.content import read_content
from engine.images.picture import PictureInput
from engine.inputs import InputBuilder
from engine.prompts.template import Prompting, ScoreTemplate
from engine.text.tokenizer import Tokenizer
from engine.text.truncation import Truncation
from engine.vectors.similarity import sigmoid
from export.checkpoint.files import open_checkpoint
from export.checkpoint.tokenizer import load_tokenizer, save_tokenizer
from export.manifest import describe, longest_input
from export.precisions import PRECISIONS
from export.recognition.families import MULTIMODAL
from export.recognition.recognise import recognise
from export.rewrites import quantize
from export.tracing.multimodal import TracedTowers
from export.verification.pictured import PicturedReference
from export.verification.pictures import pictures
from tests.export.recognition.multimodal_references import EMBEDDERS, RERANKERS, Both, settings_of

pytestmark = pytest.mark.slow


def noise(width, height, channels=3, seed=7):
    pixels = np.random.default_rng(seed + width).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


# Of sizes that are resized and that are not, as multiples of 28 and of 32; the second is transparent in part.
PICTURES = [noise(90, 60), noise(70, 56, 4), noise(40, 200), noise(300, 50), noise(112, 84), noise(128, 96)]
TEXTS = ["Horses graze.", "What is the capital of France? Paris, or so they say.", "a"]
ONE = Both((PICTURES[0],), "of a page")
TWO = Both((PICTURES[1], PICTURES[4]), "Before and after")

# By row, the precisions it is exported in. Half precision is shown once for each body, and 8 bits for three.
EXPORTED = {
    "jina-m0": ("fp32", "int8"),
    "qwen3-vl-reranker": ("fp32",),
    "nemotron-rerank-vl": ("fp32",),
    "colpali": ("fp32", "fp16"),
    "colqwen2": ("fp32", "fp16", "int8"),
    "colqwen2.5": ("fp32", "fp16"),
    "colqwen2-adapter": ("fp32",),
    "colqwen3": ("fp32",),
    "colqwen3-nvidia": ("fp32",),
    "colmodernvbert": ("fp32", "fp16"),
    "clip": ("fp32", "fp16", "int8"),
    "clip-folder": ("fp32",),
    "siglip": ("fp32", "fp16"),
    "siglip2-naflex": ("fp32", "fp16"),
    "qwen3-vl-embedding": ("fp32", "fp16"),
    "nemotron-embed-vl": ("fp32", "fp16"),
    "dse": ("fp32",),
}
# Those whose layers or prompts are another row's.
LIKE_OTHERS = [family.name for family in MULTIMODAL if family.name not in EXPORTED]
BOTH = {
    "colqwen3": [ONE],
    "colqwen3-nvidia": [ONE],
    "nemotron-embed-vl": [ONE],
    "qwen3-vl-embedding": [ONE, TWO, ""],
}
"""What the embedders' authors have prompts for besides some text and single pictures."""
ON_QUERIES = {"jina-m0": [PICTURES[4], Both((PICTURES[3],), "this"), ""], "qwen3-vl-reranker": [PICTURES[4], ONE, ""]}
LIMITS = Truncation(max_length=512, total=512)


@pytest.fixture(scope="module")
def exported(multimodal):
    """By a row's name its checkpoint and artifact.

    8 bits are taken for weights as small as those of the tiny checkpoints' feed-forward layers.
    """

    def export(name):
        options = [] if EXPORTED[name] == ("fp32",) else ["--precision", ",".join(EXPORTED[name])]
        with pytest.MonkeyPatch.context() as patch, nothing_asked(patch):
            patch.setattr(quantize, "MIN_WEIGHT", 1 << 13)
            patch.setattr(quantize, "MIN_TABLE", 1 << 12)
            return multimodal(name, *options)

    return export


@contextlib.contextmanager
def nothing_asked(patch):
    """Nobody is asked whether a checkpoint's code may run, which transformers does where it is not told."""
    asked = []
    patch.setattr("builtins.input", lambda *question: asked.append(question) or "n")
    yield
    assert not asked


@pytest.fixture(scope="module")
def reference(exported):
    return lambda name: (EMBEDDERS | RERANKERS)[name](exported(name)[0])


@dataclass(frozen=True)
class Read:
    """A checkpoint that is not exported: what an artifact of it would say, and what that would be held against."""

    manifest: Manifest
    builder: InputBuilder
    original: PicturedReference

    def ids(self, role, content):
        (item,) = self.builder.contents([read_content(given(content))], role, LIMITS, Prompting())
        return [] if isinstance(item, PictureInput) else item.input_ids.tolist()


@pytest.fixture
def read(tmp_path, monkeypatch):
    def read(folder, prompts="authors"):
        checkpoint = open_checkpoint(str(folder), None, {}, False, scratch=tmp_path / "scratch")
        recipe = recognise(checkpoint, prompts=prompts)
        tokenizer = load_tokenizer(checkpoint, recipe)
        exporter = TracedTowers(checkpoint, recipe, tokenizer, ["fp32"], allow_missing=False)
        save_tokenizer(tokenizer, tmp_path)
        length = longest_input(checkpoint, recipe, tokenizer, None)
        manifest = describe(checkpoint, recipe, tokenizer, exporter, "tiny", length, prompts)
        own = Tokenizer(tmp_path / TOKENIZER)
        template = ScoreTemplate(recipe.template, manifest, own) if recipe.template is not None else None
        original = exporter.reference(exporter.reference_model("fp32"), length)
        return Read(manifest, InputBuilder(manifest, own, template), original)

    with nothing_asked(monkeypatch):
        yield read


def given(content):
    """A content as the engine takes it."""
    return [*content.pictures, Text(content.text)] if isinstance(content, Both) else content


def contents_of(name):
    return [*PICTURES, *TEXTS, *BOTH.get(name, [])]


def similarity(manifest, query, document):
    if manifest.scoring.by_token:
        return float((query @ document.T).max(axis=1).sum())
    return float(query @ document / np.linalg.norm(query) / np.linalg.norm(document))


def documents_of(name):
    """Those of a reranker, whose code takes one picture or several."""
    return [*PICTURES, *TEXTS, ONE, *([] if name == "nemotron-rerank-vl" else [TWO])]


def test_every_row_is_held_against_other_peoples_code():
    assert EMBEDDERS.keys() | RERANKERS.keys() == {family.name for family in MULTIMODAL}
    assert EXPORTED.keys() <= {family.name for family in MULTIMODAL}
    halved = {family.body for family in MULTIMODAL if "fp16" in EXPORTED.get(family.name, ())}
    assert halved | {"qwen2_vl"} == {family.body for family in MULTIMODAL}


@pytest.mark.parametrize("name", [name for name in EXPORTED if name in EMBEDDERS])
def test_embeddings_are_those_of_other_peoples_code(exported, reference, name):
    engine = Engine.load(exported(name)[1])
    manifest = engine.manifest
    (family,) = (family for family in MULTIMODAL if family.name == name)
    assert (manifest.score_type, manifest.prompts) == (family.score_type, "authors")
    original, contents = reference(name), contents_of(name)
    embed = engine.embed_tokens if manifest.scoring.by_token else engine.embed
    want = {role: [original.embed(role, content) for content in contents] for role in ("query", "document")}
    limit = PRECISIONS["fp32"].limit.max_abs_error
    for role, rows in want.items():
        result = embed([given(content) for content in contents], role=role)
        for got, row, content in zip(result.embeddings, rows, contents, strict=True):
            size = max(1, np.abs(row).max())
            np.testing.assert_allclose(got, row, atol=limit * size, err_msg=f"{role}: {content}")
        if manifest.pictures.placeholder is not None:
            assert result.tokens == [len(original.ids(role, content)) for content in contents]
    # A query for each document, in another order.
    order = [*range(3, len(contents)), 0, 1, 2]
    scores = engine.score([given(contents[place]) for place in order], [*map(given, contents)]).scores
    pairs = [(want["query"][place], document) for place, document in zip(order, want["document"], strict=True)]
    terms = max(len(query) for query, _ in pairs) if manifest.scoring.by_token else 1
    wanted = [similarity(manifest, *pair) for pair in pairs]
    np.testing.assert_allclose(scores, wanted, atol=terms * limit)
    assert np.std(wanted) > 0.01, "the scores lie too close together for this to prove anything"


def test_what_queries_and_documents_are_told_alike_is_told_without_a_role(exported, reference):
    engine = Engine.load(exported("qwen3-vl-embedding")[1])
    contents = [*TEXTS, PICTURES[4]]
    alone = engine.embed(contents, role=None).embeddings
    for content, row in zip(contents, alone, strict=True):
        np.testing.assert_allclose(row, reference("qwen3-vl-embedding").embed("document", content), atol=1e-4)
    # A role's own prompt is left out without one.
    engine = Engine.load(exported("nemotron-embed-vl")[1])
    told, untold = (engine.embed(TEXTS, role=role).embeddings for role in ("document", None))
    assert np.abs(told - untold).max() > 0.01


@pytest.mark.parametrize("name", RERANKERS)
def test_logits_are_those_of_other_peoples_code(exported, reference, name):
    engine = Engine.load(exported(name)[1])
    assert (engine.manifest.score_type, engine.manifest.prompts) == ("cross-encoder", "authors")
    original, documents = reference(name), documents_of(name)
    for query in ["capital of France", *ON_QUERIES.get(name, [])]:
        got = engine.score(given(query), [*map(given, documents)], use_activation=False).scores
        want = [original(query, document) for document in documents]
        np.testing.assert_allclose(got, want, atol=PRECISIONS["fp32"].limit.max_abs_error, err_msg=str(query))
        assert np.std(want) > 0.01
        activated = engine.score(given(query), [*map(given, documents)]).scores
        np.testing.assert_allclose(activated, 1 / (1 + np.exp(-np.array(want))), atol=1e-4)


# Pictures that the export's own model can be given: it opens the files that every graph is verified on.
FILES = ["photograph.webp", "rotated.jpg", "slide.png", "transparent.png", "wide.png"]


def opened(sample):
    return PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(sample.data)))


@pytest.mark.parametrize("name", LIKE_OTHERS)
def test_rows_that_are_like_others_are_those_of_other_peoples_code(read, tmp_path, name):
    folder = checkpoints.build(name, tmp_path / "checkpoint")
    ours, original = read(folder), EMBEDDERS[name](folder)
    contents = [*TEXTS, *(opened(sample) for sample in pictures() if sample.name in FILES)]
    assert len(contents) == len(TEXTS) + len(FILES)
    for role in ("query", "document"):
        for content in contents:
            if ours.manifest.pictures.placeholder is not None or isinstance(content, str):
                assert ours.ids(role, content) == original.ids(role, content), content
            (row,) = ours.original.embeddings([read_content(given(content))], role)
            np.testing.assert_allclose(row, original.embed(role, content), atol=1e-5, err_msg=f"{role}: {content}")


@pytest.mark.parametrize("name", [name for name, precisions in EXPORTED.items() if "fp16" in precisions])
def test_half_precision_costs_little(exported, reference, name):
    engine = Engine.load(exported(name)[1], precision="fp16")
    original, contents = reference(name), contents_of(name)
    embed = engine.embed_tokens if engine.manifest.scoring.by_token else engine.embed
    for role in ("query", "document"):
        rows = embed([given(content) for content in contents], role=role).embeddings
        for got, content in zip(rows, contents, strict=True):
            np.testing.assert_allclose(got, original.embed(role, content), atol=5e-3, err_msg=f"{role}: {content}")


@pytest.mark.parametrize("name", [name for name, precisions in EXPORTED.items() if "int8" in precisions])
def test_8_bits_cost_little(exported, reference, name):
    engine = Engine.load(exported(name)[1], precision="int8")
    operators = [node.op_type for node in onnx.load(exported(name)[1] / engine.graph.file).graph.node]
    layers = settings_of(exported(name)[0]).get("num_hidden_layers", 2)
    assert operators.count("MatMulIntegerToFloat") >= 2 * layers
    original = reference(name)
    documents = documents_of(name) if name in RERANKERS else contents_of(name)
    query = TEXTS[1]
    got = engine.score(query, [*map(given, documents)]).scores
    if name in RERANKERS:
        want, terms = sigmoid(np.array([original(query, document) for document in documents], np.float32)), 1
    else:
        row = original.embed("query", query)
        rows = [original.embed("document", document) for document in documents]
        want = np.array([similarity(engine.manifest, row, own) for own in rows])
        terms = len(row) if engine.manifest.scoring.by_token else 1
    assert np.abs(got - want).max() <= 0.05 * terms


@pytest.mark.parametrize("name", EXPORTED)
def test_a_result_does_not_depend_on_its_batch(exported, name):
    """In padded runs as on a GPU, of texts and pictures together; and pictures', where a run takes several."""
    engine = Engine.load(exported(name)[1])
    runner, vision = engine._opened.runner, engine._vision
    if name in RERANKERS:
        documents = [read_content(given(document)) for document in documents_of(name)]
        inputs = engine._builder.pairs(["capital of France"] * len(documents), documents, LIMITS, Prompting())
    else:
        contents = [read_content(given(content)) for content in contents_of(name)]
        inputs = engine._builder.contents(contents, "document", LIMITS, Prompting())
    alone = vision.embed({picture for item in inputs for picture in pictures_in(item)}, Job())
    (graph,) = (graph for graph in engine.manifest.graphs if graph.role == "vision" and graph.precision == "fp32")
    if graph.max_batch is None:
        together = vision._opened.workers._run([*alone])
        for picture, rows in zip(alone, together, strict=True):
            np.testing.assert_allclose(rows, alone[picture], atol=1e-5)
    texts = [item for item in inputs if not isinstance(item, PictureInput)]
    placed = [with_pictures(item, alone) for item in texts]
    want = [runner.run([item])[0] for item in placed]
    for got, row in zip(runner.run(placed), want, strict=True):
        np.testing.assert_allclose(got[: len(row)] if np.ndim(row) else got, row, atol=1e-5)
    if engine.graph.past is not None:
        shared = runner.share(placed, ["capital of France"] * len(placed))
        assert any(item.prefix is not None for item in shared)
        np.testing.assert_allclose(runner.run(shared), want, atol=1e-5)


def pictures_in(item):
    if isinstance(item, PictureInput):
        return [item]
    return item.placed.pictures if item.placed is not None else []


def with_pictures(item, embeddings):
    return item if item.placed is None else dataclasses.replace(item, placed=item.placed.computed(embeddings))


# A reranker whose pictures come first, one whose pictures come after its prompt's beginning, and an embedder.
CONFUSABLE = ["jina-m0", "qwen3-vl-reranker", "colqwen2"]


@pytest.mark.parametrize("name", CONFUSABLE)
def test_pictures_of_one_size_are_told_apart(exported, reference, name):
    """They have equal tokens: in one call, one call after the other, and where queries share what they begin with."""
    artifact, original = exported(name)[1], reference(name)
    one, other = noise(112, 84, seed=1), noise(112, 84, seed=2)
    engine = Engine.load(artifact)
    documents = [*map(given, [one, other, Both((one,), "x"), Both((other,), "x"), Both((one, other), "x")])]
    alone = [Engine.load(artifact, embedding_cache_bytes=0).score("a", document).scores[0] for document in documents]
    assert np.abs(np.subtract.outer(alone, alone))[~np.eye(len(alone), dtype=bool)].min() > 1e-4
    np.testing.assert_allclose(engine.score("a", documents).scores, alone, atol=1e-5)
    np.testing.assert_allclose([engine.score("a", own).scores[0] for own in documents], alone, atol=1e-5)
    np.testing.assert_allclose(engine.score("a", documents[::-1]).scores, alone[::-1], atol=1e-5)
    if name == "colqwen2":
        return
    queries = [one, other, Both((one,), "b"), Both((other,), "b")] * 2
    own = ["of Paris"] * 4 + ["of Paris and Rome"] * 4
    want = [original(query, document) for query, document in zip(queries, own, strict=True)]
    for cache in (0, 2**20):
        engine = Engine.load(artifact, embedding_cache_bytes=cache)
        got = engine.score([*map(given, queries)], own, use_activation=False).scores
        np.testing.assert_allclose(got, want, atol=1e-4)
        for query in queries[:4]:
            texts = ["of Paris", "of Paris and Rome", "of Paris or Rome"]
            several = engine.score(given(query), texts, use_activation=False).scores
            np.testing.assert_allclose(several, [original(query, text) for text in texts], atol=1e-4)


@pytest.mark.parametrize("name", ["jina-m0", "colqwen2", "clip"])
def test_a_picture_is_computed_once_for_many_queries(exported, name):
    runs = []
    engine = Engine.load(exported(name)[1])
    engine._vision._opened.workers.on_batch = lambda batch: runs.append(batch.sequences)
    queries = [f"number {number}" for number in range(6)]
    engine.score(queries, [PICTURES[4]] * 6)
    assert sum(runs) == 1
    before = engine.cache
    engine.score(queries[::-1], [PICTURES[4]] * 6)
    assert sum(runs) == 1
    assert engine.cache.hits > before.hits
    engine.score("another", [PICTURES[4], PICTURES[5], PICTURES[4].copy()])
    assert sum(runs) == 2
    forgetful = Engine.load(exported(name)[1], embedding_cache_bytes=0)
    forgetful._vision._opened.workers.on_batch = lambda batch: runs.append(batch.sequences)
    forgetful.score(queries, [PICTURES[4]] * 6)
    assert sum(runs) == 3


@pytest.mark.parametrize("name", ["jina-m0", "qwen3-vl-embedding"])
def test_where_an_input_is_cut_its_pictures_stay_whole(exported, reference, name):
    engine = Engine.load(exported(name)[1])
    picture, text = PICTURES[4], "Paris is the capital of France. " * 20
    without = Both((picture,), "")
    if name in RERANKERS:
        least = engine.score("", [[picture, Text("")]]).tokens
        cut = engine.score("a", [[picture, Text(text)]], truncate_prompt_tokens=least + 10, use_activation=False)
        assert cut.tokens == least + 10
        # The document's text gave way, to as many of its first words as there was room for.
        assert cut.scores[0] in [
            pytest.approx(reference(name)("a", Both((picture,), text[:end])), abs=1e-4) for end in range(60)
        ]
        refused = lambda: engine.score("a", [[picture, Text(text)]], truncate_prompt_tokens=least - 5)  # noqa: E731
    else:
        (least,) = engine.embed([given(without)]).tokens
        cut = engine.embed([[picture, Text(text)]], truncate_prompt_tokens=least + 10)
        assert cut.tokens == [least + 10]
        wanted = [reference(name).embed("document", Both((picture,), text[:end])) for end in range(60)]
        assert min(np.abs(cut.embeddings[0] - row).max() for row in wanted) < 1e-5
        refused = lambda: engine.embed([[picture, Text(text)]], truncate_prompt_tokens=least - 5)  # noqa: E731
    with pytest.raises(InvalidInput) as error:
        refused()
    assert "\n" not in str(error.value)
    assert str(least) in str(error.value)


# What vLLM 0.32 makes of a picture with a text, and of a text, where no chat template is given.
VLLM = {
    "colqwen3": ("<|vision_start|><|image_pad|><|vision_end|>of a page", "of a page"),
    "colpali": ("<image><bos>of a page\n", "<bos>of a page"),
    "colmodernvbert": ("<image>[CLS]of a page[SEP]", "[CLS]of a page[SEP]"),
    "dse": ("<|vision_start|><|image_pad|><|vision_end|>of a page", "of a page"),
    "qwen3-vl-embedding": ("<|vision_start|><|image_pad|><|vision_end|>of a page", "of a page"),
    "nemotron-embed-vl": ("<|begin_of_text|><img><IMG_CONTEXT></img> of a page", "<|begin_of_text|>of a page"),
}


@pytest.mark.parametrize("name", VLLM)
def test_vllms_prompts_are_others_and_the_manifest_says_whose_they_are(read, tmp_path, name):
    ours = read(checkpoints.build(name, tmp_path / "checkpoint"), "vllm")
    assert ours.manifest.prompts == "vllm"
    token = ours.manifest.pictures.placeholder.token
    for content, wanted in zip((ONE, "of a page"), VLLM[name], strict=True):
        ids = ours.ids("document", content)
        kept = [own for before, own in zip([None, *ids], ids, strict=False) if (before, own) != (token, token)]
        assert ours.builder._tokenizer.decode(kept) == wanted

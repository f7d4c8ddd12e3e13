import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelloop.models.text_classifier import scoring, vocabulary
from labelloop.models.text_classifier.scoring import Scorer
from labelloop.models.text_classifier.text_matrix import TextMatrix
from labelloop.models.text_classifier.vocabulary import Vocabulary
from labelloop.text.features import WindowParameters, checksums, pairs

TEXTS = ["Where is my order?", "where", "", "order order order", "my order is late", "日本語のテキスト"]
ALPHABET = st.lists(st.text("ab cdé日", max_size=30), min_size=1, max_size=6)


def dense(texts, learned):
    vectors = learned.vectors(texts)
    with ThreadPoolExecutor(2) as pool:
        matrix = TextMatrix(learned, vectors, pool)
        return matrix.forward(np.eye(matrix.shape[1], dtype=np.float32))[:, :-1]


def weighted(count, idf):
    return (1 + math.log(count)) * idf


def test_a_text_is_the_sum_of_its_words_and_of_its_pairs_of_words():
    learned, _ = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=1)
    words = dense(["my", "order"], learned)
    lengths = [math.sqrt(sum(values**2)) for values in _word_lengths(["my", "order"], learned)]
    text = dense(["my order"], learned)[0]
    windows = learned.windows_known
    pair = [i for i, value in enumerate(text[windows:]) if value]
    assert len(pair) == 1
    idf = learned.idf[windows + pair[0]]
    total = math.sqrt(lengths[0] ** 2 + lengths[1] ** 2 + idf**2)
    np.testing.assert_allclose(
        text[:windows] * total, words[0, :windows] * lengths[0] + words[1, :windows] * lengths[1], atol=1e-5
    )
    assert text[windows + pair[0]] == pytest.approx(idf / total, abs=1e-6)


def _word_lengths(words, learned):
    for word in words:
        yield learned.word_vectors([word]).values.astype(float)


def test_words_count_with_their_logarithm():
    learned, _ = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=1)
    once, thrice = learned.vectors(["order", "order order order"]).occurrences.values
    assert once == pytest.approx(1 / np.linalg.norm(learned.word_vectors(["order"]).values))
    assert 0 < thrice <= once


def test_a_word_alone_has_length_one_and_an_empty_text_none():
    learned, _ = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=1)
    np.testing.assert_allclose(
        np.linalg.norm(dense(["where", "", "日本語のテキスト"], learned), axis=1), [1, 0, 1], atol=1e-5
    )


@settings(max_examples=60, deadline=None)
@given(ALPHABET, ALPHABET)
def test_scores_are_the_vectors_times_the_weights(known, asked):
    learned, _ = Vocabulary.learn(known, WindowParameters(), minimum_texts=1)
    weights = np.random.default_rng(0).standard_normal((len(learned), 3), dtype=np.float32)
    scorer = Scorer(learned, weights)
    expected = dense(asked, learned) @ weights
    for _ in range(2):  # the second time from memory
        np.testing.assert_allclose(scorer.scores(asked), expected, atol=1e-4)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(scoring, "CACHE_BYTES", 0)
    monkeypatch.setattr(scoring, "_SMALLEST_CACHE", 4)
    learned, _ = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=1)
    weights = np.random.default_rng(0).standard_normal((len(learned), 3), dtype=np.float32)
    scorer = Scorer(learned, weights)
    asked = [f"word{number} my order is" for number in range(20)]
    np.testing.assert_allclose(scorer.scores(asked), dense(asked, learned) @ weights, atol=1e-4)
    for text in asked:
        np.testing.assert_allclose(scorer.scores([text]), dense([text], learned) @ weights, atol=1e-4)
    assert len(scorer._table.rows) <= 4


def test_a_scorer_serves_many_threads(monkeypatch):
    monkeypatch.setattr(scoring, "CACHE_BYTES", 0)
    monkeypatch.setattr(scoring, "_SMALLEST_CACHE", 8)
    learned, _ = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=1)
    weights = np.random.default_rng(0).standard_normal((len(learned), 3), dtype=np.float32)
    scorer = Scorer(learned, weights)
    asked = [f"{text} {number}" for number in range(30) for text in TEXTS]
    expected = [Scorer(learned, weights).scores([text])[0] for text in asked]
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(lambda text: scorer.scores([text])[0], asked), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_pairs_are_neighbours_within_a_text_and_ordered():
    words = ["a", "b", "a", "b", "a"]
    owners, ids = pairs(np.array([0, 0, 0, 1, 1]), checksums(words))
    assert owners.tolist() == [0, 0, 1]
    assert ids[1] == ids[2] != ids[0]


def test_only_the_most_frequent_features_are_kept(monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_PAIRS", 1)
    texts = ["a b", "a b", "c d"]
    learned, _ = Vocabulary.learn(texts, WindowParameters(), minimum_texts=1)
    assert len(learned) - learned.windows_known == 1
    assert dense(["a b"], learned)[0, learned.windows_known :].any()
    assert len(Vocabulary.learn(texts, WindowParameters(), minimum_texts=1, maximum=5)[0]) == 5


def test_what_was_learned_from_is_transformed_alike():
    learned, vectors = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=2)
    with ThreadPoolExecutor(2) as pool:
        matrix = TextMatrix(learned, vectors, pool)
        found = matrix.forward(np.eye(matrix.shape[1], dtype=np.float32))[:, :-1]
        back = matrix.backward(np.eye(len(TEXTS), dtype=np.float32))[:-1]
    np.testing.assert_allclose(found, dense(TEXTS, learned), atol=1e-6)
    np.testing.assert_allclose(back, found.T, atol=1e-6)

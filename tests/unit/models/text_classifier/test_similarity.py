from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.models.samples import ODD_TEXTS

from labelloop.models.text_classifier import similarity
from labelloop.models.text_classifier.similarity import Similarity
from labelloop.models.text_classifier.text_matrix import TextMatrix
from labelloop.models.text_classifier.vocabulary import Vocabulary
from labelloop.text.features import WindowParameters

TEXTS = st.lists(st.text("ab cdé日", max_size=30), min_size=1, max_size=6)


def dense(texts, learned):
    with ThreadPoolExecutor(2) as pool:
        matrix = TextMatrix(learned, learned.vectors(texts), pool)
        return matrix.forward(np.eye(matrix.shape[1], dtype=np.float32))[:, :-1]


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_it_is_the_product_of_the_vectors(descriptions, asked):
    learned, _ = Vocabulary.learn(descriptions, WindowParameters(), minimum_texts=1)
    expected = dense(asked, learned) @ dense(descriptions, learned).T
    np.testing.assert_allclose(Similarity(descriptions).to(asked), expected, atol=1e-6)


def test_parts_of_the_work_do_not_show(monkeypatch):
    descriptions = [*(f"label {number} of many" for number in range(20)), "", "日本語"]
    asked = ["label 7", "", "many 日本語", *ODD_TEXTS]
    whole = Similarity(descriptions).to(asked)
    monkeypatch.setattr(similarity, "_NUMBERS_AT_ONCE", 1)
    monkeypatch.setattr(similarity, "_DESCRIPTIONS_AT_ONCE", 3)
    monkeypatch.setattr(similarity, "_CHARACTERS_AT_ONCE", 10)
    np.testing.assert_allclose(Similarity(descriptions).to(asked), whole, atol=1e-6)


def test_what_has_no_features_resembles_nothing():
    assert not Similarity(["", " "]).to(["a", ""]).any()
    assert Similarity(["a b", "", "c"]).to(["c", "", "zz"]).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS)
def test_a_compact_vocabulary_knows_the_same(known, asked):
    learned, _ = Vocabulary.learn(known, WindowParameters(), minimum_texts=1)
    compact, _ = Vocabulary.learn(known, WindowParameters(), minimum_texts=1, compact=True)
    for mine, theirs in zip(learned.vectors(asked), compact.vectors(asked), strict=True):
        np.testing.assert_array_equal(mine, theirs)

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.text import features
from labelloop.text.features import MAX_CHARACTERS, WindowParameters, batches, count, padded, windows, words

TEXTS = st.lists(st.text(st.characters(codec=None), max_size=30), min_size=1, max_size=6)
PARAMETERS = st.sampled_from([WindowParameters(), WindowParameters(2, 4), WindowParameters(3, 3, 10)])


def reference(text, parameters):
    """The definition, window by window, in plain Python."""
    ids = []
    for word in text.split(" "):
        padded = f" {word} " if word else ""
        for length in range(parameters.shortest, parameters.longest + 1):
            for start in range(len(padded) - length + 1):
                window = padded[start : start + length]
                if window != " ":
                    total = sum(
                        ord(character) * int(features._CONSTANTS[place, length - 1])
                        for place, character in enumerate(window)
                    )
                    ids.append(total % 2**32 >> (32 - parameters.bits))
    return sorted(ids)


@given(TEXTS, PARAMETERS)
def test_windows_are_those_of_the_definition_and_never_cross_a_text(texts, parameters):
    batch = [padded(" ".join(words(text))) if words(text) else " " for text in texts]
    owners, ids = windows(batch, parameters)
    assert (np.diff(owners) >= 0).all()
    for index, text in enumerate(batch):
        assert sorted(ids[owners == index].tolist()) == reference(text, parameters)


@given(st.text(max_size=50))
def test_words_are_what_white_space_parts(text):
    assert words(text) == unicodedata.normalize("NFKC", text).lower().split()


def test_looks_do_not_count():
    assert words("  Where\tIS \n my\u00a0ORDER ") == words("where is my order")
    assert words("\uff35\uff30\uff33") == words("ups")


def test_a_text_of_a_megabyte_is_cut():
    assert sum(map(len, words("ab " * 350_000))) <= MAX_CHARACTERS


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 255)), max_size=60))
def test_count_counts_pairs_in_order(pairs):
    pairs.sort(key=lambda pair: pair[0])
    texts = np.array([text for text, _ in pairs], np.int64)
    ids = np.array([feature for _, feature in pairs], np.int64)
    found = [tuple(map(int, entry)) for entry in zip(*count(texts, ids, 8), strict=True)]
    assert found == [(*pair, pairs.count(pair)) for pair in sorted(set(pairs))]


def test_batches_are_bounded_and_complete():
    texts = ["word " * 3000] * 40 + [""]
    found = list(batches(texts))
    assert [first for first, _ in found] == np.cumsum([0, *(len(batch) for _, batch in found[:-1])]).tolist()
    assert sum(len(batch) for _, batch in found) == len(texts)
    assert len(found) > 1
    assert all(sum(len(word) for text in batch for word in text) <= 2**18 for _, batch in found)


@pytest.mark.parametrize("wrong", [(0, 5, 16), (1, 6, 16), (4, 2, 16), (1, 5, 7), (1, 5, 32)])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="not within"):
        WindowParameters(*wrong)

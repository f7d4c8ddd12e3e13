import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelloop.models.text_classifier.vocabulary import TextCounts
from labelloop.text.features import checksums, words
from labelloop.text.words import Words

TEXTS = st.lists(st.text("ab cé日\n", max_size=12), max_size=8)


def same(one: Words, other: Words) -> bool:
    return (
        list(one.distinct) == list(other.distinct)
        and np.array_equal(one.ids, other.ids)
        and np.array_equal(one.lengths, other.lengths)
        and one.checksums.tolist() == other.checksums.tolist() == checksums(one.distinct).tolist()
    )


@given(TEXTS)
def test_words_are_those_of_the_texts_in_their_order(texts: list[str]) -> None:
    taken = Words.of(texts)
    assert [taken.distinct[number] for number in taken.ids] == [word for text in texts for word in words(text)]
    assert taken.lengths.tolist() == [len(words(text)) for text in texts]
    assert len({*taken.distinct}) == len(taken.distinct)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_joined_parts_are_as_if_taken_apart_at_once(parts: list[list[str]]) -> None:
    assert same(Words.joined([Words.of(part) for part in parts]), Words.of([text for part in parts for text in part]))


@given(TEXTS, st.data())
def test_chosen_texts_are_as_if_there_were_no_others(texts: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    expected = Words.of([text for text, keep in zip(texts, chosen, strict=True) if keep])
    assert same(Words.of(texts).selected(np.array(chosen, np.bool_)), expected)


def test_texts_are_counted_alike_however_many_at_once(monkeypatch) -> None:
    texts = Words.of(["a b a", "", "b a b a", "c", "a a"])
    whole = TextCounts(texts)
    monkeypatch.setattr("labelloop.models.text_classifier.vocabulary._WORDS_AT_ONCE", 2)
    pieces = TextCounts(texts)
    for name in ("occurrences", "pairs"):
        for one, other in zip(getattr(whole, name), getattr(pieces, name), strict=True):
            assert one.tolist() == other.tolist()
    assert whole.occurrences.counts.tolist() == [2, 1, 2, 2, 1, 2]
    assert whole.occurrences.texts.tolist() == [0, 0, 2, 2, 3, 4]

from concurrent.futures import ThreadPoolExecutor

import pytest

from labelloop.prediction.bounded_cache import BoundedCache


def cache(limit, made):
    def make(key):
        made.append(key)
        return key * 2

    return BoundedCache(limit, make, lambda key, _: len(key))


def test_a_value_is_made_once():
    made = []
    kept = cache(10, made)
    assert [kept["a"], kept["a"], kept["b"], kept["a"]] == ["aa", "aa", "bb", "aa"]
    assert made == ["a", "b"]
    assert (len(kept), kept.nbytes) == (2, 2)


def test_beyond_the_limit_those_used_least_recently_go():
    made = []
    kept = cache(6, made)
    for key in ("one", "two", "one", "six", "one"):
        assert kept[key] == key * 2
    assert made == ["one", "two", "six"]
    assert kept["two"] == "twotwo"
    assert made == ["one", "two", "six", "two"]
    assert kept.nbytes <= 6


def test_what_is_larger_than_the_limit_is_not_kept_and_pushes_nothing_out():
    made = []
    kept = cache(6, made)
    for key in ("one", "far too large", "far too large", "one"):
        assert kept[key] == key * 2
    assert made == ["one", "far too large", "far too large"]


def test_nothing_is_kept_of_an_error():
    def refuse(_key):
        raise ValueError("no")

    kept = BoundedCache(10, refuse, lambda *_: 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            kept["a"]
    assert (len(kept), kept.nbytes) == (0, 0)


def test_several_threads_use_it_at_once():
    kept = cache(40, [])
    keys = [str(number % 50) for number in range(5000)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(kept.__getitem__, keys)) == [key * 2 for key in keys]
    assert kept.nbytes == sum(len(key) for key in kept._kept) <= 40

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from examples.tickets import tickets
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from labelloop.models.text_classifier import solver
from labelloop.models.text_classifier.solver import Preconditioner, Problem, solve
from labelloop.models.text_classifier.text_matrix import TextMatrix
from labelloop.models.text_classifier.vocabulary import Vocabulary
from labelloop.text.features import WindowParameters

TICKETS = tickets(60)
TEXTS = [ticket.text for ticket in TICKETS]


@pytest.fixture(scope="module")
def matrix():
    vocabulary, vectors = Vocabulary.learn(TEXTS, WindowParameters(), minimum_texts=2)
    with ThreadPoolExecutor(2) as pool:
        yield TextMatrix(vocabulary, vectors, pool)


def truths(k):
    names = sorted({ticket.label for ticket in TICKETS})
    return np.eye(k, dtype=bool)[[names.index(ticket.label) % k for ticket in TICKETS]]


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(solver, "STEPS", 200)
    monkeypatch.setattr(solver, "TOLERANCE", 1e-7)


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.usefixtures("exact")
def test_the_solution_is_that_of_scikit_learn(matrix, k):
    truth = truths(k)
    explicit = matrix.forward(np.eye(matrix.shape[1], dtype=np.float32))
    # The column of ones is the bias on both sides. Two columns of weights bear half of what one sigmoid bears.
    c = 10.0
    estimator = LogisticRegression(C=c if k > 2 else 2 * c, fit_intercept=False, tol=1e-4, max_iter=1000)
    expected = estimator.fit(explicit, truth.argmax(axis=1)).predict_proba(explicit)
    problem = Problem(matrix, truth, np.ones(len(truth), np.float32), multiple=False)
    found = solve(problem, Preconditioner(matrix), c)
    np.testing.assert_allclose(problem.probabilities(matrix.forward(found)), expected, atol=0.02)


@pytest.mark.usefixtures("exact")
def test_a_multiple_choice_is_one_sigmoid_per_class(matrix):
    truth = truths(3)
    explicit = matrix.forward(np.eye(matrix.shape[1], dtype=np.float32))
    problem = Problem(matrix, truth, np.ones(len(truth), np.float32), multiple=True)
    found = problem.probabilities(matrix.forward(solve(problem, Preconditioner(matrix), 10)))
    for column in range(3):
        estimator = LogisticRegression(C=10, fit_intercept=False, tol=1e-4, max_iter=1000)
        expected = estimator.fit(explicit, truth[:, column]).predict_proba(explicit)[:, 1]
        np.testing.assert_allclose(found[:, column], expected, atol=0.02)


@pytest.mark.usefixtures("exact")
def test_a_text_left_out_might_as_well_not_be_there(matrix):
    truth = truths(3)
    rows = np.arange(40)
    problem = Problem(matrix, truth, np.ones(len(truth), np.float32), multiple=False).without(rows)
    changed = truth.copy()
    changed[rows] = changed[rows][:, ::-1]
    other = Problem(matrix, changed, problem.weights, multiple=False)
    precondition = Preconditioner(matrix)
    np.testing.assert_allclose(solve(problem, precondition, 10), solve(other, precondition, 10), atol=1e-3)


def test_few_steps_are_nearly_there(matrix):
    truth = truths(5)
    problem = Problem(matrix, truth, np.ones(len(truth), np.float32), multiple=False)
    found = problem.probabilities(matrix.forward(solve(problem, Preconditioner(matrix), 10)))
    assert (found.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.95


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b c", "", "日本", "a a a"]), min_size=2, max_size=12),
    st.integers(0, 2**12 - 1),
    st.booleans(),
    st.sampled_from([1e-3, 10.0, 1e6]),
)
def test_every_small_problem_has_a_finite_solution(texts, bits, multiple, c):
    vocabulary, vectors = Vocabulary.learn(texts, WindowParameters(), minimum_texts=1)
    truth = np.eye(2, dtype=bool)[[bits >> row & 1 for row in range(len(texts))]]
    with ThreadPoolExecutor(2) as pool:
        matrix = TextMatrix(vocabulary, vectors, pool)
        problem = Problem(matrix, truth, np.ones(len(texts), np.float32), multiple)
        found = solve(problem, Preconditioner(matrix), c)
        assert np.isfinite(found).all()
        before = problem.loss(problem.probabilities(np.zeros(truth.shape, np.float32)))
        assert problem.loss(problem.probabilities(matrix.forward(found))) <= before + 1e-3

from labelloop_operator.controller.repair_backoff import AT_ONCE, FIRST_PAUSE, LONGEST_PAUSE, WINDOW, Repairs

KEY = ("team-a", "intents")
CHILD = "Service intents-ml"


def written(times: int, at: float = 0.0) -> Repairs:
    made = Repairs()
    for _ in range(times):
        made.wrote(KEY, CHILD, "digest", {"spec.selector.zone": "kubectl-patch"}, at)
    return made


def test_the_first_repairs_are_made_at_once() -> None:
    repairs = written(AT_ONCE)
    assert repairs.allowed(KEY, CHILD, "digest", 0.0)
    assert repairs.disputed(KEY, 0.0) == ()
    assert repairs.look_again_after(KEY, 0.0) is None


def test_the_pauses_double_up_to_the_longest() -> None:
    for more, pause in enumerate([FIRST_PAUSE, 20.0, 40.0, 80.0, 160.0, LONGEST_PAUSE, LONGEST_PAUSE], 1):
        repairs = written(AT_ONCE + more)
        assert not repairs.allowed(KEY, CHILD, "digest", pause - 0.1)
        assert repairs.look_again_after(KEY, 0.0) == pause
        assert repairs.allowed(KEY, CHILD, "digest", pause)


def test_a_dispute_names_the_field_and_the_other_manager_and_ends() -> None:
    repairs = written(AT_ONCE + 1)
    (problem,) = repairs.disputed(KEY, 0.0)
    assert "keeps changing Service intents-ml spec.selector.zone (manager kubectl-patch)" in str(problem)
    assert repairs.disputed(KEY, WINDOW) == ()
    assert repairs.allowed(KEY, CHILD, "digest", WINDOW)


def test_a_change_of_ours_is_never_held_back_and_is_no_repair() -> None:
    repairs = written(AT_ONCE + 1)
    assert repairs.allowed(KEY, CHILD, "another", 0.0)
    made = Repairs()
    for number in range(3 * AT_ONCE):
        made.wrote(KEY, CHILD, f"digest {number}", {}, 0.0)
    assert made.disputed(KEY, 0.0) == ()

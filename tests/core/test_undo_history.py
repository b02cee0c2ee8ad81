"""Undo and redo, and what is kept to make them quick."""

from fewclicks.history import UndoHistory


def history(actions="", **more):
    """One of letters, whose state is the text so far; each state counts as one byte."""
    return UndoHistory("", lambda state: 1, 4, list(actions), **more)


def test_undo_and_redo_end_at_the_ends():
    made = history()
    assert (made.undo(), made.redo(), made.last, made.next) == (False, False, None, None)
    for letter in "abc":
        made.commit(letter, None)
    assert made.undo()
    assert made.undo()
    assert (made.actions, made.last, made.next) == (("a",), "a", "b")
    assert made.redo()
    assert made.actions == ("a", "b")


def test_what_was_undone_is_gone_after_another_action_and_its_state_too():
    made = history("abc", done=3)
    assert made.state(3, lambda state, n: state + made.every[n]) == "abc"
    made.undo()
    made.undo()
    made.commit("x", "ax")
    assert made.actions == ("a", "x")
    assert not made.redo()
    assert 3 not in made.states
    assert made.states[2] == "ax"


def test_states_are_computed_from_the_nearest_one_that_is_kept():
    made, asked = history("abcdefgh"), []

    def step(state, n):
        asked.append(n)
        return state + made.every[n]

    assert made.state(8, step) == "abcdefgh"
    assert made.state(7, step) == "abcdefg"
    assert asked == list(range(8)), "the last ones are kept"
    assert made.state(2, step) == "ab"
    assert asked[8:] == [0, 1]
    assert len(made.states) <= 5

"""The loss scale against a model of it in Python, and what multiplying by powers of two costs a float: nothing."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

START, LARGEST, GOOD_STEPS = 1024, 65536, 200
CORRUPT = 3


def run(library: ctypes.CDLL, state: tuple[int, int], events: str) -> list[tuple[int, int]]:
    """(scale, good steps) after each event: s a step, o an overflow."""
    library.lkt_error_message.restype = ctypes.c_char_p
    states = np.zeros((len(events), 2), np.int64)
    pointer = ctypes.POINTER(ctypes.c_int64)
    begin = np.array(state, np.int64)
    status = library.lkt_loss_scale_run(begin.ctypes.data_as(pointer), events.encode(), states.ctypes.data_as(pointer))
    if status:
        raise ValueError(status, library.lkt_error_message().decode())
    return [(int(scale), int(good)) for scale, good in states]


def model(state: tuple[int, int], events: str) -> list[tuple[int, int]]:
    scale, good = state
    out = []
    for event in events:
        good = good + 1 if event == "s" else 0
        if event == "o":
            scale = max(1, scale // 2)
        elif good == GOOD_STEPS:
            scale, good = min(LARGEST, scale * 2), 0
        out.append((scale, good))
    return out


runs = st.lists(st.sampled_from(["o", "s", "s" * 50, "s" * 199, "s" * 200]), max_size=30).map("".join)
states = st.tuples(st.integers(0, 16).map(lambda k: 2**k), st.integers(0, GOOD_STEPS - 1))


@settings(max_examples=100, deadline=None)
@given(state=states, events=runs)
def test_it_falls_at_once_and_rises_after_good_steps(testing_library, state, events):
    assert run(testing_library, state, events) == model(state, events)


@settings(max_examples=50, deadline=None)
@given(state=states, before=runs, after=runs)
def test_a_journalled_scale_goes_on_as_if_never_interrupted(testing_library, state, before, after):
    whole = run(testing_library, state, before + after)
    middle = run(testing_library, state, before)[-1] if before else state
    assert whole[len(before) :] == run(testing_library, middle, after)


@pytest.mark.parametrize(
    "state", [(0, 0), (-2, 0), (3, 0), (1000, 0), (2**17, 0), (2**62, 0), (1024, -1), (1024, 200), (-(2**63), 0)]
)
def test_a_state_that_cannot_be_is_refused(testing_library, state):
    with pytest.raises(ValueError, match="cannot be") as caught:
        run(testing_library, state, "s")
    assert caught.value.args[0] == CORRUPT

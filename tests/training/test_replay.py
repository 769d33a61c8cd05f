"""The replay beside the plain reading of its definition: a list of everything that was played."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from hypothesis import given, settings
from hypothesis import strategies as st

from atari.games import Games
from atari.replay import Replay
from dqn2snn.errors import ArgumentError

HISTORY, GAMMA = 4, 0.5  # powers of which, times small whole rewards, are exact


@dataclass(frozen=True)
class Step:
    """One step of one game."""

    stack: np.ndarray
    action: int
    reward: int
    terminal: bool
    over: bool


def play(flags: list[list[str]], rng: np.random.Generator) -> list[list[Step]]:
    """Games, each a list of steps; the stacks are made as ale-py makes them, from zeros at the start of a game."""
    games = []
    for ends in flags:
        steps, stack = [], np.zeros((HISTORY, 1, 2), np.uint8)
        for end in ends:
            stack = np.concatenate([stack[1:], rng.integers(1, 256, (1, 1, 2), np.uint8)])
            reward, action = int(rng.integers(-3, 4)), int(rng.integers(6))
            over = end in ("game", "limit")
            steps.append(Step(stack, action, reward, end in ("game", "life"), over))
            stack = np.zeros_like(stack) if over else stack
        games.append(steps)
    return games


def fill(games: list[list[Step]], slots: int, n_step: int, priority_exponent: float = 0.0) -> Replay:
    replay = Replay(slots, (HISTORY, 1, 2), len(games), n_step, GAMMA, priority_exponent)
    for row in zip(*games, strict=True):
        replay.add(
            np.stack([step.stack for step in row]),
            np.array([step.action for step in row]),
            np.array([float(step.reward) for step in row]),
            terminal=np.array([step.terminal for step in row]),
            over=np.array([step.over for step in row]),
        )
    return replay


def transition(steps: list[Step], t: int, n_step: int) -> tuple[bytes, int, float, float, bytes] | None:
    """What a sample at a time must be; none where a limit of time cuts the window."""
    total, discount = 0.0, 1.0
    for step in steps[t : t + n_step]:
        total += discount * step.reward
        discount *= GAMMA
        if step.terminal:
            return steps[t].stack.tobytes(), steps[t].action, total, 0.0, b""
        if step.over:
            return None
    return steps[t].stack.tobytes(), steps[t].action, total, discount, steps[t + n_step].stack.tobytes()


def allowed(games: list[list[Step]], slots: int, n_step: int) -> set[tuple[bytes, int, float, float, bytes]]:
    """All transitions of which every frame is in the ring."""
    length = len(games[0])
    low = length - slots + HISTORY - 1 if length > slots else 0
    found = (transition(steps, t, n_step) for steps in games for t in range(low, length - n_step))
    return {one for one in found if one is not None}


def drawn(replay: Replay, count: int, seed: int) -> set[tuple[bytes, int, float, float, bytes]]:
    batch = replay.sample(count, np.random.default_rng(seed))
    return {
        (
            batch.observations[i].numpy().tobytes(),
            int(batch.actions[i]),
            float(batch.returns[i]),
            float(batch.discounts[i]),
            batch.next_observations[i].numpy().tobytes() if batch.discounts[i] else b"",
        )
        for i in range(count)
    }


@given(st.data())
@settings(max_examples=60)
def test_samples_are_the_transitions_of_the_definition_and_all_of_them(data: st.DataObject) -> None:
    n_step, num_envs = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    slots, length = data.draw(st.integers(n_step + HISTORY, 20)), data.draw(st.integers(1, 50))
    ends = st.sampled_from(["no", "no", "no", "no", "life", "game", "limit"])
    flags = [data.draw(st.lists(ends, min_size=length, max_size=length)) for _ in range(num_envs)]
    seed = data.draw(st.integers(0, 2**32))
    games = play(flags, np.random.default_rng(seed))
    replay, expected = fill(games, slots, n_step), allowed(games, slots, n_step)
    assert len(replay) == min(slots, length) * num_envs
    if expected:
        # At most 3 x 20 transitions: that 4,000 draws miss one has a probability of 60 (59/60)^4000 < 1e-27.
        assert drawn(replay, 4_000, seed) == expected
    else:
        with pytest.raises(ArgumentError, match="Found none in"):
            replay.sample(1, np.random.default_rng(seed))


@given(st.data())
@settings(max_examples=60)
def test_priorities_say_how_often_transitions_are_drawn(data: st.DataObject) -> None:
    """Rare ones are drawn as often as their losses say, also after the ring has come round."""
    n_step, num_envs = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    slots, length = data.draw(st.integers(n_step + HISTORY, 9)), data.draw(st.integers(10, 30))
    seed = data.draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    games = play([["no"] * length] * num_envs, rng)
    replay = fill(games, slots, n_step, priority_exponent=0.5)
    places = np.unique(replay.sample(2_000, rng).places)
    losses = rng.integers(1, 5, len(places)).astype(float) ** 2
    replay.prioritize(places, losses)
    batch = replay.sample(20_000, rng)
    found = (batch.places[:, None] == places).mean(0)
    expected = losses**0.5 / (losses**0.5).sum()
    assert len(places) == len(allowed(games, slots, n_step))
    assert np.isclose(found.sum(), 1)
    np.testing.assert_allclose(found, expected, atol=6 * np.sqrt(0.25 / 20_000))  # six standard deviations
    # The weights undo half of it: a transition that is drawn k times as often as another counts k^-1/2 as much.
    drawn = losses[np.searchsorted(places, batch.places)]
    np.testing.assert_allclose(batch.weights, (drawn / drawn.min()) ** -0.25, rtol=1e-6)


def test_what_was_just_played_has_the_highest_priority_so_far() -> None:
    games = play([["no"] * 30], np.random.default_rng(0))
    replay = fill(games, slots=16, n_step=1, priority_exponent=1.0)
    rng, no = np.random.default_rng(1), np.array([False])
    replay.prioritize(np.unique(replay.sample(1_000, rng).places), np.full(12, 2.0**20))
    replay.prioritize(np.unique(replay.sample(1_000, rng).places), np.full(12, 1.0))
    replay.add(np.zeros((1, HISTORY, 1, 2), np.uint8), np.array([0]), np.array([7.0]), terminal=no, over=no)
    replay.add(np.zeros((1, HISTORY, 1, 2), np.uint8), np.array([0]), np.array([0.0]), terminal=no, over=no)
    newest = replay.sample(1_000, rng)
    assert set(newest.places) == {29 % 16, 30 % 16}


def test_each_transition_is_as_likely_as_any_other() -> None:
    games = play([["no"] * 30], np.random.default_rng(0))
    replay = fill(games, slots=16, n_step=2)
    rng, counts = np.random.default_rng(1), dict.fromkeys(range(14 + 3, 28), 0)
    times = {steps.stack.tobytes(): t for t, steps in enumerate(games[0])}
    for row in replay.sample(11_000, rng).observations:
        counts[times[row.numpy().tobytes()]] += 1
    assert len(counts) == 11
    assert max(abs(count - 1_000) for count in counts.values()) < 150  # five standard deviations


@pytest.mark.parametrize("game", ["Breakout", "Pong"])
def test_observations_are_those_of_the_game(game: str) -> None:
    """Breakout has lives and presses fire at the start; games that are cut off begin anew within the ring."""
    games, rng = Games(game, count=3, seed=4, max_frames=150), np.random.default_rng(0)
    replay = Replay(200, games.observations.shape[1:], 3, n_step=3, gamma=0.99)
    seen = set()
    begun = 0
    for _ in range(120):
        observations, actions = games.observations, rng.integers(games.num_actions, size=3)
        seen |= {stack.tobytes() for stack in observations}
        played = games.step(actions)
        replay.add(observations, actions, played.rewards, terminal=played.terminal, over=played.over)
        begun += int(played.over.sum())
    assert begun >= 6
    batch = replay.sample(2_000, rng)
    assert {row.numpy().tobytes() for row in batch.observations} <= seen
    following = batch.next_observations[batch.discounts > 0]
    assert {row.numpy().tobytes() for row in following} <= seen
    assert (batch.observations[:, :-1] == 0).flatten(1).all(1).any()  # beginnings are among them

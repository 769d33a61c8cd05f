"""Environments: gymnasium ids as they are, Atari and MinAtar games as a network wants them.

`make_env` is the one place where an id becomes an environment; `EnvSource` is what the playing functions
(`collect_observations`, `evaluate_policy`, `compare_policies`) accept in its stead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from dqn2snn._utils.atari import AtariProtocol, atari_protocol
from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError, EnvironmentMismatchError, MissingExtraError

if TYPE_CHECKING:
    import gymnasium

__all__ = ["AtariProtocol", "EnvSource", "atari_protocol", "check_env", "make_env"]

EnvSource: TypeAlias = "str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]]"
"""An environment id, one environment, or a function that makes environments."""

_Env = TypeVar("_Env", bound=EnvSource)

_CLASSIC = {
    "CartPole": ("left", "right"),
    "Acrobot": ("torque -1", "torque 0", "torque +1"),
    "MountainCar": ("left", "coast", "right"),
    "LunarLander": ("coast", "left", "main", "right"),
}
_MINATAR = {"n": "no-op", "l": "left", "u": "up", "r": "right", "d": "down", "f": "fire"}


class Spaces(NamedTuple):
    """Observations and actions of an environment, as far as a Q-network cares."""

    observation_shape: tuple[int, ...]
    num_actions: int


def make_env(env: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Make an environment that a Q-network can act in.

    Gymnasium environments come as registered, without gymnasium's per-step checker. MinAtar games
    (``"MinAtar/Freeway-v0"`` and its kin) come with channel-first float32 observations ``[C, 10, 10]``,
    sticky actions with probability 0.1, difficulty ramping, all six actions (``-v0``) and episodes of at most
    5000 steps; seeding them really repeats an episode, see `dqn2snn.play._minatar`.

    Atari games come with observations ``uint8 [4, 84, 84]``, as whole games with raw rewards and the minimal set of
    actions. The id says under which protocol: ``"RoadRunnerNoFrameskip-v4"`` is that of Tan et al. (2021),
    ``"ALE/RoadRunner-v5"``, with sticky actions, that of Machado et al. (2018); `atari_protocol` tells the details.

    Args:
        env: A registered gymnasium id.
        render_mode: Passed to gymnasium, ``"rgb_array"`` for pictures.

    Returns:
        The environment. Its observations are a ``Box``, its actions ``Discrete`` from 0.

    Raises:
        ArgumentError: If nothing is registered under the id.
        MissingExtraError: If gymnasium, minatar, ale-py or what the environment itself needs is not installed.

    Example:
        >>> env = make_env("MinAtar/Breakout-v0")
        >>> observation, _ = env.reset(seed=0)
        >>> observation.shape, str(observation.dtype)
        ((4, 10, 10), 'float32')
    """
    gym = require("gymnasium", extra="gym")
    try:
        # Deprecations here are not the caller's: Box2D's old SWIG types, and MinAtar's "v0", which gymnasium
        # takes for an older "v1" although it is the game with all six actions.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if env.startswith("MinAtar/"):
                made = _make_minatar(env, render_mode)
            elif atari_protocol(env) is not None:
                made = _make_atari(env, render_mode)
            else:
                made = gym.make(env, render_mode=render_mode, disable_env_checker=True)
    except gym.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"Expected all that {env} needs to be installed. {error}") from None
    except gym.error.Error as error:
        raise ArgumentError(
            f"Expected the id of a registered gymnasium environment. Found {env!r}: {error}"
        ) from None
    spaces_of(made)
    return made


def env_of(env: _Env | None, *policies: object) -> _Env | str:
    """The environment to play in: the one given, or else that of the first network which names one as `env_id`.

    Raises:
        ArgumentError: If there is none.

    Example:
        >>> env_of("CartPole-v1")
        'CartPole-v1'
        >>> env_of(None, lambda observations: observations)
        Traceback (most recent call last):
        ...
        dqn2snn.errors.ArgumentError: Expected an environment, since function has no env_id. Found env=None. Pass one, \
for instance env="CartPole-v1".
    """
    named = (getattr(policy, "env_id", None) for policy in policies)
    found = env if env is not None else next((name for name in named if name), None)
    if found is None:
        kinds = " and ".join(type(policy).__name__ for policy in policies)
        raise ArgumentError(
            f"Expected an environment, since {kinds} has no env_id. Found env=None. Pass one, for instance "
            'env="CartPole-v1".'
        )
    return found


def _make_minatar(env_id: str, render_mode: str | None) -> gymnasium.Env[Any, Any]:
    require("minatar", extra="gym")
    from dqn2snn.play import _minatar

    return _minatar.make(env_id, render_mode)


def _make_atari(env_id: str, render_mode: str | None) -> gymnasium.Env[Any, Any]:
    require("ale_py", extra="atari")
    from dqn2snn.play import _atari_env

    return _atari_env.make(env_id, render_mode)


def spaces_of(env: gymnasium.Env[Any, Any]) -> Spaces:
    """Return the observation shape and the number of actions of an environment.

    Args:
        env: Any gymnasium environment.

    Returns:
        The shape of one observation and the number of actions.

    Raises:
        EnvironmentMismatchError: If its observations are no ``Box`` or its actions not ``Discrete`` from 0.

    Example:
        >>> spaces_of(make_env("CartPole-v1"))
        Spaces(observation_shape=(4,), num_actions=2)
    """
    spaces = require("gymnasium", extra="gym").spaces
    if not isinstance(env.observation_space, spaces.Box):
        raise EnvironmentMismatchError(
            f"Expected Box observations, an array for the Q-network. Found {env.observation_space} in {env}. "
            "Wrap the environment with gymnasium.wrappers.FlattenObservation or your own encoding."
        )
    if not isinstance(env.action_space, spaces.Discrete) or env.action_space.start != 0:
        raise EnvironmentMismatchError(
            f"Expected Discrete actions 0, 1, ..., one for each Q-value. Found {env.action_space} in {env}. "
            "A deep Q-network needs a finite set of actions: wrap the environment so that it has one."
        )
    return Spaces(tuple(env.observation_space.shape), int(env.action_space.n))


def check_env(env: gymnasium.Env[Any, Any], observation_shape: Sequence[int], num_actions: int) -> None:
    """Refuse an environment that does not fit a network.

    Args:
        env: The environment in which the network is to act.
        observation_shape: Shape of one observation that the network takes, without the batch.
        num_actions: Number of Q-values that the network gives.

    Raises:
        EnvironmentMismatchError: If the two differ; the message names what does.

    Example:
        >>> check_env(make_env("CartPole-v1"), (4,), 2)
        >>> check_env(make_env("Acrobot-v1"), (4,), 2)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.EnvironmentMismatchError: Expected observations of shape (4,), ... Found shape (6,) ...
    """
    expected, found = Spaces(tuple(observation_shape), num_actions), spaces_of(env)
    if found.observation_shape != expected.observation_shape:
        raise EnvironmentMismatchError(
            f"Expected observations of shape {expected.observation_shape}, which the network takes. "
            f"Found shape {found.observation_shape} in {env}. "
            "Use the environment, and the wrappers, that the network was trained with."
        )
    if found.num_actions != expected.num_actions:
        raise EnvironmentMismatchError(
            f"Expected {expected.num_actions} actions, one for each Q-value of the network. "
            f"Found {found.num_actions} in {env}. "
            "Use the environment, with the same action set, that the network was trained with."
        )


def action_names(env: gymnasium.Env[Any, Any]) -> tuple[str, ...]:
    """Name the actions of an environment, by their numbers where nothing better is known.

    Args:
        env: An environment with ``Discrete`` actions.

    Returns:
        One name an action.

    Example:
        >>> action_names(make_env("MinAtar/Freeway-v1"))
        ('no-op', 'up', 'down')
    """
    inner: Any = env.unwrapped
    if hasattr(inner, "get_action_meanings"):  # Atari
        return tuple(name.lower() for name in inner.get_action_meanings())
    if hasattr(inner, "game") and hasattr(inner, "action_set"):  # MinAtar
        return tuple(_MINATAR[inner.game.env.action_map[action]] for action in inner.action_set)
    name = env.spec.name if env.spec is not None else ""
    return _CLASSIC.get(name) or tuple(str(action) for action in range(spaces_of(env).num_actions))

"""The model card of an agent: prose and tables rendered from its configuration, nothing typed by hand."""

from __future__ import annotations

import json
from typing import Any

from dqn2snn._utils.atari import atari_protocol, game_of
from dqn2snn.io.zoo._config import AgentConfig, Score, Training
from dqn2snn.io.zoo._references import human_normalised, reference_of


def render_card(config: AgentConfig) -> str:
    """Render the model card, with the header that the Hugging Face Hub reads.

    Args:
        config: The configuration of an agent.

    Returns:
        Markdown with a YAML header.

    Example:
        >>> import dqn2snn
        >>> print(render_card(dqn2snn.load_q_network("cartpole").config).splitlines()[1])
        license: mit
    """
    sections = (
        _header(config),
        f"# {config['name']}: a deep Q-network for {config['env_id']}",
        _summary(config),
        "## Score\n\n" + "\n\n".join(_scores(config)),
        "## Training\n\n" + "\n\n".join(_trainings(config)),
        "## Use\n\n" + _use(config["name"]),
        "## Limitations\n\n" + (config["limitations"] or "None known beyond the score above."),
        f"## Licence\n\n{config['license']}, as dqn2snn itself.",
    )
    return "\n\n".join(sections) + "\n"


def _header(config: AgentConfig) -> str:
    evaluation, env_id = config["evaluation"], config["env_id"]
    reward = f"{evaluation['mean']:.2f} +/- {evaluation['std']:.2f}"
    return f"""---
license: {config["license"].lower()}
library_name: dqn2snn
tags: [{env_id}, deep-reinforcement-learning, reinforcement-learning, dqn, spiking-neural-network]
model-index:
- name: {config["name"]}
  results:
  - task: {{type: reinforcement-learning, name: reinforcement-learning}}
    dataset: {{name: {env_id}, type: {env_id}}}
    metrics:
    - {{type: mean_reward, value: {reward}, name: mean_reward}}
---"""


def _summary(config: AgentConfig) -> str:
    layers = ", ".join(" ".join(str(part) for part in layer) for layer in config["layers"])
    shape = ", ".join(map(str, config["observation_shape"]))
    return (
        _protocol(config["env_id"])
        + "A plain ReLU network without normalisation layers, ready to be converted to spiking neurons. "
        f"It takes observations `[B, {shape}]` and gives {config['num_actions']} Q-values.\n\n"
        f"Layers: {layers}.{_actions(config)}"
    )


def _protocol(env_id: str) -> str:
    protocol = atari_protocol(env_id)
    return "" if protocol is None else f"Played under {protocol.describe()}.\n\n"


def _actions(config: AgentConfig) -> str:
    names = config.get("action_names")
    return f"\n\nActions: {', '.join(names)}." if names else ""


def _scores(config: AgentConfig) -> list[str]:
    rounded = "Scored after the weights were rounded to half precision, as they are in `weights.safetensors`."
    first = f"{_score(config['evaluation'])} {rounded}"
    return [first, *map(_score, config.get("also_evaluated", [])), *_reference(config)]


def _reference(config: AgentConfig) -> list[str]:
    game, reference = game_of(config["env_id"]), reference_of(config["env_id"])
    if game is None or reference is None:
        return []
    random, human = reference
    share = human_normalised(game, config["evaluation"]["mean"])
    return [
        f"Random play scores {random:g}, a human {human:g} (Wang et al., 2016), which makes the first mean "
        f"{100 * share:.0f} % of the way from the one to the other."
    ]


def _trainings(config: AgentConfig) -> list[str]:
    curve = config.get("learning_curve")
    return [_training(config["training"]), *([f"Learning curve: `{curve}`."] if curve else [])]


def _score(evaluation: Score) -> str:
    low, high = evaluation["ci95"]
    returns = evaluation["returns"]
    limit = "" if evaluation["max_steps"] is None else f", at most {evaluation['max_steps']} steps each"
    policy = "greedy" if evaluation["epsilon"] == 0 else f"epsilon {evaluation['epsilon']:g}"
    return (
        f"Mean return **{evaluation['mean']:.1f}**, 95 % interval [{low:.1f}, {high:.1f}], "
        f"over {evaluation['episodes']} episodes ({policy}, seeds from {evaluation['seed']}{limit}). "
        f"Standard deviation {evaluation['std']:.1f}, least {min(returns):g}, greatest {max(returns):g}."
    )


def _training(training: Training) -> str:
    wall = training["wall_seconds"]
    rows: dict[str, Any] = {
        "Algorithm": training["algorithm"],
        "Library": training["library"],
        "Environment steps": f"{training['total_steps']:,}",
        "Wall time": "not recorded" if wall is None else f"{wall:.0f} s",
        "Seed": "not recorded" if training["seed"] is None else training["seed"],
    } | {f"`{key}`": f"`{json.dumps(value)}`" for key, value in training["hyperparameters"].items()}
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _use(name: str) -> str:
    return f"""```python
import dqn2snn

dqn = dqn2snn.load_q_network("{name}")  # or the directory of your own
observations = dqn2snn.collect_observations(dqn, 5_000, seed=0)
snn = dqn2snn.convert(dqn, observations)
```"""

"""The model card of a shared network: rendered from plan and configuration, nothing typed by hand."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from dqn2snn.plan import SpikingPlan


def render_card(plan: SpikingPlan, config: Mapping[str, Any]) -> str:
    """Render the card, with the header that the Hugging Face Hub reads.

    Args:
        plan: The spiking network.
        config: Its ``config.json``.

    Returns:
        str: Markdown with a YAML header.
    """
    env_id = config["env_id"]
    title = f"# A spiking Q-network{'' if env_id is None else f' for {env_id}'}"
    parts = [_header(plan, config), title, _summary(plan, config)]
    if config["comparison"] is not None:
        parts += ["## Beside its DQN", _comparison(plan, config["comparison"])]
    parts += ["## Network", f"```text\n{plan.summary()}\n```", "## Use", _use(config)]
    parts += ["## Made with", ", ".join(f"{name} {version}" for name, version in config["versions"].items())]
    return "\n\n".join(parts) + "\n"


def _header(plan: SpikingPlan, config: Mapping[str, Any]) -> str:
    env_id, comparison = config["env_id"], config["comparison"]
    lines = [
        "---",
        *([f"license: {config['license']}"] if config["license"] else []),
        "library_name: dqn2snn",
    ]
    tags = ["deep-reinforcement-learning", "reinforcement-learning", "spiking-neural-network", "neuromorphic"]
    lines.append(f"tags: [{', '.join([*([env_id] if env_id else []), *tags])}]")
    if env_id and comparison:
        returns = comparison["snn"]["returns"]
        score, spread = statistics.fmean(returns), statistics.pstdev(returns)
        lines += [
            "model-index:",
            f"- name: {plan.recipe}, T = {plan.num_steps}",
            "  results:",
            "  - task: {type: reinforcement-learning, name: reinforcement-learning}",
            f"    dataset: {{name: {env_id}, type: {env_id}}}",
            "    metrics:",
            f"    - {{type: mean_reward, value: {score:.2f} +/- {spread:.2f}, name: mean_reward}}",
            f"    - {{type: action_agreement, value: {comparison['agreement']['mean']:.4f}, name: action agreement}}",
        ]
    return "\n".join([*lines, "---"])


def _summary(plan: SpikingPlan, config: Mapping[str, Any]) -> str:
    rows = {
        "Recipe": f"`{plan.recipe}` ({plan.reference})",
        "Time steps of a decision": plan.num_steps,
        "Spikes": plan.spikes_kind + (", state kept between decisions" if plan.stateful else ""),
        "Neurons of": config["backend"],
        "Observations": config["preprocessing"]
        or f"`[B, {', '.join(map(str, plan.input_shape))}]`, as its DQN sees them",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    made = "Converted from a trained deep Q-network by [dqn2snn](https://pypi.org/project/dqn2snn), without training."
    return "\n".join([made, "", "| | |", "| --- | --- |", *lines])


def _comparison(plan: SpikingPlan, found: Mapping[str, Any]) -> str:
    snn = found["snn"]
    rows = [
        ("mean return of the DQN", _interval(found["dqn"]["interval"])),
        ("mean return of the spiking network", _interval(snn["interval"])),
        ("difference, paired", _interval(found["difference"])),
        (f"same action, T = {plan.num_steps}", _percent(found["agreement"])),
        ("same action by spike counts", _percent(found["spike_count_agreement"])),
        ("same action, weighed by what hangs on it", _percent(found["gap_weighted_agreement"])),
    ]
    limit = "" if snn["max_episode_steps"] is None else f" of at most {snn['max_episode_steps']} steps"
    text = (
        f"The same {len(snn['returns'])} episodes{limit} for both, with seeds from {snn['seed']} and epsilon "
        f"{snn['epsilon']:g}. Square brackets are 95 % intervals."
    )
    return "\n".join(
        [text, "", "| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows if value)]
    )


def _interval(interval: Mapping[str, Any], scale: float = 1.0, unit: str = "") -> str:
    low, high = interval["low"], interval["high"]
    ends = "" if low is None or high is None else f" [{scale * low:.2f}, {scale * high:.2f}]"
    return f"{scale * interval['mean']:.2f}{ends}{unit}"


def _percent(interval: Mapping[str, Any] | None) -> str:
    return "" if interval is None else _interval(interval, 100, " %")


def _use(config: Mapping[str, Any]) -> str:
    play = ""
    if config["env_id"] is not None:
        play = "\nprint(dqn2snn.evaluate_policy(snn, episodes=10).interval)"
    return f"""```python
import dqn2snn

# Its `network` is made of {config["backend"]} neurons.
snn = dqn2snn.SpikingQNetwork.from_pretrained("directory or user/name"){play}
```"""

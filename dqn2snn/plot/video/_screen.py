"""One frame of a video: the game, the spikes of the decision, and what both networks make of each action.

Drawn with numpy and Pillow: a matplotlib figure for each frame would take a minute for ten seconds of video.
Imported only when a video is made.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dqn2snn.plot._style import layer_label
from dqn2snn.plot.video._layout import (
    ALARM,
    BAND_GAP,
    DQN,
    FAINT,
    GAME_LEFT,
    GAME_SIZE,
    GAME_TOP,
    GROUND,
    HEIGHT,
    INK,
    LABEL_WIDTH,
    PAPER,
    RIGHT,
    RIGHT_WIDTH,
    SNN,
    SPIKES_HEIGHT,
    SPIKES_TOP,
    VALUES_HEIGHT,
    VALUES_TOP,
    WIDTH,
    Colour,
)
from dqn2snn.plot.video._scene import Decision, Scene


def draw(scene: Scene, index: int) -> Image.Image:
    """Draw one decision.

    Args:
        scene: The whole video.
        index: Which decision.

    Returns:
        An RGB image of 640 x 352 pixels.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    decision = scene.decisions[index]
    _write(image, GAME_LEFT, 18, scene.title, size=15 if len(scene.title) <= 20 else 12)
    _write(
        image,
        GAME_LEFT + GAME_SIZE,
        18,
        f"step {index + 1}   return {decision.total_reward:.4g}",
        FAINT,
        "right",
    )
    _draw_verdict(image, pen, scene, decision)
    _draw_game(image, pen, decision)
    _draw_spikes(image, scene, decision)
    _draw_values(image, pen, scene, decision)
    _draw_time_line(pen, scene, index)
    return image


def _write(
    image: Image.Image,
    x: float,
    y: float,
    text: str,
    colour: Colour = INK,
    anchor: Literal["left", "middle", "right"] = "left",
    size: int = 12,
) -> None:
    mask = _lettering(text, size)
    shift = {"left": 0, "middle": mask.width // 2, "right": mask.width}[anchor]
    image.paste(colour, (round(x) - shift, round(y) - mask.height // 2), mask)


@lru_cache(maxsize=1024)
def _lettering(text: str, size: int) -> Image.Image:
    """Letters as a mask, drawn large and then reduced: at their own size Pillow puts them on whole pixels."""
    font = ImageFont.load_default(4 * size)
    width, height = math.ceil(font.getlength(text) / 4) + 1, size + 4
    mask = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(mask).text((0, 2 * height), text, 255, font, anchor="lm")
    return mask.resize((width, height), Image.Resampling.BOX)


def _draw_verdict(image: Image.Image, pen: ImageDraw.ImageDraw, scene: Scene, decision: Decision) -> None:
    if decision.q_dqn is None:
        return
    if decision.differs:
        name = scene.action_names[int(decision.q_dqn.argmax())]
        pen.rounded_rectangle((RIGHT, 8, RIGHT + RIGHT_WIDTH - 1, 27), 4, fill=ALARM)
        _write(image, RIGHT + 8, 18, f"the DQN would choose: {name}", PAPER)
    else:
        _write(image, RIGHT, 18, "the DQN would do the same", FAINT)


def _draw_game(image: Image.Image, pen: ImageDraw.ImageDraw, decision: Decision) -> None:
    box = (GAME_LEFT, GAME_TOP, GAME_LEFT + GAME_SIZE - 1, GAME_TOP + GAME_SIZE - 1)
    pen.rectangle(box, outline=GROUND)
    left = GAME_LEFT + (GAME_SIZE - decision.game.width) // 2
    image.paste(decision.game, (left, GAME_TOP + (GAME_SIZE - decision.game.height) // 2))
    if decision.differs:
        pen.rectangle(box, outline=ALARM, width=3)


def _draw_spikes(image: Image.Image, scene: Scene, decision: Decision) -> None:
    _write(image, RIGHT, SPIKES_TOP - 11, f"spikes of this decision in {scene.num_steps} time steps")
    band = SPIKES_HEIGHT // len(scene.layers)
    size = (RIGHT_WIDTH - LABEL_WIDTH, band - BAND_GAP)
    for row, ((name, num_neurons), spikes) in enumerate(zip(scene.layers, decision.spikes, strict=True)):
        top = SPIKES_TOP + row * band
        # Where rows are fewer than actions, the nearest row.
        place = decision.q_snn.argmax() * (len(spikes) - 1) / max(1, num_neurons - 1)
        chosen = round(place) if row == len(scene.layers) - 1 else None
        image.paste(_raster(spikes, size, chosen), (RIGHT + LABEL_WIDTH, top))
        middle = top + size[1] // 2
        label = layer_label(name)
        _write(image, RIGHT, middle - 7, label if len(label) < 12 else f"{label[:10]}…")
        _write(image, RIGHT, middle + 7, f"{num_neurons:,}", FAINT)


def _raster(spikes: NDArray[np.float32], size: tuple[int, int], chosen: int | None) -> Image.Image:
    # Rates are low: the square root lets a single spike be seen where several steps share a column.
    shade = np.sqrt(spikes)[:, :, None]
    ink = np.broadcast_to(np.array(INK), (len(spikes), 1, 3)).copy()
    if chosen is not None:
        ink[chosen] = SNN
    picture = ((1 - shade) * GROUND + shade * ink).astype(np.uint8)
    raster = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
    if len(spikes) <= size[1] // 5:
        pen = ImageDraw.Draw(raster)
        for row in range(1, len(spikes)):
            y = row * size[1] // len(spikes)
            pen.line((0, y, size[0], y), fill=GROUND)
    return raster


def _draw_values(image: Image.Image, pen: ImageDraw.ImageDraw, scene: Scene, decision: Decision) -> None:
    _write(image, RIGHT, VALUES_TOP - 14, "Q-values less their mean")
    _draw_key(image, pen, RIGHT + RIGHT_WIDTH - 92, "SNN", SNN)
    if decision.q_dqn is not None:
        _draw_key(image, pen, RIGHT + RIGHT_WIDTH - 42, "DQN", DQN)
    slot = RIGHT_WIDTH / len(scene.action_names)
    zero, half = VALUES_TOP + VALUES_HEIGHT // 2, VALUES_HEIGHT // 2
    chosen = RIGHT + decision.q_snn.argmax() * slot
    pen.rectangle((chosen, VALUES_TOP - 3, chosen + slot - 1, VALUES_TOP + VALUES_HEIGHT + 18), fill=GROUND)
    pen.line((RIGHT, zero, RIGHT + RIGHT_WIDTH - 1, zero), fill=FAINT)
    bars = [
        (q - q.mean(), colour)
        for q, colour in ((decision.q_snn, SNN), (decision.q_dqn, DQN))
        if q is not None
    ]
    width = min(18.0, slot / 3)
    for action in range(len(scene.action_names)):
        middle = RIGHT + (action + 0.5) * slot
        for place, (q, colour) in enumerate(bars):
            left = middle + (place - len(bars) / 2) * width
            end = zero - min(1.0, max(-1.0, q[action] / scene.q_range)) * half
            right = left + max(0.0, width - 2)
            pen.rectangle((left, min(zero, end), right, max(zero, end)), fill=colour)
    _write_names(image, scene.action_names, decision.action)


def _write_names(image: Image.Image, names: tuple[str, ...], taken: int) -> None:
    """All actions, or where there is no room for them, as in Atari, the one that was taken."""
    slot = RIGHT_WIDTH / len(names)
    widths = [_lettering(name, 12).width for name in names]
    crowded = max(widths) > slot
    for action, (name, width) in enumerate(zip(names, widths, strict=True)):
        if action == taken or not crowded:
            middle = RIGHT + (action + 0.5) * slot
            inside = min(max(middle, RIGHT + width / 2), RIGHT + RIGHT_WIDTH - width / 2)
            colour = INK if action == taken else FAINT
            _write(image, inside, VALUES_TOP + VALUES_HEIGHT + 9, name, colour, "middle")


def _draw_key(image: Image.Image, pen: ImageDraw.ImageDraw, x: float, text: str, colour: Colour) -> None:
    pen.rectangle((x, VALUES_TOP - 18, x + 8, VALUES_TOP - 10), fill=colour)
    _write(image, x + 13, VALUES_TOP - 14, text)


def _draw_time_line(pen: ImageDraw.ImageDraw, scene: Scene, index: int) -> None:
    """The part played so far, and where in it the networks differed."""
    width, count = WIDTH - 2 * GAME_LEFT, len(scene.decisions)
    top = HEIGHT - 14
    pen.rectangle((GAME_LEFT, top, GAME_LEFT + width, top + 6), fill=GROUND)
    pen.rectangle((GAME_LEFT, top, GAME_LEFT + width * (index + 1) / count, top + 6), fill=DQN)
    for difference in scene.differences:
        if difference <= index:
            x = GAME_LEFT + width * (difference + 0.5) / count
            pen.rectangle((x - 1, top - 2, x + 1, top + 8), fill=ALARM)

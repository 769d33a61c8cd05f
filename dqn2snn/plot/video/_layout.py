"""Where things stand in a frame, in pixels, and their colours."""

from __future__ import annotations

Colour = tuple[int, int, int]

WIDTH, HEIGHT = 640, 352  # multiples of 16, which video codecs want
GAME_SIZE = 286
GAME_LEFT, GAME_TOP = 12, 36
RIGHT, RIGHT_WIDTH = 316, 312
SPIKES_TOP, SPIKES_HEIGHT = 52, 148
VALUES_TOP, VALUES_HEIGHT = 228, 78
LABEL_WIDTH = 76
BAND_GAP = 4

PAPER: Colour = (255, 255, 255)
INK: Colour = (34, 49, 63)
FAINT: Colour = (118, 130, 142)
GROUND: Colour = (240, 242, 245)
SNN: Colour = (0, 114, 178)
DQN: Colour = (168, 176, 184)
ALARM: Colour = (213, 94, 0)
COLOURS = (PAPER, INK, FAINT, GROUND, SNN, DQN, ALARM)

"""Frames into a file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError, MissingExtraError
from dqn2snn.plot.video._layout import COLOURS

if TYPE_CHECKING:
    from PIL import Image

GIF_BYTES = 2_000_000
"""GIFs are kept below this, so that a page that shows one still loads."""


def check_writable(path: Path) -> None:
    """Refuse a path before an episode is played for it.

    Args:
        path: Where a video is to be saved.

    Raises:
        ArgumentError: If the format is unknown or the directory does not exist.
        MissingExtraError: If what writes the format is not installed.
    """
    if path.suffix not in (".gif", ".mp4"):
        raise ArgumentError(
            f"Expected a path that ends in .gif or .mp4. Found {str(path)!r}. Use .gif for a README."
        )
    if not path.parent.is_dir():
        raise ArgumentError(
            f"Expected an existing directory. Found none at {str(path.parent)!r}. Make it first."
        )
    require("PIL", extra="video")
    if path.suffix == ".mp4":
        require("imageio", extra="video")
        try:
            require("imageio_ffmpeg", extra="video")
        except MissingExtraError:
            # Its 165 MB of ffmpeg are not in the extra, since most want the GIF.
            raise MissingExtraError(
                "imageio-ffmpeg is not installed. Run: pip install imageio-ffmpeg, or save a .gif instead."
            ) from None


def write(path: Path, draw: Callable[[int], Image.Image], count: int, fps: int) -> None:
    """Save frames as GIF or MP4; what was at the path stays until the new file is complete.

    Args:
        path: A path that `check_writable` let pass.
        draw: Draws frame 0, 1, ... as an RGB image, all of one size. It may be asked more than once for a frame.
        count: Number of frames.
        fps: Frames a second.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        if path.suffix == ".gif":
            _write_gif(part, draw, count, fps)
        else:
            _write_mp4(part, draw, count, fps)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write_gif(path: Path, draw: Callable[[int], Image.Image], count: int, fps: int) -> None:
    from PIL import Image

    palette = _common_palette([draw(index) for index in range(0, count, 1 + count // 12)])
    frames = [draw(index).quantize(palette=palette, dither=Image.Dither.NONE) for index in range(count)]
    for stride in range(1, count + 1):
        first, *rest = frames[::stride]
        first.save(path, save_all=True, append_images=rest, duration=round(1000 * stride / fps), loop=0)
        if path.stat().st_size < GIF_BYTES:
            return


def _common_palette(sample: Sequence[Image.Image]) -> Image.Image:
    """Make one palette for all frames: with their own, they would flicker and take more room."""
    from PIL import Image

    sheet = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for row, frame in enumerate(sample):
        sheet.paste(frame, (0, row * frame.height))
    common = sheet.quantize(64).getpalette() or []
    palette = Image.new("P", (1, 1))
    # The colours with a meaning come first, so that none of them is lost to one that is merely frequent.
    palette.putpalette([*(part for colour in COLOURS for part in colour), *common])
    return palette


def _write_mp4(path: Path, draw: Callable[[int], Image.Image], count: int, fps: int) -> None:
    with require("imageio.v2", extra="video").get_writer(path, fps=fps) as video:
        for index in range(count):
            video.append_data(np.asarray(draw(index)))

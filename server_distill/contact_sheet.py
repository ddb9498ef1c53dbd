"""Sheets: labelled grids of pictures, for people who would rather look than read."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 6
LINE = 13


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    output: Path,
    captions: Sequence[Sequence[str]] | None = None,
    row_titles: Sequence[str] | None = None,
    cell: int = 128,
) -> None:
    """Write a PNG grid of uint8 pictures (H, W, 3), each with its caption below and an optional title
    above each row.
    """
    columns = max(len(row) for row in rows)
    font = ImageFont.load_default(size=11)
    title_font = ImageFont.load_default(size=15)
    wrap = max(8, cell // 6)
    caption_lines = [max((len(textwrap.wrap(t, wrap)) for t in row), default=0) for row in captions or [[]] * len(rows)]
    title_height = 24 if row_titles else 0
    heights = [title_height + cell + lines * LINE + MARGIN for lines in caption_lines]
    sheet = Image.new("RGB", (columns * (cell + MARGIN) + MARGIN, sum(heights) + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for r, row in enumerate(rows):
        if row_titles:
            draw.text((MARGIN, top), row_titles[r], fill="black", font=title_font)
        for c, picture in enumerate(row):
            left = MARGIN + c * (cell + MARGIN)
            image = Image.fromarray(picture)
            if image.size != (cell, cell):
                image = image.resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(image, (left, top + title_height))
            if captions and c < len(captions[r]):
                text = "\n".join(textwrap.wrap(captions[r][c], wrap))
                draw.multiline_text((left, top + title_height + cell + 1), text, fill="black", font=font, spacing=1)
        top += heights[r]
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output)

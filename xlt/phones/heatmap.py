"""A square heatmap as PNG, by pillow: its own font, so the same picture everywhere."""

from __future__ import annotations

from pathlib import Path

_CELL, _LEFT, _TOP = 64, 90, 80  # pixels
_LOW, _HIGH = (255, 250, 235), (20, 90, 150)  # colours of the lowest and the highest value


def draw(title: str, names: list[str], cells: dict[tuple[str, str], float], path: Path) -> None:
    """Write ``{(row, column): value}`` to ``path``; colours go from the lowest value to the highest."""
    from PIL import Image, ImageDraw, ImageFont

    head, font = ImageFont.load_default(18), ImageFont.load_default(16)
    width = max(_LEFT + _CELL * len(names) + 20, round(head.getlength(title)) + 40)
    image = Image.new("RGB", (width, _TOP + _CELL * len(names) + 20), "white")
    canvas = ImageDraw.Draw(image)
    canvas.text((20, 14), title, font=head, fill="black")
    low, high = min(cells.values()), max(cells.values())
    for k, name in enumerate(names):
        middle = _CELL * k + _CELL / 2
        canvas.text((_LEFT + middle, _TOP - 12), name, font=font, fill="black", anchor="ms")
        canvas.text((_LEFT - 12, _TOP + middle), name, font=font, fill="black", anchor="rm")
    for (row, column), value in cells.items():
        x, y = _LEFT + _CELL * names.index(column), _TOP + _CELL * names.index(row)
        share = (value - low) / (high - low) if high > low else 1.0
        colour = tuple(round(a + (b - a) * share) for a, b in zip(_LOW, _HIGH, strict=True))
        canvas.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=colour)
        canvas.text(
            (x + _CELL / 2 - 1, y + _CELL / 2),
            f"{value:.0f}",
            font=font,
            anchor="mm",
            fill="white" if share > 0.55 else "black",
        )
    image.save(path, format="PNG")

#!/usr/bin/env python3
"""Draws docs/mask.svg: three ways to drop, and a brick. `python3 examples/mask_picture.py > docs/mask.svg`"""

from mask import mask

CELL, ROWS, COLUMNS, EXAMPLES = 9, 8, 16, 4
LEFT, TOP, ACROSS, DOWN = 108, 30, COLUMNS * CELL + 18, ROWS * CELL + 16
BRICK = "#c8642c"

parts = []


def text(x, y, content, look=""):
    parts.append(f'<text x="{x}" y="{y}"{look}>{content}</text>')


def cells(x, y, kept):
    for color, wanted in (("#2a7f9e", True), ("#d9e0e4", False)):
        square = f"h{CELL - 1}v{CELL - 1}h{1 - CELL}z"
        places = [(row, column) for row in range(ROWS) for column in range(COLUMNS) if kept(row, column) == wanted]
        path = "".join(f"M{x + column * CELL} {y + row * CELL}{square}" for row, column in places)
        parts.append(f'<path fill="{color}" d="{path}"/>')


def frame(x, y, rows, columns):
    size = f'width="{columns * CELL + 1}" height="{rows * CELL + 1}"'
    parts.append(f'<rect x="{x - 1}" y="{y - 1}" {size} fill="none" stroke="{BRICK}" stroke-width="2"/>')


own = mask(EXAMPLES, ROWS, COLUMNS, p=0.5, seed=7)
kinds = {
    "Dropout": lambda n: lambda row, column: own[n, row, 0],
    "Shared mask": lambda n: lambda row, column: own[0, row, column],
    "DropConnect": lambda n: lambda row, column: own[n, row, column],
}
for n in range(EXAMPLES):
    text(LEFT + n * ACROSS, TOP - 10, f"example {n + 1}")
for kind, (name, kept) in enumerate(kinds.items()):
    y = TOP + kind * DOWN
    text(0, y + ROWS * CELL / 2 + 4, name, ' class="name"')
    for n in range(EXAMPLES):
        cells(LEFT + n * ACROSS, y, kept(n))
        if name == "DropConnect":
            frame(LEFT + n * ACROSS, y, 4, 8)
bottom = TOP + 3 * DOWN + 6
text(LEFT, bottom, "outputs down, inputs across; dropped weights are pale")
brick = "a brick: 4 examples x 4 outputs x 8 inputs, 128 weights, one run of Philox"
text(LEFT, bottom + 18, brick, f' style="fill:{BRICK}"')

width, height = LEFT + EXAMPLES * ACROSS, bottom + 28
style = "text{font:12px system-ui,sans-serif;fill:#5a646c}.name{font-weight:600}"
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">')
print(f"<style>{style}</style>")
print("\n".join(parts))
print("</svg>")

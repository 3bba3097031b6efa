#!/usr/bin/env python3
"""Makes a picture (SVG) of a terminal's pane, as tmux prints it with its colours. So the README's picture is made:

    tmux new-session -d -s twinstorm -x 100 -y 32 'twinstorm run --devices 3000 --rate 200'
    sleep 16
    tmux capture-pane -t twinstorm -e -p | reports/samples/live/pane_svg.py > reports/samples/live/quickstart.svg
    tmux send-keys -t twinstorm q

Every run of cells is stretched to the width that it has on a grid, so that bars and columns stay where they are with
whatever font the viewer has.
"""

import re
import sys
import unicodedata
from html import escape

WIDTH, HEIGHT, MARGIN = 8.4, 17.0, 14.0
BACKGROUND, FOREGROUND = "#16181d", "#d7dae0"
COLORS = ["#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"]
SGR = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()].|[\x0e\x0f]")


class Pen:
    """How the next cells look."""

    def __init__(self):
        self.color, self.bold, self.dim = FOREGROUND, False, False

    def set(self, parameters):
        codes = [int(code or 0) for code in re.split("[;:]", parameters)]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.color = COLORS[code % 10]
            elif code == 38 and codes[:1] == [5]:
                self.color = COLORS[codes[1] % 8] if len(codes) > 1 and codes[1] < 16 else FOREGROUND
                del codes[:2]
            elif code == 39:
                self.color = FOREGROUND

    def style(self):
        weight = ' font-weight="bold"' if self.bold else ""
        opacity = ' opacity="0.55"' if self.dim else ""
        return f'fill="{self.color}"{weight}{opacity}'


def cells(text):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def runs(line, pen):
    """The pieces of a line that look the same: column, text, style."""
    column = at = 0
    for sequence in [*SGR.finditer(line), None]:
        text = line[at : sequence.start() if sequence else len(line)]
        for piece in re.finditer(r"\S+(?: \S+)*", text):
            yield column + cells(text[: piece.start()]), piece.group(), pen.style()
        column += cells(text)
        if sequence:
            at = sequence.end()
            if sequence.group(1) is not None:
                pen.set(sequence.group(1))


def svg(text):
    lines = text.rstrip("\n").split("\n")
    pen, parts, widest = Pen(), [], 0
    for row, line in enumerate(lines):
        for column, piece, style in runs(line, pen):
            widest = max(widest, column + cells(piece))
            x, y = MARGIN + column * WIDTH, MARGIN + (row + 0.78) * HEIGHT
            length = cells(piece) * WIDTH
            parts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs" {style}>'
                f"{escape(piece)}</text>"
            )
    width, height = widest * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" '
        f'font-size="14"><title>twinstorm while a run goes on</title>'
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
    )
    return "\n".join([head, *parts, "</svg>\n"])


if __name__ == "__main__":
    sys.stdout.write(svg(sys.stdin.read()))

"""Bars as SVG, on a ground of their own that follows the reader's light or dark: two small pictures need no library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH = 760
_STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, sans-serif } .ours { fill: #0969da }
  .other { fill: #8c959f } .mark { stroke: #bc4c00; stroke-dasharray: 4 3 } .axis { stroke: #8c959f } .said { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .ours { fill: #4493f8 } .other { fill: #7d8590 }
    .mark { stroke: #f0883e } .axis { stroke: #7d8590 } .said { fill: #f0883e }
  }
"""


def _picture(height: float, title: str, body: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
    ground = f'<rect class="ground" width="{WIDTH}" height="{height:g}" rx="6"/>'
    named = f'<text x="16" y="24" font-weight="600">{escape(title)}</text>'
    return "\n".join((head, f"<style>{_STYLE}</style>", ground, named, *body, "</svg>")) + "\n"


def bars(title: str, rows: Sequence[tuple[str, float, str]], ours: str) -> str:
    """A bar for each (name, value, what is said of it), the longest across; names that begin with `ours` stand out."""
    left, step, most = 230, 24, max(value for _, value, _ in rows)
    body = []
    for number, (name, value, said) in enumerate(rows):
        y, long = 44 + number * step, max(1.0, value / most * (WIDTH - left - 150))
        kind = "ours" if name.startswith(ours) else "other"
        body += [
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{left}" y="{y}" width="{long:.1f}" height="16"/>',
            f'<text x="{left + long + 6:.1f}" y="{y + 12}">{escape(said)}</text>',
        ]
    return _picture(44 + len(rows) * step + 12, title, body)


def histograms(title: str, panels: Sequence[tuple[str, Sequence[int], Sequence[tuple[str, float]]]], bin_ms: int) -> str:
    """A panel for each (name, counts of bins from 0 on, marks at ms), one below the other with one axis of time."""
    left, right, high, gap = 40, 44, 84, 40
    bins = max(len(counts) for _, counts, _ in panels)
    wide = (WIDTH - left - right) / bins
    body = []
    for number, (name, counts, marks) in enumerate(panels):
        base = 44 + number * (high + gap) + high + 14
        body.append(f'<text x="{left}" y="{base - high - 4}">{escape(name)}</text>')
        for place, count in enumerate(counts):
            x, tall = left + place * wide + 1, count / max(1, *counts) * (high - 28)  # above them the marks are named
            body += [f'<rect class="ours" x="{x:.1f}" y="{base - tall:.1f}" width="{wide - 2:.1f}" height="{tall:.1f}"/>']
        body.append(f'<line class="axis" x1="{left}" y1="{base}" x2="{WIDTH - right}" y2="{base}"/>')
        body += [
            f'<text x="{left + place * wide:.1f}" y="{base + 15}" text-anchor="middle">{place * bin_ms} ms</text>'
            for place in range(0, bins + 1, 4)
        ]
        for row, (said, at) in enumerate(marks):
            x = left + min(at / bin_ms, bins) * wide
            body += [
                f'<line class="mark" x1="{x:.1f}" y1="{base - high}" x2="{x:.1f}" y2="{base}"/>',
                f'<text class="said" x="{x + 4:.1f}" y="{base - high + 10 + 13 * row}">{escape(said)}</text>',
            ]
    return _picture(44 + len(panels) * (high + gap) + 16, title, body)

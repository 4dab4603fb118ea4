# SPDX-License-Identifier: Apache-2.0
"""A picture of lines on logarithmic axes, as SVG that is readable on a light and on a dark page."""
import html
import math

WIDTH, HEIGHT, PER_ROW = 380, 300, 2           # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 30      # around its plot
LEGEND = 54

# Told apart by brightness and dashes too, not by color alone (Okabe and Ito's palette).
COLORS = ["#888888", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a0522d"]
DASHES = ["", "", "6 3", "2 3", "", "8 3 2 3", "4 2", "1 2"]

STYLE = """
  svg { background: #ffffff; }
  text { font: 12px sans-serif; fill: #222222; }
  .title { font-weight: bold; }
  .axis { stroke: #555555; stroke-width: 1; fill: none; }
  .grid { stroke: #dddddd; stroke-width: 1; }
  .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6e6e6; }
    .axis { stroke: #aaaaaa; }
    .grid { stroke: #30363d; }
  }
"""


def seconds(value):
    if value >= 1:
        return f"{value:g} s"
    if value >= 1e-3:
        return f"{value * 1e3:g} ms"
    return f"{value * 1e6:g} us"


def panel(title, lines, styles, left, top):
    points = [p for line in lines.values() for p in line if p[1] > 0]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low = math.floor(math.log10(min(y for _, y in points)))
    high = max(low + 1, math.ceil(math.log10(max(y for _, y in points))))
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x, y):
        share = math.log(x / low_x) / math.log(high_x / low_x)
        return (left + LEFT + share * wide,
                top + TOP + tall - (math.log10(y) - low) / (high - low) * tall)

    out = [f'<text class="title" x="{left + LEFT}" y="{top + 20}">{html.escape(title)}</text>']
    for power in range(low, high + 1):
        _, y = at(low_x, 10 ** power)
        out.append(f'<line class="grid" x1="{left + LEFT}" y1="{y:.1f}" '
                   f'x2="{left + WIDTH - RIGHT}" y2="{y:.1f}"/>')
        out.append(f'<text x="{left + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                   f'{seconds(10.0 ** power)}</text>')
    for x in sorted({x for x, _ in points}):
        px, _ = at(x, 10 ** low)
        out.append(f'<text x="{px:.1f}" y="{top + HEIGHT - 10}" text-anchor="middle">{x:,}</text>')
    out.append(f'<path class="axis" d="M{left + LEFT} {top + TOP} v{tall} h{wide}"/>')
    for name, line in lines.items():
        color, dash = styles[name]
        places = [at(x, y) for x, y in line if y > 0]
        if not places:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        out.append(f'<polyline class="line" stroke="{color}"{dashed} points="{path}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
    return out


def draw(title, panels):
    """`panels`: [(title, {name of a line: [(x, seconds)]})]; a name looks the same in all."""
    names = list(dict.fromkeys(name for _, lines in panels for name in lines))
    styles = {name: (COLORS[i % len(COLORS)], DASHES[i % len(DASHES)])
              for i, name in enumerate(names)}
    rows = (len(panels) + PER_ROW - 1) // PER_ROW
    width, height = WIDTH * PER_ROW, HEIGHT * rows + LEGEND
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img">',
           f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>",
           f'<text class="title" x="{LEFT}" y="20">{html.escape(title)}</text>']
    step = (width - LEFT) / max(1, len(names))
    for i, name in enumerate(names):
        color, dash = styles[name]
        x = LEFT + i * step
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        out.append(f'<line class="line" stroke="{color}"{dashed} x1="{x:.0f}" y1="40" '
                   f'x2="{x + 24:.0f}" y2="40"/>')
        out.append(f'<text x="{x + 29:.0f}" y="44">{html.escape(name)}</text>')
    for i, (name, lines) in enumerate(panels):
        out += panel(name, lines, styles, i % PER_ROW * WIDTH, LEGEND + i // PER_ROW * HEIGHT)
    return "\n".join([*out, "</svg>", ""])

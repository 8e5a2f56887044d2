"""Plots of tables as SVG texts: small, and the same bytes for the same figures."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from . import verdicts  # noqa: E402
from .tables import Table  # noqa: E402

# Text stays text (small files), and identifiers inside the file do not change from run to run.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "selfracg",
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "figure.constrained_layout.use": True,
}
OWN, OTHER = "#1f6fb4", "#9aa5b1"
COLOURS = ("#1f6fb4", "#d9822b", "#5a9e4b", "#9b59b6", "#c0392b", "#7f8c8d", "#16a085")
# Colours of the heat strips: the strongest weight has this red, green and blue.
HEAT = (217, 95, 14)


def draw(table: Table) -> dict[str, str]:
    """SVG texts of a table's plots by file name, NAME.svg or NAME-WHAT.svg; none where a table has nothing to draw."""
    with plt.rc_context(STYLE):
        if table.name in DRAWN:
            return {f"{table.name}{end}.svg": text for end, text in DRAWN[table.name](table).items()}
        if table.name in INTERVALS:
            figure = interval_bars(table, INTERVALS[table.name])
        elif table.name in SERIES:
            figure = series_bars(table, SERIES[table.name])
        else:
            figure = interval_bars(table, [table.header[place] for place in _interval_columns(table)])
        return {} if figure is None else {f"{table.name}.svg": _svg(figure)}


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    plt.close(figure)
    text = out.getvalue()
    # Comments, names of groups, turns by nothing and far decimals of places are most of the bytes.
    for pattern, short in (
        (r"(?s)\s*<!--.*?-->", ""),
        (r'<g id="[^"]*"', "<g"),
        (r' transform="rotate\(-0 [^"]*"', ""),
    ):
        text = re.sub(pattern, short, text)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag.group()), text)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def _interval_columns(table: Table) -> list[int]:
    """Places of columns in which some cell has an interval."""
    return [
        place
        for place in range(len(table.header))
        if any(" to " in row[place] and verdicts.value(row[place]) for row in table.rows)
    ][:3]


def interval_bars(table: Table, starts: Sequence[str]) -> Figure | None:
    """A panel for each value of the first column and each chosen column; bars by the second column, with intervals."""
    places = [place for start in starts if (place := verdicts.column(table, start)) is not None]
    rows = [row for row in table.rows if any(verdicts.value(row[place]) for place in places)]
    if not places or not rows or places[0] == 0:
        return None
    # Without a second column of text, the first one names the bars.
    split = places[0] > 1 and any(verdicts.value(row[1]) is None for row in rows)
    groups = list(dict.fromkeys(row[0] for row in rows)) if split else [""]
    height = sum(0.4 + 0.19 * sum(row[0] == group or not split for row in rows) for group in groups)
    figure, axes = plt.subplots(
        len(groups),
        len(places),
        figsize=(3.4 * len(places) + 1.6, height + 0.4),
        squeeze=False,
        sharex="col",
        gridspec_kw={"height_ratios": [1 + sum(row[0] == group or not split for row in rows) for group in groups]},
    )
    for y, group in enumerate(groups):
        own = [row for row in rows if row[0] == group or not split]
        labels = [row[1] if split else row[0] for row in own]
        for x, place in enumerate(places):
            axis = axes[y][x]
            for at, row in enumerate(own):
                found = verdicts.value(row[place])
                if found is None:
                    continue
                number, low, high = found
                colour = OWN if labels[at] in ("SelfRACG", "L-LoRA trained") else OTHER
                axis.barh(
                    at,
                    number,
                    color=colour,
                    xerr=[[max(0.0, number - low)], [max(0.0, high - number)]],
                    ecolor="#333333",
                    error_kw={"elinewidth": 0.8},
                )
            if x == 0:
                axis.set_yticks(range(len(own)), labels)
            else:
                axis.set_yticks([])
            axis.set_ylim(len(own) - 0.4, -0.6)
            axis.grid(axis="y", visible=False)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            if y == 0:
                axis.set_title(table.header[place].replace(" (95 % interval)", ""), fontsize=8)
            if x == 0 and split:
                axis.set_ylabel(group)
    return figure


def series_bars(table: Table, starts: Sequence[str]) -> Figure | None:
    """Bars side by side: groups are the rows, series the chosen columns."""
    places = [place for start in starts if (place := verdicts.column(table, start)) is not None]
    rows = [row for row in table.rows if places and all(verdicts.value(row[place]) for place in places)]
    if not rows:
        return None
    figure, axis = plt.subplots(figsize=(min(8.0, 1.5 + 0.8 * len(rows)), 2.6))
    width = 0.8 / len(places)
    for number, place in enumerate(places):
        values = [found[0] for row in rows if (found := verdicts.value(row[place])) is not None]
        axis.bar(
            [at + (number - (len(places) - 1) / 2) * width for at in range(len(rows))],
            values,
            width,
            label=table.header[place],
            color=COLOURS[number % len(COLOURS)],
        )
    axis.set_xticks(range(len(rows)), [row[0] for row in rows])
    axis.grid(axis="x", visible=False)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _scale(table: Table) -> dict[str, str]:
    """MRR@10 over the size of the index, a panel a language."""
    figure, axes = plt.subplots(
        1, len(table.figures), figsize=(2.6 * len(table.figures), 2.3), squeeze=False, sharey=True
    )
    for axis, (language, sizes) in zip(axes[0], table.figures.items()):
        methods = [name for name in next(iter(sizes.values())) if name != "fragments"]
        fragments = [values["fragments"] for values in sizes.values()]
        for number, method in enumerate(methods):
            found = [values[method]["mrr"] for values in sizes.values()]
            colour = OWN if method == "SelfRACG" else COLOURS[1]
            axis.plot(
                fragments, [each["value"] for each in found], marker="o", markersize=3, color=colour, label=method
            )
            axis.fill_between(
                fragments,
                [each["low"] for each in found],
                [each["high"] for each in found],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
        axis.set_xscale("log")
        axis.set_title(language, fontsize=8)
        axis.set_xlabel("fragments in the index")
    axes[0][0].set_ylabel("MRR@10")
    axes[0][0].set_ylim(bottom=0)
    axes[0][-1].legend(fontsize=7, frameon=False)
    return {"": _svg(figure)}


def _rounds(table: Table) -> dict[str, str]:
    """MRR@10 by round."""
    found = {int(number): values["mrr"] for number, values in table.figures["rounds"].items()}
    figure, axis = plt.subplots(figsize=(3.4, 2.2))
    values = [each["value"] for each in found.values()]
    bounds = [
        [max(0.0, each["value"] - each["low"]) for each in found.values()],
        [max(0.0, each["high"] - each["value"]) for each in found.values()],
    ]
    axis.errorbar(list(found), values, yerr=bounds, marker="o", markersize=4, color=OWN, capsize=3)
    axis.set_xticks(list(found))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("round of stage 2 (0: stage 1)")
    axis.set_ylabel("MRR@10")
    return {"": _svg(figure)}


def _diagnosis(table: Table) -> dict[str, str]:
    """Recall at 1 and 10, and what the retrieved fragments add to edit similarity where the right one ranks first and where not."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.2))
    languages = list(table.figures)
    for number, k in enumerate(("1", "10")):
        left.bar(
            [at + (number - 0.5) * 0.4 for at in range(len(languages))],
            [table.figures[each]["retrieval"]["recall"][k] for each in languages],
            0.4,
            label=f"Recall@{k}",
            color=COLOURS[number],
        )
    for number, (kind, label) in enumerate((("hit", "right fragment first"), ("miss", "not first"))):
        right.bar(
            [at + (number - 0.5) * 0.4 for at in range(len(languages))],
            [table.figures[each]["use"].get(kind, {}).get("esGain", 0.0) for each in languages],
            0.4,
            label=label,
            color=COLOURS[number],
        )
    right.axhline(0, color="#333333", linewidth=0.8)
    right.set_title("ES with fragments minus without", fontsize=8)
    for axis in (left, right):
        axis.set_xticks(range(len(languages)), languages)
        axis.grid(axis="x", visible=False)
        axis.legend(fontsize=7, frameon=False)
    return {"": _svg(figure)}


def _attention(table: Table) -> dict[str, str]:
    """Enrichment before and after training, enrichment by layer, and example contexts as heat strips."""
    kinds = {label: values for groups in table.figures["groups"].values() for label, values in groups.items()}
    labels = list(kinds)
    layers = len(next(iter(kinds.values()))["layers"]["trained"])
    figure, (bars, heat) = plt.subplots(
        1, 2, figsize=(7.6, 0.22 * len(labels) + 0.9), gridspec_kw={"width_ratios": [2, 1 + 0.08 * layers]}
    )
    for number, state in enumerate(("untrained", "trained")):
        values = [
            (kinds[label][state] if state == "untrained" else kinds[label][state]["value"]) / kinds[label]["tokens"]
            for label in labels
        ]
        bars.barh(
            [at + (number - 0.5) * 0.4 for at in range(len(labels))],
            values,
            0.4,
            label=state,
            color=(OTHER, OWN)[number],
        )
    bars.axvline(1, color="#333333", linewidth=0.8)
    bars.set_xscale("log")
    bars.set_yticks(range(len(labels)), labels)
    bars.set_title("share of attention over share of tokens", fontsize=8)
    bars.legend(fontsize=7, frameon=False)
    matrix = [[100 * share for share in kinds[label]["layers"]["trained"]] for label in labels]
    # Drawn cell by cell: an image would be embedded as a bitmap.
    heat.pcolormesh(matrix, cmap="Oranges", vmin=0)
    heat.set_yticks([])
    heat.set_xticks([at + 0.5 for at in range(layers)], [str(at + 1) for at in range(layers)])
    heat.set_title(f"attention by layer, trained\n(darkest: {max(map(max, matrix)):.0f} %)", fontsize=8)
    heat.grid(visible=False)
    bars.set_ylim(len(labels) - 0.5, -0.5)
    heat.set_ylim(len(labels), 0)
    out = {"": _svg(figure)}
    for number, example in enumerate(table.figures.get("examples", []), start=1):
        out[f"-example-{number}"] = strip(example)
    return out


def strip(example: dict[str, Any], lines: int = 34, width: int = 110) -> str:
    """One context as text whose background shows the trained attention to each token; the last lines, long ones cut off."""
    highest = max(example["trained"])
    rows: list[list[tuple[str, float]]] = [[]]
    for token, weight in zip(example["tokens"], example["trained"]):
        parts = token.replace("\t", "    ").split("\n")
        for number, part in enumerate(parts):
            if number:
                rows.append([])
            # A line end has no width of its own; its weight shows as a mark.
            rows[-1].append((part if part or number + 1 == len(parts) else "\u23ce", weight))
    head, rows = rows[:1], rows[1:]
    rows = [*head, *rows[-lines:]]
    step, advance = 13, 6.02
    title = f"{example['path']}: attention of the expression at the cursor, all layers"
    body = [f'<text x="4" y="11" font-weight="bold">{escape(title)}</text>']
    for y, row in enumerate(rows, start=1):
        at = 0
        text = ""
        for piece, weight in row:
            shown = piece[: max(0, width - at)]
            share = (weight / highest) ** 0.5 if highest else 0.0
            if shown and share > 0.08:
                red, green, blue = (round(255 - share * (255 - part)) for part in HEAT)
                body.append(
                    f'<path fill="#{red:02x}{green:02x}{blue:02x}" d="M{4 + at * advance:.0f} {y * step + 4}h{len(shown) * advance:.0f}v{step}h-{len(shown) * advance:.0f}z"/>'
                )
            text += shown
            at += len(shown)
        if text.strip():
            # Spaces that do not break are kept by every viewer.
            written = escape(text.rstrip().replace(" ", "\u00a0"))
            body.append(
                f'<text x="4" y="{y * step + 14}" textLength="{len(text.rstrip()) * advance:.0f}">{written}</text>'
            )
    size = (round(width * advance) + 8, (len(rows) + 1) * step + 10)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}" font-family="monospace" font-size="10">'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _cost(table: Table) -> dict[str, str]:
    """Minutes and FLOPs of each stage as shares of the backbone's own."""
    found = table.figures["stages"]
    figure, axis = plt.subplots(figsize=(5.0, 0.8 + 0.3 * len(found)))
    for number, (key, label) in enumerate((("minutes", "minutes"), ("flops", "FLOPs"))):
        whole = found[0][key] or 1
        axis.barh(
            [at + (number - 0.5) * 0.4 for at in range(len(found))],
            [100 * each[key] / whole for each in found],
            0.4,
            label=label,
            color=COLOURS[number],
        )
    axis.set_yticks(range(len(found)), [each["stage"] for each in found])
    axis.invert_yaxis()
    axis.set_xlabel("% of the backbone's own training")
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize=7, frameon=False)
    return {"": _svg(figure)}


def _shapes(table: Table) -> dict[str, str]:
    """Time of each task against the parameters of each candidate."""
    found = table.figures["shapes"]
    figure, axis = plt.subplots(figsize=(4.6, 2.6))
    for number, task in enumerate(found[0]["milliseconds"]):
        axis.plot(
            [each["parameters"] / 1e6 for each in found],
            [each["milliseconds"][task] for each in found],
            "o",
            markersize=4,
            label=task,
            color=COLOURS[number % len(COLOURS)],
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("million parameters")
    axis.set_ylabel("ms on one thread")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return {"": _svg(figure)}


def _none(_table: Table) -> dict[str, str]:
    return {}


DRAWN: dict[str, Callable[[Table], dict[str, str]]] = {
    "scale": _scale,
    "rounds": _rounds,
    "diagnosis": _diagnosis,
    "attention": _attention,
    "isolation": _none,
    "bit-for-bit": _none,
    "cost": _cost,
    "shapes": _shapes,
    "quantisation": _none,
}
INTERVALS: dict[str, Sequence[str]] = {
    "retrieval": ["MRR@10"],
    "completion": ["EM", "ES"],
    "needless": ["EM", "ES"],
    "stages": ["MRR@10 (", "EM", "ES"],
    "documents": ["MRR@10"],
}
SERIES: dict[str, Sequence[str]] = {
    "loss": ["unigram", "trigram", "untrained", "model, bits"],
    "copying": ["name, none", "name, random", "name, right", "name, retrieved"],
}

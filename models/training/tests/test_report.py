"""The report: sections in order, sentences from the figures, plots that are small and the same every time."""

import argparse

import pytest

from selfracg_training import plots, report, verdicts
from selfracg_training.tables import Measured, Table

MODEL = Measured(6_500_000, 15_000_000)


def retrieval(**more):
    rows = [
        ["python", "BM25", "300", "0.150 (0.120 to 0.180)", "0.1", "0.2", "0.3"],
        ["python", "SelfRACG", "300", "0.380 (0.340 to 0.420)", "0.2", "0.5", "0.6"],
        ["java", "BM25", "200", "0.200 (0.150 to 0.250)", "0.1", "0.2", "0.3"],
        ["java", "SelfRACG", "200", "0.300 (0.250 to 0.350)", "0.2", "0.4", "0.5"],
    ]
    header = ["language", "method", "cases", "MRR@10 (95 % interval)", "Recall@1", "Recall@5", "Recall@10"]
    return Table("retrieval", "Retrieval", header, rows, "Few tasks.", {}, "evaluate --only retrieval", MODEL, **more)


def scale():
    def at(size, fragments, one, other):
        return {
            size: {
                "fragments": fragments,
                "BM25": {"mrr": {"value": one, "low": one - 0.05, "high": one + 0.05}},
                "SelfRACG": {"mrr": {"value": other, "low": other - 0.05, "high": other + 0.05}},
            }
        }

    return Table(
        "scale",
        "Corpus scale",
        ["language"],
        [["python"]],
        "",
        {"python": at("1", 200, 0.3, 0.4) | at("10", 2000, 0.2, 0.35)},
        "measure scale",
        MODEL,
    )


def attention():
    def share(tokens, untrained, trained):
        change = trained - untrained
        return {
            "tokens": tokens,
            "untrained": untrained,
            "trained": {"value": trained, "low": trained - 0.01, "high": trained + 0.01},
            "change": {"value": change, "low": change - 0.01, "high": change + 0.01},
            "layers": {"untrained": [untrained] * 2, "trained": [trained] * 2},
        }

    groups = {
        "kind": {"path": share(0.1, 0.05, 0.4), "comment": share(0.2, 0.3, 0.1), "keyword": share(0.7, 0.65, 0.65)}
    }
    example = {
        "path": "a/b.py",
        "behind": "x",
        "tokens": ["<|path|>", "a/b.py", "\n", "def <need>(", "\n    ", "return"],
        "untrained": [0.1] * 6,
        "trained": [0.0, 0.5, 0.1, 0.3, 0.05, 0.05],
    }
    return Table(
        "attention",
        "What the expression looks at",
        ["by"],
        [["kind"]],
        "",
        {"groups": groups, "examples": [example]},
        "measure attention",
        MODEL,
    )


def options(work, out):
    return argparse.Namespace(work=work, out=out, smoke=False)


def test_the_report_holds_every_table_in_order_with_plots_that_do_not_change(tmp_path, capsys):
    odd = Table(
        "zebra",
        "Some further table",
        ["what", "loss"],
        [["one", "1.5 (1.0 to 2.0)"]],
        "",
        {},
        "zebra",
        Measured(1000, 99),
    )
    for table in (odd, attention(), scale(), retrieval()):
        table.save(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "gone.svg").write_text("old")
    assert report.run(options(tmp_path, tmp_path)) == 0
    text = (tmp_path / "REPORT.md").read_text(encoding="utf-8")
    places = [
        text.index(f"\n## {title}\n")
        for title in ("Retrieval", "Corpus scale", "What the expression looks at", "Some further table")
    ]
    assert places == sorted(places)
    assert (
        "Command: `evaluate --only retrieval`" in text
        and "*Is the fragment found that defines what comes next?*" in text
    )
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert set(pictures) == {"retrieval.svg", "scale.svg", "attention.svg", "attention-example-1.svg", "zebra.svg"}
    for name, content in pictures.items():
        assert f"(report/{name})" in text and len(content) < 60_000 and b"<svg" in content and b"dc:date" not in content
    assert "1.5 (1.0 to 2.0)" in text and "def\u00a0&lt;need&gt;(" in pictures["attention-example-1.svg"].decode()
    assert report.run(options(tmp_path, tmp_path)) == 0
    assert pictures == {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}


def test_the_models_size_stands_on_top_and_tables_of_another_model_are_named():
    found = {"retrieval": retrieval(), "scale": scale()}
    text = report.render(found, set(), Measured(6_500_000, 20_000_000))
    assert (
        "**Model: 6.5M parameters, 20M training tokens.**" in text
        and "Not measured on this model, but on the one that they name: Retrieval; Corpus scale." in text
    )
    assert "Not measured" not in report.render(found, set(), MODEL)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="evaluate"):
        report.run(options(tmp_path, tmp_path))


def test_retrieval_is_judged_by_the_goals():
    said = verdicts.retrieval(retrieval())
    assert "python: MRR@10 0.380, 2.53 times BM25's 0.150 (goal of 2 times met, goal of 0.36 met)" in said
    assert "java: MRR@10 0.300, 1.50 times BM25's 0.200 (goal of 2 times not met)" in said


def test_completion_counts_the_baselines_it_is_clearly_above():
    rows = [
        ["python", "nothing", "+2.0 (+1.0 to +3.0)", "+4.0 (-1.0 to +9.0)"],
        ["python", "BM25", "+1.0 (-0.5 to +2.0)", "-2.0 (-3.0 to -1.0)"],
        ["python", "defining fragment", "-9.0 (-12.0 to -6.0)", "-9.0 (-12.0 to -6.0)"],
        ["python", "SelfRACG", "", ""],
    ]
    table = Table(
        "completion",
        "Completion",
        ["language", "retrieved by", "EM: SelfRACG minus it (95 % interval)", "ES: SelfRACG minus it (95 % interval)"],
        rows,
        "",
        {},
    )
    said = verdicts.completion(table)
    assert (
        said
        == "EM, python: above 1 of 2 with the interval clear of zero; ES, python: above 0 of 2 with the interval clear of zero, below BM25."
    )


def test_scale_and_attention_are_told_from_their_figures():
    assert (
        verdicts.scale(scale())
        == "MRR@10, python: BM25 0.300 to 0.200, SelfRACG 0.400 to 0.350 from 1 to 10 repositories (200 to 2,000 fragments)."
    )
    said = verdicts.attention(attention())
    assert (
        said.startswith("Most enriched after training: path (4.0 times its share of tokens)")
        and "raised attention to path (+35.0 points)" in said
    )
    assert "lowered it for comment (-20.0 points)" in said and "keyword (" in said and "keyword (+" not in said


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0.150 (0.100 to 0.200)", (0.15, 0.1, 0.2)),
        ("-2.0 (-3.0 to -1.0)", (-2.0, -3.0, -1.0)),
        ("1,234", (1234.0, 1234.0, 1234.0)),
        ("SelfRACG", None),
        ("", None),
    ],
)
def test_cells_are_read_as_they_are_written(cell, expected):
    assert verdicts.value(cell) == expected


def test_bars_stand_where_the_table_says():
    with plots.plt.rc_context(plots.STYLE):
        figure = plots.interval_bars(retrieval(), ["MRR@10"])
    widths = [[round(patch.get_width(), 3) for patch in axis.patches] for axis in figure.axes]
    assert widths == [[0.15, 0.38], [0.2, 0.3]]


def test_cost_and_shapes_are_drawn_from_their_figures():
    stages = [{"stage": "backbone", "minutes": 80.0, "flops": 1e15}, {"stage": "stage1", "minutes": 8.0, "flops": 2e14}]
    drawn = plots.draw(Table("cost", "Cost", ["stage"], [], "", {"stages": stages}))
    assert "stage1" in drawn["cost.svg"] and "FLOPs" in drawn["cost.svg"]
    shapes = [
        {"parameters": size, "milliseconds": {"prefill": size / 1e6, "decode": 1.0}} for size in (6_000_000, 20_000_000)
    ]
    assert "prefill" in plots.draw(Table("shapes", "Sizes", ["hidden"], [], "", {"shapes": shapes}))["shapes.svg"]


def test_the_card_shows_the_main_tables_and_where_the_others_are(tmp_path):
    loss = Table("loss", "Held-out code", ["language"], [["python"]], "", {}, model=MODEL)
    cost = Table("cost", "Cost", ["stage"], [["backbone"]], "", {}, model=MODEL)
    copying = Table("copying", "Of another model", ["language"], [["python"]], "", {}, model=Measured(6_500_000, 4))
    for table in (cost, copying, scale()):
        table.save(tmp_path)
    text = report.card_figures([retrieval(), loss], tmp_path)
    assert (
        text.index("### Held-out code") < text.index("### Retrieval") < text.index("### Cost") < text.index("REPORT.md")
    )
    assert "Corpus scale" not in text and "Of another model" not in text

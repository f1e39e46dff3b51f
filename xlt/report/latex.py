"""results.tex: the tables over languages for a paper; they need the package booktabs."""

from __future__ import annotations

from xlt.metrics.metric import Metric
from xlt.report import benchmark
from xlt.report.results import Experiment, Typical

_TEST = "test"
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def render(recipes: dict[str, list[Experiment]]) -> str:
    """A table for each headline metric, a row a language; without results a comment says so."""
    rows = benchmark.one_language(recipes)
    parts = ["% written by `xlt report` from egs/*/results/*.json; needs \\usepackage{booktabs}"]
    parts += (
        [_table(rows, name, metric) for name, metric in benchmark.headlines().items()]
        if rows
        else ["% no results yet"]
    )
    return "\n\n".join(parts) + "\n"


def _table(rows: dict[str, list[Experiment]], name: str, metric: Metric) -> str:
    columns = benchmark.columns_of([e for found in rows.values() for e in benchmark.on_test(found)])
    heads = [column.partition(", ") for column in columns]
    lines = [
        " & ".join(["", "", *(escape(first) for first, _, _ in heads)]),
        " & ".join(["language", "clips", *(escape(rest) for _, _, rest in heads)]),
    ]
    body = []
    for found in rows.values():
        first = benchmark.on_test(found)[0].runs[0]
        cells = [_cell(benchmark.typical_in(found, column, name)) for column in columns]
        body.append(
            " & ".join(
                [
                    escape(first.experiment["language"]),
                    str(first.document["data"][_TEST]["utterances"]),
                    *cells,
                ]
            )
        )
    end = " \\\\\n"
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            r"\small",
            r"\setlength{\tabcolsep}{4pt}",
            (
                f"\\caption{{{escape(benchmark.measured(metric))}: median over seeds, and the 95\\% bootstrap"
                " interval over utterances.}"
            ),
            f"\\label{{tab:xlt-{name}}}",
            f"\\begin{{tabular}}{{lr{'r' * len(columns)}}}",
            r"\toprule",
            end.join(lines) + end + r"\midrule",
            end.join(body) + end + r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
        ]
    )


def _cell(shown: Typical | None) -> str:
    if not shown:
        return "--"
    return f"{shown.value:.1f} {{\\scriptsize [{shown.low:.1f}, {shown.high:.1f}]}}"


def escape(text: str) -> str:
    r"""Text as LaTeX shows it.

    >>> escape("50% of a_b {~}")
    '50\\% of a\\_b \\{\\textasciitilde{}\\}'
    """
    return "".join(_ESCAPES.get(c, c) for c in text)

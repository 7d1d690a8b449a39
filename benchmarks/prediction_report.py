"""The results of `prediction_speed.py` as a page and a chart."""

import statistics

import altair as alt

from fenlei.atomic import write_text

_OWN, _PEER = "#b3432b", "#9aa3ad"


def write_report(results, path):
    """Write `path` with the endings .md and .svg."""
    write_text(path.with_suffix(".md"), _page(results, path.with_suffix(".svg").name))
    _chart(results).save(str(path.with_suffix(".svg")))


def _page(results, chart):
    lines = [
        "# Prediction speed, side by side",
        "",
        "Made by `prediction_speed.py`, which says what the ways are; every way tokenizes its texts itself. Texts a",
        "second: median and range of interleaved rounds. *fenlei is*: the median ratio of the rounds, and its range.",
        "*Of the ceiling*: of the quickest large matrix product, in the precision told, in any of the runs on that",
        "processor, since a busy neighbour slows down a lone product too; only the products of unpadded texts count.",
        "Milliseconds: texts one by one. *Error*: rms difference of the logits from the float32 loop, as a share of",
        "their spread over texts; the network is random, which makes it larger than in a trained one.",
        "",
        f"![texts a second]({chart})",
    ]
    for name, found in results.items():
        ceiling = max(one["ceiling_tflops"] for one in results.values() if one["processor"] == found["processor"])
        versions = ", ".join(f"{library} {number}" for library, number in found["versions"].items())
        lines += [
            "",
            f"## {name} texts",
            "",
            f"{found['date']}, {found['processor']}, {found['cores']} cores, {found['threads']} thread(s), "
            f"{found['precision']}. {found['texts']} texts, {found['tokens_a_text']} tokens a text; "
            f"ceiling {ceiling} TFLOP/s, in this run {found['ceiling_tflops']}.",
            f"`python benchmarks/{found['command']}`; {versions}.",
            "",
            "| way | texts/s | fenlei is | of the ceiling | one text p50 | p99 | error |",
            "|---|---|---|---|---|---|---|",
        ]
        own = found["ways"]["fenlei"]["texts_per_second"]
        for way, figures in found["ways"].items():
            speeds = figures["texts_per_second"]
            ratios = [ours / theirs for ours, theirs in zip(own, speeds, strict=True)]
            compared = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            one = figures["one_text_ms"]
            share = figures["share_of_ceiling"] * found["ceiling_tflops"] / ceiling
            lines.append(
                f"| {way} | {statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f}) "
                f"| {'' if way == 'fenlei' else compared} | {share:.0%} "
                f"| {one['p50']:.1f} ms | {one['p99']:.1f} ms | {figures['rms_error']:.2g} |"
            )
    return "\n".join(lines) + "\n"


def _chart(results):
    rows = [
        {
            "network": name.split(", ")[0],
            "texts": f"{name.split(', ')[1]} texts",
            "way": way,
            "low": min(figures["texts_per_second"]),
            "median": statistics.median(figures["texts_per_second"]),
            "high": max(figures["texts_per_second"]),
        }
        for name, found in results.items()
        for way, figures in found["ways"].items()
    ]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("way:N", sort=ways, title=None))
    bars = base.mark_bar(height=11).encode(
        x=alt.X("median:Q", title="texts a second, median and range"),
        color=alt.condition("datum.way == 'fenlei'", alt.value(_OWN), alt.value(_PEER)),
    )
    ranges = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    return (
        alt.layer(bars, ranges)
        .properties(width=300, height=130)
        .facet(row=alt.Row("network:N", sort=None, title=None), column=alt.Column("texts:N", sort=None, title=None))
        .resolve_scale(x="independent")
    )

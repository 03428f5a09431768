"""The figures of a comparison as Markdown."""

from benchmarks.compare import Comparison


def markdown(found: Comparison) -> str:
    """Return the tables that docs/performance.md shows."""
    lines = [f"{found.clip}; milliseconds a frame, one core, medians", ""]
    lines += ["| what | CPU | of it reading | networks | rest | clock | peak MB |", "|---|---|---|---|---|---|---|"]
    for name, cost in found.costs.items():
        if not name.startswith("reference"):
            figures = (cost.cpu, cost.decode, cost.network, cost.rest, cost.wall)
            lines.append(f"| {name} | " + " | ".join(f"{figure:.3g}" for figure in figures) + f" | {cost.memory:.0f} |")
    if found.ratios:
        lines += ["", "| what | talkmill | reference | ratio | target |", "|---|---|---|---|---|"]
    for line in found.ratios:
        target = (
            ""
            if line.target is None
            else f"{line.target:g}" + ("" if line.ratio >= line.target else " **not reached**")
        )
        lines.append(f"| {line.what} | {line.ours:.3g} | {line.reference:.4g} | {line.ratio:.2f} | {target} |")
    return "\n".join(lines) + "\n"

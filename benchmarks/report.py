"""Write reports: JSON with all numbers, a Markdown page, and a plot of the scaling cases."""

import json
import math
import os
import platform
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 2048  # rows and columns of the matrices whose product measures the peak speed
Entry = dict[str, Any]


def hardware() -> dict[str, Any]:
    """Return the properties of the machine and its software that affect timings."""
    import torch

    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def provenance(command: str) -> dict[str, Any]:
    """Return the date, commit, load average, command and hardware of a run."""
    git = ["git", "describe", "--always", "--dirty"]
    described = subprocess.run(git, capture_output=True, text=True, cwd=Path(__file__).parent)
    return {
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "commit": described.stdout.strip() or "unknown",
        "load": round(os.getloadavg()[0], 2),
        "command": command,
        "hardware": hardware(),
    }


def slug(machine: dict[str, Any]) -> str:
    """Return a name of the machine for file names, such as 2-cpu-amd-epyc."""
    model = re.sub(r"\((r|tm)\)|@.*|processor|\bcpu\b|\d+-core", " ", machine["cpu"].lower())
    return f"{machine['cpus']}-cpu-" + "-".join(re.findall(r"[a-z0-9]+", model))


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Return the median and quartiles of the ratios of their time to ours in each round."""
    return spread([b / a for a, b in zip(ours, theirs, strict=True)])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return the median, the lower and the upper quartile."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(low), float(high)


def exponents(entries: list[Entry]) -> tuple[float, float]:
    """Return e of time ∝ M^e: the fit over all M, and the value between the two largest M."""
    sizes = np.log([entry["options"]["elements"] for entry in entries])
    times = np.log([spread(entry["seconds"])[0] for entry in entries])
    fitted = np.polyfit(sizes, times, 1)[0]
    return float(fitted), float((times[-1] - times[-2]) / (sizes[-1] - sizes[-2]))


def write(outcomes: dict[str, Entry], directory: Path, name: str) -> Path:
    """Write or extend bench-NAME.json and .md, and .png if there is a scaling case.

    Cases of an earlier run that are not in `outcomes` stay in the files with their own date.

    Args:
        outcomes: results of `measure.run_case` and `provenance`, by name of the case.
        directory: is created if it does not exist.
        name: name of the machine, see `slug`.

    Returns:
        The path of the Markdown page.
    """
    directory.mkdir(parents=True, exist_ok=True)
    page = directory / f"bench-{name}.md"
    data = page.with_suffix(".json")
    known = json.loads(data.read_text()) if data.exists() else {}
    known |= outcomes
    data.write_text(json.dumps(known, indent=1) + "\n")
    parts = [HEAD, *(_section(name, outcome) for name, outcome in known.items())]
    curves = {name: _scaling_entries(outcome) for name, outcome in known.items()}
    curves = {name: entries for name, entries in curves.items() if len(entries) > 1}
    if curves:
        _plot(curves, page.with_suffix(".png"))
        parts.append(f"![Time and memory against M]({page.stem}.png)\n")
    page.write_text("\n".join(parts))
    return page


HEAD = f"""# Comparison with other libraries, side by side

Each contender runs in its own process. All processes stay alive and take turns: in each round
every contender makes one step. All contenders get the same weights and the same batch, and timing
starts only after their results were found equal. Times are medians (quartiles). A ratio is the
contender's time divided by ours in the same round, given as the median (quartiles) over the
rounds. Memory is the peak resident memory of the timed steps minus the resident memory after the
imports. The last column is the model's FLOPs per second (a multiply and an add count as two; a
training step counts as three forward passes), as a share of the fastest float32 product of {SIDE}²
matrices in the same rounds. FLOPs are counted for the published form of the model, with the keys
and values of a shared cross-attend counted once; our share can exceed 100% where our
implementation needs fewer FLOPs for the same results. Steps are in float32. A training step is
forward, cross-entropy and backward, without an optimiser. "Its products alone" are the matrix
products and fused attentions of our step, computed again on the same numbers: no implementation
with these products and torch's kernels is faster.
"""


def _section(name: str, outcome: Entry) -> str:
    """Return the section of the page about one case."""
    lines = [f"## `{name}`\n", f"{_capital(outcome['title'])}. {outcome['remark']}\n"]
    contenders: dict[str, Entry] = outcome["contenders"]
    timed = {n: entry for n, entry in contenders.items() if entry["seconds"]}
    if outcome["why_failed"]:
        lines.append(f"**Failed, not timed:** {outcome['why_failed']}.\n")
    elif timed:
        lines += _table(timed, outcome["peak_seconds"])
    lines += [
        f"- **{n}: {entry['status']}** ({entry['why']})"
        for n, entry in contenders.items()
        if entry["status"] != "ok"
    ]
    differences = [
        f"{key} of {n} {value:.1e}"
        for n, entry in contenders.items()
        for key, value in entry["differences"].items()
    ]
    if differences:
        lines.append(
            f"- Difference from ours, relative to our largest value: {', '.join(differences)}"
        )
    scaling = _scaling_entries(outcome)
    if len(scaling) > 1:
        fitted, last = exponents(scaling)
        lines.append(
            f"- Time grows as M^{fitted:.2f} over all M, as M^{last:.2f} between the two largest M"
        )
    if any(entry.get("memory_counts_building") for entry in timed.values()):
        lines.append(
            "- This system cannot reset peak memory: memory includes the construction of the model"
        )
    return "\n".join([*lines, *_footer(outcome)])


def _table(timed: dict[str, Entry], peak_seconds: list[float]) -> list[str]:
    first = next(iter(timed.values()))
    peak = 2 * SIDE**3 / min(peak_seconds)
    lines = ["| | time | ÷ ours | memory | ÷ ours | of peak |", "|---|---|---|---|---|---|"]
    for n, entry in timed.items():
        cells = [n, _seconds(*spread(entry["seconds"]))]
        sizes = [e["options"].get("elements") for e in (entry, first)]
        same = sizes[0] == sizes[1] and entry["status"] == "ok"
        same = same and len(entry["seconds"]) == len(first["seconds"])
        memory = entry.get("memory")
        if entry is first or not same:
            cells += ["", _bytes(memory), ""]
        else:
            middle, low, high = ratios(first["seconds"], entry["seconds"])
            cells += [f"**{middle:.2f}** ({low:.2f}–{high:.2f})", _bytes(memory)]
            cells.append(f"{memory / max(first['memory'], 1):.2f}")
        share = entry["flops"] / spread(entry["seconds"])[0] / peak
        lines.append(f"| {' | '.join([*cells, f'{share:.0%}'])} |")
    return [*lines, ""]


def _footer(outcome: Entry) -> list[str]:
    machine = outcome["hardware"]
    versions = {k: v for e in outcome["contenders"].values() for k, v in e["versions"].items()}
    rounds = max((len(entry["seconds"]) for entry in outcome["contenders"].values()), default=0)
    peak = ""
    if outcome.get("peak_seconds"):
        gflops = 2 * SIDE**3 / min(outcome["peak_seconds"]) / 1e9
        peak = f", peak {gflops:.0f} GFLOP/s"
    location = f"{machine['cpus']} × {machine['cpu']}{peak}, load before the run {outcome['load']}"
    return [
        f"- {rounds} rounds, {outcome['threads']} threads on {location}",
        f"- {outcome['date']}, commit {outcome['commit']}, Python {machine['python']}, "
        + ", ".join(f"{k} {v}" for k, v in versions.items()),
        f"- `{outcome['command']}`\n",
    ]


def _scaling_entries(outcome: Entry) -> list[Entry]:
    """Return the entries of the timed contenders that differ in M, smallest M first."""
    entries = [
        entry
        for entry in outcome["contenders"].values()
        if "elements" in entry["options"] and entry["status"] == "ok" and entry["seconds"]
    ]
    return sorted(entries, key=lambda entry: entry["options"]["elements"])


def _plot(curves: dict[str, list[Entry]], path: Path) -> None:
    """Plot time and memory against M with one line per case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, entries in curves.items():
        sizes = [entry["options"]["elements"] for entry in entries]
        left.loglog(sizes, [spread(e["seconds"])[0] for e in entries], "o-", label=name)
        right.semilogx(sizes, [e["memory"] / 1e6 for e in entries], "o-", label=name)
    left.legend()
    left.set(xlabel="input elements M", ylabel="time of a forward pass, s")
    right.set(xlabel="input elements M", ylabel="peak memory above imports, MB", ylim=(0, None))
    figure.savefig(path, dpi=120)


def _seconds(middle: float, low: float, high: float) -> str:
    scale, unit = (1, "s") if middle >= 1 else (1000, "ms")
    digits = max(0, 2 - math.floor(math.log10(max(middle * scale, 1))))
    return (
        f"{middle * scale:.{digits}f} {unit} ({low * scale:.{digits}f}–{high * scale:.{digits}f})"
    )


def _bytes(number: float | None) -> str:
    return "" if number is None else f"{number / 1e6:,.0f} MB"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

"""What is written: all numbers as JSON, the same as a page, and a plot of how cost grows."""

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

SIDE = 2048  # of the matrices of the peak measurement
Entry = dict[str, Any]


def hardware() -> dict[str, Any]:
    """The machine, as far as times depend on it."""
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
    """When, from what and on how idle a machine a case is run."""
    git = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(git, capture_output=True, text=True, cwd=Path(__file__).parent)
    return {
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "commit": found.stdout.strip() or "unknown",
        "load": round(os.getloadavg()[0], 2),
        "command": command,
        "hardware": hardware(),
    }


def slug(machine: dict[str, Any]) -> str:
    """A file name's part for a machine, such as 2-cpu-amd-epyc."""
    model = re.sub(r"\((r|tm)\)|@.*|processor|\bcpu\b|\d+-core", " ", machine["cpu"].lower())
    return f"{machine['cpus']}-cpu-" + "-".join(re.findall(r"[a-z0-9]+", model))


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Their time over ours, round by round: median and quartiles."""
    return spread([b / a for a, b in zip(ours, theirs, strict=True)])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(low), float(high)


def exponents(entries: list[Entry]) -> tuple[float, float]:
    """Of time ∝ M^e: fitted over all M, and between the two largest."""
    sizes = np.log([entry["options"]["elements"] for entry in entries])
    times = np.log([spread(entry["seconds"])[0] for entry in entries])
    fitted = np.polyfit(sizes, times, 1)[0]
    return float(fitted), float((times[-1] - times[-2]) / (sizes[-1] - sizes[-2]))


def write(outcomes: dict[str, Entry], directory: Path, name: str) -> Path:
    """Write or extend bench-NAME.json, .md and, with the scaling case, .png; gives the page.

    Cases that an earlier run wrote there and this one did not run stay, with their own date.
    """
    directory.mkdir(parents=True, exist_ok=True)
    page = directory / f"bench-{name}.md"
    data = page.with_suffix(".json")
    known = json.loads(data.read_text()) if data.exists() else {}
    known |= outcomes
    data.write_text(json.dumps(known, indent=1) + "\n")
    parts = [HEAD, *(_case(name, outcome) for name, outcome in known.items())]
    grown = {name: _grown(outcome) for name, outcome in known.items()}
    grown = {name: entries for name, entries in grown.items() if len(entries) > 1}
    if grown:
        _plot(grown, page.with_suffix(".png"))
        parts.append(f"![Time and memory against M]({page.stem}.png)\n")
    page.write_text("\n".join(parts))
    return page


HEAD = f"""# Against the peers, side by side

Every contender has its own process; all are alive, and take turns, one step each a round. All get
the same weights and the same batch, and nothing is timed before results were found equal. Times are
medians (quartiles); a ratio is their time over ours in the same round, its median (quartiles).
Memory is the highest resident memory of the timed steps above that after the imports. The last
column is the model's FLOPs (a multiply and an add as two; training as three forward passes) per
second, as a share of the fastest float32 product of {SIDE}² matrices in the same rounds. FLOPs are
those of the published form, with the keys and values of a shared cross-attend counted once; where
ours needs fewer for the same numbers, its share can pass 100%. Steps are in float32; training is
forward, cross-entropy and backward, without an optimiser.
"""


def _case(name: str, outcome: Entry) -> str:
    """A case as a section of the page."""
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
        lines.append(f"- Difference from ours, of the largest value: {', '.join(differences)}")
    grown = _grown(outcome)
    if len(grown) > 1:
        fitted, last = exponents(grown)
        lines.append(f"- Time grows as M^{fitted:.2f} over all M, as M^{last:.2f} at the last step")
    if any(entry.get("memory_counts_building") for entry in timed.values()):
        lines.append("- The system does not reset peak memory: it counts building the model too")
    return "\n".join([*lines, *_footer(outcome)])


def _table(timed: dict[str, Entry], peak_seconds: list[float]) -> list[str]:
    first = next(iter(timed.values()))
    peak = 2 * SIDE**3 / min(peak_seconds)
    lines = ["| | time | ÷ ours | memory | ÷ ours | of peak |", "|---|---|---|---|---|---|"]
    for n, entry in timed.items():
        cells = [n, _seconds(*spread(entry["seconds"]))]
        same = entry["options"] == first["options"] and entry["status"] == "ok"
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
    where = f"{machine['cpus']} × {machine['cpu']}{peak}, load before {outcome['load']}"
    return [
        f"- {rounds} rounds, {outcome['threads']} threads on {where}",
        f"- {outcome['date']}, commit {outcome['commit']}, Python {machine['python']}, "
        + ", ".join(f"{k} {v}" for k, v in versions.items()),
        f"- `{outcome['command']}`\n",
    ]


def _grown(outcome: Entry) -> list[Entry]:
    """The timed contenders that differ in M, smallest first."""
    found = [
        entry
        for entry in outcome["contenders"].values()
        if "elements" in entry["options"] and entry["status"] == "ok" and entry["seconds"]
    ]
    return sorted(found, key=lambda entry: entry["options"]["elements"])


def _plot(grown: dict[str, list[Entry]], path: Path) -> None:
    """Time and memory against M, a line for each case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, entries in grown.items():
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

"""Running programs to be measured, side by side."""
import dataclasses
import pathlib
import shlex
import statistics
import subprocess
import sys

MEASURE = None  # bench-measure, set by bench/run


@dataclasses.dataclass
class Sample:
    cpu_ms: float
    wall_ms: float
    peak_mib: float
    own_ms: float  # CPU time without that of the programs that it ran
    written_mib: float  # to disks, not to a tmpfs


@dataclasses.dataclass
class Side:
    """One program at one work: `prepare` makes what a run needs and is not measured."""
    argv: list
    prepare: object = None
    env: dict = None


def side_run(side, scratch: pathlib.Path):
    if side.prepare:
        side.prepare()
    result = scratch / "result"
    argv = [str(a) for a in side.argv]
    subprocess.run([MEASURE, result, *argv], env=side.env, check=True)
    user, system, wall, peak, status, own, written = (int(v) for v in result.read_text().split())
    if status != 0:
        sys.exit(f"bench: failed (wait status {status}): {shlex.join(argv)}")
    return Sample((user + system) / 1000, wall / 1000, peak / 1024, own / 1000, written / 2048)


def sides_compare(sides, runs, scratch):
    """One sample of each side after the other, `runs` times, after one run of each that does not count:
    what slows the machine down slows all. Returns the medians."""
    samples = [[] for _ in sides]
    for turn in range(runs + 1):
        for of_side, side in zip(samples, sides):
            sample = side_run(side, scratch)
            if turn > 0:
                of_side.append(sample)
    return [Sample(*(statistics.median(getattr(s, field.name) for s in of_side)
                     for field in dataclasses.fields(Sample))) for of_side in samples]


def table_print(header, rows):
    """A Markdown table whose columns line up; all but the first are numbers."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(row):
        return "| " + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"
    print(line(header))
    print("|" + "|".join(("-" * (w + 1) + ":") if i else ":" + "-" * (w + 1) for i, w in enumerate(widths)) + "|")
    for row in rows:
        print(line(row))
    print(flush=True)

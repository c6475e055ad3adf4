#!/usr/bin/env python3
"""golden.py [--bless] PROGRAM DIR...: run a program in each case's directory and compare what it says.

A DIR is a case, or a directory of cases. A case is a directory with `cmd` (the arguments, one line as a shell would split it; several lines are several runs),
the inputs they name, and `expected`: the runs' exit codes, standard output and standard error. With --bless what
came out is written there instead, to be read before it is committed."""
import pathlib
import shlex
import subprocess
import sys

arguments = sys.argv[1:]
bless = "--bless" in arguments
if bless:
    arguments.remove("--bless")
program, cases = pathlib.Path(arguments[0]).resolve(), []
for name in arguments[1:]:
    here = pathlib.Path(name).resolve()
    cases += [here] if (here / "cmd").exists() else sorted(p.parent for p in here.glob("*/cmd"))
bad = 0
for case in cases:
    text = ""
    for line in (case / "cmd").read_text().splitlines():
        run = subprocess.run([str(program), *shlex.split(line)], cwd=case, capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, timeout=60)
        text += f"$ {line}\n{run.stdout}"
        text += "".join(f"! {said}\n" for said in run.stderr.splitlines())
        text += f"= {run.returncode}\n"
    expected = case / "expected"
    if bless:
        expected.write_text(text)
    elif not expected.exists() or expected.read_text() != text:
        bad += 1
        print(f"--- {case.name}: expected\n{expected.read_text() if expected.exists() else ''}+++ {case.name}: got\n{text}")
if not cases:
    sys.exit("no cases")
print(f"{len(cases) - bad} of {len(cases)} cases as expected")
sys.exit(1 if bad else 0)

#!/usr/bin/env python3
"""No .c file under src/ has more than 800 lines. Functions of more than 100 are named, as an alarm."""
import pathlib, sys

FILE_MAX, FUNCTION_MAX = 800, 100
src = pathlib.Path(__file__).resolve().parents[2] / 'src'
bad = 0
for f in sorted(src.rglob('*.c')):
    lines = f.read_text().splitlines()
    if len(lines) > FILE_MAX:
        print(f'{f.relative_to(src)}: {len(lines)} lines')
        bad = 1
    start = None
    for n, line in enumerate(lines, 1):
        if line == '{':
            start = n
        elif line == '}' and start:
            if n - start > FUNCTION_MAX:
                print(f'alarm: {f.relative_to(src)}:{start}: a function of {n - start - 1} lines')
            start = None
sys.exit(bad)

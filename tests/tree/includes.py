#!/usr/bin/env python3
"""Every quoted include under src/ is "layer/file.h", and the file is there."""
import pathlib, re, sys

src = pathlib.Path(__file__).resolve().parents[2] / 'src'
layers = {d.name for d in src.iterdir() if d.is_dir()}
bad = 0
for f in sorted(src.rglob('*.[ch]')):
    for n, line in enumerate(f.read_text().splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"([^"]*)"', line)
        if not m:
            continue
        parts = m[1].split('/')
        if m[1].endswith(".inc"):  # made by the build, below no layer
            continue
        if len(parts) < 2 or parts[0] not in layers or '..' in parts:
            print(f'{f.relative_to(src)}:{n}: "{m[1]}" does not start with a layer')
            bad = 1
        elif not (src / m[1]).exists():
            print(f'{f.relative_to(src)}:{n}: "{m[1]}" does not exist')
            bad = 1
sys.exit(bad)

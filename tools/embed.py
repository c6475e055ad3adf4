#!/usr/bin/env python3
"""embed.py TABLE OUTPUT DIR FILE...: a C table of the files, of that name, by their path below DIR.
embed.py --bytes OUTPUT FILE: the bytes of one file, to be included in an array."""
import pathlib, sys


def text(data):
    return ','.join(str(b) for b in data)


def table(name_of_table, output, top, files):
    rows, arrays = [], []
    for i, name in enumerate(files):
        data = (pathlib.Path(top) / name).read_bytes()
        arrays.append(f'static const char f{i}[] = {{{text(data + bytes(1))}}};')
        rows.append(f'    {{"{name}", f{i}, {len(data)}}},')
    pathlib.Path(output).write_text(
        '#include "format/template.h"\n' + '\n'.join(arrays) +
        f'\nextern const TemplateFile {name_of_table}[];\nconst TemplateFile {name_of_table}[] = {{\n' + '\n'.join(rows) + '\n    {0},\n};\n')


if sys.argv[1] == '--bytes':
    pathlib.Path(sys.argv[2]).write_text(text(pathlib.Path(sys.argv[3]).read_bytes()) + '\n')
else:
    table(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])

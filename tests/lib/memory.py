#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# memory.py WORD PATTERN: what the memory of programs named upshift holds that
# have WORD in their arguments: "N TEXT" for each text that matches PATTERN,
# N times; then how many of them could be read.
import collections
import os
import re
import sys

word, pattern = sys.argv[1].encode(), re.compile(sys.argv[2].encode())
found = collections.Counter()
read = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    here = "/proc/" + pid
    try:
        exe = os.path.basename(os.readlink(here + "/exe"))
        with open(here + "/cmdline", "rb") as f:
            args = f.read()
        if exe not in ("upshift", "lt-upshift") or word not in args:
            continue
        with open(here + "/maps") as f:
            maps = [line.split(None, 5) for line in f]
        mem = open(here + "/mem", "rb", 0)
    except OSError:
        continue
    read += 1
    for m in maps:
        begin, end = (int(x, 16) for x in m[0].split("-"))
        if "w" not in m[1]:
            continue
        try:
            mem.seek(begin)
            found.update(pattern.findall(mem.read(end - begin)))
        except (OSError, ValueError, OverflowError):
            pass
for text, n in sorted(found.items()):
    print(n, text.decode(errors="replace"))
print(read, "read")

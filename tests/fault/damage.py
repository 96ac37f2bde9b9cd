#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""damage.py: a flipped bit and a truncation at every 512 bytes of archive and
manifests: `rollback` says 5 (or 74 for the journal) and changes nothing,
`verify` says 7. Prints TAP."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.argv = [sys.argv[0]]
import importlib.util  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "sweep", os.path.join(HERE, "sweep.py"))
sweep = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sweep)


def witnessed(run, journal):
    """End of the last record that state.json knows of. What is cut off behind
    it is a torn write, as a power cut leaves it, and no damage."""
    with open(os.path.join(run, "state.json")) as f:
        seq = json.load(f)["seq"]
    lines = journal.split(b"\n")
    return sum(len(line) + 1 for line in lines[:seq]) - 1


def main():
    base = tempfile.mkdtemp(prefix="upshift-damage.")
    problems = []
    points = 0
    w = sweep.World(base)
    # more than one frame's worth of offsets, and noise that does not compress
    with open(os.path.join(w.root, "keep/noise"), "wb") as f:
        f.write(os.urandom(20000))
    if w.run() != 0:
        print("1..1\nnot ok 1 - a run\n# " + w.last.replace("\n", "\n# "))
        return 1
    after = sweep.tree(w.root)
    runs = os.path.join(w.root, ".upshift/runs")
    run = os.path.join(runs, os.listdir(runs)[0])
    victims = ["backup/start.tar.zst", "backup/start.manifest.jsonl",
               "backup/moved.1.manifest.jsonl", "journal.jsonl"]
    for name in victims:
        path = os.path.join(run, name)
        good = open(path, "rb").read()
        wanted = 74 if name == "journal.jsonl" else 5
        end = witnessed(run, good) if name == "journal.jsonl" else len(good)
        for at in range(0, len(good), 512):
            for how in ("flip", "cut"):
                if how == "cut" and at >= end:
                    continue
                bad = bytearray(good)
                if how == "flip":
                    bad[at] ^= 0x10
                else:
                    bad = bad[:at]
                with open(path, "wb") as f:
                    f.write(bytes(bad))
                ret = w.rollback()
                points += 1
                # a journal that ends early is told by state.json
                if ret != wanted:
                    problems.append("%s %s at %d: exit %d, not %d: %s" % (
                        how, name, at, ret, wanted, w.last))
                if sweep.tree(w.root) != after:
                    problems.append("%s %s at %d: data was changed" % (
                        how, name, at))
                    break
                if len(problems) > 5:
                    break
        with open(path, "wb") as f:
            f.write(good)
    if w.rollback() != 0:
        problems.append("whole again, but: %s" % w.last)
    shutil.rmtree(base, ignore_errors=True)
    print("1..1")
    print("%s 1 - damage at %d points is found before a change: %d problems"
          % ("not ok" if problems else "ok", points, len(problems)))
    for p in problems[:6]:
        print("# " + p.replace("\n", "\n# "))
    return 1 if problems else 0


sys.exit(main())

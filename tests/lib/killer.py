#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""killer.py KILLS STATE ROOT PLAN [BACK]: run a plan, killed again and again.

upshift runs PLAN on ROOT, or resumes it (with BACK: rolls it back), and is
killed with SIGKILL at a random instant, KILLS times at most; then it may end.
STATE is a file that is kept from one call to the next: how long to wait at
most, a little longer after each kill, so that something gets done (only very
little where there are to be many), and shorter when a run ends before its kill.  SEED in the environment: of the instants.

Prints "EXIT KILLS PEAK": how it ended, how often it was killed, the largest
memory of any of them in KiB; and the last words of one that failed."""
import os
import random
import subprocess
import sys
import time

kills, state, root, plan = int(sys.argv[1]), *sys.argv[2:5]
back = len(sys.argv) > 5
upshift = os.environ["UPSHIFT"]
rest = ["--root", root, "--batch"]
resume = [upshift, "resume", *rest, "--yes"]
first = [upshift, "rollback", "start", *rest, "--confirm",
         "roll back to start"] if back else [upshift, "run", plan, *rest,
                                             "--yes"]
most, done = 1.0, 0
if os.path.exists(state):
    with open(state) as f:
        most, done = float(f.readline()), int(f.readline())
chance = random.Random("%s %s %d" % (os.environ.get("SEED", "1"), back, done))
said = os.path.join(os.path.dirname(state), "killer.said")
peak = killed = 0


def go(args, wait):
    """Exit status, None: killed."""
    global peak
    with open(said, "w") as out:
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=out)
    end = time.monotonic() + wait if wait is not None else None
    while True:
        pid, st, use = os.wait4(p.pid, 0 if end is None else os.WNOHANG)
        if pid:
            break
        if time.monotonic() >= end:
            p.kill()
            end = None
        time.sleep(0.002)
    p.returncode = 0  # it was waited for here
    peak = max(peak, use.ru_maxrss)
    return None if os.WIFSIGNALED(st) and os.WTERMSIG(st) == 9 else \
        os.waitstatus_to_exitcode(st)


def went_back():
    """A complete run is complete for resume, too."""
    out = subprocess.run([upshift, "status", "--root", root],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return b"\nState: rolled back" in out.stdout


status, args = None, first
while status is None:
    wait = chance.uniform(0, most) if killed < kills else None
    status = go(args, wait)
    if status is None:
        killed += 1
        most = min(most * (1.2 if kills < 20 else 1.02), 120)
        # a rollback that has begun is resumed
        args = resume
    elif status in (64, 66) and args is resume:
        # it was killed before it was a run, or before it went back
        status, args = None, first
    elif status == 0 and back and not went_back():
        status, args = None, first
if wait is not None:
    most = max(most * (0.5 if kills < 20 else 0.3), 0.05)
with open(state, "w") as f:
    f.write("%f\n%d\n" % (most, done + killed + 1))
print(status, killed, peak)
if status:
    with open(said) as f:
        sys.stdout.writelines("# " + line for line in f.readlines()[-15:])

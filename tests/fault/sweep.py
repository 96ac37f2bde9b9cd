#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sweep.py PHASE WHAT [EVERY [FIRST]]: kill, or a full disk, at every change.

PHASE  run, resume, rollback, return (to the state before a rollback, with
       what others had changed by then)
WHAT   kill, kill-after, or an errno name (ENOSPC, EIO), by the program's own
       fault table; or strace:SYSCALL[:ERRNO], by strace, which sees every call
       of the engine's thread (children are not traced, so it is never a child
       that dies instead)
EVERY  take every n-th point (1: all)
FIRST  begin with this point (below 0: counted from the last)
SWEEP_BACKUP in the environment: a directory in the data for the backups.

Each point: a fresh small tree, the program with UPSHIFT_TEST_FAULT at the n-th
changing call of that phase, then
  - `status` must answer, and tell the truth (exit 0, or 66: no run began);
  - `resume` (or `run`, where no run began) must end like an unbroken run;
  - `rollback` must leave the tree as it was at the start, to the nanosecond.
Prints TAP, one line for the sweep, and what went wrong on the way."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HANGS = -14
CRASHES = (70, 134, 139, -6, -11, HANGS)
HERE = os.path.dirname(os.path.abspath(__file__))
UPSHIFT = os.environ.get("UPSHIFT") or os.path.join(
    HERE, "..", "..", "build", "upshift")
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.dont_write_bytecode = True
import tree as names  # noqa: E402
BACKUP = os.environ.get("SWEEP_BACKUP")
PLAN = """plan = 1;
name = "sweep"; title = "Sweep"; from = "1"; to = "2";
backup: { include = ["keep"]; @DIR@ };
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new", "new/sub"]; mode = "0750"; },
  { id = "conf"; kind = "write"; path = "new/conf.json"; text = "{\\"a\\": 1}\\n"; },
  { id = "change"; kind = "write"; path = "keep/b.txt"; text = "changed\\n"; replace = true; },
  { id = "moved"; kind = "move"; from = "old/tree"; to = "new/tree"; },
  { id = "copied"; kind = "copy"; from = "keep/a.txt"; to = "new/a.txt"; },
  { id = "twins"; kind = "copy"; from = "twins"; to = "new/twins"; },
  { id = "gone"; kind = "remove"; paths = ["old/*.tmp"]; },
  { id = "current"; kind = "link"; path = "current"; target = "new"; },
  { id = "packed"; kind = "archive"; paths = ["logs"]; to = "new/logs.tar.zst"; },
  { id = "docs"; kind = "json"; paths = ["docs/*.json"]; select = "$.list[*]"; count = "values";
    edit = ( { op = "default"; path = "/v"; value = 1; },
             { op = "secret"; path = "/key"; name = "k/{id}"; where = "@.key";
               store = { file = "secrets/keys.json"; }; } ); },
  { id = "lines"; kind = "jsonl"; path = "docs/events.jsonl";
    edit = ( { op = "rename"; from = "/a"; to = "b"; } ); },
  { id = "ran"; kind = "run"; run = ["sh", "-c", "echo out > new/out"]; creates = ["new/out"]; }
);
"""


PLAN = PLAN.replace("@DIR@", 'dir = "%s/${run.started}";' % BACKUP
                    if BACKUP else "")


def make(root):
    for d in ("keep", "old/tree/deep", "logs", "empty", "docs", "twins"):
        os.makedirs(os.path.join(root, d))
    files = {"keep/a.txt": "a\n" * 100, "keep/b.txt": "b\n", "old/x.tmp": "x",
             "twins/one": "1" * 300, "old/tree/f": "f" * 5000,
             "old/tree/deep/g": "g", "logs/1.log": "one\n", "logs/2.log": "2",
             "docs/one.json": '{ "list": [ {"id": 1, "key": "s1"}, {"id": 2} ] }\n',
             "docs/two.json": '{"list":[{"id":3,"v":0}]}',
             "docs/events.jsonl": '{"a": 1}\r\n\n{"a": 2.50}'}
    for name, text in files.items():
        with open(os.path.join(root, name), "w") as f:
            f.write(text)
    os.symlink("keep", os.path.join(root, "current"))
    os.symlink("nowhere", os.path.join(root, "old/tree/dangling"))
    os.link(os.path.join(root, "old/tree/f"), os.path.join(root, "old/tree/f2"))
    os.link(os.path.join(root, "twins/one"), os.path.join(root, "twins/two"))
    os.link(os.path.join(root, "old/x.tmp"), os.path.join(root, "old/y.tmp"))
    if os.geteuid() == 0:
        for name in ("twins/one", "old/x.tmp", "keep/b.txt"):
            os.chown(os.path.join(root, name), 1234, 4321)
    os.chmod(os.path.join(root, "keep/b.txt"), 0o640)
    try:
        os.setxattr(os.path.join(root, "keep/b.txt"), "user.note", b"\0x")
    except OSError:
        pass
    for top, dirs, names in os.walk(root, topdown=False):
        for n in names:
            os.utime(os.path.join(top, n), ns=(10**18 + 7, 10**18 + 7),
                     follow_symlinks=False)
        os.utime(top, ns=(10**18 + 9, 10**18 + 9))


def tree(root, times=True):
    out = names.lines(root, ".upshift", *([BACKUP] if BACKUP else []))
    if times:
        return "\n".join(out)
    lines = []
    for line in out:
        f = line.split(" ")
        # times differ, and so does an archive that holds its manifest
        if f[0] == "new/logs.tar.zst":
            f = f[:3] + ["", "archive"]
        lines.append(" ".join(f[:3] + f[4:]))
    return "\n".join(lines)


class World:
    def __init__(self, base):
        self.root = os.path.join(base, "data")
        self.plan = os.path.join(base, "sweep.plan")
        self.home = os.path.join(base, "home")
        os.makedirs(self.home)
        make(self.root)
        with open(self.plan, "w") as f:
            f.write(PLAN)
        self.before = tree(self.root)

    def call(self, *args, fault=None):
        env = dict(os.environ, LC_ALL="C", HOME=self.home,
                   XDG_STATE_HOME=self.home)
        env.pop("UPSHIFT_TEST_FAULT", None)
        argv = [UPSHIFT, *args, "--root", self.root]
        if fault and fault.startswith("strace:"):
            f = fault.split(":")
            how = "error=" + f[3] if len(f) > 3 else "signal=KILL"
            argv = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + f[1],
                    "-e", "inject=%s:%s:when=%s" % (f[1], how, f[2])] + argv
        elif fault:
            env["UPSHIFT_TEST_FAULT"] = fault
        try:
            p = subprocess.run(argv, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, env=env,
                               timeout=120)
        except subprocess.TimeoutExpired:
            self.last = "%s does not end" % " ".join(args)
            return HANGS
        self.last = "%s -> %d\n%s%s" % (" ".join(args), p.returncode,
                                        p.stdout[-1500:], p.stderr[-1500:])
        return p.returncode

    def run(self, fault=None):
        return self.call("run", self.plan, "--batch", "--yes", fault=fault)

    def resume(self, fault=None):
        return self.call("resume", "--batch", "--yes", fault=fault)

    def rollback(self, point="start", fault=None):
        return self.call("rollback", point, "--batch", "--confirm",
                         "roll back to " + point, fault=fault)

    def others(self):
        """What people do behind a run."""
        for name in ("new/theirs", "new/tree/f", "keep/b.txt"):
            with open(os.path.join(self.root, name), "a") as f:
                f.write("theirs\n")
        os.remove(os.path.join(self.root, "new/tree/deep/g"))


def bring_home(w, problems, what):
    """From wherever it stands: to the end, then back to the start."""
    ret = w.call("status")
    if ret not in (0, 66):
        problems.append("%s: status: %s" % (what, w.last))
        return False
    ret = w.run() if ret == 66 else w.resume()
    if ret == 66:
        ret = w.run()
    if ret != 0:
        problems.append("%s: not resumed: %s" % (what, w.last))
        return False
    return True


def prepare(w, phase):
    """Up to where the phase begins."""
    if phase == "resume":
        # killed in the middle first: at a change of the fourth step
        w.run(fault="rename:14:kill")
    elif phase != "run":
        w.run()
    if phase == "return":
        w.others()
        w.changed = tree(w.root)
        w.rollback()


def act(w, phase, fault):
    if phase == "run":
        return w.run(fault=fault)
    if phase == "resume":
        return w.resume(fault=fault)
    return w.rollback("R1" if phase == "return" else "start", fault=fault)


def killed(phase, fault):
    base = tempfile.mkdtemp(prefix="upshift-sweep.")
    try:
        w = World(base)
        prepare(w, phase)
        return act(w, phase, fault) == -signal.SIGKILL
    finally:
        shutil.rmtree(base, ignore_errors=True)


def count_points(phase, what):
    """How many such calls the phase makes: the last at which it can be
    killed. (A call that fails may well be got over.)"""
    f = what.split(":")
    kill = ":".join(f[:2]) if f[0] == "strace" else "kill"
    low, high = 0, 1
    while killed(phase, fault_at(kill, high)):
        low, high = high, high * 2
    while high - low > 1:
        mid = (low + high) // 2
        if killed(phase, fault_at(kill, mid)):
            low = mid
        else:
            high = mid
    return low


def one_return(w, fault, problems, what):
    changed = w.changed
    if tree(w.root) != w.before:
        problems.append("%s: no rollback: %s" % (what, w.last))
    ret = act(w, "return", fault)
    if ret in CRASHES or (ret > 0 and ret not in (1, 2, 5, 73, 74)):
        problems.append("%s: exit %d: %s" % (what, ret, w.last))
    if ret != 0 and w.call("status") != 0:
        problems.append("%s: status: %s" % (what, w.last))
    if ret != 0 and w.resume() not in (0, 66):
        problems.append("%s: not resumed: %s" % (what, w.last))
    # one that was not begun is asked for again
    if tree(w.root) != changed and w.rollback("R1") != 0:
        problems.append("%s: no return: %s" % (what, w.last))
    if tree(w.root) != changed:
        problems.append("%s: not as it was before the rollback:\n%s" % (
            what, diff(changed, tree(w.root))))
    if w.rollback() != 0:
        problems.append("%s: no rollback: %s" % (what, w.last))


def one(phase, fault, unbroken, problems):
    base = tempfile.mkdtemp(prefix="upshift-sweep.")
    what = "%s %s" % (phase, fault)
    try:
        w = World(base)
        prepare(w, phase)
        if phase == "return":
            one_return(w, fault, problems, what)
            if tree(w.root) != w.before:
                problems.append("%s: not like the start:\n%s" % (
                    what, diff(w.before, tree(w.root))))
            return
        ret = act(w, phase, fault)
        reached = ret != 0
        if ret in CRASHES:
            problems.append("%s: crashed: %s" % (what, w.last))
        if phase == "rollback":
            if reached and ret > 0 and ret not in (1, 2, 5, 73, 74):
                problems.append("%s: exit %d: %s" % (what, ret, w.last))
            if reached and w.call("status") != 0:
                problems.append("%s: status: %s" % (what, w.last))
            # a rollback that was begun is gone on with; one that was not
            # begun is asked for again
            if reached and w.resume() not in (0, 66):
                problems.append("%s: not resumed: %s" % (what, w.last))
            if tree(w.root) != w.before and w.rollback() != 0:
                problems.append("%s: no rollback: %s" % (what, w.last))
        else:
            if reached and ret > 0 and ret not in (1, 2, 3, 73, 74):
                problems.append("%s: exit %d: %s" % (what, ret, w.last))
            if reached and not bring_home(w, problems, what):
                return
            if tree(w.root, False) != unbroken["tree"]:
                problems.append("%s: not like an unbroken run:\n%s" % (
                    what, diff(unbroken["tree"], tree(w.root, False))))
            if w.rollback() != 0:
                problems.append("%s: no rollback: %s" % (what, w.last))
        after = tree(w.root)
        if after != w.before:
            problems.append("%s: not like the start:\n%s" % (
                what, diff(w.before, after)))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def fault_at(what, n):
    f = what.split(":")
    if f[0] == "strace":
        return ":".join(["strace", f[1], str(n)] + f[2:])
    return "any:%d:%s" % (n, what)


def diff(a, b):
    x, y = a.splitlines(), b.splitlines()
    return "\n".join(["-" + s for s in x if s not in y] +
                     ["+" + s for s in y if s not in x])


def main():
    phase, what = sys.argv[1], sys.argv[2]
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    base = tempfile.mkdtemp(prefix="upshift-sweep.")
    w = World(base)
    problems = []
    if w.run() != 0:
        print("1..1\nnot ok 1 - an unbroken run\n# " +
              w.last.replace("\n", "\n# "))
        return 1
    unbroken = {"tree": tree(w.root, False)}
    shutil.rmtree(base, ignore_errors=True)
    points, total = 0, count_points(phase, what)
    if first < 0:
        first = max(1, total + 1 + first)
    for n in range(first, total + 1, every):
        one(phase, fault_at(what, n), unbroken, problems)
        points += 1
        if len(problems) > 10:
            break
    print("1..1")
    print("%s 1 - %s at %d of %d points of %s: %d problems" % (
        "not ok" if problems or (total and not points) else "ok", what, points, total,
        phase, len(problems)))
    for p in problems[:10]:
        print("# " + p.replace("\n", "\n# "))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

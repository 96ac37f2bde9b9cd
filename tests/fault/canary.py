#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""canary.py PHASE [EVERY [FIRST]]: a secret key, and what a kill leaves of it.

PHASE  run, resume, rollback
EVERY  take every n-th point (1: all)
FIRST  begin with this point

Documents hold keys that go to a store of each kind. Each point: a fresh tree,
the program killed at the n-th changing call of that phase. Then everything
below the tree, the state, HOME and TMPDIR is searched: whatever holds a key,
but for the documents and the stores, must be closed to others (by its own mode
or that of a directory above it), and what packs one must be 0600. It is gone
on with, or gone back (in turn), and searched again: now nothing has a key but
what may have it (documents, stores, backups), and nothing is left that was
only staged. No argument and no environment of any process has one at
any time that a store is asked. Prints TAP, one line."""
import os
import re
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
import sweep  # noqa: E402

HELPER = """#!/bin/sh
# helper DIR put|get|remove NAME: a store of secrets. Looks at the arguments and
# the environment of everybody; the pattern does not find itself.
grep -la "$(cat "$1/.word")" /proc/[0-9]*/cmdline /proc/[0-9]*/environ \\
	>>"$1/.seen" 2>/dev/null
f=$1/$(printf %s "$3" | tr / _)
case $2 in
put) cat >"$f" ;;
get) cat "$f" 2>/dev/null ;;
remove) rm "$f" ;;
esac
"""
PLAN = """plan = 1;
name = "canary"; title = "Canary"; from = "1"; to = "2";
allow_paths = ["OTHER"];
steps = (
  { id = "schema"; kind = "json"; path = "models.json"; select = "$.profiles[*]";
    edit = ( { op = "default"; path = "/v"; value = 1; } ); },
  { id = "keys"; kind = "json"; path = "models.json"; select = "$.profiles[*]"; needs = ["schema"];
    edit = ( { op = "secret"; path = "/key"; name = "p/{id}"; where = "@.key";
               store = { file = "secrets/keys.json"; }; } ); },
  { id = "servers"; kind = "json"; path = "mcp.json"; select = "$.servers.*"; needs = ["keys"];
    edit = ( { op = "secret"; path = "/env/KEY"; name = "s/{id}"; where = "@.env.KEY";
               store = { file = "secrets/keys.json"; }; } ); },
  { id = "far"; kind = "json"; path = "OTHER/far.json"; select = "$.profiles[*]"; needs = ["servers"];
    edit = ( { op = "rename"; from = "/key"; to = "token"; } ); },
  { id = "far_keys"; kind = "json"; path = "OTHER/far.json"; select = "$.profiles[*]"; needs = ["far"];
    edit = ( { op = "secret"; path = "/token"; name = "f/{id}";
               store = { file = "secrets/keys.json"; }; } ); },
  { id = "tokens"; kind = "jsonl"; path = "tokens.jsonl"; bad_records = "quarantine"; needs = ["far_keys"];
    edit = ( { op = "secret"; path = "/token"; name = "t/{id}";
               store = { put = ["HELPER", "STORE", "put", "{name}"];
                         get = ["HELPER", "STORE", "get", "{name}"];
                         remove = ["HELPER", "STORE", "remove", "{name}"]; }; } ); },
  { id = "last"; kind = "write"; path = "done"; text = "done\\n"; needs = ["tokens"]; }
);
"""
DOCUMENTS = ("models.json", "mcp.json", "tokens.jsonl")
PACKED = re.compile(r"\.(zst|sqlite|dump)(\.part)?$|\.part$")
BACKUP = re.compile(r"data/\.upshift/runs/\w+/backup/")
LEFT = re.compile(r"^\.upshift-stage-|\.part$")


def other_place(base):
    """A directory on another file system, if there is one: what is new there
    is made beside it."""
    for d in ("/dev/shm", "/tmp", "/var/tmp"):
        if os.access(d, os.W_OK) and os.stat(d).st_dev != os.stat(base).st_dev:
            return tempfile.mkdtemp(prefix="upshift-canary.", dir=d)
    return tempfile.mkdtemp(prefix="other.", dir=base)


class World(sweep.World):
    def __init__(self, base):
        self.base = base
        self.other = other_place(base)
        self.root = os.path.join(base, "data")
        self.home = os.path.join(base, "home")
        self.plan = os.path.join(base, "canary.plan")
        self.store = os.path.join(base, "store")
        self.temp = os.path.join(base, "temp")
        # other tests look for words of their own
        self.word = "key%dcanary" % os.getpid()
        for d in (self.root, self.home, self.store, self.temp):
            os.makedirs(d)
        os.mkdir(os.path.join(self.root, "secrets"), 0o700)
        os.environ["TMPDIR"] = self.temp
        w = self.word
        helper = os.path.join(base, "helper")
        self.put(helper, HELPER, 0o700)
        self.put(os.path.join(self.store, ".word"),
                 w[:-1] + "[" + w[-1] + "]", 0o600)
        self.put(self.plan, PLAN.replace("HELPER", helper)
                 .replace("STORE", self.store)
                 .replace("OTHER", self.other), 0o600)
        self.put(os.path.join(self.other, "far.json"),
                 '{"profiles": [{"id": 7, "key": "%s7"}]}\n' % w, 0o604)
        files = {
            "models.json": ('{"profiles": [{"id": 1, "key": "%s1"},\n'
                            ' {"id": 2, "key": "%s2"}, {"id": 3}]}\n' % (w, w),
                            0o644),
            "mcp.json": ('{\n "servers": {\n  "a": {"id": "a", "env": {"KEY": '
                         '"%s-a"}},\n  "b": {"id": "b"}\n }\n}\n' % w, 0o600),
            "tokens.jsonl": ('{"id": 1, "token": "%s3"}\n{"id": 2, "token": '
                             '"%s-bad", }\n{"id": 3, "token": "%s4"}\n'
                             % (w, w, w), 0o640),
            "secrets/keys.json": ('{"old": "%s-old"}\n' % w, 0o600),
        }
        for name, (text, mode) in files.items():
            self.put(os.path.join(self.root, name), text, mode)
        self.before = sweep.tree(self.root)

    @staticmethod
    def put(path, text, mode):
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def walk(self):
        yield from os.walk(self.base)
        if not self.other.startswith(self.base):
            yield from os.walk(self.other)

    def files(self):
        for top, _, names in self.walk():
            for name in names:
                path = os.path.join(top, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path

    def has_word(self, path):
        with open(path, "rb") as f:
            return self.word.encode() in f.read()

    def may_have(self, path, stored):
        """Documents; the stores, where they are to have it."""
        rel = os.path.relpath(path, self.base)
        return rel in ["data/" + d for d in DOCUMENTS] or \
            (rel.startswith("store/") and stored) or \
            rel == "data/secrets/keys.json" or \
            path == os.path.join(self.other, "far.json")

    def closed(self, path):
        while path not in (self.base, self.other):
            if os.stat(path).st_mode & 0o077 == 0:
                return True
            path = os.path.dirname(path)
        return False

    def search(self, what, problems, ended, stored=True):
        for path in self.files():
            mode = os.stat(path).st_mode & 0o777
            rel = os.path.relpath(path, self.base)
            if PACKED.search(rel) and mode != 0o600:
                problems.append("%s: %s may hold it and has mode %o" % (
                    what, rel, mode))
            if ended and LEFT.search(os.path.basename(path)):
                problems.append("%s: %s is left" % (what, rel))
            if not self.has_word(path):
                continue
            if rel.startswith("store/") and not stored:
                problems.append("%s: %s still has it" % (what, rel))
            if self.may_have(path, stored):
                continue
            if not self.closed(path):
                problems.append("%s: %s has it, with mode %o" % (
                    what, rel, mode))
            if ended and not BACKUP.match(rel):
                problems.append("%s: %s has it" % (what, rel))
        if ended:
            for top, dirs, _ in self.walk():
                for d in dirs:
                    if LEFT.search(d):
                        problems.append("%s: %s is left" % (
                            what, os.path.join(top, d)))
        seen = os.path.join(self.store, ".seen")
        if os.path.exists(seen) and os.path.getsize(seen):
            problems.append("%s: in arguments or environment" % what)
        if self.word in self.last:
            problems.append("%s: it was said" % what)


def one(phase, n, back, problems):
    base = tempfile.mkdtemp(prefix="upshift-canary.")
    fault = "any:%d:kill" % n
    what = "%s %s" % (phase, fault)
    w = World(base)
    try:
        if phase == "resume":
            # killed while the first secrets are put into their store
            w.run(fault="rename:8:kill")
        elif phase == "rollback":
            w.run()
            w.search("unbroken", problems, True)
        act = {"run": w.run, "resume": w.resume, "rollback": w.rollback}
        ret = act[phase](fault=fault)
        if ret != -signal.SIGKILL:
            if ret not in (0, 3):
                problems.append("%s: %s" % (what, w.last))
            return False
        w.search(what, problems, False)
        what += ", rolled back" if back else ", resumed"
        if phase == "rollback" or back:
            # the engine goes on with a rollback that was begun
            if w.call("status") == 0:
                if phase == "rollback":
                    w.resume()
                if (phase != "rollback" or sweep.tree(w.root) != w.before) \
                        and w.rollback() != 0:
                    problems.append("%s: %s" % (what, w.last))
                if sweep.tree(w.root) != w.before:
                    problems.append("%s: not like the start:\n%s" % (
                        what, sweep.diff(w.before, sweep.tree(w.root))))
            w.search(what, problems, w.call("status") == 0, False)
            return True
        ret = w.run() if w.call("status") == 66 else w.resume()
        if ret == 66:
            ret = w.run()
        # 0: it was complete already
        if ret not in (0, 3):
            problems.append("%s: %s" % (what, w.last))
        w.search(what, problems, True)
        return True
    finally:
        shutil.rmtree(w.other, ignore_errors=True)
        shutil.rmtree(base, ignore_errors=True)


def main():
    phase = sys.argv[1]
    every = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    problems = []
    points = 0
    while one(phase, n, points % 2 == 0, problems):
        points += 1
        n += every
    if not points:
        problems.append("%s: it was never killed" % phase)
    print("1..1")
    print("%s 1 - canary %s: %d points up to %d" % (
        "not ok" if problems else "ok", phase, points, n - every))
    for p in problems[:40]:
        print("# " + p.replace("\n", "\n#   "))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

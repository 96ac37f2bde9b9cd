#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rehome.py RUN-DIRECTORY ROOT [KEY=VALUE...]: a recorded journal in its place.

A journal says in which directory, by path and inode, its run was begun, so one
that was recorded elsewhere is refused. This writes the new place into record 1
and computes the chain of sums anew, by the format alone (journal.h): each line
ends with the BLAKE2b-512 of itself without that member, and "prev" is the sum
of the line before. KEY=VALUE replaces that member wherever it stands. What
follows the last newline (a torn record) stays as it is."""
import hashlib
import json
import os
import re
import sys


def member(line, key, value):
    """Replaces the value of a member, keeping every other byte."""
    return re.sub(rb'("%s":)("(?:[^"\\]|\\.)*"|-?[0-9]+)' % key.encode(),
                  lambda m: m.group(1) + json.dumps(value).encode(), line)


def main():
    run, root = sys.argv[1], sys.argv[2]
    more = [arg.split("=", 1) for arg in sys.argv[3:]]
    journal = os.path.join(run, "journal.jsonl")
    with open(journal, "rb") as f:
        lines = f.read().split(b"\n")
    first = json.loads(lines[0])
    was = json.dumps(first["root"])[1:-1].encode()
    prev, out, sums = "", [], {}
    for line in lines[:-1]:
        body, _ = line.rsplit(b',"sum":"', 1)
        body = member(body, "prev", prev)
        body = body.replace(was, json.dumps(root)[1:-1].encode())
        if not prev:
            st = os.stat(root) if os.path.isdir(root) else None
            body = member(body, "root_ino", st.st_ino if st else 1)
            body = member(body, "root_dev", st.st_dev if st else 1)
        for key, value in more:
            body = member(body, key, value)
        body += b"}"
        prev = "blake2b-512:" + hashlib.blake2b(body).hexdigest()
        out.append(body[:-1] + b',"sum":"' + prev.encode() + b'"}')
        sums[json.loads(out[-1])["seq"]] = prev
    with open(journal, "r+b") as f:
        f.write(b"\n".join(out + lines[-1:]))
        f.truncate()
    state = os.path.join(run, "state.json")
    if os.path.exists(state):
        with open(state, "rb") as f:
            text = f.read().replace(was, json.dumps(root)[1:-1].encode())
        seq = json.loads(text)["seq"]
        with open(state, "wb") as f:
            f.write(member(text, "sum", sums[seq]))


main()

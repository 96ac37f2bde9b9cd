#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tree.py DIR [SKIP...]: one line for each name below DIR, so that two trees
can be compared with diff: type, mode, owner, nanosecond mtime, size, digest,
link target, hard-link group, extended attributes. Names are escaped bytes."""
import hashlib
import os
import stat
import sys


def esc(b):
    return "".join(chr(c) if 33 <= c < 127 and c != 92 else "\\x%02x" % c
                   for c in b)


LARGE = 64 << 20
CHUNK = 1 << 20


def digest(f, size):
    """Of the content; of a large file, of what is not zero and where, so that
    holes cost nothing and zeros in their place are the same."""
    h = hashlib.blake2b()
    if size <= LARGE:
        h.update(f.read())
        return h.hexdigest()[:32]
    fd = f.fileno()
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA) // CHUNK * CHUNK
        except OSError:
            break
        data = os.pread(fd, CHUNK, at)
        if data.strip(b"\0"):
            h.update(b"%d:" % at + data)
        at += CHUNK
    return h.hexdigest()[:32]


def line(root, rel, groups):
    path = os.path.join(root, rel) if rel != b"." else root
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    out = [esc(rel), "%06o" % st.st_mode, "%d:%d" % (st.st_uid, st.st_gid),
           str(st.st_mtime_ns)]
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            out += [str(st.st_size), digest(f, st.st_size)]
        if st.st_nlink > 1:
            out.append("group=" + groups.setdefault(st.st_ino, esc(rel)))
    elif kind == stat.S_IFLNK:
        out.append("-> " + esc(os.readlink(path)))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        out.append("rdev=%d" % st.st_rdev)
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            if not name.startswith("security.selinux"):
                value = os.getxattr(path, name, follow_symlinks=False)
                out.append(name + "=" + esc(value))
    except OSError:
        pass
    return " ".join(out)


def lines(root, *skip):
    """The lines of the tree below root, but for the names to skip."""
    root = os.fsencode(root)
    skip = {os.fsencode(s) for s in skip}
    names = [b"."]
    for top, dirs, files in os.walk(root):
        rel = os.path.relpath(top, root)
        keep = []
        for d in dirs:
            r = d if rel == b"." else os.path.join(rel, d)
            if r not in skip:
                keep.append(d)
                names.append(r)
        dirs[:] = [d for d in keep if not os.path.islink(os.path.join(top, d))]
        for f in files:
            r = f if rel == b"." else os.path.join(rel, f)
            if r not in skip:
                names.append(r)
    groups = {}
    return [line(root, rel, groups) for rel in sorted(names)]


if __name__ == "__main__":
    for text in lines(*sys.argv[1:]):
        print(text)

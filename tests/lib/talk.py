#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Talks to a program by a script, as expect(1) would.

    talk.py [--tty] SCRIPT COMMAND...

SCRIPT has a line for each act:
    expect TEXT    reads on until TEXT comes behind what was expected before
    type TEXT      types a line
    key C          sends a control character: c is ^C
    end            closes the input; a terminal is hung up
    until FILE     waits until FILE is there
    touch FILE     makes it
    copy A B       file B has the content of A then
    kill SIGNAL    to the program
Behind the last line the output is read to its end. Everything that was said
goes to standard output; the status is the program's, or 99 if the script could
not be followed within the limit, which only a failure reaches.
"""
import os
import pty
import select
import signal
import subprocess
import sys
import time

LIMIT_S = int(os.environ.get("TALK_LIMIT", "60"))


class Talk:
    def __init__(self, command, tty):
        self.said = b""
        self.at = 0
        self.tty = tty
        if tty:
            self.out, slave = pty.openpty()
            self.inp = self.out
            self.child = subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=slave,
                start_new_session=True, preexec_fn=self.take_terminal)
            os.close(slave)
        else:
            self.child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            self.inp = self.child.stdin.fileno()
            self.out = self.child.stdout.fileno()

    @staticmethod
    def take_terminal():
        import fcntl
        import termios
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read(self):
        """False at the end"""
        if not select.select([self.out], [], [], LIMIT_S)[0]:
            fail(self, "nothing more was said")
        try:
            data = os.read(self.out, 65536)
        except OSError:
            data = b""
        self.said += data
        return bool(data)

    def expect(self, text):
        want = text.encode()
        while True:
            found = self.said.find(want, self.at)
            if found >= 0:
                self.at = found + len(want)
                return
            if not self.read():
                fail(self, "it ended before '%s' was said" % text)

    def end(self):
        if self.tty:
            os.close(self.out)
        else:
            self.child.stdin.close()


def show(talk):
    sys.stdout.write(talk.said.decode(errors="backslashreplace")
                     .replace("\r\n", "\n"))


def fail(talk, why):
    talk.child.kill()
    show(talk)
    print("talk.py: " + why)
    sys.exit(99)


def until(talk, name):
    end = time.monotonic() + LIMIT_S
    while not os.path.exists(name):
        if time.monotonic() > end:
            fail(talk, "'%s' did not appear" % name)
        time.sleep(0.01)


def main():
    args = sys.argv[1:]
    tty = args[0] == "--tty"
    if tty:
        args = args[1:]
    talk = Talk(args[1:], tty)
    hung_up = False
    for line in open(args[0]).read().splitlines():
        verb, _, text = line.partition(" ")
        if verb == "expect":
            talk.expect(text)
        elif verb == "type":
            os.write(talk.inp, text.encode() + b"\n")
        elif verb == "key":
            os.write(talk.inp, bytes([ord(text) & 31]))
        elif verb == "until":
            until(talk, text)
        elif verb == "touch":
            open(text, "w").close()
        elif verb == "copy":
            source, target = text.split()
            with open(source) as f, open(target, "w") as g:
                g.write(f.read())
        elif verb == "kill":
            talk.child.send_signal(getattr(signal, "SIG" + text))
        elif verb == "end":
            talk.end()
            hung_up = tty
        else:
            sys.exit("talk.py: what is '%s'?" % line)
    while not hung_up and talk.read():
        pass
    try:
        status = talk.child.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        fail(talk, "it does not end")
    show(talk)
    sys.exit(status if status >= 0 else 128 - status)


main()

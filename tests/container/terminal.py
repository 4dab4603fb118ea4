# SPDX-License-Identifier: Apache-2.0
"""A person at a container's shell, who types lines one after the other and answers what is asked.

    terminal = Terminal(container, user="ann", passphrase="secret")
    said = terminal.type("p2pvpn-ctl init ~/offices")
"""

import os
import pty
import re
import select
import termios
import time

PROMPT = re.compile(r"@@(\d+)@@ ")
LIMIT = 180  # seconds for one line


class Terminal:
    def __init__(self, container, *, user="root", home="/root", passphrase=""):
        self.said = ""  # in all
        self._who = f"{user} at {container.hostname}"
        self._passphrase = passphrase
        # A session of its own inside, or the shell does not find its terminal's foreground.
        argv = container.enter(["setsid", "--ctty", "--wait", "runuser", "-u", user, "--", "env", f"HOME={home}",
                                "PS1=@@$?@@ ", "bash", "--norc", "--noprofile", "--noediting", "-i"])
        pid, self._file = pty.fork()
        if pid == 0:
            os.execvp(argv[0], [str(a) for a in argv])
        self._pid = pid
        self._listen("to log in")
        self.type(f"cd {home}")

    def type(self, line, *, check=True):
        """Returns what was printed until the next prompt."""
        os.write(self._file, f"{line}\n".encode())
        status, said = self._listen(line)
        assert not check or status == 0, f"{self._who}: {line}\nended with {status}:\n{said}"
        return said

    def _answer(self, said):
        """To what is asked at the end of what was said, or nothing."""
        if re.search(r"\[Y/n\] $", said):
            return "y"
        # Not before the program is ready: it throws away what was typed until then.
        hidden = not termios.tcgetattr(self._file)[3] & termios.ECHO
        return self._passphrase if hidden and re.search(r"Passphrase[^\n]*: $", said) else ""

    def _listen(self, line):
        said, answered, end = "", 0, time.monotonic() + LIMIT
        while time.monotonic() < end:
            if not select.select([self._file], [], [], 0.05)[0]:
                if len(said) > answered and (answer := self._answer(said)):
                    os.write(self._file, f"{answer}\n".encode())
                    answered = len(said)
                continue
            try:
                said += os.read(self._file, 65536).decode(errors="replace").replace("\r", "")
            except OSError:
                break
            if found := PROMPT.search(said):
                said = said[:found.start()]
                self.said += said
                return int(found[1]), said
        raise AssertionError(f"{self._who}: no end of: {line}\n{said}")

    def close(self):
        os.close(self._file)
        os.waitpid(self._pid, 0)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

"""What a run has in common: systems, the go command, sudrun, and starting commands that leave nothing behind."""
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import contain
import goroot

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NATIVE = "linux"


class UsageError(Exception):
    pass


class Interrupted(Exception):
    pass


class Finished:
    def __init__(self, status, stdout, stderr, seconds):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds

    @property
    def killed(self):
        """Why the runner itself ended the command; empty if it did not."""
        return "still running after the time limit of the suite runner" if self.status == contain.TIME_IS_UP else ""


class Context:
    """Systems are rows of systems.json: the Go name of the system and the words to put before a program's name."""

    def __init__(self, system, *, results, go="go", sudrun=None, sudrun_options=(), systems=HERE / "systems.json"):
        self.systems = json.loads(pathlib.Path(systems).read_text())
        if system not in self.systems:
            raise UsageError(f"unknown system `{system}`; there are: {', '.join(self.systems)}")
        self.system = system
        self.go = shutil.which(go) or go  # now: the PATH of a test may name another first
        self.sudrun = pathlib.Path(sudrun).resolve() if sudrun else None
        self.sudrun_options = list(sudrun_options)
        self._running = set()
        self._lock = threading.Lock()
        self._stopping = False
        # Short, because names of sockets are limited, and without links, because tests compare it with what getcwd says.
        self.goroots, self.bin = {}, None
        self.scratch = pathlib.Path(os.path.realpath(tempfile.mkdtemp(prefix="suite-")))
        self.scratch.chmod(0o755)
        if self.wrapper(system) and not (self.sudrun and os.access(self.sudrun, os.X_OK)):
            raise UsageError(f"{self.sudrun} is not there; build it, or name one with --sudrun")
        found = self.run([go, "env", "-json"], self.environment(NATIVE), 60)
        if found.status != 0:
            raise UsageError(f"`{go} env` fails: {found.stderr.strip()}")
        self.go_env = json.loads(found.stdout)
        self.goroot = pathlib.Path(self.go_env["GOROOT"])
        self.bin = self.make_exec_command() if self.wrapper(system) else None
        self.goroots = {NATIVE: self.goroot}
        self.results = pathlib.Path(results).resolve()
        self.goroots[system] = goroot.complete(self, self.results / "goroot")

    @property
    def minor(self):
        """Go's minor version; development versions count as new."""
        found = re.match(r"go1\.(\d+)", self.go_env["GOVERSION"])
        return int(found.group(1)) if found else 1000

    def wrapper(self, system):
        """The words that start a program of the system here."""
        words = self.systems[system]["wrapper"]
        if not words:
            return []
        return [word.replace("{sudrun}", str(self.sudrun)) for word in words] + self.sudrun_options

    def make_exec_command(self):
        """A directory with go_<system>_<machine>_exec, by which child `go run` and `go test` find the wrapper."""
        row = self.systems[self.system]
        directory = self.scratch / "bin"
        directory.mkdir()
        command = directory / f"go_{row['goos']}_{row['goarch']}_exec"
        command.write_text(f"#!/bin/sh\nexec {' '.join(shlex.quote(word) for word in self.wrapper(self.system))} \"$@\"\n")
        command.chmod(0o755)
        return directory

    def exec_option(self, system):
        words = self.wrapper(system)
        return ["-exec", " ".join(shlex.quote(word) for word in words)] if words else []

    def environment(self, system, place=None):
        """The environment of go commands: the user's, without what would change the outcome."""
        row = self.systems[system]
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("GO", "CGO_", "SUDRUN_")) or name in
                ("GOPATH", "GOCACHE", "GOPROXY", "GOSUMDB", "GOMODCACHE", "GOTOOLCHAIN", "GOROOT")}
        if self.bin and system == self.system:
            kept["PATH"] = f"{self.bin}:{kept.get('PATH', os.defpath)}"
        if system in self.goroots and self.goroots[system] != self.goroot:
            kept["GOROOT"] = str(self.goroots[system])
        kept.update(GOOS=row["goos"], GOARCH=row["goarch"], GOFLAGS="", TMPDIR=str(place or self.scratch))
        if system != NATIVE:
            kept["CGO_ENABLED"] = "0"  # go's own choice when it builds for another system; what it builds must know
        if not os.path.isdir(kept.get("HOME", "")):
            kept["HOME"] = str(self.scratch)
        return kept

    def go_command(self, *words):
        return [self.go, *words]

    def place(self):
        """A new empty directory for temporary files, open to all as /tmp is: tests change their user."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="", dir=self.scratch))
        path.chmod(0o1777)
        return path

    def run(self, command, environment, seconds, cwd=None, together=False):
        """Runs a command to its end, or kills it and all it started when the time is up or the run is stopped."""
        read_end, write_end = os.pipe()  # both ends close on exec; the first is handed on, the second ends with us
        with tempfile.TemporaryFile(dir=self.scratch) as stdout, tempfile.TemporaryFile(dir=self.scratch) as stderr:
            start = time.monotonic()
            with self._lock:
                if self._stopping:
                    os.close(read_end)
                    os.close(write_end)
                    raise Interrupted
                process = subprocess.Popen(
                    [sys.executable, str(HERE / "contain.py"), str(read_end), str(seconds), *map(str, command)],
                    stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout if together else stderr, env=environment,
                    cwd=str(cwd or self.scratch), pass_fds=[read_end], start_new_session=True)
                self._running.add(write_end)
            os.close(read_end)
            status = process.wait()
            seconds = time.monotonic() - start
            with self._lock:
                if write_end in self._running:
                    self._running.remove(write_end)
                    os.close(write_end)
                if self._stopping:
                    raise Interrupted
            texts = []
            for file in (stdout, stderr):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        if status == contain.TROUBLE and "Traceback" in "".join(texts):
            raise UsageError(f"cannot run {command[0]}: {''.join(texts).strip().splitlines()[-1]}")
        return Finished(status, texts[0], texts[1], seconds)

    def stop(self):
        """Ends every command that runs, and lets none start any more."""
        with self._lock:
            self._stopping = True
            for end in self._running:
                os.close(end)
            self._running.clear()

    def identity(self):
        """What an earlier result must have in common with this run to count for it."""
        digest = hashlib.sha256()
        if self.wrapper(self.system):
            for path in [self.sudrun, *sorted(self.sudrun.parent.glob("libsudrun*.so"))]:
                digest.update(path.read_bytes())
        return {"sudrun": digest.hexdigest(), "options": self.sudrun_options, "go": self.go_env["GOVERSION"], "goroot": str(self.goroot),
                "system": self.systems[self.system]}

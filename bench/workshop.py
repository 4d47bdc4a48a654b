"""What the cases have in common: building programs for every system, and running them in every variant."""
import contextlib
import copy
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
GUESTS = ROOT / "tests" / "guests"  # what programs without a C library have in its place
VARIANTS = {  # name -> options of sudrun, None for native
    "native": None,
    "sudrun": [],
    "sudrun --no-rewrite": ["--no-rewrite"],
    "sudrun --trap=seccomp": ["--trap=seccomp"],
}
SYSTEMS = {"freebsd": "FreeBSD", "netbsd": "NetBSD", "dragonfly": "DragonFly"}  # what runs under sudrun
TARGETS = {"freebsd": "freebsd14"}  # clang's names, where they are others
LONGEST = 120  # seconds a single run may take


class Trouble(Exception):
    """Something cannot be measured."""


class Finished:
    def __init__(self, stdout, wall, cpu):
        self.stdout = stdout
        self.wall = wall  # seconds
        self.cpu = cpu  # seconds, user and system, of the process and its children


class Workshop:
    def __init__(self, sudrun, work, downloads, scratch):
        self.sudrun = sudrun
        self.work = work
        self.downloads = downloads
        self.scratch = scratch
        self.foreign = "freebsd"  # what system's programs run under sudrun
        self._agreed = {}

    def of(self, system):
        """The same workshop with programs of another system under sudrun."""
        other = copy.copy(self)
        other.foreign = system
        return other

    def system(self, variant):
        return "linux" if VARIANTS[variant] is None else self.foreign

    def command(self, variant, program, *arguments):
        """`program` is a function that gives its file for a system."""
        options = VARIANTS[variant]
        before = [] if options is None else [self.sudrun, *options]
        return [str(word) for word in (*before, program(self.system(variant)), *arguments)]

    def guest(self, name):
        """A program in guest/, built without a C library."""
        def build(system):
            return self._built(f"{name}-{system}", [HERE / "guest" / f"{name}.c", *guest_sources(system)], clang, system)
        return build

    def go(self, name):
        def build(system):
            return self._built(f"{name}-{system}", [HERE / "go" / name / "main.go"], self._go, system)
        return build

    def _built(self, name, sources, compiler, system):
        """Builds what is older than what it is made from."""
        output = self.work / name
        places = {source.parent for source in sources} | {GUESTS / "bsd"}
        newest = max(path.stat().st_mtime for place in places for path in place.iterdir())
        if not output.exists() or output.stat().st_mtime < newest:
            self.work.mkdir(parents=True, exist_ok=True)
            compiler(system, output, sources)
        return output

    def _go(self, system, output, sources):
        environment = dict(os.environ, GOOS=system, GOARCH="amd64", CGO_ENABLED="0", GO111MODULE="off", GOFLAGS="",
                           GOTOOLCHAIN="local", GOCACHE=str(self.work / "go-cache"))
        compile_with(["go", "build", "-o", output, *sources], environment)

    def must_agree(self, what, result):
        """All variants must do the same work."""
        if self._agreed.setdefault(what, result) != result:
            raise Trouble(f"{what}: the result is `{result.strip()}` and was `{self._agreed[what].strip()}` before")

    def directory(self, name):
        """An empty directory."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path


def guest_sources(system):
    if system == "linux":
        return [HERE / "guest" / "linux.c"]
    return [GUESTS / system / "start.S", GUESTS / system / "guest.c"]


def clang(system, output, sources):
    target = [] if system == "linux" else [f"--target=x86_64-unknown-{TARGETS.get(system, system)}", "-I", GUESTS / system]
    compile_with(["clang", *target, "-O2", "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld", "-fno-stack-protector",
                  "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wl,-z,nostart-stop-gc",
                  "-o", output, *sources])


def compile_with(command, environment=None):
    try:
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Trouble(f"{command[0]} is missing") from error
    if done.returncode != 0:
        raise Trouble(f"{command[0]} fails: {done.stderr.strip()}")


@contextlib.contextmanager
def on_one_cpu():
    """Children started within stay on one processor, and a wake-up there does not interrupt who causes it: two threads
    then take turns in the same way every time."""
    cpus = os.sched_getaffinity(0)
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setaffinity(0, {max(cpus)})
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)
        os.sched_setaffinity(0, cpus)


@contextlib.contextmanager
def started(command, **more):
    """A process in a session of its own; whatever of it is left at the end is killed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def line_of(process):
    """The next line the process prints."""
    ready, _, _ = select.select([process.stdout], [], [], LONGEST)
    line = process.stdout.readline() if ready else ""
    if not line:
        raise Trouble(f"`{' '.join(process.args)}` says nothing")
    return line.strip()


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command):
    """Runs to the end. It must succeed."""
    cpu, start = cpu_of_children(), time.perf_counter()
    with started(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            raise Trouble(f"`{' '.join(command)}` still runs after {LONGEST} s") from None
        wall = time.perf_counter() - start
    if process.returncode != 0:
        raise Trouble(f"`{' '.join(command)}` ends with {process.returncode}: {err.strip()[-500:]}")
    return Finished(out, wall, cpu_of_children() - cpu)

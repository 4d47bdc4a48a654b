"""What is measured, how, and what must be reached. A case is a way to take samples; a row is a line of the table."""
import copy
import hashlib
import signal
import statistics
import subprocess

from measure import difference, ratio
from workshop import LONGEST, SYSTEMS, VARIANTS, Trouble, cpu_of_children, line_of, on_one_cpu, run, started

EVERY = list(VARIANTS)
MODES = EVERY[:3]  # without the seccomp trap
BRIEF = EVERY[:2]  # with --quick
GUEST_TOP = 0x2A0000000000  # abi/types.hpp: kGuestTop


class Case:
    system = "freebsd"  # whose programs run under sudrun

    def __init__(self, sample, *, variants=MODES, rounds, quick_variants=BRIEF, quick_rounds=2):
        self.sample = sample  # (workshop, variant) -> {measure: value}
        self.variants = variants
        self.rounds = rounds
        self.quick_variants = quick_variants
        self.quick_rounds = quick_rounds


class Row:
    def __init__(self, name, title, unit, how=ratio, bound=None, *, least=False, case=None, measure=None, variant="sudrun"):
        self.name = name
        self.title = title
        self.unit = unit
        self.how = how  # how a value is compared with native
        self.bound = bound  # what that must be at most, or at least; None: nothing is asked
        self.least = least
        self.case = case or name
        self.measure = measure or name
        self.variant = variant  # which one is compared with native


# --- within one program: see guest/calls.c ------------------------------------------------------------------------
def calls(measure):
    def sample(workshop, variant):
        with on_one_cpu():
            done = run(workshop.command(variant, workshop.guest("calls"), measure))
        return {measure: int(done.stdout) / 1e3}
    return Case(sample, variants=EVERY, rounds=21, quick_variants=EVERY, quick_rounds=3)


def threads(workshop, variant):
    """The same number of calls made by 20 threads and by 2,000."""
    few, many = (int(run(workshop.command(variant, workshop.guest("calls"), "threads", number, 1000000)).stdout) / 1e3
                 for number in (20, 2000))
    return {"threads": many / few, "threads-call": many}


def children(workshop, variant):
    child = workshop.guest("hello")(workshop.system(variant))
    done = run(workshop.command(variant, workshop.guest("calls"), "exec", child))
    return {"exec": int(done.stdout.splitlines()[-1]) / 1e9}  # what the children say comes first


def start_up(workshop, variant):
    command = workshop.command(variant, workshop.guest("hello"))
    return {"start-up": statistics.median(run(command).wall * 1e3 for _ in range(10))}


# --- memory ---------------------------------------------------------------------------------------------------------
def smaps(pid):
    """Resident KiB of a process: all of it, its share of what it has in common with others, what is above the guest."""
    all_of_it = share = above = 0
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if not name.endswith(":"):
                start = int(name.partition("-")[0], 16)
            elif name == "Rss:":
                resident = int(value.split()[0])
                all_of_it += resident
                above += resident if start >= GUEST_TOP else 0
            elif name == "Pss:":
                share += int(value.split()[0])
    return all_of_it, share, above


def memory_with(workshop, variant, number):
    command = workshop.command(variant, workshop.guest("calls"), "wait", number)
    with started(command, stdin=subprocess.PIPE) as process:
        line_of(process)  # it says that it is ready
        found = smaps(process.pid)
        process.stdin.close()
        if process.wait(LONGEST) != 0:
            raise Trouble(f"`{' '.join(command)}` ends with {process.returncode}")
    return found


def memory(workshop, variant):
    alone, few, many = (memory_with(workshop, variant, number) for number in (0, 10, 1010))
    return {"memory": alone[0], "memory-share": alone[1], "memory-above": alone[2],
            "memory-thread": (many[0] - few[0]) / 1000}


# --- whole programs -------------------------------------------------------------------------------------------------
def downloaded(workshop, name):
    path = workshop.downloads / name
    if not path.exists():
        raise Trouble(f"{path} is not there: ./dev fetch")
    return path


def three_times_ten(workshop):
    """The bundle esbuild's authors measure it with: ten copies of three."""
    project = workshop.scratch / "three"
    if not project.exists():
        source = downloaded(workshop, "three") / "src"
        project.mkdir()
        numbers = range(1, 11)
        for number in numbers:
            subprocess.run(["cp", "-r", source, project / f"copy{number}"], check=True)
        (project / "entry.js").write_text(
            "".join(f"import * as copy{n} from './copy{n}/Three.js'; export {{ copy{n} }};\n" for n in numbers))
    return project / "entry.js"


def esbuild(workshop, variant):
    entry = three_times_ten(workshop)
    out = workshop.directory("esbuild") / "out.js"
    done = run(workshop.command(variant, lambda system: downloaded(workshop, f"esbuild-{system}-x64") / "bin" / "esbuild",
                                entry, "--bundle", "--minify", "--sourcemap", "--log-level=warning", f"--outfile={out}"))
    workshop.must_agree("esbuild", hashlib.sha256(out.read_bytes()).hexdigest())
    return {"esbuild": done.wall, "esbuild-cpu": done.cpu}


def http(workshop, variant):
    connections, warm, requests = 32, 3200, 48000
    load = workshop.go("load")("linux")

    def make(number):
        return int(run([str(load), address, str(connections), str(number)]).stdout) / 1e9

    command = workshop.command(variant, workshop.go("server"))
    before = cpu_of_children()
    with started(command) as server:
        address = f"127.0.0.1:{line_of(server)}"
        make(warm)
        seconds = make(requests)
        load_cpu = cpu_of_children() - before
        server.send_signal(signal.SIGTERM)
        server.wait(LONGEST)
    server_cpu = cpu_of_children() - before - load_cpu
    return {"http": requests / seconds, "http-cpu": server_cpu * 1e6 / (warm + requests)}


def files(workshop, variant):
    done = run(workshop.command(variant, workshop.go("files"), workshop.directory("files"), 5000))
    workshop.must_agree("files", done.stdout)
    return {"files": done.wall, "files-cpu": done.cpu}


CASES = {
    **{name: calls(name) for name in ("getppid", "read", "write", "getpid", "clock_gettime", "clock-page", "event", "umtx")},
    "threads": Case(threads, rounds=7),
    "exec": Case(children, rounds=11),
    "start-up": Case(start_up, variants=EVERY, rounds=15, quick_rounds=5),
    "memory": Case(memory, rounds=3),
    "esbuild": Case(esbuild, rounds=11),
    "http": Case(http, rounds=9),
    "files": Case(files, rounds=9),
}
GROUPS = {
    "calls": ["getppid", "read", "write", "getpid", "clock_gettime", "clock-page", "event", "umtx", "trap"],
    "programs": ["esbuild", "http", "files"],
}


ROWS = [
    Row("getppid", "getppid: enters the kernel", "ns", ratio, 1.30),
    Row("read", "read, 1 byte of /dev/zero", "ns", ratio, 1.20),
    Row("write", "write, 1 byte to /dev/null", "ns"),
    Row("getpid", "getpid: served in user space", "ns", ratio, 0.15),
    Row("clock_gettime", "clock_gettime, as a call", "ns", ratio, 0.20),
    Row("clock-page", "the time, by the page FreeBSD has for it", "ns", ratio, 0.20),
    Row("event", "kevent (epoll_wait), one event ready", "ns", ratio, 1.50),
    Row("umtx", "two threads wake and wait, to and fro", "ns", ratio, 1.15),
    Row("trap", "getppid without rewriting: a trap", "ns", ratio, 17, case="getppid", measure="getppid", variant="sudrun --no-rewrite"),
    Row("threads", "slowdown from 20 threads calling to 2,000", "x", ratio, 1.15),
    Row("threads-call", "a call, 2,000 threads calling", "ns", case="threads"),
    Row("exec", "fork, exec and wait for a tiny program", "ms", difference, 2),
    Row("start-up", "start and end of a static hello", "ms", difference, 1.5),
    Row("memory", "memory, resident (Rss)", "KiB", difference, 4096),
    Row("memory-share", "memory, share of what is resident (Pss)", "KiB", difference, case="memory"),
    Row("memory-above", "memory above the guest's addresses (Rss)", "KiB", difference, case="memory"),
    Row("memory-thread", "memory of one more thread", "KiB", difference, 40, case="memory"),
    Row("esbuild", "esbuild bundles three ten times", "s", ratio, 1.03),
    Row("esbuild-cpu", "… processor time", "s", ratio, 1.05, case="esbuild"),
    Row("http", "web server in Go, requests a second", "1/s", ratio, 0.95, least=True),
    Row("http-cpu", "… processor time of a request", "µs", case="http"),
    Row("files", "small file work in Go, 5,000 transactions", "s", ratio, 1.10),
    Row("files-cpu", "… processor time", "s", case="files"),
]

# --- the other systems: the same, with programs of theirs --------------------------------------------------------
REPEATED = ["getppid", "read", "getpid", "clock_gettime", "event", "umtx", "trap", "start-up"]


def of(system, thing):
    other = copy.copy(thing)
    other.system = system
    return other


def row_of(system, row):
    other = copy.copy(row)
    other.name, other.case, other.title = f"{row.name}-{system}", f"{row.case}-{system}", f"{row.title}: {SYSTEMS[system]}"
    return other


for system in SYSTEMS:
    if system == Case.system:
        continue
    repeated = [row for row in ROWS if row.name in REPEATED]
    CASES.update({f"{name}-{system}": of(system, CASES[name]) for name in dict.fromkeys(row.case for row in repeated)})
    GROUPS[system] = [f"{row.name}-{system}" for row in repeated]
    ROWS += [row_of(system, row) for row in repeated]

"""The machine that is measured on, and what is measured."""
import datetime
import hashlib
import os
import pathlib
import resource
import subprocess
import time

from workshop import ROOT


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown"


def mitigations():
    """vulnerability -> what the kernel does about it, of those that concern this processor."""
    directory = pathlib.Path("/sys/devices/system/cpu/vulnerabilities")
    found = {path.name: path.read_text().strip() for path in sorted(directory.glob("*"))}
    return {name: text for name, text in found.items() if text != "Not affected"}


def revision():
    def git(*words):
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+changes" if git("status", "--porcelain", "-uno") else "")


def describe(sudrun):
    return {
        "processor": processor(), "processors": len(os.sched_getaffinity(0)), "virtual": "hypervisor" in flags(),
        "kernel": f"{os.uname().sysname} {os.uname().release}", "mitigations": mitigations(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "revision": revision(), "binary": hashlib.sha256(pathlib.Path(sudrun).read_bytes()).hexdigest()[:12],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def flags():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return next((line.split() for line in text.splitlines() if line.startswith("flags")), [])


def seconds_used():
    """Processor seconds since the machine started: of all processes, and taken away by the machine's own host."""
    with open("/proc/stat") as file:
        fields = [int(word) / os.sysconf("SC_CLK_TCK") for word in file.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return user + nice + system + irq + softirq, steal


def own_seconds():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Disturbance:
    """How busy others keep the processors, from its making on. The load average would not tell: it counts the measured threads."""

    def __init__(self):
        self._start = time.monotonic(), *seconds_used(), own_seconds()

    def percent(self):
        elapsed, used, stolen, own = (now - then for now, then in zip((time.monotonic(), *seconds_used(), own_seconds()), self._start))
        there_is = elapsed * os.cpu_count()
        return {"others": round(max(0, used - own) / there_is * 100), "host": round(stolen / there_is * 100)}

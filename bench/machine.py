"""The machine that is measured on, and what is measured."""
import datetime
import hashlib
import os
import pathlib
import subprocess

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

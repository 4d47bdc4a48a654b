#!/usr/bin/env python3
"""Writes one TEST_CASE for every CASE(...) of the guests given, so that the guests' sources are the only list."""
import itertools
import pathlib
import re
import sys

SYSTEMS = {"freebsd": ("FreeBSD", ""), "dragonfly": ("DragonFly", "dragonfly-"), "netbsd": ("NetBSD", "netbsd-")}  # by folder: title, prefix of programs
SHARED = "bsd"  # the folder of those built for every system

for path in map(pathlib.Path, sys.argv[1:]):
    systems = SYSTEMS.values() if path.parent.name == SHARED else [SYSTEMS[path.parent.name]]
    cases = re.findall(r"^CASE\((\w+)\)", path.read_text(), re.MULTILINE)
    for (system, prefix), case in itertools.product(systems, cases):
        title = f"{path.stem}: {case.replace('_', ' ')}"
        print(f'TEST_CASE("{system} {title}", "[{prefix}{path.stem}]") {{ run_case("{prefix}{path.stem}", "{case}"); }}')

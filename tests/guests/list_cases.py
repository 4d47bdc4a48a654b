#!/usr/bin/env python3
"""Writes one TEST_CASE for every CASE(...) of the guests given, so that the guests' sources are the only list."""
import pathlib
import re
import sys

SYSTEMS = {"freebsd": ("FreeBSD", ""), "dragonfly": ("DragonFly", "dragonfly-"), "netbsd": ("NetBSD", "netbsd-")}  # by folder: title, prefix of programs

for path in map(pathlib.Path, sys.argv[1:]):
    system, prefix = SYSTEMS[path.parent.name]
    for case in re.findall(r"^CASE\((\w+)\)", path.read_text(), re.MULTILINE):
        title = f"{path.stem}: {case.replace('_', ' ')}"
        print(f'TEST_CASE("{system} {title}", "[{prefix}{path.stem}]") {{ run_case("{prefix}{path.stem}", "{case}"); }}')

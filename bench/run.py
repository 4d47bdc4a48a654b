#!/usr/bin/env python3
"""Measures sudrun against native runs of the same work, side by side and interleaved.

Prints a table of medians with their spread (half the distance between the quartiles) and writes JSON.
Ratios are to native. These are measurements, not tests: nothing here passes or fails.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def build(source, output, freebsd):
    target = ["--target=x86_64-unknown-freebsd14"] if freebsd else []
    subprocess.run(["clang", *target, "-O2", "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld",
                    "-fno-stack-protector", "-o", output, source], check=True)


def wall(command, **more):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    return (time.monotonic() - start) * 1e3


def picoseconds(command):
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {name: int(value) / 1e3 for name, value in zip(lines[::2], lines[1::2])}


def summary(values):
    values = sorted(values)
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": statistics.median(values), "spread": (quartiles[2] - quartiles[0]) / 2, "runs": len(values)}


def interleaved(variants, rounds):
    """variants: name -> function giving {measure: value}. One round runs each variant once."""
    seen = {name: {} for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            for measure, value in run().items():
                seen[name].setdefault(measure, []).append(value)
    return {name: {m: summary(v) for m, v in measures.items()} for name, measures in seen.items()}


def rows_of(unit, native, results):
    for variant, measures in results.items():
        for measure, s in measures.items():
            base = results[native][measure]["median"]
            yield {"measure": measure, "variant": variant, "unit": unit, **s, "ratio": s["median"] / base}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--downloads", type=pathlib.Path, default=ROOT / "downloads")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    sudrun = str(options.build.resolve() / "runtime" / "sudrun")
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        path = pathlib.Path(temp)
        for name, source in (("hello", ROOT / "bench" / "hello.c"), ("calls", ROOT / "bench" / "calls.c")):
            build(source, path / f"{name}-linux", False)
            build(source, path / f"{name}-freebsd", True)
        rows += rows_of("ms", "native", interleaved({
            "native": lambda: {"start-up": wall([path / "hello-linux"])},
            "sudrun": lambda: {"start-up": wall([sudrun, path / "hello-freebsd"])},
            "sudrun --trap=seccomp": lambda: {"start-up": wall([sudrun, "--trap=seccomp", path / "hello-freebsd"])},
        }, options.rounds * 2))
        rows += rows_of("ns", "native", interleaved({
            "native": lambda: picoseconds([path / "calls-linux"]),
            "sudrun": lambda: picoseconds([sudrun, path / "calls-freebsd"]),
            "sudrun --trap=seccomp": lambda: picoseconds([sudrun, "--trap=seccomp", path / "calls-freebsd"]),
        }, options.rounds))
        three = options.downloads / "three"
        if three.is_dir():
            (path / "node_modules").mkdir()
            (path / "node_modules" / "three").symlink_to(three)
            (path / "in.js").write_text('import * as three from "three"; console.log(three)\n')
            bundle = ["in.js", "--bundle", "--minify", "--sourcemap", "--format=esm", "--outfile=out.js"]
            linux, freebsd = (str(options.downloads / f"esbuild-{s}-x64" / "bin" / "esbuild") for s in ("linux", "freebsd"))
            rows += rows_of("ms", "native", interleaved({
                "native": lambda: {"esbuild bundles three": wall([linux, *bundle], cwd=temp)},
                "sudrun": lambda: {"esbuild bundles three": wall([sudrun, freebsd, *bundle], cwd=temp)},
            }, options.rounds))
    print(f"{'measure':24} {'variant':24} {'median':>10} {'spread':>8} unit {'x native':>9}")
    for row in rows:
        print(f"{row['measure']:24} {row['variant']:24} {row['median']:10.2f} {row['spread']:8.2f} {row['unit']:4} {row['ratio']:9.2f}")
    if options.json:
        options.json.write_text(json.dumps({"kernel": os.uname().release, "cpus": os.cpu_count(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())

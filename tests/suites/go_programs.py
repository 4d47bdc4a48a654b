"""The programs in Go's test/ directory that run: `// run`, `// rundir`, `// runindir`, `// runoutput`.

What is done with each follows test/run.go of the Go source tree (1.19 and 1.20): the recipe is the first paragraph.
"""
import fnmatch
import os
import pathlib
import re
import shutil
import threading

from outcome import Outcome, tail

TITLE = "Programs of Go's test directory"
UNIT = "program"
DEFAULT = ("*",)
PROGRAM = "(program)"
ACTIONS = ("run", "rundir", "runindir", "runoutput")
_import_lists = {}
_import_lock = threading.Lock()


class Failure(Exception):
    def __init__(self, step, text, killed=False):
        super().__init__(step)
        self.step = step
        self.text = text
        self.killed = killed


def split_quoted(text):
    """Words at white space; quotes of both kinds and backslashes as in go/build."""
    words, word, quote, escaped, quoted = [], [], "", False, False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            continue
        elif quote:
            if char == quote:
                quote = ""
                continue
        elif char in "\"'":
            quote, quoted = char, True
            continue
        elif char.isspace():
            if quoted or word:
                words.append("".join(word))
            word, quoted = [], False
            continue
        word.append(char)
    if quoted or word:
        words.append("".join(word))
    return words


class Recipe:
    def __init__(self, source):
        self.action, self.flags, self.args, self.seconds, self.experiment, self.single = "", [], [], 0, "", False
        text, _, _ = source.partition("\n\n")
        first, newline, rest = text.partition("\n")
        if newline and "+build" in first:
            text = rest
        words = split_quoted(text.removeprefix("//"))
        if not words:
            return
        self.action, words = words[0], words[1:]
        while words and words[0].startswith("-"):
            word = words.pop(0)
            if word == "-s":
                self.single = True
            elif word == "-t":
                self.seconds = int(words.pop(0))
            elif word == "-goexperiment":
                self.experiment = words.pop(0)
            elif word not in ("-0", "-1"):
                self.flags.append(word)
        self.args = words


def constraint_holds(line, tags):
    """The value of a `//go:build` or `// +build` line; None if it is neither."""
    found = re.match(r"//go:build\s+(.*)", line)
    if found:
        tokens = re.findall(r"\(|\)|!|&&|\|\||[\w.]+", found.group(1))
        words = {"!": "not", "&&": "and", "||": "or", "(": "(", ")": ")"}
        return bool(eval(" ".join(words.get(t) or str(t in tags) for t in tokens), {"__builtins__": {}}))
    found = re.match(r"//\s*\+build\s+(.*)", line)
    if found:
        return any(all((term[1:] not in tags) if term.startswith("!") else (term in tags) for term in option.split(","))
                   for option in found.group(1).split())
    return None


def excluded_by(source, tags):
    """The line of the header that keeps the file out; empty if none does."""
    header = source.partition("\npackage")[0]
    for line in header.splitlines():
        if constraint_holds(line.strip(), tags) is False:
            return line
    return ""


def items(context, patterns):
    top = context.goroot / "test"
    if not top.is_dir():
        raise ValueError(f"{top} is not there: the Go distribution lacks its tests")
    found = []
    for directory, directories, files in os.walk(os.path.realpath(top)):
        directories.sort()
        for name in sorted(files):
            if not name.endswith(".go"):
                continue
            path = pathlib.Path(directory) / name
            if Recipe(path.read_text(errors="replace")).action in ACTIONS:
                found.append(str(path.relative_to(os.path.realpath(top))))
    chosen = [name for name in found if any(fnmatch.fnmatch(name, p) or name.startswith(p + "/") for p in patterns)]
    if not chosen:
        raise ValueError(f"no program matches {' '.join(patterns)}")
    return chosen


def tags_of(context, system):
    row = context.systems[system]
    tags = {row["goos"], row["goarch"], "gc", "test_run", "unix"}
    native = system == "linux"
    if native and context.go_env["CGO_ENABLED"] == "1":
        tags.add("cgo")
    if context.minor < 20:
        tags.discard("unix")  # test/run.go does not know it before
    return tags


class Program:
    """One program on one system."""

    def __init__(self, context, item, system, minutes, place):
        self.context, self.system, self.minutes, self.place = context, system, minutes, place
        self.top = context.goroots[system] / "test"
        self.item = item
        self.path = self.top / item
        self.source = self.path.read_text(errors="replace")
        self.seconds = 0.0
        self.recipe = Recipe(self.source)
        self.environment = context.environment(system, place)
        self.environment["GOENV"] = "off"
        self.environment["PATH"] = f"{context.goroots[system]}/bin:{self.environment.get('PATH', '')}"
        if self.recipe.experiment:
            self.environment["GOEXPERIMENT"] = self.recipe.experiment

    def step(self, name, command, cwd, together=False, extra=None):
        # The PWD a shell would set, which os.Getwd trusts.
        environment = {**self.environment, "PWD": str(cwd), **(extra or {})}
        seconds = self.recipe.seconds if name == "run" and self.recipe.seconds else 60 * self.minutes
        finished = self.context.run(command, environment, seconds, cwd=cwd, together=together)
        self.seconds += finished.seconds
        if finished.killed or finished.status != 0:
            raise Failure(name, f"{finished.killed or f'exit status {finished.status}'}\n{finished.stdout}{finished.stderr}",
                          bool(finished.killed))
        return finished.stdout

    def go(self, name, words, cwd, **more):
        return self.step(name, self.context.go_command(*words), cwd, **more)

    def start(self, executable, cwd, args=(), together=True, extra=None):
        return self.step("run", [*self.context.wrapper(self.system), str(executable), *args], cwd, together, extra)

    def check(self, text):
        expected = self.path.with_suffix(".out")
        wanted = expected.read_bytes().decode(errors="replace") if expected.exists() else ""
        if text.replace("\r\n", "\n") != wanted:
            raise Failure("compare", f"the output is not the expected; it is:\n{text}")

    def build(self, files, flags=()):
        executable = self.place / "a.exe"
        self.go("build", ["build", "-gcflags=all=", "-ldflags=-s -w", *flags, "-o", executable, *files], self.top)
        return executable

    def build_and_start(self, flags=()):
        """What `go run FILE ARGUMENTS` does: leading arguments that are Go files are sources as well."""
        args = list(self.recipe.args)
        files = [self.item]
        while args and args[0].endswith(".go"):
            files.append(args.pop(0))
        return self.start(self.build(files, flags), self.top, args)

    def run(self):
        self.check(self.build_and_start(self.recipe.flags))

    def runoutput(self):
        made = self.build_and_start()
        source = self.place / "tmp__.go"
        source.write_text(made)
        self.check(self.start(self.build([source]), self.top))

    def runindir(self):
        name = pathlib.Path(self.item).name.removesuffix(".go") + ".dir"
        copy = self.place / "src" / name
        shutil.copytree(self.path.with_name(name), copy)
        (copy / "go.mod").write_text(f"module {name}\ngo 1.14\n")
        executable = self.place / "a.exe"
        extra = {"GOPATH": str(self.place)}
        self.go("build", ["build", "-gcflags=all=", *self.recipe.flags, "-o", executable, "."], copy, extra=extra)
        self.check(self.start(executable, copy, extra=extra))

    def packages(self, directory):
        """Files of a directory, by package name, in the order of the files' names."""
        found = []
        for path in sorted(directory.glob("*.go")):
            name = re.search(r"(?m)^package (\w+)", path.read_text(errors="replace")).group(1)
            known = next((files for package, files in found if package == name), None)
            if known is None or self.recipe.single:
                found.append((name, [path]))
            else:
                known.append(path)
        return found

    def rundir(self):
        flags, link_flags = list(self.recipe.flags), []
        if "-ldflags" in flags:
            at = flags.index("-ldflags")
            flags, link_flags = flags[:at], flags[at + 1:]
        imports = self.place / "importcfg"
        imports.write_text(import_list(self.context, self.system, self.environment))
        (self.place / "test").mkdir()
        packages = self.packages(self.path.with_name(pathlib.Path(self.item).name.removesuffix(".go") + ".dir"))
        for name, files in packages:
            command = ["tool", "compile", "-e", "-D", "test", "-importcfg", imports]
            if name == "main":
                output = self.place / (files[0].name.removesuffix(".go") + ".o")
                command += ["-p=main", "-o", output]
            else:
                unit = "test/" + files[0].name.removesuffix(".go")
                output = self.place / (unit + ".a")
                command += ["-p", unit, "-o", output]
                with open(imports, "a") as file:
                    file.write(f"packagefile {unit}={output}\n")
            self.go("build", [*command, *flags, *files], self.place)
        executable = self.place / "a.exe"
        self.go("build", ["tool", "link", "-w", "-o", executable, "-importcfg", imports, *link_flags, output], self.place)
        self.check(self.start(executable, self.place, self.recipe.args))


def import_list(context, system, environment):
    """Where the compiled packages of the standard library are, as compiler and linker want it."""
    key = (system, environment.get("GOEXPERIMENT", ""))
    with _import_lock:
        if key not in _import_lists:
            form = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}"
            found = context.run(context.go_command("list", "-export", "-f", form, "std"), environment, 1800)
            if found.status != 0:
                raise Failure("build", found.stderr)
            _import_lists[key] = "".join(line + "\n" for line in found.stdout.splitlines() if line)
        return _import_lists[key]


def run(context, item, system, minutes, hanging):
    """One program. It is one test, so none of it can be run apart: nothing `hanging` is in it, and the judge says so."""
    place = context.place()
    try:
        program = Program(context, item, system, minutes, place)
        why = excluded_by(program.source, tags_of(context, system))
        if why:
            return Outcome("excluded", note=why)
        try:
            getattr(program, program.recipe.action)()
        except Failure as failure:
            end = "killed" if failure.killed else "build failed" if failure.step == "build" else "failed"
            return Outcome(end, {PROGRAM: "fail"}, {PROGRAM: f"{failure.step}: {tail(failure.text)}"}, program.seconds)
        return Outcome("ok", {PROGRAM: "pass"}, seconds=program.seconds)
    finally:
        shutil.rmtree(place, ignore_errors=True)

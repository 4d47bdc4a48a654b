"""A GOROOT as the Go distribution of a system has it, where the installed one lacks parts that tests read."""
import pathlib
import re
import shutil

ZONE_FILE = pathlib.Path("lib/time/zoneinfo.zip")


def complete(context, directory):
    """The installed GOROOT if it lacks nothing, or one in `directory`: links to the installed, and what it lacks.

    What may lack: before Go 1.20 the standard library in compiled form (Debian has it for Linux only), and the file of
    time zones (Debian takes it out, as /usr/share/zoneinfo serves all programs but the tests of package time); it is what
    package time/tzdata embeds.
    """
    row = context.systems[context.system]
    installed = context.goroot
    compiled = pathlib.Path("pkg") / f"{row['goos']}_{row['goarch']}"
    lacks_compiled = context.minor < 20 and (installed / "pkg").is_dir() and not (installed / compiled).is_dir()
    lacks_zones = not (installed / ZONE_FILE).exists() and zones(installed)
    if not lacks_compiled and not lacks_zones:
        return installed
    made = directory / f"{context.go_env['GOVERSION']}-{compiled.name}"
    mark = made / "is-complete"
    what = f"{installed} {lacks_compiled} {bool(lacks_zones)}"
    if mark.exists() and mark.read_text() == what:
        return made
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    link_all(installed, made, own=("pkg", "lib"))
    link_all(installed / "lib", made / "lib", own=("time",) if lacks_zones else ())
    if lacks_zones:
        link_all(installed / "lib" / "time", made / "lib" / "time")
        (made / ZONE_FILE).write_bytes(lacks_zones)
    link_all(installed / "pkg", made / "pkg")
    if lacks_compiled:
        environment = dict(context.environment(context.system), GOROOT=str(made))
        done = context.run(context.go_command("install", "std"), environment, 3600)
        if done.status != 0:
            raise OSError(f"`go install std` fails: {done.stderr.strip()}")
    mark.write_text(what)
    return made


def hosted(context, system, directory):
    """A GOROOT in `directory` as `CGO_ENABLED=0 ./make.bash` makes it on the system: all tools are its own programs.

    Copied, not linked: tests of the go command look where directories and links lead. Without cgo, as there is no C
    compiler for the system.
    """
    row = context.systems[system]
    target = f"{row['goos']}_{row['goarch']}"
    made = directory / f"{context.go_env['GOVERSION']}-{target}-hosted"
    mark = made / "is-complete"
    if mark.exists() and mark.read_text() == str(context.goroot):
        return made
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for name in ("VERSION", "go.env"):
        if (context.goroot / name).exists():
            shutil.copy(context.goroot / name, made)
    for name in ("src", "api", "misc", "test", "lib", "pkg/include", "pkg/tool"):
        if (context.goroot / name).is_dir():
            shutil.copytree(context.goroot / name, made / name)
    # Where a build of Go keeps whether cgo is used by default: a constant before Go 1.21, a file since.
    constant = made / "src" / "go" / "build" / "zcgo.go"
    if (made / "go.env").exists():
        with open(made / "go.env", "a") as file:
            file.write("CGO_ENABLED=0\n")
    elif constant.exists():
        constant.write_text(constant.read_text().replace('defaultCGO_ENABLED = ""', 'defaultCGO_ENABLED = "0"'))
    environment = dict(context.environment(system), GOROOT=str(made), CGO_ENABLED="0")
    done = context.run(context.go_command("install", "std", "cmd"), environment, 3600)
    if done.status != 0:
        raise OSError(f"`go install std cmd` fails: {done.stderr.strip()}")
    if (made / "bin" / target).is_dir():  # where go puts programs of another system
        for program in (made / "bin" / target).iterdir():
            program.rename(made / "bin" / program.name)
        (made / "bin" / target).rmdir()
    mark.write_text(str(context.goroot))
    return made


def link_all(source, target, own=()):
    """Links to all entries of a directory, which need not exist, but for those that get directories of their own."""
    target.mkdir(exist_ok=True)
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name not in own:
            (target / entry.name).symlink_to(entry.resolve())


def zones(installed):
    """The file of time zones as package time/tzdata embeds it; empty if it is not found there."""
    for path in (installed / "src" / "time" / "tzdata").glob("*zipdata.go"):
        _, found, text = path.read_text().partition('\nconst zipdata = "')
        if found:
            return b"".join(unquote(literal) for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', '"' + text))
    return b""


def unquote(literal):
    """The bytes of a Go string literal as strconv.Quote writes it."""
    plain = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
    made = bytearray()
    for found in re.finditer(r"\\x(..)|\\u(....)|\\U(........)|\\(.)|(.)", literal, re.S):
        byte, short, long, letter, char = found.groups()
        if byte:
            made.append(int(byte, 16))
        elif letter:
            made.append(plain[letter])
        else:
            made += (char or chr(int(short or long, 16))).encode()
    return bytes(made)

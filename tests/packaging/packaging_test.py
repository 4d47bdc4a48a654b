#!/usr/bin/env python3
"""What is installed, the Debian package, completions, the manual, binfmt.d, gdb's script, perf's map.

Environment as of the other suites: SUDRUN_BINARY, SUDRUN_GUESTS, SUDRUN_SOURCE. One test installs the package on a clean
Debian made by mmdebstrap from this machine's own archive: as root, or as a user with a range of ids in /etc/subuid.
"""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
import counted

SUDRUN = pathlib.Path(os.environ["SUDRUN_BINARY"])
GUESTS = pathlib.Path(os.environ["SUDRUN_GUESTS"])
SOURCE = pathlib.Path(os.environ["SUDRUN_SOURCE"])
BUILD = SUDRUN.parent.parent
MADE = BUILD / "packaging"
SYSTEMS = ("dragonfly", "freebsd", "netbsd")
LIMIT = 120


def run(*command, **more):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=more.pop("timeout", LIMIT), **more)


class Case(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="packaging-"))
        self.addCleanup(shutil.rmtree, self.place)

    def succeed(self, *command, **more):
        done = run(*command, **more)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self):
        """Installs into a directory; returns what the prefix has become in it."""
        self.succeed("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", self.place / "tree")
        options = json.loads(self.succeed("meson", "introspect", "--buildoptions", BUILD))
        prefix = next(option["value"] for option in options if option["name"] == "prefix")
        return self.place / "tree" / prefix[1:]


class Installed(Case):
    def works(self, prefix):
        sudrun = prefix / "bin" / "sudrun"
        environment = {"PATH": "/usr/bin:/bin"}
        self.assertEqual(self.succeed(sudrun, GUESTS / "hello", env=environment), "Hello from FreeBSD\n")
        self.assertIn("foreign programs run", run(sudrun, "doctor", env=environment).stdout)
        self.assertIn("\nverdict: ", run(sudrun, "inspect", GUESTS / "hello", env=environment).stdout)

    def test_an_installed_sudrun_works_and_goes_on_working_when_its_prefix_is_moved(self):
        prefix = self.install()
        self.works(prefix)
        moved = self.place / "another place"
        prefix.rename(moved)
        self.works(moved)
        without_blanks = self.place / "third"
        moved.rename(without_blanks)
        # A native program between two foreign ones: the library preloaded into it is found as well.
        done = self.succeed(without_blanks / "bin" / "sudrun", GUESTS / "exec", "run", "/bin/sh", "-c",
                            f"{GUESTS / 'exec'} echo passed-on; :")
        self.assertIn("[echo][passed-on]", done)

    def test_all_files_are_in_place(self):
        prefix = self.install()
        for name in ("share/man/man1/sudrun.1", "share/bash-completion/completions/sudrun",
                     "share/zsh/site-functions/_sudrun", "share/fish/vendor_completions.d/sudrun.fish",
                     "share/sudrun/sudrun-gdb.py", "lib/binfmt.d/sudrun.conf"):
            self.assertTrue((prefix / name).is_file(), name)
        (loaded,) = (prefix / "share" / "gdb" / "auto-load").rglob("sudrun-gdb.py")
        self.assertEqual(loaded.resolve(), prefix / "share" / "sudrun" / "sudrun-gdb.py")
        links = {link.name: link.resolve() for link in prefix.rglob("go_*_exec")}
        self.assertEqual(links, {f"go_{system}_amd64_exec": prefix / "bin" / "sudrun" for system in SYSTEMS})

    def test_the_library_is_found_and_works_as_its_documentation_says(self):
        self.install()
        tree = self.place / "tree"
        (described,) = tree.rglob("sudrun.pc")
        environment = {**os.environ, "PKG_CONFIG_PATH": str(described.parent), "PKG_CONFIG_SYSROOT_DIR": str(tree)}
        examples = SOURCE / "examples" / "embedding"
        for compiler, source in (("cc", "run.c"), ("c++", "run.cpp")):
            flags = self.succeed("pkg-config", "--cflags", "--libs", "sudrun", env=environment).split()
            made = self.place / compiler
            self.succeed(compiler, "-Wall", "-Wextra", "-Werror", examples / source, *flags, "-o", made)
            (library,) = tree.rglob("libsudrun.so")
            said = self.succeed(made, GUESTS / "hello", env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)})
            self.assertEqual(said, "Hello from FreeBSD\nexited with 0 after 2 calls\n")
        symbols = {line.split()[-1].split("@")[0] for line in self.succeed("nm", "-D", "--defined-only", library).splitlines()}
        declared = set(re.findall(r"\b(sudrun_\w+)\(", (SOURCE / "include/sudrun/sudrun.h").read_text()))
        self.assertEqual({name for name in symbols if name.startswith("sudrun")}, declared)
        self.assertLessEqual(symbols, declared | {"SUDRUN_0"})

    def test_a_link_for_go_is_sudrun(self):
        link = next(self.install().rglob("go_freebsd_amd64_exec"))
        self.assertEqual(self.succeed(link, GUESTS / "hello"), "Hello from FreeBSD\n")


class Manual(Case):
    def test_the_manual_has_every_option_and_tool(self):
        text = (SOURCE / "packaging" / "sudrun.1").read_text()
        listed = "\n".join(line for line in text.splitlines() if line.startswith((".It Fl", ".Fl", ".Op Fl")))
        names = set(re.findall(r"(?:Fl |, )-([\w-]+)", listed))
        letters = set("".join(re.findall(r"Fl (\w+)", listed)))
        tools = re.findall(r"^  ([a-z]+) {2,}\S", self.succeed(SUDRUN.parent / "sudrun-tools", "--help")
                           .partition("Subcommands:\n")[2], re.M)
        self.assertIn("inspect", tools)
        for tool in ([], *([tool] for tool in tools)):
            options = re.findall(r"^  (?:-(\w),)?--([\w-]+)", self.succeed(SUDRUN, *tool, "--help"), re.M)
            self.assertGreater(len(options), 1)
            for short, long in options:
                self.assertIn(long, names, tool)
                if short:
                    self.assertIn(short, letters, tool)
        for tool in tools:
            self.assertIn(f"\n.Cm {tool}\n", text)

    def test_the_manual_is_well_formed(self):
        done = run("mandoc", "-T", "lint", "-W", "warning", SOURCE / "packaging" / "sudrun.1")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("run programs built for other operating systems",
                      self.succeed("mandoc", "-T", "ascii", SOURCE / "packaging" / "sudrun.1"))


class Completions(Case):
    def in_bash(self, *words):
        script = f'''compopt() {{ :; }}; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sudrun
                     printf '%s\\n' "${{COMPREPLY[@]}}"'''
        return self.succeed("bash", "--norc", "-c", script, "bash", MADE / "sudrun", "sudrun", *words, cwd=self.place).split()

    def test_bash_completes_options_values_tools_and_files(self):
        (self.place / "doc").mkdir()
        (self.place / "program").touch()
        self.assertEqual(self.in_bash("--trace-f"), ["--trace-format"])
        self.assertEqual(self.in_bash("--trap", "se"), ["seccomp"])
        self.assertEqual(self.in_bash("--trap", "=", ""), self.in_bash("--trap", "="))
        self.assertEqual(self.in_bash("--trap", "=", ""), ["auto", "sud", "seccomp"])
        self.assertIn("freebsd-amd64", self.in_bash("--abi", "free"))
        self.assertEqual(self.in_bash("--sysroot", ""), ["doc"])
        self.assertEqual(set(self.in_bash("do")), {"doc", "doctor"})
        self.assertEqual(self.in_bash("inspect", "--h"), ["--help", "--html"])
        self.assertEqual(self.in_bash("--stats", "pro"), ["program"])
        self.assertEqual(self.in_bash("./program", "--tra"), [])  # the program's own

    def test_fish_completes_options_values_and_tools(self):
        def complete(line):
            done = self.succeed("fish", "--no-config", "-c", f"source {MADE / 'sudrun.fish'}; complete -C '{line}'",
                                env={**os.environ, "HOME": str(self.place)}, cwd=self.place)
            return [entry.split("\t")[0] for entry in done.splitlines()]

        self.assertEqual(complete("sudrun --trace-f"), ["--trace-format"])
        self.assertEqual(complete("sudrun --trap se"), ["seccomp"])
        self.assertEqual(complete("sudrun doc"), ["doctor"])
        self.assertEqual(complete("sudrun inspect --js"), ["--json"])

    def test_zsh_completes_options_values_and_tools(self):
        for typed, expected in (("sudrun --trace-f", "--trace-format"), ("sudrun --trap=se", "seccomp"),
                                ("sudrun doc", "doctor"), ("sudrun inspect --js", "--json"),
                                ("sudrun --stats --list", "--list-abis")):
            with self.subTest(typed):
                self.assertIn(expected, self.in_zsh(typed))

    def in_zsh(self, typed):
        """What stands on the line when Tab has been pressed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.place)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": os.environ["PATH"], "HOME": str(self.place), "TERM": "dumb",
                                                   "ZDOTDIR": str(self.place)})
        try:
            setup = (f"fpath=({MADE} $fpath); autoload -U compinit; compinit -D -u; unsetopt zle_bracketed_paste; "
                     "show() { print -r -- \"<$BUFFER>\"; }; zle -N show; bindkey '^X' show; "
                     "unsetopt list_ambiguous auto_list; PS1=; print set''-up\n")
            os.write(terminal, setup.encode())
            self.read_until(terminal, "set-up")
            os.write(terminal, typed.encode() + b"\t\x18")
            return re.search(r"<(.*?)>", self.read_until(terminal, ">"), re.S).group(1)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def read_until(self, terminal, end):
        text = ""
        limit = time.monotonic() + 60
        while end not in text:
            self.assertTrue(select.select([terminal], [], [], max(0, limit - time.monotonic()))[0], text)
            text += os.read(terminal, 4096).decode(errors="replace")
        return text

    def test_every_value_offered_is_accepted_and_others_are_not(self):
        text = (MADE / "sudrun").read_text()
        offered = re.findall(r"(--[\w-]+)\) COMPREPLY=\(\$\(compgen -W '([^']+)'", text)
        self.assertEqual({name for name, _ in offered}, {"--trap", "--trace-format", "--trace-time", "--abi"})
        for option, values in offered:
            for value in values.split():
                self.succeed(SUDRUN, option, value, "--list-abis")


class Binfmt(Case):
    def setUp(self):
        super().setUp()
        self.lines = [line for line in (MADE / "sudrun.conf").read_text().splitlines() if not line.startswith("#")]

    def test_programs_are_told_by_their_first_bytes(self):
        """As Linux does it: fs/binfmt_misc.c, search_binfmt_handler()."""
        def bytes_of(text):
            return text.encode("ascii").decode("unicode_escape").encode("latin-1")

        def matching(program):
            head = program.read_bytes()[:64]
            for line in self.lines:
                name, kind, offset, magic, mask = line[1:].split(":")[:5]
                self.assertEqual((kind, offset), ("M", ""))
                self.assertEqual(len(bytes_of(magic)), len(bytes_of(mask)))
                if all((byte ^ want) & bits == 0 for byte, want, bits in zip(head, bytes_of(magic), bytes_of(mask))):
                    return name
            return None

        self.assertEqual(matching(GUESTS / "hello"), "sudrun-freebsd")
        self.assertEqual(matching(GUESTS / "hello-pie"), "sudrun-freebsd")
        self.assertEqual(matching(GUESTS / "go" / "inspected-netbsd"), "sudrun-netbsd")
        # These say what they are only where binfmt_misc does not look: docs/installing.md.
        self.assertIsNone(matching(GUESTS / "netbsd-basics"))
        self.assertIsNone(matching(GUESTS / "go" / "inspected-dragonfly"))
        self.assertIsNone(matching(pathlib.Path("/bin/sh")))

    def test_the_kernel_starts_programs_with_it(self):
        """In a user namespace of its own, which has its own binfmt_misc from Linux 6.7 on."""
        mount = self.place / "binfmt"
        mount.mkdir()
        if run("unshare", "-Urm", "mount", "-t", "binfmt_misc", "none", mount).returncode != 0:
            self.skipTest("user namespaces have no binfmt_misc of their own here (Linux 6.7)")
        rules = "".join(re.sub(r":/[^:]*:", lambda _: f":{SUDRUN}:", line) + "\n" for line in self.lines)
        (self.place / "rules").write_text(rules)
        script = '''mount -t binfmt_misc none "$1"/binfmt
                    while IFS= read -r line; do printf '%s\\n' "$line" > "$1"/binfmt/register; done < "$1"/rules
                    "$2"/hello && (exec -a its-name "$2"/exec echo --version "a b")'''
        done = self.succeed("unshare", "-Urm", "bash", "-ec", script, "bash", self.place, GUESTS)
        self.assertTrue(done.startswith("Hello from FreeBSD\n[its-name][echo][--version][a b]\n"), done)


class PerfMap(Case):
    def test_every_stub_has_a_name(self):
        process = subprocess.Popen([SUDRUN, "--perf-map", "--stats", "--rewrite-after=0", GUESTS / "rewrite"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _, said = process.communicate(timeout=LIMIT)
        path = pathlib.Path(f"/tmp/perf-{process.pid}.map")
        self.addCleanup(path.unlink)
        self.assertEqual(process.returncode, 0, said)
        found = {"padding": 0, "load": 0, "relocation": 0}
        stubs = set()
        for line in path.read_text().splitlines():
            match = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) sudrun: call at 0x([0-9a-f]+), rewritten by (\w+)", line)
            self.assertTrue(match, line)
            start, size = int(match.group(1), 16), int(match.group(2), 16)
            self.assertTrue(start % 64 == 0 and 0 < size <= 64, line)
            stubs.add(start)
            found[match.group(4)] += 1
        self.assertEqual(len(stubs), sum(found.values()))
        counts = [dict(zip(found, map(int, numbers))) for numbers in
                  re.findall(r"rewritten by padding (\d+), load (\d+), relocation (\d+)", said)]
        self.assertIn(found, counts)

    def test_a_link_in_its_place_is_not_followed(self):
        taken = self.place / "link"
        script = 'ln -s "$1" "/tmp/perf-$$.map"; exec "$2" --perf-map --rewrite-after=0 "$3"'
        process = subprocess.Popen(["bash", "-c", script, "bash", taken, SUDRUN, GUESTS / "rewrite"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        process.communicate(timeout=LIMIT)
        path = pathlib.Path(f"/tmp/perf-{process.pid}.map")
        self.addCleanup(path.unlink)
        self.assertEqual(process.returncode, 0)
        self.assertFalse(taken.exists())  # somebody's link is replaced, not followed
        self.assertFalse(path.is_symlink())


class Debugger(Case):
    def waiting(self, program, *options):
        """Starts a program that says `ready` and then reads; it is in that read when this returns."""
        process = subprocess.Popen([SUDRUN, *options, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline(), "ready\n")
        call = pathlib.Path(f"/proc/{process.pid}/syscall")
        limit = time.monotonic() + 60
        while not call.read_text().startswith("0 0x0 "):  # read(0, …)
            self.assertLess(time.monotonic(), limit, "the program does not come to its read")
            os.sched_yield()
        return process

    def gdb(self, process, *commands):
        scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
        if os.geteuid() != 0 and scope.exists() and int(scope.read_text()):
            self.fail("gdb may not attach: needs root, or kernel.yama.ptrace_scope=0")
        words = ["gdb", "-batch", "-nx", "-x", MADE / "sudrun-gdb.py", "-ex", f"sudrun attach {process.pid}"]
        for command in commands:
            words += ["-ex", command]
        return self.succeed(*words)

    def build(self, *options):
        program = self.place / "waits"
        self.succeed("clang", "--target=x86_64-unknown-freebsd14", "-g", "-O1", "-fomit-frame-pointer", "-ffreestanding",
                     "-nostdlib", "-static", "-fuse-ld=lld", *options, "-o", program, HERE / "waits.c")
        return program

    def expect_c_frames(self, text):
        names = re.findall(r"^#\d+ .*?(\w+) \(.*waits\.c:\d+$", text, re.M)
        self.assertEqual([name for name in names if name != "call"], ["innermost", "between", "_start"], text)

    def test_a_backtrace_goes_through_a_call_to_the_program(self):
        for name, options in (("trapped", ["--no-rewrite"]), ("rewritten", ["--rewrite-after=0"]),
                              ("by a filter", ["--trap=seccomp", "--no-rewrite"])):
            with self.subTest(name):
                process = self.waiting(self.build(), *options)
                self.expect_c_frames(self.gdb(process, "bt"))
                process.stdin.write("x")
                process.stdin.close()
                self.assertEqual(process.wait(LIMIT), 1)  # gdb has gone, and the program goes on: 1 + 1 + 42 is not 43

    def test_programs_that_lie_anywhere_are_found(self):
        process = self.waiting(self.build("-fPIE", "-Wl,-pie", "-Wl,--no-dynamic-linker"))
        self.expect_c_frames(self.gdb(process, "bt"))

    def test_registers_variables_and_our_own_frames_can_be_seen(self):
        process = self.waiting(self.build())
        text = self.gdb(process, "sudrun registers", "frame function between", "info locals", "set sudrun guest-frames off",
                        "bt", "show sudrun guest-frames")
        self.assertRegex(text, r"(?m)^rdi  0x0{16}$")
        self.assertRegex(text, r"(?m)^rax  0x0*3$")
        self.assertIn("kept = 42", text)
        self.assertIn("GuestThread::serve_call", text)
        self.assertIn("Whether backtraces show the program's frames: off", text)

    def test_threads_of_a_go_program_have_their_functions(self):
        program = self.place / "waits"
        self.succeed("go", "build", "-o", program, HERE / "waits.go", timeout=300,
                     env={**os.environ, "GOOS": "freebsd", "GOARCH": "amd64", "CGO_ENABLED": "0", "GO111MODULE": "off"})
        process = self.waiting(program)
        text = self.gdb(process, "thread apply all bt")
        threads = text.split("\nThread ")[1:]
        self.assertGreater(len(threads), 1, text)
        main = [thread for thread in threads if "main.waiter (" in thread]
        self.assertEqual(len(main), 1, text)
        self.assertRegex(main[0], r"(?s)syscall\.read \(.*os\.\(\*File\).*main\.waiter \(.*main\.main \(.*runtime\.goexit")
        others = [thread for thread in threads if "runtime.sys_umtx_op (" in thread or "runtime.usleep (" in thread]
        self.assertEqual(len(others), len(threads) - 1, text)

    def test_threads_of_sudrun_alone_are_told_from_others(self):
        done = run("gdb", "-batch", "-nx", "-x", MADE / "sudrun-gdb.py", "-ex", "sudrun registers")
        self.assertIn("There is no thread.", done.stderr)
        done = run("gdb", "-batch", "-nx", "-x", MADE / "sudrun-gdb.py", "-ex", "sudrun attach nonsense")
        self.assertIn("Name a process: sudrun attach PID", done.stderr)


class Package(Case):
    def make(self):
        done = self.succeed(SOURCE / "packaging" / "deb.sh", BUILD, self.place)
        return pathlib.Path(done.strip())

    def test_the_package_has_all_it_needs_and_no_more(self):
        package = self.make()
        control = self.succeed("dpkg-deb", "--field", package)
        static = "INTERP" not in self.succeed("readelf", "-lW", SUDRUN)
        self.assertEqual("Depends:" not in control, static, control)
        self.assertIn("Static-Built-Using: capstone (= ", control)
        listing = self.succeed("dpkg-deb", "--contents", package)
        self.assertNotIn(" ./etc", listing)  # no conffiles
        self.assertNotIn("libsudrun.", listing)
        for line in listing.splitlines():
            rights, owner = line.split()[:2]
            self.assertEqual(owner, "root/root", line)
            self.assertTrue(rights.startswith("l") or (rights[5], rights[8]) == ("-", "-"), line)
        self.succeed("dpkg-deb", "--extract", package, self.place / "root")
        usr = self.place / "root" / "usr"
        self.assertIn("parts of libcapstone-dev", (usr / "share/doc/sudrun/copyright").read_text())
        self.assertIn(":/usr/bin/sudrun:PF", (usr / "lib/binfmt.d/sudrun.conf").read_text())
        self.assertEqual((usr / "share/gdb/auto-load/usr/bin/sudrun-gdb.py").resolve(), usr / "share/sudrun/sudrun-gdb.py")
        self.assertIn(".Dt SUDRUN 1", self.succeed("zcat", usr / "share/man/man1/sudrun.1.gz"))
        symbols = self.succeed("nm", usr / "bin" / "sudrun")
        self.assertIn("sudrun_gate_call_interruptible", symbols)  # gdb and perf name our functions
        self.assertNotIn("_dl_auxv", symbols)

    def test_the_package_works_on_a_clean_debian(self):
        sources = sorted(set(self.succeed(
            "apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").splitlines()))
        release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)
        sources = [line for line in sources if line.split()[2] == release and line.split()[3] == "main"]
        self.assertTrue(sources, f"apt has no archive of {release}")
        (self.place / "sources.list").write_text("\n".join(sources) + "\n")
        (self.place / "in").mkdir()
        shutil.copy(self.make(), self.place / "in" / "sudrun.deb")
        shutil.copy(GUESTS / "hello", self.place / "in")
        inside = '''set -e
            apt-get install -y -q /in/sudrun.deb > /dev/null 2>&1
            dpkg --verify sudrun
            sudrun /in/hello
            sudrun inspect /in/hello | grep ^verdict
            sudrun doctor | tail -n 1
            echo "go: $(ls /usr/lib/*/sudrun/go)"
            dpkg --purge sudrun > /dev/null
            find / -xdev -name "*sudrun*" -not -path "/proc/*" -not -path "/in/*" -not -path "/var/log/*"
            echo purged'''
        (self.place / "in" / "inside").write_text(inside)
        self.place.chmod(0o755)
        output = self.place / "output"
        output.touch()
        output.chmod(0o666)
        done = run("mmdebstrap", "--quiet", "--variant=essential", "--include=apt",
                   f"--customize-hook=copy-in {self.place / 'in'} /",
                   "--customize-hook=chroot \"$1\" sh /in/inside > \"$1\"/output 2>&1 || echo failed >> \"$1\"/output",
                   f"--customize-hook=download /output {output}", release, "/dev/null", self.place / "sources.list",
                   timeout=300, env={**os.environ, "TMPDIR": "/tmp"})
        self.assertEqual(done.returncode, 0, done.stderr + "\nneeds root, or ids in /etc/subuid, and the archive apt uses")
        lines = output.read_text().splitlines()
        self.assertEqual(lines[0], "Hello from FreeBSD", lines)
        self.assertRegex(lines[1], "^verdict: ")
        self.assertRegex(lines[2], "^foreign programs run")
        self.assertEqual(lines[3:], [f"go: go_{SYSTEMS[0]}_amd64_exec", *(f"go_{s}_amd64_exec" for s in SYSTEMS[1:]), "purged"])


if __name__ == "__main__":
    counted.main()

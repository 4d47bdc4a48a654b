#!/usr/bin/env python3
"""Writes completions for bash, zsh and fish from what sudrun says in --help.

completions.py SUDRUN TOOLS BASH ZSH FISH

TOOLS is sudrun-tools, whose --help lists the tools there are. Which values an option takes is asked of sudrun itself:
of the words of its description, those it accepts, if it refuses others.
"""
import re
import subprocess
import sys

# As --help says them: (short,)?(long)( VALUE)?( ...)?  text
OPTION = re.compile(r"^  (?:(-\w),)?(--[\w-]+)(?: ([A-Z]+))?(?: \.\.\.)?(?: {2,}(\S.*))?$")
FILES, DIRECTORIES = "FILE", "DIR"


class Option:
    def __init__(self, short, name, kind, text, optional):
        self.short = short
        self.name = name
        self.kind = kind
        self.text = text
        self.optional = optional  # has a value only after `=`
        self.values = []

    def names(self):
        return [name for name in (self.short, self.name) if name]


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def options_of(*command):
    found = []
    said = run(*command, "--help")
    if said.returncode != 0:
        sys.exit(f"{' '.join(command)} --help failed with {said.returncode}")
    text = re.sub(r"\n {10,}(?=\S)", " ", said.stdout)  # descriptions that go on
    for line in text.splitlines():
        match = OPTION.match(line)
        if match:
            short, name, kind, about = match.groups()
            about = about or ""
            found.append(Option(short, name, kind, about, kind is None and f"{name}=" in about))
    if not found:
        sys.exit(f"{' '.join(command)} --help lists no options")
    return found


def tools_of(tools):
    listed = run(tools, "--help").stdout.partition("Subcommands:\n")[2]
    found = dict(re.findall(r"^  ([a-z]+) {2,}(\S.*)$", listed, re.M))
    if not found:
        sys.exit(f"{tools} --help lists no tools")
    return found


def find_values(sudrun, option):
    def accepted(value):
        return run(sudrun, option.name, value, "--list-abis").returncode == 0

    if option.kind in (FILES, DIRECTORIES, None):
        return
    if option.name == "--abi":
        option.values = [line.split("\t")[0] for line in run(sudrun, "--list-abis").stdout.splitlines()]
    elif not accepted("no-such-value"):
        option.values = [word for word in dict.fromkeys(re.findall(r"[a-z]+", option.text)) if accepted(word)]


def bash(options, tools):
    """Words after `=` are words of their own to bash, and so is the `=`."""
    lines = ["# bash completion for sudrun. Generated from its --help by packaging/completions.py.",
             "_sudrun() {",
             "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} tool= program= options at",
             "  [[ $current == = ]] && current=",
             "  [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}",
             "  COMPREPLY=()",
             f"  case ${{COMP_WORDS[1]-}} in {' | '.join(tools)}) ((COMP_CWORD > 1)) && tool=${{COMP_WORDS[1]}} ;; esac",
             "  for ((at = 1; at < COMP_CWORD; ++at)); do",
             "    case ${COMP_WORDS[at]} in"]
    takes_value = sorted({name for list_ in options.values() for o in list_ if o.kind for name in o.names()})
    lines += [f"      {' | '.join(takes_value)}) ((++at)); [[ ${{COMP_WORDS[at]}} == = ]] && ((++at)) ;;",
              "      =) ((++at)) ;;",
              "      --) program=$((at + 1)); break ;;",
              "      -*) ;;",
              '      "$tool") ;;',
              "      *) program=$at; break ;;",
              "    esac",
              "  done",
              "  if [[ -n $program && -z $tool ]]; then",
              '    # The rest is the program\'s.',
              "    compopt -o default",
              "    return",
              "  fi",
              "  case $previous in"]
    by_name = {}
    for list_ in options.values():
        for option in list_:
            if option.kind and not (option.name in by_name and not option.values):
                by_name[option.name] = option
    for option in by_name.values():
        names = " | ".join(option.names())
        if option.values:
            lines.append(f"    {names}) COMPREPLY=($(compgen -W '{' '.join(option.values)}' -- \"$current\")); return ;;")
        elif option.kind == DIRECTORIES:
            lines.append(f"    {names}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); return ;;")
        elif option.kind == FILES:
            lines.append(f"    {names}) compopt -o default; return ;;")
        else:
            lines.append(f"    {names}) return ;;")
    lines += ["  esac", "  case $tool in"]
    for tool, list_ in options.items():
        lines.append(f"    {tool or chr(39) * 2}) options='{' '.join(n for o in list_ for n in o.names())}' ;;")
    lines += ["  esac",
              "  if [[ $current == -* ]]; then",
              "    COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))",
              "    return",
              "  fi",
              "  compopt -o filenames",
              "  mapfile -t COMPREPLY < <(compgen -f -- \"$current\")",
              f"  ((COMP_CWORD == 1)) && COMPREPLY+=($(compgen -W '{' '.join(tools)}' -- \"$current\"))",
              "}",
              "complete -F _sudrun sudrun"]
    return "\n".join(lines) + "\n"


def quoted(text):
    return text.replace("'", "'\\''")


def zsh(options, tools):
    def specs(list_):
        for option in list_:
            about = re.sub(r"([\[\]\\:])", r"\\\1", option.text)
            action = ""
            if option.optional:
                action = "::calls:"
            elif option.kind == FILES:
                action = ":file:_files"
            elif option.kind == DIRECTORIES:
                action = ":directory:_directories"
            elif option.kind:
                action = f":{option.kind.lower()}:({' '.join(option.values)})" if option.values else f":{option.kind.lower()}:"
            equals = "=-" if option.optional else "=" if option.kind else ""
            again = "*" if option.name == "--inject" else f"({' '.join(option.names())})"
            for name in option.names():
                sign = "+" if equals == "=" and name == option.short else "" if name == option.short else equals
                yield f"    '{quoted(again)}{name}{sign}[{quoted(about)}]{action if sign else ''}' \\"

    lines = ["#compdef sudrun", "# Generated from sudrun's --help by packaging/completions.py.", "local curcontext=$curcontext",
             "case ${words[2]} in"]
    for tool in tools:
        lines += [f"  {tool})", "    (( CURRENT > 2 )) && {", "      shift words; (( CURRENT-- ))", "      _arguments -s -S \\"]
        lines += ["    " + spec for spec in specs(options[tool])]
        lines += ["        '1:program:_files' && return", "    } ;;"]
    lines += ["esac", "_arguments -s -S -A '-*' \\", *specs(options[""]),
              "    '1:program:_sudrun_program' \\", "    '*:: :_normal'"]
    about = " ".join("'" + quoted(f"{tool}:{text}") + "'" for tool, text in tools.items())
    head = ["_sudrun_program() {", f"  local -a tools=({about})",
            "  (( CURRENT == 2 )) && _describe -t tools tool tools", "  _files", "}"]
    return "\n".join(lines[:2] + head + lines[2:]) + "\n"


def fish(options, tools):
    def escaped(text):
        return text.replace("\\", "\\\\").replace("'", "\\'")

    lines = ["# Generated from sudrun's --help by packaging/completions.py."]
    for tool, text in tools.items():
        lines.append(f"complete -c sudrun -n __fish_is_first_arg -a {tool} -d '{escaped(text)}'")
    for tool, list_ in options.items():
        condition = f"__fish_seen_subcommand_from {tool}" if tool else f"not __fish_seen_subcommand_from {' '.join(tools)}"
        for option in list_:
            words = ["complete -c sudrun", f"-n '{condition}'", f"-l {option.name[2:]}"]
            if option.short:
                words.append(f"-s {option.short[1:]}")
            if option.kind == FILES:
                words.append("-rF")
            elif option.kind == DIRECTORIES:
                words.append("-x -a '(__fish_complete_directories)'")
            elif option.kind:
                words.append(f"-x -a '{' '.join(option.values)}'" if option.values else "-x")
            lines.append(" ".join(words) + f" -d '{escaped(option.text)}'")
    return "\n".join(lines) + "\n"


def main(sudrun, tools_program, *outputs):
    tools = tools_of(tools_program)
    options = {"": options_of(sudrun), **{tool: options_of(sudrun, tool) for tool in tools}}
    for list_ in options.values():
        for option in list_:
            find_values(sudrun, option)
    for shell, path in zip((bash, zsh, fish), outputs, strict=True):
        with open(path, "w", encoding="utf-8") as file:
            file.write(shell(options, tools))


if __name__ == "__main__":
    main(*sys.argv[1:])

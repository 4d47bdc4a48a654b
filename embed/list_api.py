#!/usr/bin/env python3
"""Writes the reference of the C interface, docs/api.md, from the comments of include/sudrun/sudrun.h.

list_api.py HEADER [PAGE]: prints the page; with PAGE only compares it, exit status 1 if it is another."""
import pathlib
import re
import sys

HEAD = """# The C interface of libsudrun

Generated from `include/sudrun/sudrun.h` (`ninja -C build api-reference`); do not edit. [embedding.md](embedding.md) shows how it is
used. The C++ interface, `sudrun/sudrun.hpp`, has the same functions as members of `Table`, `Guest`, `Thread` and `Call`, and
throws `Error` where these return a status.
"""


def text_of(comment):
    """A comment's words, without its stars, a paragraph a line."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment.splitlines()]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


def items(header):
    """(kind, text) in the header's order: `section`, `words`, `code`."""
    head = re.match(r"/\*(.*?)\*/", header, re.S)
    yield "words", text_of(head.group(1))
    body = header[header.index('extern "C" {'):]
    pattern = re.compile(r"/\* # (?P<section>.*?) \*/|/\*\*(?!<)(?P<words>.*?)\*/"
                         r"|^(?P<code>(?:typedef|SUDRUN_API|#define SUDRUN_)(?:[^;{]|\{[^}]*\})*?(?:;|(?<=[0-9u)X])$))", re.S | re.M)
    for found in pattern.finditer(body):
        yield found.lastgroup, found.group(found.lastgroup)


def page(header):
    out = [HEAD]
    last = None
    for kind, text in items(header):
        if kind == "section":
            out.append(f"\n## {text}\n")
        elif kind == "words":
            out.append("\n" + text_of(text) + "\n")
        else:
            code = text.replace("SUDRUN_API ", "").replace("__attribute__((noreturn)) ", "")
            if text.startswith("SUDRUN_API"):
                code = re.sub(r"\n {" + str(len("SUDRUN_API ")) + "}", "\n", code)
            if last == "code":  # one block for what stands together
                out[-1] = out[-1][:-len("```\n")] + code + "\n```\n"
            else:
                out.append(f"\n```c\n{code}\n```\n")
        last = kind
    return "".join(out)


def main():
    made = page(pathlib.Path(sys.argv[1]).read_text())
    if len(sys.argv) == 2:
        sys.stdout.write(made)
        return 0
    if pathlib.Path(sys.argv[2]).read_text() == made:
        return 0
    print(f"{sys.argv[2]} is not what {sys.argv[1]} says; run ninja -C build api-reference", file=sys.stderr)
    return 1


sys.exit(main())

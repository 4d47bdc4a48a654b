#!/usr/bin/env python3
"""schema_test.py SCHEMA TABLE…: the tables validate against the JSON Schema, and what is wrong does not.

Scalars are what YAML 1.2 makes of them, as sudrun and editors do, not what PyYAML's YAML 1.1 does. Ends with
`N passed, M failed`.
"""
import copy
import json
import re
import sys

import jsonschema
import yaml

NUMBER = re.compile(r"-?(0|[1-9][0-9]*|0x[0-9A-Fa-f]+|0o[0-7]+)$")


def value_of(node):
    if isinstance(node, yaml.MappingNode):
        return {key.value: value_of(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(value) for value in node.value]
    if node.style is None and NUMBER.match(node.value):
        return int(node.value, 0)
    return {"true": True, "false": False, "": None}.get(node.value, node.value) if node.style is None else node.value


def mistakes(table):
    """Ways to be wrong: a name, and a changed copy."""
    def changed(name, change):
        other = copy.deepcopy(table)
        change(other)
        return name, other

    number = next(iter(table["calls"]))
    yield changed("an unknown key", lambda t: t.update(colour="red"))
    yield changed("no calls", lambda t: t.pop("calls"))
    yield changed("an unknown key of a row", lambda t: t["calls"][number].update(suport="full"))
    yield changed("a row without a name", lambda t: t["calls"][number].pop("name"))
    yield changed("another support", lambda t: t["calls"][number].update(support="most"))
    yield changed("a call number that is none", lambda t: t["calls"].update(three=t["calls"][number]))
    yield changed("an errno out of range", lambda t: t["errno"].update(EPERM=5000))
    yield changed("an errno that is a text", lambda t: t["errno"].update(EPERM="one"))
    yield changed("another register", lambda t: t["convention"].update(number="eax"))
    yield changed("an unknown class", lambda t: t["classes"].update(netwrok=["read"]))
    yield changed("a class that is no list", lambda t: t["classes"].update(network="socket"))
    yield changed("a futex of no kind", lambda t: t["calls"][number].update(futex={"word": "a", "count": "b", "late": "EPERM"}))
    yield changed("a sleep without an end", lambda t: t["calls"][number].update(futex={"word": "a", "value": "b", "limit": "c"}))
    yield changed("a field without an offset", lambda t: t["structs"]["timespec"]["fields"].update(tv_sec="i64"))


EXTENSIONS = {
    "one call": {"extends": "freebsd-amd64", "calls": {"136": {"error": "EPERM"}}},
    "one errno": {"extends": "freebsd-amd64", "errno": {"EPERM": 99}},
    "one struct": {"extends": "x.yaml", "structs": {"pair": {"size": 8, "fields": {"a": "i32@0", "b": "i32@4"}}}},
    "one value of a set": {"extends": "x.yaml", "flags": {"open_flags": {"values": {"O_NEW": 0x1000}}}},
    "one call of a class": {"extends": "x.yaml", "classes": {"network": ["mine"]}},
    "a futex of each kind": {"extends": "x.yaml", "calls": {
        "1": {"futex": {"word": "a", "by": "b", "value": "c", "wait": ["W"], "wake": []}},
        "2": {"futex": {"word": "a", "count": "b"}},
        "3": {"futex": {"word": "a", "value": "b", "limit": "c", "longest": 5, "late": "EPERM"}}}},
    "one sysctl value": {"extends": "x.yaml", "sysctl": {"kern.maxproc": 99, "kern.ident": "CUSTOM"}},
}
BAD_EXTENSIONS = {
    "an unknown key of a row": {"extends": "x", "calls": {"136": {"eror": "EPERM"}}},
    "a struct without a size": {"extends": "x", "structs": {"pair": {"fields": {"a": "i32@0"}}}},
}


def main(schema_file, *table_files):
    with open(schema_file, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    passed = failed = 0

    def expect(title, document, valid):
        nonlocal passed, failed
        errors = list(validator.iter_errors(document))
        if (not errors) == valid:
            passed += 1
            return
        failed += 1
        print(f"FAILED: {title}: expected {'no problem' if valid else 'a problem'}")
        for error in errors[:5]:
            print(f"  {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}")

    tables = {}
    for name in table_files:
        with open(name, encoding="utf-8") as file:
            tables[name] = value_of(yaml.compose(file.read()))
        expect(name, tables[name], True)
    for title, wrong in mistakes(next(iter(tables.values()))):
        expect(title, wrong, False)
    for title, document in EXTENSIONS.items():
        expect(title, document, True)
    for title, document in BAD_EXTENSIONS.items():
        expect(title, document, False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

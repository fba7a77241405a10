#!/usr/bin/env python3
"""Prints the slowest and the skipped tests of a run: `report.py FOLDER`, of JUnit files of ctest, GoogleTest and
pytest."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

SLOWEST = 12


def cases(folder):
    """(file, name, seconds, reason why it was skipped or None) of each test."""
    for path in sorted(folder.rglob("*.xml")):
        if path.with_suffix("").is_dir():  # ctest's report of programs, which have their own ones of each test
            continue
        for case in ElementTree.parse(path).iter("testcase"):
            skipped = case.find("skipped")
            reason = None if skipped is None else skipped.get("message", "") + "\n" + case.findtext("system-out", "")
            run = path.relative_to(folder).parts[0].removesuffix(".xml")
            yield run, full_name(case), float(case.get("time") or 0), reason


def full_name(case):
    group, name = case.get("classname") or "", case.get("name")
    return name if group in ("", name) else f"{group}.{name}"


def said(reason):
    """The first line of the test's own words; GoogleTest and ctest put theirs around it."""
    own = re.split(r"Skipped\n|_MATCHED\n", reason)[-1]
    lines = [line.strip() for line in own.splitlines()]
    others = re.compile(r"$|\[|Running main|Note:|\S+:\d+$")
    return next((line for line in lines if not others.match(line)), "no reason given")


def main(folder):
    found = list(cases(folder))
    for run in sorted({run for run, *_ in found}):
        of_run = sorted((case for case in found if case[0] == run), key=lambda case: -case[2])
        print(f"{run}: {len(of_run)} tests, {sum(case[2] for case in of_run):.0f} s; the slowest:")
        for _, name, seconds, _ in of_run[:SLOWEST]:
            print(f"  {seconds:7.1f} s  {name}")
    skipped = Counter((run, name, said(reason)) for run, name, _, reason in found if reason is not None)
    print(f"{sum(skipped.values())} tests were skipped")
    for (run, name, reason), _ in sorted(skipped.items()):
        print(f"  {run}: {name}: {reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

# SPDX-License-Identifier: Apache-2.0
"""Counts the cases of JUnit files: prints "PASSED FAILED SKIPPED", then a line for each case that
failed or was skipped.  Meson and pytest both write this format, so scripts/test can add them up."""
import sys
import xml.etree.ElementTree as ET


def one_line(text):
    return " ".join((text or "").split())[:160]


def main(files):
    passed, failed, skipped, lines = 0, 0, 0, []
    for file in files:
        for case in ET.parse(file).getroot().iter("testcase"):
            name = "/".join(filter(None, [case.get("classname"), case.get("name")]))
            bad = case.find("failure")
            if bad is None:
                bad = case.find("error")
            skip = case.find("skipped")
            if bad is not None:
                failed += 1
                lines.append(f"failed: {name}: {one_line(bad.get('message'))}")
            elif skip is not None:
                skipped += 1
                reason = one_line(skip.get("message") or skip.text) or "no reason given"
                lines.append(f"skipped: {name}: {reason}")
            else:
                passed += 1
    print(passed, failed, skipped)
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])

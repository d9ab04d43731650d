"""The outcomes as JUnit XML, which every CI server reads."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from chaos.report.outcome import Outcome
from chaos.report.summary import failure_text

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any form."""


def write_junit(path: Path, outcomes: Sequence[Outcome], bad_lines: Sequence[str]) -> None:
    """Write one test case for each scenario and world.

    A broken promise is a failure; no verdict, and a file that cannot be run, are errors.

    Args:
        path: the file to write.
        outcomes: what was run.
        bad_lines: what is wrong in files that could not be run.

    Raises:
        OSError: it cannot be written.
    """
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name="chaos",
        tests=str(len(outcomes) + bool(bad_lines)),
        failures=str(sum(o.verdict == "invalid" for o in outcomes)),
        errors=str(sum(o.verdict == "inconclusive" for o in outcomes) + bool(bad_lines)),
        time=f"{sum(o.seconds for o in outcomes):.3f}",
    )
    for outcome in outcomes:
        _add(suite, outcome)
    if bad_lines:
        case = ET.SubElement(suite, "testcase", classname="chaos", name="bad input")
        error = ET.SubElement(case, "error", message=_xml(bad_lines[0]))
        error.text = _xml("\n".join(bad_lines))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add(suite: ET.Element, outcome: Outcome) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_xml(outcome.file),
        name=_xml(outcome.title),
        time=f"{outcome.seconds:.3f}",
    )
    if outcome.verdict == "valid":
        return
    if outcome.verdict == "invalid":
        kind, sentences = "failure", [v.text for f in outcome.broken for v in f.violations]
    else:
        kind, sentences = "error", list(outcome.reasons)
    message = sentences[0] if sentences else outcome.verdict
    detail = ET.SubElement(case, kind, message=_xml(message))
    detail.text = _xml(failure_text(outcome))


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)

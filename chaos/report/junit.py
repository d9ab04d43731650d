"""Results as JUnit XML, which every CI server reads."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from chaos.report.scenario_report import ScenarioReport
from chaos.report.summary import failure_text

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot represent."""


def write_junit(path: Path, reports: Sequence[ScenarioReport], bad_lines: Sequence[str]) -> None:
    """Write one test case for each scenario and world.

    A broken promise is a failure; an inconclusive verdict and invalid input files are errors.

    Args:
        path: the file to write.
        reports: the results.
        bad_lines: the mistakes in files that could not be run.

    Raises:
        OSError: the file cannot be written.
    """
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name="chaos",
        tests=str(len(reports) + bool(bad_lines)),
        failures=str(sum(o.verdict == "invalid" for o in reports)),
        errors=str(sum(o.verdict == "inconclusive" for o in reports) + bool(bad_lines)),
        time=f"{sum(o.seconds for o in reports):.3f}",
    )
    for report in reports:
        _add(suite, report)
    if bad_lines:
        case = ET.SubElement(suite, "testcase", classname="chaos", name="bad input")
        error = ET.SubElement(case, "error", message=_xml(bad_lines[0]))
        error.text = _xml("\n".join(bad_lines))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add(suite: ET.Element, report: ScenarioReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_xml(report.file),
        name=_xml(report.title),
        time=f"{report.seconds:.3f}",
    )
    if report.verdict == "valid":
        return
    if report.verdict == "invalid":
        kind, sentences = "failure", [v.text for f in report.broken for v in f.violations]
    else:
        kind, sentences = "error", list(report.reasons)
    message = sentences[0] if sentences else report.verdict
    detail = ET.SubElement(case, kind, message=_xml(message))
    detail.text = _xml(failure_text(report))


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)

"""Results as JUnit XML, which every CI server reads."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from chaos.report.scenario_report import BadFile, ScenarioReport, SkippedFile
from chaos.report.summary import failure_text

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot represent."""


def write_junit(
    path: Path,
    reports: Sequence[ScenarioReport],
    bad: Sequence[BadFile] = (),
    skipped: Sequence[SkippedFile] = (),
) -> None:
    """Write one test case for each scenario and world, and one for each file that cannot be run.

    A broken promise is a failure; an inconclusive verdict and a file with mistakes are errors.

    Args:
        path: the file to write.
        reports: the results.
        bad: the files that cannot be run.
        skipped: the files that run in none of the worlds that were asked for.

    Raises:
        OSError: the file cannot be written.
    """
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name="chaos",
        tests=str(len(reports) + len(bad) + len(skipped)),
        failures=str(sum(o.verdict == "invalid" for o in reports)),
        errors=str(sum(o.verdict == "inconclusive" for o in reports) + len(bad)),
        skipped=str(len(skipped)),
        time=f"{sum(o.seconds for o in reports):.3f}",
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251  of the report
    )
    for report in reports:
        _add(suite, report)
    for each in bad:
        error = ET.SubElement(_case(suite, each.file, "bad input"), "error")
        error.set("message", _xml(each.lines[0]))
        error.text = _xml("\n".join(each.lines))
    for file in skipped:
        case = _case(suite, file.file, file.name)
        ET.SubElement(case, "skipped", message=_xml(file.reason))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: ET.Element, file: str, name: str, seconds: float = 0.0) -> ET.Element:
    return ET.SubElement(
        suite,
        "testcase",
        classname=_xml(file),
        name=_xml(name),
        file=_xml(file),
        time=f"{seconds:.3f}",
    )


def _add(suite: ET.Element, report: ScenarioReport) -> None:
    case = _case(suite, report.file, report.title, report.seconds)
    properties = ET.SubElement(case, "properties")
    for name, value in (("seed", str(report.seed)), ("command", report.command)):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
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

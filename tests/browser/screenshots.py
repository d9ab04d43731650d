"""``python -m tests.browser.screenshots DIR``: screenshots of the pages in headless Chromium.

Each page is taken at two widths, light and dark. Nothing is compared: a person looks at them, after
a change of a template. The pages are those of failures, the index of a directory of runs, and the
page on which a running simulator is controlled.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from chaos.mutants import MUTANTS
from chaos.oracle.judge import judge
from chaos.report.html.index import write_index
from chaos.report.html.story import write_story
from chaos.report.scenario_report import ScenarioReport
from chaos.search.counterexample import nearest_passing
from tests.chaos.report.html.pages import GIVES_UP_EARLY, RETRY, played

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 420)
HEIGHT = 3_200
"""Enough for most pages; the rest of a longer one is not on its picture."""

SCHEMES = {"light": 1, "dark": 0}
"""The values of the Chromium setting for the preferred colours."""

FORTY = {**RETRY, "max_retries": 39, "strategy": "fixed-delay", "initial_delay": "100ms"}
SILENT: dict[str, Any] = {"drop": {"name": "silent-spu", "at": "request"}}

STORIES: dict[str, tuple[str | None, dict[str, Any]]] = {
    "lost": ("gives-up-early", GIVES_UP_EARLY),
    "duplicate": (
        None,
        {
            "name": "a lost answer makes a duplicate",
            "producer": {"retry": RETRY},
            "faults": [{"drop": {"name": "lost-answer", "at": "response", "nth": 1}}],
            "workload": [{"send": {"count": 3}}, "flush"],
            "always": {"duplicated": 0},
        },
    ),
    "ladder": (None, {"producer": {"retry": RETRY}, "faults": [SILENT], "always": {"lost": 0}}),
    "forty-attempts": (
        None,
        {
            "producer": {"retry": FORTY},
            "faults": [{"disconnect": {"at": "request"}}],
            "always": {"lost": 0},
        },
    ),
    "two-spus": (
        None,
        {
            "name": "an SPU restarts",
            "cluster": {"spus": 2},
            "topic": {"partitions": 2},
            "producer": {"retry": RETRY},
            "workload": [
                {"send": {"count": 4}},
                {"move_leader": {"partition": 0, "to": 1}},
                {"stop_spu": {"spu": 1}},
                {"send": {"count": 3}},
                {"sleep": "300ms"},
                {"start_spu": {"spu": 1}},
                "flush",
            ],
        },
    ),
}
"""By name, the defect of the producer and the scenario."""


LIVE_PAGE = Path("docs/pictures/live-page.png")
"""The picture of the page of a running simulator; its times and ports are those of one run."""


def main(directory: Path) -> int:
    """Write pages and pictures, and print the names of the pictures.

    Returns:
        The exit status: 2 without a browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        say("make browser needs Chromium; on Debian: apt install chromium")
        return 2
    directory.mkdir(parents=True, exist_ok=True)
    for page in write_pages(directory):
        take(browser, page.resolve().as_uri(), directory / page.stem)
    with control_page() as address:
        take(browser, address, directory / "control")
        take_one(browser, address, LIVE_PAGE, (1280, 900))
    return 0


def write_pages(directory: Path) -> Iterator[Path]:
    """Write the pages and yield their paths."""
    reports = []
    for name, (mutant, data) in STORIES.items():
        with MUTANTS[mutant].applied() if mutant else nullcontext():
            history = played(data)
            result = judge(history)
            passing = nearest_passing(history) if result.broken else None
        history.about = {"command": f"python -m chaos replay .chaos/{name}-virtual/scenario.yaml"}
        path = directory / f"{name}.html"
        write_story(path, history, result, passing)
        yield path
        reports.append(
            ScenarioReport(
                name=history.scenario.name,
                file=f"{name}.yaml",
                world="virtual",
                seed=0,
                verdict=result.verdict,
                findings=result.findings,
                figures=result.figures,
                fired=result.fired,
                kinds={fault.name: fault.kind for fault in history.scenario.faults},
                directory=f".chaos/{name}-virtual",
                command=history.about["command"],
            )
        )
    path = directory / "report.html"
    write_index(path, reports, [], [], wanted=len(reports))
    yield path


@contextmanager
def control_page() -> Iterator[str]:
    """Run a simulator that stores some records twice, and give the address of its page."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        control = f"127.0.0.1:{free.getsockname()[1]}"
    words = f"simulator --port 0 --spu-port 0 --control {control} --duplicate 0.3 --seed 7 --quiet"
    command = [sys.executable, "-m", *words.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        ready = simulator.stdout.readline()
        assert ready.startswith("ready sc=")
        address = ready.split()[1].removeprefix("sc=")
        producer = [sys.executable, "-m", "producer", "greetings", "--address", address]
        lines = "".join(f"hello {n}\n" for n in range(20))
        subprocess.run(producer, input=lines, text=True, check=True, capture_output=True)
        try:
            yield f"http://{control}"
        finally:
            simulator.terminate()


def take(browser: str, address: str, stem: Path) -> None:
    """Take the pictures of one page."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            picture = stem.with_name(f"{stem.name}-{width}-{scheme}.png")
            take_one(browser, address, picture, (width, HEIGHT), scheme)


def take_one(
    browser: str, address: str, picture: Path, size: tuple[int, int], scheme: str = "light"
) -> None:
    """Take one picture, and print its name."""
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",  # a container has no sandbox; the pages are our own
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=2000",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
            f"--window-size={size[0]},{size[1]}",
            f"--screenshot={picture}",
            address,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
    )
    say(str(picture))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

from pathlib import Path

from wire.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "wire.md"


def test_the_page_is_what_make_docs_would_write() -> None:
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_each_message_stands_there_once() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("#### ")]
    assert len(headings) == len(set(headings))
    assert "#### ProduceRequest" in headings
    assert "#### PartitionUpdate" in headings

"""The pictures of the documentation are those that the code makes."""

from xml.etree import ElementTree as ET

from tests.browser.pictures import PICTURES, pictures


def test_the_pictures_of_the_docs_are_up_to_date() -> None:
    made = pictures()
    assert {path.name for path in PICTURES.glob("*.svg")} == set(made)
    for name, text in made.items():
        assert (PICTURES / name).read_text(encoding="utf-8") == text, "run make pictures"


def test_pictures_are_well_formed() -> None:
    for text in pictures().values():
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"

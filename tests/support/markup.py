"""What holds for the markup of every page."""

import re
from html.parser import HTMLParser


class Elements(HTMLParser):
    """Every element's tag and attributes, in order."""

    def __init__(self, markup):
        super().__init__()
        self.found, self.open = [], []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def all(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


def requests(markup):
    """The addresses that a browser would fetch by itself."""
    elements = Elements(markup)
    fetched = [
        value
        for tag, attributes in elements.found
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "poster", "background") or (name == "href" and tag not in ("a",))
    ]
    fetched += re.findall(
        r"url\(([^)]*)\)|@import ([^;]*)", "".join(re.findall(r"<style.*?</style>", markup, re.DOTALL))
    )
    return [address for address in fetched if not str(address).startswith("data:")]


def order_of_headings(markup):
    return [int(tag[1]) for tag, _ in Elements(markup).found if re.fullmatch("h[1-6]", tag)]


def check_page(markup):
    """What holds for every page, of this test's and of the real notebooks."""
    levels, elements = order_of_headings(markup), Elements(markup)
    assert requests(markup) == []
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    assert [image for image in elements.all("img") if not image.get("alt")] == []
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"][1:] for link in elements.all("a") if link["href"].startswith("#")]
    assert set(links) <= set(ids)

"""A small site of our own on 127.0.0.1: a tree of taxa, whose pages a test writes in another way part by part."""

from urllib.parse import parse_qsl, unquote, urlsplit

from tests.scraping import LoopbackSite, picture

MODULE = "bf_own"
HTML = {"Content-Type": "text/html; charset=utf-8"}
TREE = {
    MODULE: ["Aaceae"],
    "Aaceae": ["Aus"],
    "Aus": ["Aus unus", "Aus duus"],
    "Aus unus": [],
    "Aus duus": [],
}


def grown(number):
    """Return a tree with so many species in its one genus."""
    species = [f"Aus n{each:02}" for each in range(number)]
    return {MODULE: ["Aaceae"], "Aaceae": ["Aus"], "Aus": species} | {name: [] for name in species}


class TreeSite(LoopbackSite):
    """Serves the pages of `tree` and pictures; a subclass writes a part of the pages otherwise.

    Each taxon without daughters has `shots` pictures. `paths` is what was asked for.
    """

    module = MODULE
    shots = 2
    robots = (404, {}, b"")
    directory = "/system/index.php"  # below which the scraper looks for a module that it does not know

    def __init__(self, tree=TREE):
        super().__init__()
        self.tree = tree
        self.module = next(iter(tree))
        self.parent = {daughter: taxon for taxon, daughters in tree.items() for daughter in daughters}
        self.ids = {taxon: 500 + number for number, taxon in enumerate(tree)}

    def answer(self, target):
        """Return status, head and body for a request."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        if path == "/robots.txt":
            return self.robots
        if "/images/" in path:
            return 200, {"Content-Type": "image/png"}, picture()
        by_id = {str(number): taxon for taxon, number in self.ids.items()}
        taxon = query.get("taxon") or by_id.get(query.get("id", ""))
        if taxon not in self.tree:
            return 200, HTML, b"<html><body><p>There is nothing"
        return 200, HTML, self.page(taxon, query).encode()

    def lineage(self, taxon):
        return [*(self.lineage(self.parent[taxon]) if taxon in self.parent else []), taxon]

    def href(self, taxon):
        return f"{self.directory}?taxon={taxon}&module={self.module}"

    def shown(self, taxon):
        """The name that a page shows."""
        return taxon

    def link(self, taxon, mark="taxon_m"):
        return f"<a href='{self.href(taxon)}'><span class='{mark}'>{self.shown(taxon)}</span></a>"

    def file(self, taxon, number):
        return f"{taxon.replace(' ', '_')}_{number}.png"

    def full(self, taxon, number):
        return f"/images/{'/'.join(self.lineage(taxon))}/{self.file(taxon, number)}"

    def thumb(self, taxon, number):
        return f"/images/{self.module}/thumbs/{self.file(taxon, number)}"

    def title(self, taxon, number):
        return f"<br>Image Source: Coll. {number}<br>Notes: of {taxon}<br>Sample: S{number}"

    def image(self, taxon, number):
        return f"<img src='{self.thumb(taxon, number)}'>"

    def shot(self, taxon, number):
        rel, title = "lightbox[x 800 800]", self.title(taxon, number)
        return f"<a href='{self.full(taxon, number)}' rel='{rel}' title='{title}'>{self.image(taxon, number)}</a>"

    def row(self, taxon):
        below = "".join(self.link(each, "taxon_s") for each in self.tree[taxon])
        of = next((each for each in self.tree if not self.tree[each] and taxon in self.lineage(each)), taxon)
        cells = f"<td>{self.shot(of, 0)}</td><td bgcolor=#E8E8E8><td><div>{self.link(taxon)}</div> round</td>"
        return f"<tr>{cells}<td><div class='GDscroll'>{below}</div></td></tr>"

    def head(self, taxon):
        return "<tr><td>Daughter taxa (age window: 0-800Ma)</td></tr>"

    def table(self, taxon, query):
        rows = "".join(map(self.row, self.tree[taxon]))
        return f"<table border=1>{self.head(taxon)}{rows}</table>" if rows else ""

    def gallery(self, taxon):
        shots = [] if self.tree[taxon] else [f"<li>{self.shot(taxon, n)}</li>" for n in range(self.shots)]
        return f"<div class='imagegallery'><ul class='gallery'>{''.join(shots)}</ul></div>"

    def text(self, taxon):
        return "<p><b>Taxonomy:</b></p><article><i>Rank: </i>Taxon</article>"

    def page(self, taxon, query):
        above = "".join(f"<a href='{self.href(each)}'>{self.shown(each)}</a> -> " for each in self.lineage(taxon)[:-1])
        foot = f"Short stables page link: <a href='index.php?id={self.ids[taxon]}'>here</a>"
        return (
            f"<!DOCTYPE html><html><head><title>own - {taxon}</title></head><body><h2>{taxon}</h2><br>"
            f"<strong>Classification: </strong>{above}{self.shown(taxon)}<br><strong>Sister taxa: </strong>"
            f"{self.gallery(taxon)}{self.table(taxon, query)}{self.text(taxon)}<p>{foot}</p></body></html>"
        )

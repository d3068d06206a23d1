"""Pages in forms that nobody has seen yet: they are read, or the run says what it did not understand."""

import pytest

from tests.scraping import quick_first, records, rows, scrape
from tests.tree_site import MODULE, TREE, TreeSite, grown


def run(site, folder, *options):
    with site:
        return scrape(site, folder, "--module", site.module, *options)


def thumbs(folder):
    return {url for record in records(folder).values() for url in record["pictures"]}


def images(folder):
    return sorted(path.name for path in (folder / "images").rglob("*.*") if path.suffix != ".csv")


def test_the_site_in_its_usual_form(tmp_path, capsys):
    assert run(TreeSite(), tmp_path) == 0
    assert len(records(tmp_path)) == 5 and len(thumbs(tmp_path)) == 4 == len(images(tmp_path))
    assert "nderstood" not in "".join(capsys.readouterr())


# Tables of taxa


class NoMarks(TreeSite):
    """Nothing that is known but the links and pictures themselves."""

    def link(self, taxon, mark=""):
        return f"<a href='{self.href(taxon)}'>{self.shown(taxon)}</a>"

    def head(self, taxon):
        return "<thead><tr><th>Lower taxa</th><th>and theirs</th></tr></thead>"


class NoHead(NoMarks):
    def head(self, taxon):
        return ""


class ListOfBlocks(NoMarks):
    def table(self, taxon, query):
        items = "".join(f"<li>{self.shot(each, 0)}<h4>{self.link(each)}</h4></li>" for each in self.tree[taxon])
        return f"<ul class='lower'>{items}</ul>"

    def shot(self, taxon, number):
        return super().shot(next((each for each in self.tree if taxon in self.lineage(each)[:-1]), taxon), number)


class PlainIds(NoMarks):
    def href(self, taxon):
        return f"{self.directory}?id={self.ids[taxon]}"


@pytest.mark.parametrize("kind", quick_first(NoMarks, NoHead, ListOfBlocks, PlainIds, quick=2))
def test_a_list_of_taxa_is_known_by_what_it_holds(kind, tmp_path):
    assert run(kind(), tmp_path) == 0
    assert len(records(tmp_path)) == 5 and [
        each["taxon"] for each in records(tmp_path)["bf_own/Aus.json"]["samples"]
    ] == [
        *("Aus unus", "Aus duus"),
    ]


class LinksAlone(NoMarks):
    def row(self, taxon):
        return f"<tr><td>{self.link(taxon)}</td><td>round</td></tr>"


class Sentence(NoMarks):
    def table(self, taxon, query):
        return (
            f"<p>Below it: {', '.join(map(self.link, self.tree[taxon]))}</p>"
            if taxon == "Aus"
            else super().table(taxon, query)
        )


class Nothing(TreeSite):
    def table(self, taxon, query):
        return ""


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    quick_first(
        (LinksAlone, MODULE, "a table that names taxa could not be read: 'Lower taxa"),
        (Sentence, "Aus", "2 taxa are named below it elsewhere, and it lists none"),
        (Nothing, MODULE, "it is the page of a module, and lists no taxa"),
    ),
)
def test_what_is_not_understood_is_reported_by_name(kind, name, told, tmp_path, capsys):
    assert run(kind(), tmp_path) == 1
    out, err = capsys.readouterr()
    assert "Not understood:" in out and told in out and name in err
    assert {"notice": told, "taxon": name}.items() <= next(
        {"notice": line["notice"][: len(told)], "taxon": line["taxon"]}
        for line in rows(tmp_path / "data" / "notices.csv")
        if line["notice"].startswith(told)
    ).items()


@pytest.mark.slow
def test_a_table_beside_pictures_of_the_page_is_reported_as_well(tmp_path, capsys):
    class Both(LinksAlone):
        def gallery(self, taxon):
            return super().gallery("Aus unus") if taxon == "Aus" else super().gallery(taxon)

    tree = {MODULE: ["Aus"], "Aus": ["Aus unus"], "Aus unus": []}
    both = Both(tree)
    assert run(both, tmp_path, "--taxon", "Aus") == 1
    assert "a table that names taxa could not be read: 'Lower taxa" in capsys.readouterr().out


def test_a_table_of_sisters_is_not_one_of_daughters(tmp_path):
    class Compared(TreeSite):
        def page(self, taxon, query):
            sisters = "".join(
                f"<tr><td>{self.shot(each, 0)}</td><td>{self.link(each, '')}</td></tr>" for each in TREE["Aus"]
            )
            text = (
                super()
                .page(taxon, query)
                .replace("Sister taxa: </strong>", f"Sister taxa: </strong>{self.link('Aus duus')}")
            )
            return text.replace("<p><b>Taxonomy", f"<table><tr><th>Compare</th></tr>{sisters}</table><p><b>Taxonomy")

    assert run(Compared(), tmp_path, "--taxon", "Aus unus") == 0
    (record,) = records(tmp_path).values()
    assert [each["taxon"] for each in record["samples"]] == ["Aus unus"]


# Long lists


class Paged(TreeSite):
    """As catalogues are: ten taxa on a page, and the names of the pages above them."""

    numbers = (0, 1, 2)

    def __init__(self):
        super().__init__(grown(25))

    def table(self, taxon, query):
        if taxon != "Aus":
            return super().table(taxon, query)
        first = 10 * int(query.get("dpage", 0))
        shown = "".join(map(self.row, self.tree[taxon][first : first + 10]))
        links = " :: ".join(f"<a href='{self.href(taxon)}&dpage={n}'>{n + 1} A. n</a>" for n in self.numbers)
        words = f"<p>Aus has 25 sub-taxa these are grouped in 3 pages<br>{links}</p>"
        return f"{words}<table>{self.head(taxon)}{shown}</table>"


@pytest.mark.slow
def test_a_list_in_several_pages_is_followed(tmp_path):
    site = Paged()
    assert run(site, tmp_path) == 0
    assert len(records(tmp_path)) == 28 and len(records(tmp_path)["bf_own/Aus.json"]["samples"]) == 25
    assert [path.rpartition("&")[2] for path in site.paths if "dpage" in path] == ["dpage=1", "dpage=2"]
    before = len(site.paths)
    assert scrape(site, tmp_path, "--module", MODULE, "--offline") == 0 and len(site.paths) == before


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(), (1,)])
def test_the_missing_rest_of_a_list_is_reported(numbers, tmp_path, capsys):
    site = Paged()
    site.numbers = numbers
    assert run(site, tmp_path) == 1
    assert f"its list has 25 taxa, of which {10 + 10 * len(numbers)} were found: Aus" in capsys.readouterr().out


# Pictures


def shots(**attributes):
    """Return a class of sites whose thumbnails are loaded in another way."""

    def image(self, taxon, number):
        names = {"thumb": self.thumb(taxon, number), "full": self.full(taxon, number), "file": self.file(taxon, number)}
        return "".join(attributes.values()).format(**names)

    return type("Shots", (TreeSite,), {"image": image})


@pytest.mark.parametrize(
    "image",
    quick_first(
        "<img src='/thumbnails/{file}'>",
        "<img src='/system/resize.php?file={full}&w=120'>",
        "<img src='/images_120/bf_own/{file}'>",
        "<img src='/images/ui/wait.gif' data-src='{thumb}'>",
        "<img class='lazyload' data-original='{thumb}' src='data:image/gif;base64,R0lGODlh'>",
        "<img data-lazy-src='{thumb}'><noscript><img src='{thumb}'></noscript>",
        "<img srcset='{thumb} 120w, {full} 800w' sizes='120px'>",
        "<picture><source srcset='{thumb} 1x' type='image/png'><img src=''></picture>",
        "<script>document.write(thumb('{file}'))</script>",
        "<span class='thumb' style='background-image: url(/t/{file})'></span>",
        "<img src='/images/ui/spinner.gif'>",
        "",
    ),
)
def test_a_picture_counts_by_its_link_however_its_thumbnail_is_loaded(image, tmp_path):
    assert run(shots(image=image)(), tmp_path) == 0
    found = records(tmp_path)["bf_own/Ausunus.json"]["pictures"]
    assert len(found) == 2 and len(thumbs(tmp_path)) == 4 == len(images(tmp_path))
    assert {tuple(each["lineage"]) for each in found.values()} == {(MODULE, "Aaceae", "Aus", "Aus unus")}
    assert sorted(each["sample"] for each in found.values()) == ["S0", "S1"]


@pytest.mark.parametrize(
    "box",
    quick_first(
        "data-lightbox='x' data-title",
        "data-fancybox='x' data-caption",
        "class='glightbox' data-description",
        "class='fancybox' title",
        "rel='prettyPhoto-lightbox' title",
        "data-gallery aria-label",
    ),
)
def test_other_boxes_are_read_as_galleries(box, tmp_path):
    class Boxes(TreeSite):
        def shot(self, taxon, number):
            opens = f"<a href='{self.full(taxon, number)}' {box}='{self.title(taxon, number)}'>"
            return f"{opens}{self.image(taxon, number)}</a>"

        def gallery(self, taxon):
            return super().gallery(taxon).replace("imagegallery", "pics").replace("'gallery'", "'grid'")

    assert run(Boxes(), tmp_path) == 0
    found = records(tmp_path)["bf_own/Ausunus.json"]
    assert sorted(each["source"] for each in found["pictures"].values()) == ["Coll. 0", "Coll. 1"]
    assert found["page"]["taxonomic_discussion"] == ""


@pytest.mark.parametrize("ending", quick_first("webp", "avif", "jp2", "JPEG", "tif", "jfif"))
def test_endings_that_pillow_reads(ending, tmp_path):
    class Endings(TreeSite):
        def file(self, taxon, number):
            return super().file(taxon, number).replace("png", ending)

    assert run(Endings(), tmp_path) == 0 and len(images(tmp_path)) == 4


@pytest.mark.parametrize(
    ("change", "told"),
    quick_first(
        (lambda text: text.replace("/images/", "/archive/"), "could not be read (not a picture of a taxon"),
        (lambda text: text.replace(".png", ".zoom"), "could not be read (not a picture of a taxon"),
        (lambda text: text.replace("<a href='/images", "<b data-x='/images"), "names pictures, and none could be read"),
    ),
)
def test_pictures_that_are_not_understood_are_reported(change, told, tmp_path, capsys):
    class Changed(TreeSite):
        def shot(self, taxon, number):
            return change(super().shot(taxon, number).replace(self.image(taxon, number), "<i></i>"))

    assert run(Changed(), tmp_path) == 1 and told in capsys.readouterr().out


def test_a_run_without_any_picture_is_reported(tmp_path, capsys):
    class Bare(TreeSite):
        def shot(self, taxon, number):
            return ""

    assert run(Bare(), tmp_path) == 1
    assert "no picture was found at all: bf_own" in capsys.readouterr().out


# Captions


@pytest.mark.parametrize(
    "shot",
    quick_first(
        "<figure><a href='{full}'><img src='{thumb}'></a><figcaption>{title}</figcaption></figure>",
        "<div><a href='{full}'><img src='{thumb}'></a><p>{title}</p></div>",
        "<a href='{full}'><img src='{thumb}' alt='{title}'></a>",
        "<a href='{full}' rel='lightbox[x]' title='{quote}'><img src='{thumb}'></a>",
        '<a title="{double}" rel="lightbox[x]" href="{full}"><img src="{thumb}"></a>',
        "<span title='{title}'><a href='{full}' data-lightbox='x'><img src='{thumb}'></a></span>",
        "<div><a href='{full}'><img src='{thumb}'></a><table><tr><th>Image Source<td>Coll. X<tr><th>Caption in source"
        "<td>a: b<tr><th>Status<td>holotype<tr><th>Notes<td>one two<tr><th>Sample<td>S1</table></div>",
    ),
)
def test_captions_in_other_places_keep_all_fields(shot, tmp_path):
    title = "<br>Image Source: {0}<br>Caption in source: a: b<br>Status: holotype<br>Notes: one<br>two<br>Sample: S1"

    class Captions(TreeSite):
        def shot(self, taxon, number):
            names = {
                "full": self.full(taxon, number),
                "thumb": self.thumb(taxon, number),
                "title": title.format("Coll. X"),
            }
            return shot.format(**names, quote=title.format("d'Arc's Coll. X"), double=title.format('the "old" Coll. X'))

    assert run(Captions(), tmp_path) == 0
    for each in records(tmp_path)["bf_own/Ausunus.json"]["pictures"].values():
        assert each["source"].endswith("Coll. X") and each["notes"] == "one two" and each["sample"] == "S1"
        assert each["status"] == "holotype" and each["caption"] == "a: b"


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False])
def test_captions_that_are_elsewhere_or_for_a_program_are_reported(apart, tmp_path, capsys):
    class Apart(TreeSite):
        def shot(self, taxon, number):
            data = "" if apart else """data-info='{"Image Source": "Coll. X", "Sample": "S1"}'"""
            return f"<a href='{self.full(taxon, number)}' rel='lightbox[x]' {data}>{self.image(taxon, number)}</a>"

        def text(self, taxon):
            return super().text(taxon) + "<p>Fig. 1<br>Image Source: Coll. X<br>Sample: S1</p>" * apart

    assert run(Apart(), tmp_path) == 1
    told = "captions are not beside their pictures" if apart else "a caption that could not be read: '{"
    assert told in capsys.readouterr().out


def test_captions_that_are_not_understood_are_reported(tmp_path, capsys):
    class Odd(TreeSite):
        def title(self, taxon, number):
            return "<br>Picture by: N. Obody<br>Plate: 5"

    assert run(Odd(), tmp_path) == 1
    assert "a caption that could not be read: 'Picture by: N. Obody" in capsys.readouterr().out


# Links


@pytest.mark.parametrize(
    "href",
    quick_first(
        "{0}?taxon={1}&module=bf_own&lang=en",
        "{0}?PHPSESSID=ab12&taxon={1}&module=bf_own",
        "{0}?taxon={1}&view=list&module=bf_own&sort[]=name",
        "{0}?taxon={1}&amp;module=bf_own&amp;v=2",
        "{0}?taxon={1};module=bf_own;v=2",
        "{0}?taxon={1}&module=bf_own&print",
        "{0}?module=bf_own&taxon={1}&nocache",
    ),
)
def test_unknown_parameters_are_no_part_of_a_name(href, tmp_path):
    class Parameters(TreeSite):
        def href(self, taxon):
            return href.format(self.directory, taxon)

    assert run(Parameters(), tmp_path) == 0
    assert {record["lineage"][-1] for record in records(tmp_path).values()} == set(TREE)


def test_what_was_left_out_is_totalled_with_three_examples_of_each(tmp_path, capsys):
    class Logos(TreeSite):
        shots = 9

        def gallery(self, taxon):
            logos = "".join(f"<img src='/plots/{taxon}{n}.png'>" for n in range(9))
            return super().gallery(taxon).replace("</ul>", f"{logos}</ul>")

    assert run(Logos(), tmp_path) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "/plots/" in line]
    assert line.split()[0] == "45" and line.count("/plots/") == 3 and line.endswith("…")

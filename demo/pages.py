"""The HTML of the demo site: pages built as Mikrotax builds them, with the faults that a scraper has to bear.

The structure is Mikrotax's, the words are our own. `page` is the whole: everything else here is a part of it, in the
order from top to bottom. Links are left raw (blanks, `&`, letters beyond ASCII), as they are there.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from demo.taxa import CAPTIONS, INTERVALS
from demo.tree import Picture, Taxon

# What the two wordings of the site say differently.
WORDS = {
    "2018": {
        "daughters": "Daughter taxa: ",
        "window": "age window",
        "between groups": ",  ",
        "rank": "Rank",
        "link": "Short stable page link",
        "viewed": "10-10-2018",
    },
    "later": {
        "daughters": "Sub-taxa & variants ",
        "window": "age-window",
        "between groups": " ⟩⟨ ",
        "rank": "taxonomic rank",
        "link": "Short stables page link",
        "viewed": "1-6-2025",
    },
}

NOTICE = "A drawn demo, without data or pictures of Mikrotax; all collections and authors are invented."
NO_PICTURE = "<td width=120 bgcolor=#E8E8E8>"  # never closed, as there


def page(taxon: Taxon, wording: str) -> str:
    """Return the page of `taxon` in `wording` ("2018" or "later")."""
    words = WORDS[wording]
    debug = "arrayname: original\n" if taxon.id % 5 == 0 else ""
    return "".join(
        [
            debug + head(f"Nannotax3 - {taxon.module} - {taxon.name}"),
            heading(taxon),
            "<!-- Links to navigate up taxonomy and to siblings get written in here--> \n",
            classification(taxon, words),
            features(taxon, wording),
            gallery(taxon, taxon.pictures if not taxon.children or taxon.rank == "Species" else []),
            "<div id='page_nav'></div>\n<br />\n",
            daughters(taxon, words),
            gallery(taxon, taxon.pictures if taxon.children and taxon.rank != "Species" else []),
            taxonomy(taxon, words),
            features(taxon, wording),
            search_data(taxon),
            geological_range(taxon),
            plot_script(taxon),
            footer(taxon, words),
            COMMENT_FORM,
        ]
    )


def wrong_page(name: str) -> str:
    """Return what the site answers where it has no such taxon: a body that never ends."""
    return head("Nannotax3 -  - ") + f"<h2></h2>\n<p>There is nothing on {quoted(name)} here.</p>\n<table><tr><td>\n"


def home(modules: Iterable[str]) -> str:
    """Return the page that lists the modules, for a person with a browser."""
    links = "".join(
        f"<li><a href='/Nannotax3/index.php?taxon={name}&module={name}'>{name}</a></li>\n" for name in modules
    )
    return (
        head("The small Mikrotax of the demo")
        + f"<h2>The small Mikrotax of the demo</h2>\n<ul>{links}</ul></body></html>\n"
    )


def head(title: str) -> str:
    """Return the page down to the search box."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
	<meta charset="utf-8" />
<title>{title}</title>
	<link rel="stylesheet" type="text/css" href="/css/basic_style.css">
</head>
<body>
<div id="MyMenu1"></div>
<p class="notice">{NOTICE}</p>
<div class="searchbox" style="float:right"><form action="/system/demo-search.php" method="get">
<input type ="search" name="search" placeholder="taxon search" value="">
<img src="/system/graphics/glass.gif" alt=""></form></div>
"""


def heading(taxon: Taxon) -> str:
    """Return the taxon's name; words on the root of a module; nothing on informal groups."""
    if taxon.rank == "Informal group":
        return ""
    return f"<h2>{taxon.name if taxon.parent else f'Nannofossils of the module {taxon.name}'}</h2>\n"


def address(taxon: Taxon) -> str:
    """Return the taxon's link as pages write it: raw, and with a useless `dpage` for informal groups."""
    dpage = "&dpage=0" if taxon.rank == "Informal group" else ""
    return f"/Nannotax3/index.php?taxon={quoted(taxon.name)}&module={taxon.module}{dpage}"


def quoted(text: str) -> str:
    """Return `text` for an attribute in single quotes: nothing else is escaped."""
    return text.replace("'", "&#039;")


def classification(taxon: Taxon, words: dict[str, str]) -> str:
    """Return the lines of links up to the module and across to the sisters."""
    ancestors: list[Taxon] = []
    while (ancestor := ancestors[-1].parent if ancestors else taxon.parent) is not None:
        ancestors.append(ancestor)
    links = [f"<a href='{address(ancestor)}'>{ancestor.name}</a> -> " for ancestor in reversed(ancestors)]
    groups = [
        "".join(_sister(sister, taxon) for sister in group if sister.name != "hidden")
        for _, group in groupby(taxon.parent.children if taxon.parent else [], key=_running_heading())
    ]
    return (
        f"<br><strong>Classification: </strong>{''.join(links)}{taxon.name}\n"
        f"<br><strong>Sister taxa: </strong>{words['between groups'].join(groups)}\n\n"
    )


def _running_heading() -> Callable[[Taxon], str]:
    """Return a key for groupby: the heading above a taxon, where only the first of each group carries it."""
    current = ""

    def heading(taxon: Taxon) -> str:
        nonlocal current
        current = taxon.heading or current
        return current

    return heading


def _sister(sister: Taxon, taxon: Taxon) -> str:
    """Return a sister's short name, linked unless it is the page's own taxon."""
    genus, _, epithet = sister.name.partition(" ")
    name = f"{genus[0]}.  {epithet}" if sister.rank in ("Species", "Unidentified") else sister.name
    if sister is taxon:
        return f"<b>{name}</b>, "
    return f"<span class=\"{range_class(sister)}\"><a href='{address(sister)}'>{name}</a></span>,  "


def range_class(taxon: Taxon) -> str:
    """Return the class that tells whether a taxon lies in the age window, which spans everything here."""
    return "inrange" if taxon.ages() else "unsetrange"


def features(taxon: Taxon, wording: str) -> str:
    """Return the distinguishing features; later split in those of the parent and its own."""
    if wording == "2018" or taxon.parent is None:
        return f"<p><b>Distinguishing features: </b>{taxon.diagnosis}</p>\n\n"
    parent = taxon.parent
    return (
        f"<p><b>Distinguishing features: </b><br /><i>Parent taxon ({parent.name}): </i>{parent.diagnosis}"
        f"<br /><i>This taxon: </i>{taxon.diagnosis}</p>\n\n"
    )


def gallery(taxon: Taxon, pictures: list[Picture]) -> str:
    """Return a list of pictures with all that is known of them; often an empty one."""
    items = "".join(
        f"<li>{_thumbnail(taxon, picture, 'taxon_images', alt=True)}"
        f"<font size='1' color='gray'>{picture.file}</font></li>"
        for picture in pictures
    )
    return f'<div class="imagegallery">\n<ul class="gallery"> {items}</ul>\n</div>\n\n'


def _thumbnail(taxon: Taxon, picture: Picture, group: str, alt: bool = False, known: bool = True) -> str:
    """Return a thumbnail that links to its full-size picture, its metadata in the title (`known`) or left out of it."""
    folder = quoted("/".join(taxon.lineage))
    file = quoted(picture.file)
    told = picture if known else Picture(picture.file, status="", location="; ; ", sample="", age="")
    title = quoted(
        f"<br>File name: {told.file}<br>Image Source: {told.source}<br>Caption in source: {told.caption}"
        f"<br>Status: {told.status}<br>Notes: {told.notes}<br>Location: {told.location}<br>Sample: {told.sample}"
        f"<br>Geological Age: {told.age}"
    )
    image = f"<img src='/images/{taxon.module}/thumbs/{file}' " + (f"alt='{quoted(taxon.name)}'>" if alt else ">")
    return f"<a href='/images/{folder}/{file}' rel='lightbox[{group} 800 800]' title='{title}'>{image}</a>"


def daughters(taxon: Taxon, words: dict[str, str]) -> str:
    """Return the table of the taxa below, or nothing where there are none."""
    if not taxon.children:
        return "\n"
    above_genus = not taxon.below_genus()
    rows = [
        f"<tr><td colspan='5'>{CAPTIONS.get(taxon.name, words['daughters'])} <span class='inrange'>"
        "<a href='timecontrol.php' class='tooltip-bottom' data-tooltip='Blue: lived in the chosen time; olive: not'>"
        f"(blue => in {words['window']} 0-300Ma) </a></span></td>"
        + ("<td>Granddaughter&nbsp;taxa</td></tr>\n" if above_genus else "</tr>\n")
    ]
    for place, child in enumerate(taxon.children):
        if child.heading:
            rows.append(
                f"<tr style='background-color: #D1D0CE;')><td colspan=4></td><td colspan=2>{child.heading}</td></tr>"
            )
        rows.append(row(child, above_genus, known=not above_genus or place % 5 == 4))
    return f"<table border=1>{''.join(rows)}</table>\n\n"


def row(child: Taxon, above_genus: bool, known: bool) -> str:
    """Return one daughter: four picture cells, the name with its diagnosis, and the granddaughters on higher pages."""
    shown = list(_shown(child))
    cells = [f"<td>{_thumbnail(owner, picture, 'daughters', known=known)}</td>" for owner, picture in shown]
    cells += [NO_PICTURE] * (4 - len(shown))
    cells.append(f"<td>{_name(child, 'm')} {child.diagnosis}<br></div></td>")
    if above_genus:
        names = "".join(_name(grandchild, "s") for grandchild in child.children)
        cells.append(f'<td><div class="GDscroll">{names}</div><br></td>')
    return f"<tr>{''.join(cells)}</tr>"


def _shown(taxon: Taxon) -> Iterator[tuple[Taxon, Picture]]:
    """Yield the up to four pictures that stand for `taxon` in its parent's table, spread over all below it."""
    every = [(owner, picture) for owner in taxon.walk() for picture in owner.pictures]
    yield from every[:: max(1, -(-len(every) // 4))]


def _name(taxon: Taxon, suffix: str) -> str:
    """Return a daughter's (`suffix` "m") or granddaughter's ("s") name."""
    kind = "taxon" if taxon.below_genus() else "smallcaps"
    return (
        f"<div class=\"{range_class(taxon)}\"><a href='{address(taxon)}'>"
        f"<span class = '{kind}_{suffix}'>{taxon.name}</span></a></div>"
    )


def taxonomy(taxon: Taxon, words: dict[str, str]) -> str:
    """Return citation, rank and notes, with links that lead elsewhere and are not to be followed."""
    citation = f"<article><i>Citation: </i><em>{taxon.name}</em> of the demo</article>" if taxon.below_genus() else ""
    rank = f"<article><i>{words['rank']}: </i>{taxon.rank}</article>" if taxon.parent else ""
    return (
        f"<p><b>Taxonomy:</b></p>\n<p>{citation}{rank}<article><i>Notes & discussion: </i>See also "
        f"<a href='/pforams/index.php?taxon=Orbulina&module=pf_cenozoic'>another module</a>.</article></p>\n"
        "<p><i>Catalog pages: </i><a "
        f"href='/Nannotax3/catalog/index.php?taxon={quoted(taxon.name)}&module=ntax_Farinacci'>{taxon.name}</a> "
        f"<a href='/Nannotax3/catalog/{quoted(taxon.name)}.pdf'>pdf</a></p>\n"
    )


def search_data(taxon: Taxon) -> str:
    """Return the table of tags and measures, on pages of species."""
    if taxon.rank != "Species" or taxon.parent is None:
        return "<p></p>\n"
    size = 2 + taxon.id % 9
    return (
        "<b>Search data:</b>\n<table style='width:100%'><tr class='char-matrix-data'><td>Tags</td>"
        f"<td>LITHS: {taxon.parent.name.lower()}, DETAILS: drawn, </td></tr>"
        f"<tr class='char-matrix-data'><td>Metrics</td><td>Lith size: {size}->{size + 2}µm; </td></tr></table>\n"
    )


def geological_range(taxon: Taxon) -> str:
    """Return last and first occurrence, and the link to the parent's, which has no name on a module's root."""
    lines = ["range not known"]
    if ages := taxon.ages():
        source = " Data source: the demo" if taxon.range else " Data source: Total of range of species in this database"
        lines = [
            f"<em>Last occurrence (top)</em>: {_interval(ages[1], 'top')}{source}",
            f"<em>First occurrence (base)</em>: {_interval(ages[0], 'base')}{source}<br>",
        ]
    parent = quoted(taxon.parent.name) if taxon.parent else ""
    return (
        f'<p></p>\n<p><a id="rangedata"></a><b>Geological Range: </b><br>{"<br>".join(lines)}</p>\n'
        "<p><b>Plot of occurrence data:</b>\n<ul><li>There are none. Parent: "
        f"<a href='/Nannotax3/index.php?module={taxon.module}&taxon={parent}#rangedata'>{parent}</a></ul></p>\n"
    )


def _interval(name: str, end: str) -> str:
    """Return an interval in words; `end` says which of its ends is meant ("top" or "base")."""
    if name == "Extant":
        return "<b>Extant</b>"
    kind, top, base, stage = INTERVALS[name]
    return f"within <b>{name}</b> {kind} ({top:.2f}-{base:.2f}Ma, {end} in {stage} stage)."


def plot_script(taxon: Taxon) -> str:
    """Return the script that plots ranges: it knows the ids of the children that have one."""
    bars = [
        {
            "taxon": child.name,
            "id": str(child.id),
            "table_header": child.heading,
            "FADmax": f"{INTERVALS[ages[0]][2]:.2f}",
            "fad_text": ages[0],
            "LADmin": f"{INTERVALS[ages[1]][1]:.2f}" if ages[1] in INTERVALS else "0.00",
            "lad_text": ages[1],
            "ancestor": None,
            "module": taxon.module,
        }
        for child in taxon.children or [taxon]
        if (ages := child.ages())
    ]
    data = json.dumps(bars, separators=(",", ":")).replace("'", "\\u0027").replace("</", "<\\/")
    return (
        f'<div id="canvas"></div>\n\t<script>\nvar group="N"; \nvar module="{taxon.module}"; \n'
        f"var plotdataTaxa=JSON.parse('{data}');\nvar plotdataSamples=JSON.parse('null');\n\t</script>\n"
    )


def footer(taxon: Taxon, words: dict[str, str]) -> str:
    """Return the foot of the page: who made it, when it was viewed, and its lasting address."""
    return f"""<hr>
<table><tr>
<td><img src="/Nannotax3/graphics/logos/demologo.jpg" width="130" height="130" alt="logo"></td>
<td ><p><a id="baselink"></a><em>{taxon.name}</em> drawn by the demo  <em>viewed: </em>{words["viewed"]}</p>

{words["link"]}: <a href='index.php?id={taxon.id}'>/Nannotax3/index.php?id={taxon.id}</a>
</td>
</tr></table>
</div>
</body>
</html>
"""


def _comment_form() -> str:
    """Return the code for readers' comments that follows every page: 32 kB, full of tags that are not the page's."""
    options = "\n".join(f'\t\t\t\t\t<option value="{n}"  >Land number {n} of the demo</option>' for n in range(1, 400))
    buttons = "".join(
        f'<span class="cmtx_bb_code cmtx_bb_code_{n}" data-cmtx-tag="[B{n}]|[/B{n}]" title="Button {n}"></span>'
        for n in range(20)
    )
    strings = "\n".join(
        f"""\t\tform.find('#cmtx_{n}').after('<div class="error"><ul class="gallery"><li>Field {n}</li></ul></div>');"""
        for n in range(60)
    )
    return f"""<div id="cmtx_container" class="cmtx_container">
	<h3>Comments (1)</h3>
	<div class="cmtx_comment">A reader of the demo: see
	<a href='/Nannotax3/index.php?taxon=Commentaceae&module=nowhere'>Commentaceae</a>
	<a href='/images/nowhere/Commentaceae/smile.gif'><img src='/images/nowhere/thumbs/smile.gif'></a></div>
	<form id="cmtx_form" class="cmtx_form">{buttons}
	<img id="cmtx_captcha" src="/comments/captcha.php" alt="Captcha"><a href="/comments/" title="comments">Comments</a>
	<select name="cmtx_country">
{options}
	</select></form>
	<script>
	// <![CDATA[
{strings}
	var row = "<tr><td><a href='/Nannotax3/index.php?taxon=Stringaceae&module=nowhere'>" +
		"<span class = 'taxon_m'>Stringaceae</span></a></td></tr>";
	// ]]>
	</script>
</div>
"""


COMMENT_FORM = _comment_form()

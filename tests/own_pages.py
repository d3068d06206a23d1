"""Pages of our own making, in the manner of the site, for the tests that read pages."""

HOST = "https://www.mikrotax.org"
BASE = f"{HOST}/Nannotax3/index.php?taxon=Aus&module=ntax_cenozoic"
CREDIT = "<br>File name: {0}<br>Image Source: Coll. X<br>Caption in source: Xus yus<br>Status: holotype<br>Notes: rare"
CREDIT += "<br>Location: Atlantic; 1N; 2W<br>Sample: S1<br>Geological Age: NN21"


def href(taxon, module="ntax_cenozoic"):
    return f"/Nannotax3/index.php?taxon={taxon}&module={module}"


def thumbnail(file, folder="Aales/Aaceae/Aus/Aus bus", module="ntax_cenozoic", title="", group="daughters"):
    return (
        f"<a href='/images/{module}/{folder}/{file}' rel='lightbox[{group} 800 800]' title='{title}'>"
        f"<img src='/images/{module}/thumbs/{file}' ></a>"
    )


def row(taxon, pictures="", module="ntax_cenozoic", mark="taxon_m", range_class="inrange", more=""):
    return (
        f"<tr>{pictures}<td width=120 bgcolor=#E8E8E8><td><div class=\"{range_class}\"><a href='{href(taxon, module)}'>"
        f"<span class = '{mark}'>{taxon}</span></a></div> with rims<br></div></td>{more}</tr>"
    )


def table(rows, heading="Daughter taxa: (blue => in age window 0-300Ma)"):
    return f"<table border=1><tr><td colspan='5'>{heading}</td></tr>{rows}</table>"


def page(
    lineage=("ntax_cenozoic", "Aales", "Aus"),
    body="",
    label="Classification",
    taxonomy="<article><i>Rank: </i>Genus</article>",
    end="</body></html>",
    link="Short stable page link: <a href='index.php?id=17'>http://x/index.php?id=17</a>",
):
    links = "".join(f"<a href='{href(name, lineage[0])}'>{name}</a> -> " for name in lineage[:-1])
    return (
        f"<!DOCTYPE html><html><head><title>Nannotax3 - m - {lineage[-1]}</title></head><body><h2>{lineage[-1]}</h2>"
        f"<br><strong>{label}: </strong>{links}{lineage[-1]}\n<br><strong>Sister taxa: </strong>"
        f"<span class='inrange'><a href='{href('Sister bus', lineage[0])}'>S.  bus</a></span>"
        f"<div class='imagegallery'><ul class='gallery'></ul></div>{body}<p><b>Taxonomy:</b></p>{taxonomy}"
        f"<hr><table><tr><td><img src='/Nannotax3/graphics/logo.jpg'></td><td>{link}</td></tr></table>{end}"
    )


def gallery(*items):
    return f"<div class='imagegallery'><ul class='gallery'>{''.join(f'<li>{item}</li>' for item in items)}</ul></div>"

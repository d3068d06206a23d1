"""The demo site answers as Mikrotax does: all by real HTTP."""

import contextlib
import io
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import quote

import pytest
import requests
from lxml import html
from PIL import Image

from demo.__main__ import main as demo_main
from demo.coccoliths import SPECIES
from demo.pictures import modules
from demo.site import DemoSite
from tests.faults import Faults

WORDINGS = ("2018", "later")
DISCOASTER = "/Nannotax3/index.php?taxon=Discoaster&module=ntax_cenozoic"
CARTERI = "/Nannotax3/index.php?taxon=Helicosphaera carteri&module=ntax_cenozoic"


@pytest.fixture
def get(demo_site):
    """A function that asks the sound site for an address, over one connection."""
    with requests.Session() as session:
        yield lambda target: session.get(demo_site.url + target, timeout=10)


def taxa(wording="later", revised=False):
    return {(root.name, taxon.name): taxon for root in modules(wording, revised).values() for taxon in root.walk()}


def address(taxon):
    return f"/Nannotax3/index.php?taxon={quote(taxon.name)}&module={taxon.module}"


def parsed(response):
    assert response.status_code == 200
    return html.fromstring(response.content.decode().split('<div id="cmtx_container"')[0])


# --- addresses ---


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_four_forms_of_an_address_and_both_directories_give_one_page(make_site, wording):
    site = make_site(wording)
    module = next(iter(site.modules))
    taxon = taxa(wording)[module, "Coccolithus pelagicus"]
    forms = (
        f"/Nannotax3/index.php?taxon=Coccolithus%20pelagicus&module={module}",
        f"/Nannotax3/index.php?module={module}&taxon=Coccolithus+pelagicus&dpage=0",
        f"/system/index.php?id={taxon.id}",
        f"/Nannotax3/index.php?id={taxon.id}",
        f"/Nannotax3/index.php?dir={quote('/'.join(taxon.lineage))}",
        "/Nannotax3/cenozoic/Coccolithus_pelagicus",
    )
    answers = [requests.get(site.url + form, allow_redirects=False, timeout=10) for form in forms]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_renamed_module_still_opens_under_its_old_name(get):
    assert get("/Nannotax3/index.php?taxon=Mesozoic&module=Mesozoic").content == get("/Nannotax3/mesozoic").content
    assert b"</body>" in get("/Nannotax3/index.php?taxon=Discoaster&module=Coccolithophores").content


@pytest.mark.parametrize(
    "target",
    ["taxon=Discoaster&module=ntax_mesozoic", "taxon=Nonsense&module=ntax_cenozoic", "id=7", "id=x", "dir=a/b"],
)
def test_a_taxon_that_is_not_there_gets_a_body_without_end(get, target):
    answer = get(f"/Nannotax3/index.php?{target}")
    assert answer.status_code == 200
    assert b"<body>" in answer.content
    assert b"</body>" not in answer.content
    assert b"Classification" not in answer.content


def test_what_the_site_does_not_know_is_404(get):
    assert get("/elsewhere").status_code == 404
    assert get("/images/ntax_cenozoic/thumbs/nothing.jpg").status_code == 404


# --- pages ---


@pytest.mark.slow
@pytest.mark.parametrize("wording", WORDINGS)
def test_every_page_is_whole_and_names_its_taxon_last(make_site, wording):
    site = make_site(wording)
    with requests.Session() as session:
        for (module, name), taxon in taxa(wording).items():
            text = session.get(site.url + address(taxon), timeout=10).content.decode()
            line = re.search(r"<strong>Classification: </strong>(.*)", text)[1]
            assert re.split(" -> ", re.sub(r"<[^>]*>", "", line)) == taxon.lineage, name
            comment = "<!-- Links to navigate up taxonomy and to siblings get written in here-->"
            assert comment in text[: text.index("<strong>Classification: ")]
            assert f"<title>Nannotax3 - {module} - {name}</title>" in text
            assert text.index("</body>") < text.index("</html>") < text.index('<div id="cmtx_container"')
            assert 28_000 < len(text) - text.index("</html>") < 40_000
            assert text.count('<ul class="gallery">') - text[text.index("</html>") :].count('<ul class="gallery">') == 2
            assert text.count("Distinguishing features: ") == 2
            assert "A drawn demo" in text
            assert f"<a href='index.php?id={taxon.id}'>" in text
            assert len(re.findall(r"age.window", text)) == bool(taxon.children), name


@pytest.mark.parametrize(
    ("wording", "there", "not_there"),
    [
        (
            "2018",
            [
                "Daughter taxa: ",
                "in age window",
                "<i>Rank: </i>Family",
                "Short stable page link: ",
                ">Coccolithophores<",
            ],
            ["Sub-taxa", "age-window", "taxonomic rank", "stables", "Parent taxon", "⟩⟨", "ntax_cenozoic"],
        ),
        (
            "later",
            [
                *("Sub-taxa & variants", "in age-window", "<i>taxonomic rank: </i>Family", "Short stables page link: "),
                *("Parent taxon (Syracosphaerales): </i>Muroliths", "This taxon: </i>Rhabdoliths", ">ntax_cenozoic<"),
            ],
            ["Daughter taxa", "age window", "<i>Rank", "stable page", "Coccolithophores"],
        ),
    ],
)
def test_the_two_wordings(make_site, wording, there, not_there):
    text = requests.get(f"{make_site(wording).url}/Nannotax3/cenozoic/Rhabdosphaeraceae", timeout=10).content.decode()
    page = text.split("</html>")[0]
    assert [words for words in there if words not in page] == []
    assert [words for words in not_there if words in page] == []


def test_sisters_stand_in_groups_later_and_species_are_shortened(get):
    assert "⟩⟨" in get("/Nannotax3/cenozoic/Discoasterales").content.decode()
    species = get("/Nannotax3/cenozoic/Discoaster_brouweri").content.decode()
    assert ">D.  tamalis</a>" in species
    assert "<b>D.  brouweri</b>" in species


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_faults_of_the_markup(make_site, wording):
    text = requests.get(f"{make_site(wording).url}/Nannotax3/mesozoic", timeout=10).content.decode()
    table = text[text.index("<table border=1>") : text.index("</table>")]
    assert "<tr style='background-color: #D1D0CE;')><td colspan=4></td><td colspan=2>Heterococcoliths</td>" in table
    assert "<td width=120 bgcolor=#E8E8E8><td" in table
    assert table.count("</div>") - table.count("<div") == table.count("_m'>")
    assert re.search(r"href='/Nannotax3/index.php\?taxon=Nannolith families inc sed&module=\w+'", table)
    assert "taxon=Mesozoic non–coccoliths&module=" in table
    assert "taxon=Crystals & crud&module=" in table
    assert re.search(r'<div class="GDscroll"><div class="inrange">.*?smallcaps_s', table)
    assert "&taxon=#rangedata'" in text
    assert table.rstrip().endswith("</tr>")
    last = table[table.rindex("<tr>") :]
    assert "<span class = 'smallcaps_m'>hidden</span>" in last
    assert "/hidden/deleted/TypeFig " in last


def test_some_pages_begin_with_debug_output_and_some_lack_a_heading(demo_site):
    starts = Counter(demo_site.answer(address(taxon)).body.startswith(b"<!DOCTYPE") for taxon in taxa().values())
    assert starts[True] > starts[False] > 10
    assert b"<h2>" not in demo_site.answer("/Nannotax3/cenozoic/SY_pulchra_gp").body


def test_captions_rows_without_pictures_and_rows_without_diagnosis(get):
    assert "Discoaster ranges from Eocene" in get(DISCOASTER).content.decode()
    group = get("/Nannotax3/cenozoic/C._pelagicus_group").content.decode()
    assert re.search(
        r"(<td width=120 bgcolor=#E8E8E8>){4}<td><div class=\"unsetrange\">.*?pelagicus HOL</span></a></div> <br>",
        group,
    )


def test_the_plot_knows_the_ids_of_children_with_ranges(get):
    text = get("/Nannotax3/cenozoic/Rhabdosphaera").content.decode()
    assert re.findall(r'"taxon":"([^"]*)","id":"(\d+)"', text) == [
        ("Rhabdosphaera clavigera", str(taxa()["ntax_cenozoic", "Rhabdosphaera clavigera"].id))
    ]


def test_ranges_are_summed_up(get):
    text = get("/Nannotax3/cenozoic/Discoasterales").content.decode()
    assert "<em>Last occurrence (top)</em>: within <b>Gelasian</b> Stage (1.81-2.59Ma" in text
    assert (
        "<em>First occurrence (base)</em>: within <b>Thanetian</b> Stage (55.96-59.24Ma, base in Thanetian stage)"
        in text
    )
    assert "<em>Last occurrence (top)</em>: <b>Extant</b> Data source:" in get("/Nannotax3/cenozoic").content.decode()


# --- pictures ---


def listed(text, rel):
    return re.findall(rf"<a href='([^']*)' rel='lightbox\[{rel} 800 800\]' title='([^']*)'><img src='([^']*)'", text)


def test_a_gallery_tells_everything_that_is_known(get):
    taxon = taxa()["ntax_cenozoic", "Coccolithus formosus"]
    entries = listed(get(address(taxon)).content.decode(), "taxon_images")
    assert len(entries) == len(taxon.pictures)
    for (full, title, thumb), picture in zip(entries, taxon.pictures, strict=True):
        assert full == f"/images/{'/'.join(taxon.lineage)}/{picture.file}"
        assert thumb == f"/images/ntax_cenozoic/thumbs/{picture.file}"
        told = dict(part.split(": ", 1) for part in title.removeprefix("<br>").split("<br>"))
        assert told == {
            "File name": picture.file,
            "Image Source": picture.source,
            "Caption in source": picture.caption,
            "Status": picture.status,
            "Notes": picture.notes,
            "Location": picture.location,
            "Sample": picture.sample,
            "Geological Age": picture.age,
        }
    assert "Caption in source: Ericsonia formosa" in entries[0][1]


def test_higher_pages_show_the_same_pictures_and_tell_little(get):
    root, genus = (get(f"/Nannotax3/cenozoic{name}").content.decode() for name in ("", "/Discoaster"))
    own = {
        thumb
        for taxon in taxa().values()
        for _, _, thumb in listed(get(address(taxon)).content.decode(), "taxon_images")
    }
    entries = listed(root, "daughters")
    assert {thumb for _, _, thumb in entries} <= own
    empty = [title for _, title, _ in entries if "Location: ; ; <br>Sample: <br>" in title]
    assert 0.6 < len(empty) / len(entries) < 1
    assert not [title for _, title, _ in listed(genus, "daughters") if "Image Source: <br>" in title]


def test_a_species_with_subspecies_and_a_higher_taxon_have_table_and_gallery(get):
    for name in ("/Nannotax3/mesozoic/Stephanolithion_bigotii", DISCOASTER):
        text = get(name).content.decode()
        assert listed(text, "daughters")
        assert listed(text, "taxon_images")


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_list_of_pictures(wording):
    roots = modules(wording)
    files = {
        name: [picture.file for taxon in root.walk() for picture in taxon.pictures] for name, root in roots.items()
    }
    pictures = [picture for root in roots.values() for taxon in root.walk() for picture in taxon.pictures]
    cenozoic, mesozoic = files.values()
    assert len(cenozoic) == len(set(cenozoic))
    assert len(mesozoic) == len(set(mesozoic))
    assert set(cenozoic) & set(mesozoic)
    assert Counter(Counter(file.lower() for file in cenozoic).values())[2] == 1
    assert 800 < len(pictures) < 1000
    assert 0.7 < sum(picture.technique == "SEM" for picture in pictures) / len(pictures) < 0.8
    assert sum(picture.corrupt for picture in pictures) == 1
    assert {picture.species for picture in pictures} == set(SPECIES)
    assert "Nobody_in_Demo2011 Fig52W.jpg" in mesozoic
    for letter in " &()[]–'×":
        assert any(letter in file for file in cenozoic), letter
    shots = Counter((picture.species, picture.specimen) for picture in pictures if picture.scene == "photo")
    assert max(shots.values()) == 2
    assert sum(picture.status == "holotype" for picture in pictures if picture.scene == "photo") > 5
    drawings = [picture.file for picture in pictures if picture.scene == "drawing"]
    assert len(drawings) > 10
    assert all(file.startswith(("TypeFig ", "Map ")) for file in drawings)


def test_thumbnails_and_full_size_pictures_are_the_same_scene(get):
    full, _, thumb = listed(get(CARTERI).content.decode(), "taxon_images")[0]
    small, large = get(thumb), get(full)
    assert small.headers["Content-Type"] == large.headers["Content-Type"] == "image/jpeg"
    small, large = Image.open(io.BytesIO(small.content)), Image.open(io.BytesIO(large.content))
    assert small.width == 120
    assert large.width == 480
    assert abs(small.height / small.width - large.height / large.width) < 0.03
    assert get(thumb).content == get(thumb).content


def test_the_corrupt_picture_breaks_off(get):
    broken = get("/images/ntax_cenozoic/thumbs/Demo broken 3-14.jpg")
    assert broken.headers["Content-Length"] == str(len(broken.content))
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(broken.content)).load()


# --- manners ---


def test_the_log_tells_connection_headers_and_status(demo_site, get):
    get("/robots.txt")
    get("/nothing")
    first, second = demo_site.requests
    assert (first.method, first.path, first.status, second.status) == ("GET", "/robots.txt", 200, 404)
    assert first.client == second.client
    assert first.time <= second.time <= time.time()
    assert first.headers["Host"] == demo_site.url.removeprefix("http://")


def test_head_gives_the_length_and_no_body(demo_site):
    answer = requests.head(demo_site.url + DISCOASTER, timeout=10)
    assert int(answer.headers["Content-Length"]) > 30_000
    assert answer.content == b""


def test_a_cookie_is_offered(get):
    assert "PHPSESSID" in get(DISCOASTER).headers["Set-Cookie"]


def test_robots_txt(make_site):
    text = requests.get(f"{make_site().url}/robots.txt", timeout=10).text
    assert "Disallow: /Nannotax3/catalog/" in text
    assert "Crawl-delay" not in text
    strict = requests.get(
        f"{make_site(faults=Faults(crawl_delay=0.5, disallow='/system/')).url}/robots.txt", timeout=10
    )
    assert "Crawl-delay: 0.5\n" in strict.text
    assert "Disallow: /system/\n" in strict.text
    for status in (404, 500):
        assert (
            requests.get(f"{make_site(faults=Faults(robots=status)).url}/robots.txt", timeout=10).status_code == status
        )


def test_a_page_takes_less_than_five_milliseconds(demo_site):
    targets = [address(taxon) for taxon in taxa().values()]
    times = []
    for target in targets:
        start = time.perf_counter()
        demo_site.answer(target)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.005


# --- revision ---


def test_a_revision_moves_renames_removes_adds_and_relabels(make_site):
    site = make_site()
    before, after = taxa(), taxa(revised=True)
    site.change(revised=True)
    text = requests.get(f"{site.url}/Nannotax3/cenozoic/Coccolithaceae", timeout=10).content.decode()
    assert "taxon=Umbilicosphaera&module" in text
    old, new = before["ntax_cenozoic", "Coccolithus formosus"], after["ntax_cenozoic", "Ericsonia formosa"]
    assert old.id == new.id
    assert b"Ericsonia formosa" in requests.get(f"{site.url}/Nannotax3/index.php?id={old.id}", timeout=10).content
    names = [{name for module, name in tree if module == "ntax_cenozoic"} for tree in (before, after)]
    assert names[0] - names[1] == {"Coccolithus formosus", "Discoaster kuepperi"}
    assert names[1] - names[0] == {"Ericsonia formosa", "Helicosphaera wallichii"}
    folders = [
        {picture.file: name for (module, name), taxon in tree.items() if "ceno" in module for picture in taxon.pictures}
        for tree in (before, after)
    ]
    moved = {(folders[0][file], folders[1][file]) for file in folders[0].keys() & folders[1].keys()}
    assert {pair for pair in moved if pair[0] != pair[1]} == {
        ("Coccolithus formosus", "Ericsonia formosa"),
        ("Gephyrocapsa muellerae", "Gephyrocapsa oceanica"),
    }


# --- the shell ---


@pytest.fixture
def serve():
    """Start `python -m demo.site` with some arguments; whatever happens, it does not outlive the test."""
    with contextlib.ExitStack() as started:

        def start(*arguments):
            command = [sys.executable, "-m", "demo.site", *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


def test_the_site_from_the_shell(serve, tmp_path):
    log = tmp_path / "requests.csv"
    process = serve("--wording", "2018", "--log", str(log))
    url = re.search(r"http://127.0.0.1:\d+", process.stdout.readline())[0]
    assert requests.get(f"{url}/Nannotax3/cenozoic/Emiliania", timeout=10).status_code == 200
    assert requests.get(f"{url}/nothing", timeout=10).status_code == 404
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (130, "", "")
    head, *rows = log.read_text(encoding="utf-8").splitlines()
    assert head == "time,method,path,headers,client,status,fault"
    assert len(rows) == 2
    assert rows[0].endswith(",200,") and rows[1].endswith(",404,")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(["--wording", "nonsense"], 2, "invalid choice"), (["--port", "99999"], 1, "another --port")],
)
def test_wrong_command_lines_get_a_sentence(serve, arguments, code, words):
    process = serve(*arguments)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert words in errors
    assert "Traceback" not in errors


def test_a_taken_port_gets_a_sentence(serve, demo_site):
    process = serve("--port", demo_site.url.rsplit(":", 1)[1])
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "another --port" in errors


def test_the_demo_answers_for_help_and_does_not_run(capsys):
    with pytest.raises(SystemExit) as end:
        demo_main(["--help"])
    assert end.value.code == 0 and "test.png" in capsys.readouterr().out


def test_an_unknown_wording_is_refused():
    with pytest.raises(KeyError, match="2020"):
        DemoSite("2020")

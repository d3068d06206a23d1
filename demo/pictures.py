"""The pictures of the demo site, as data: file names, sources and places, and what is needed to draw each.

All collections, authors, samples and cruises are invented, and say so. What trips up a scraper or a training set is
here on purpose: several shots of one specimen, names with blanks, brackets and dashes, names that differ only in case,
the same name in both modules, drawings, a photograph that has `Fig` in its name, captions with an older name of the
species, a file that breaks off in its middle.
"""

from dataclasses import replace

from demo.taxa import CENOZOIC, FIRST_ID, MESOZOIC, MODULES
from demo.tree import Picture, Taxon, grow

# One specimen of each species a row: file name, its shots, technique, source, caption.
# {a} and {b} are numbers of the species, {m} is the module's letter, {old} the name in the source publication.
SPECIMENS = (
    ("JRYSEM-{a}-{b}{shot}.JPG", ("", "p"), "SEM", "Demo SEM colln plankton", "{old}"),
    ("JRYSEM-{a}-{c}{shot}.JPG", ("", "b"), "SEM", "Demo - unpubl SEM plankton", "{old} broad type"),
    ("JRYSEM-{a}-N{b}U5.JPG", ("",), "SEM", "Demo SEM colln", "{old}"),
    ("Exemplar_etal_2003_{m}{a}(ex{b})-81{shot}.JPG", ("", "b"), "SEM", "Exemplar et al. 2003 Guide to Coccoliths",
     "{b}/14 {old}; scalebar 1 micron."),
    ("Sample & Other 2016 {m}{a} pl1 -08.JPG", ("",), "SEM", "Sample & Other 2016 Drawn coccolithophores", "{old}; "),
    ("Nobody 1998 {m}{a} [pl2–{b}].jpg", ("",), "SEM", "Nobody 1998 in Nobody (ed.) Plates", "{old}; drawn in 1998"),
    ("DemoSEM {m}{a} ×{b}00.JPG", ("",), "SEM", "Demo SEM colln plankton", "{old}"),
    ("Noone_2001_Demo_{m}{a}_Fig5-11.jpg", ("",), "SEM", "Noone 2001 Drawn nannofossils", "{old}, plate of the demo"),
    ("JRYSEM-{m}P{a}.JPG", ("",), "SEM", "Demo SEM colln", "{old}"),
    ("JRYlm-Demo{m} {a}-5um{b}mos{shot}.JPG", ("", "b"), "LM", "Demo LM colln", "{old} XPL"),
    ("Demo XPL {m}{a}-{b}.jpg", ("",), "LM", "Demo - unpubl", "{old}"),
    ("Sample & Other 2016 {m}{a} pl7 -02 XPL.JPG", ("",), "LM", "Sample & Other 2016 Drawn coccolithophores", "{old}"),
)  # fmt: skip

# Names that older publications used for the same species; captions use them, and they are not labels.
OLD_NAMES = {
    "Reticulofenestra umbilicus": "Reticulofenestra umbilica",
    "Coccolithus formosus": "Ericsonia formosa",
    "Calcidiscus leptoporus": "Cyclococcolithus leptoporus",
    "Helicosphaera carteri": "Helicopontosphaera kamptneri",
    "Rhabdosphaera xiphos": "Rhabdosphaera longistylis",
    "Amaurolithus primus": "Ceratolithus primus",
    "Watznaueria barnesiae": "Watznaueria barnesae",
    "Rotelapillus laffittei": "Stephanolithion laffittei",
}

# Where a picture's specimen comes from: location and sample; of living species, and of fossils.
PLANKTON = (
    ("S. Atlantic; -32.18N; -29.83E; 48m", "DEMO18 CTD089 48m"),
    ("NE Atlantic - Demo upwelling; 18N; -25E; 40m", "D68-3 stn260/04 40m: stub 579/2"),
    ("W. Mediterranean - Demo Sea; 35.92N; -1.34E; 5m", "PRETEND  Stn 15 - RV Nowhere"),
    ("Danish waters; 55.8N; 11.8E; ", ""),
    ("S. Atlantic: ; -29N; -13E; 3055m", "Nu2u/10"),
)
SEDIMENT = (
    ("Demo Basin (N Nowhere); 52.2N; 10.2E;\n; ", "DSDP Site 9999-3-2, 45cm"),
    ("Pretend Hill; Demo County; 32.34N; -96.81E; ", "Sample LW-4; 5 feet above the base"),
    ("E Atlantic Ocean; 26.85N; -15.18E; ", "Demo Site 397"),
    ("Mont Exemple; Demo Trough; 44.39N; 5.51E; ", "Demo Marls; CP077"),
    ("-; ; ", "-"),
)

# One has letters in a wrong encoding and one is escaped twice, as old text on the site is.
NOTES = (
    "",
    "",
    "",
    "also drawn on plate 1 of the demo",
    "side view, 2-3Âµm",
    "collapsed cocco&amp;amp;sphere",
)

# Pictures of taxa above the species: the species that is drawn.
OWN_PICTURES = {"Syracosphaeraceae": "Syracosphaera molischii", "Discoaster": "Discoaster brouweri"}

# Single pictures that are there to be stumbled over. Fields that are not given are those of the species' first picture.
ODD_PICTURES = {
    "Emiliania huxleyi": (
        {"file": "JRYSEM-FP012.JPG", "specimen": 40},
        {"file": "JRYSEM-FP012.jpg", "specimen": 41, "source": "Demo SEM colln"},  # one name where case is ignored
        {"file": "Map distribution Emiliania huxleyi.jpg", "scene": "drawing", "source": "Demo distribution map",
         "caption": "map of the demo ocean", "location": "-; ; ", "sample": "-"},
    ),
    "Gephyrocapsa oceanica": ({"file": "Demo broken 3-14.jpg", "specimen": 42, "corrupt": True},),
    "Pontosphaera japonica": ({"file": "O'Demo 2009 pl3-2.jpg", "specimen": 43, "source": "O'Demo 2009 Drawn plates"},),
    "Nannoconus globulus": (
        {"file": "Nobody_in_Demo2011 Fig52W.jpg", "specimen": 44, "source": "Nobody in Demo et al. 2011 Drawn research",
         "caption": "Nannoconus globulus"},
    ),
}  # fmt: skip


def modules(wording: str = "later", revised: bool = False) -> dict[str, Taxon]:
    """Return the root taxon of each module by its name in `wording` ("later" or "2018"), pictures included.

    `revised` gives the site after a taxonomic revision: see `revise`. Raises KeyError for an unknown wording.
    """
    roots = []
    for key, outline in (("cenozoic", CENOZOIC), ("mesozoic", MESOZOIC)):
        name = MODULES[wording][key]
        root = grow(Taxon(name, "Module", FIRST_ID[key], diagnosis=f"Drawn nannofossils of the {key} demo"), outline)
        _fill(root, letter=key[0].upper())
        roots.append(root)
    if revised:
        revise(roots[0])
    return {root.name: root for root in roots}


def revise(root: Taxon) -> None:
    """Revise the Cenozoic module: a genus moves, a species is renamed, gone or new, a picture is relabelled."""
    taxa = {taxon.name: taxon for taxon in root.walk()}
    taxa["Coccolithaceae"].adopt(taxa["Umbilicosphaera"])
    taxa["Coccolithus formosus"].name = "Ericsonia formosa"
    taxa["Discoaster"].children.remove(taxa["Discoaster kuepperi"])
    new = Taxon("Helicosphaera wallichii", "Species", root.id + 500, "Quaternary–Extant", "Two narrow, oblique slits")
    taxa["Helicosphaera"].adopt(new)
    new.pictures = _series(new, 99, "C", species="Helicosphaera carteri", first=70)
    taxa["Gephyrocapsa oceanica"].pictures.append(taxa["Gephyrocapsa muellerae"].pictures.pop())


def _fill(root: Taxon, letter: str) -> None:
    """Add the pictures of a module to its taxa; `letter` tells the modules' file names apart."""
    for number, taxon in enumerate(list(root.walk())):
        if taxon.rank == "Species":
            taxon.pictures = _of_species(taxon, number, letter)
            for place, variant in enumerate((child for child in taxon.children if child.rank == "Subspecies"), start=1):
                variant.pictures = [picture for picture in taxon.pictures if picture.specimen % 3 == place]
                taxon.pictures = [picture for picture in taxon.pictures if picture not in variant.pictures]
        elif taxon.rank == "Unidentified":
            sisters = taxon.parent.children if taxon.parent else []
            drawn = [other.name for other in sisters if other.rank == "Species"]
            taxon.pictures = [
                _series(taxon, 10 * number + k, letter, drawn[k % len(drawn)], first=50)[2 * k] for k in range(5)
            ]
        elif taxon.name in OWN_PICTURES:
            taxon.pictures = _series(taxon, number, letter, OWN_PICTURES[taxon.name], first=60)[2:5]
        elif taxon.name == "deleted":
            kept = [other.name for other in root.walk() if other.rank == "Species"][:3]
            taxon.pictures = [_type_figure(name, f"TypeFig {name} deleted.jpg") for name in kept]


def _of_species(taxon: Taxon, number: int, letter: str) -> list[Picture]:
    """Return the 14 to 19 pictures of a species: the usual ones, for some a type figure, and the odd ones."""
    pictures = _series(taxon, number, letter, taxon.name)
    if number % 3 == 0:
        pictures.pop()
    elif number % 3 == 1:
        pictures.insert(2, _type_figure(taxon.name, f"TypeFig {taxon.name}.jpg"))
    if number % 4 == 0:
        pictures[0] = replace(pictures[0], status="holotype")
    return pictures + [replace(pictures[0], **odd) for odd in ODD_PICTURES.get(taxon.name, ())]


def _series(taxon: Taxon, number: int, letter: str, species: str, first: int = 1) -> list[Picture]:
    """Return one picture for each shot of SPECIMENS, of specimens `first`, `first` + 1, …, drawn as `species`."""
    ages = taxon.ages()
    fossil = ages is not None and ages[1] != "Extant"
    age = ages[0] if ages and fossil else "plankton "
    pictures = []
    for k, (file, shots, technique, source, caption) in enumerate(SPECIMENS):
        location, sample = (SEDIMENT if fossil else PLANKTON)[(number + k) % 5]
        b = 10 + 7 * number % 80
        words = {"a": 100 + number, "b": b, "c": b + 3, "m": letter, "old": OLD_NAMES.get(species, species)}
        pictures += [
            Picture(
                file=file.format(shot=shot, **words),
                source=source,
                caption=caption.format(**words),
                status="-" if sample else "",
                notes=NOTES[(number + k) % len(NOTES)],
                location=location,
                sample=sample,
                age=age,
                species=species,
                specimen=first + k,
                shot=shot,
                technique=technique,
            )
            for shot in shots
        ]
    return pictures


def _type_figure(species: str, file: str) -> Picture:
    """Return the drawing that came with a species' first description."""
    return Picture(
        file,
        source="Type illustration from original publication",
        caption=species,
        status="holotype",
        species=species,
        scene="drawing",
    )

"""The taxa of the demo site, as data: names, ranks, ranges and diagnoses.

The names are those of real coccolithophores, so that a palaeontologist feels at home; diagnoses and ranges are short,
rounded, and good for nothing but this demo. `demo.tree.grow` makes a tree of an outline.
"""

# Names of the two modules in each wording of the site; old names still open the renamed modules.
MODULES = {
    "2018": {"cenozoic": "Coccolithophores", "mesozoic": "Mesozoic"},
    "later": {"cenozoic": "ntax_cenozoic", "mesozoic": "ntax_mesozoic"},
}
FIRST_ID = {"cenozoic": 1000, "mesozoic": 10600}

# Name | rank | first–last occurrence (species only; the ranges of higher taxa are their sums) | diagnosis.
# A child is indented two blanks deeper than its parent; a line "= words" is a heading in the table of daughter taxa.
CENOZOIC = """
= Heterococcoliths
Isochrysidales | Order | | Placoliths whose R-units form the whole rim; motile cells without coccoliths
  Noelaerhabdaceae | Family | | Placoliths with two shields of one cycle each and a central grill or net
    Emiliania | Genus | | Distal shield of T-shaped elements with slits between them
      Emiliania huxleyi | Species | Pleistocene–Extant | Slits between all elements of the distal shield
    Gephyrocapsa | Genus | | A bridge spans the central opening
      Gephyrocapsa oceanica | Species | Calabrian–Extant | Wide central opening, bridge at a high angle to the long axis
      Gephyrocapsa muellerae | Species | Pleistocene–Extant | Small opening, bridge at a low angle to the long axis
      Gephyrocapsa caribbeanica | Species | Calabrian–Pleistocene | Central area almost closed
    Reticulofenestra | Genus | | Closed shields without slits, no bridge
      Reticulofenestra umbilicus | Species | Lutetian–Rupelian | Very large (>14µm), wide central opening
      Reticulofenestra pseudoumbilicus | Species | Langhian–Zanclean | Medium to large (5-14µm), open centre
Coccolithales | Order | | Placoliths whose V-units form the distal shield
  Coccolithaceae | Family | | Placoliths with a birefringent proximal shield and a dark distal shield
    Coccolithus | Genus | | Elliptical to circular, central area open or spanned by a bar
      C. pelagicus group | Informal group | | Central area narrow, with or without a bar
        Coccolithus pelagicus | Species | Danian–Extant | Elliptical, a bar may span the opening
        Coccolithus pelagicus HOL | Holococcolith phase | |
        Coccolithus formosus | Species | Ypresian–Rupelian | Circular, small central opening
  Calcidiscaceae | Family | | Circular to subcircular placoliths, distal shield with curved sutures
    Calcidiscus | Genus | | Central area closed or a narrow pore
      Calcidiscus leptoporus | Species | Burdigalian–Extant | Circular (5-8µm), strongly curved sutures
      Calcidiscus macintyrei | Species | Langhian–Calabrian | Large (>10µm), more than 40 elements, open pore
    Umbilicosphaera | Genus | | Wide open centre, shields of about equal width
      Umbilicosphaera sibogae | Species | Burdigalian–Extant | Very wide opening, narrow shields
Zygodiscales | Order | | Rim of two cycles, the outer one with steep elements
  Helicosphaeraceae | Family | | The flange runs in a spiral and ends in a wing
    Helicosphaera | Genus | | Flange spiral, blanket over the central area
      Helicosphaera carteri | Species | Aquitanian–Extant | Wing without spur, two small slits in line
      Helicosphaera kamptneri | Species | Tortonian–Extant | Wing broad and pointed
      Helicosphaera sellii | Species | Tortonian–Calabrian | Two large pores, flange ends low
  Pontosphaeraceae | Family | | Plates and cups without shields, perforate or closed
    Pontosphaera | Genus | | Low-rimmed elliptical plates
      Pontosphaera multipora | Species | Ypresian–Extant | Two to three cycles of pores
      Pontosphaera japonica | Species | Aquitanian–Extant | Many small pores, low rim
    Scyphosphaera | Genus | | Barrel-shaped lopadoliths around a belt of plates
      Scyphosphaera apsteinii | Species | Ypresian–Extant | Barrel with a curved profile, higher than wide
Syracosphaerales | Order | | Muroliths with a central area of radial laths
  Syracosphaeraceae | Family | | Caneoliths: walls with up to three flanges
    Syracosphaera | Genus | | Dimorphic coccospheres of caneoliths
      SY pulchra gp | Informal group | | Exothecal coccoliths dome-shaped or similar to the body coccoliths
        Syracosphaera pulchra | Species | Burdigalian–Extant | Large, three flanges, no spine on the body coccoliths
        Syracosphaera histrica | Species | Piacenzian–Extant | Central boss of fused laths
        Syracosphaera molischii | Species | Quaternary–Extant | Narrow flange with indentations
        Syracosphaera nodosa | Species | Quaternary–Extant | Wall with vertical ribs and nodes
        Syracosphaera sp. | Unidentified | |
  Rhabdosphaeraceae | Family | | Rhabdoliths: a low plate that carries a spine
    Rhabdosphaera | Genus | | Spine hollow, of spiral rows
      Rhabdosphaera clavigera | Species | Piacenzian–Extant | Spine widens to a club
      Rhabdosphaera xiphos | Species | | Spine thin, pointed, with a collar
    Discosphaera | Genus | | Spine widens to a trumpet
      Discosphaera tubifera | Species | Tortonian–Extant | Trumpet as wide as the plate or wider
= Nannoliths
Discoasterales | Order | | Radial nannoliths with c-axes along the axis of symmetry
  Discoasteraceae | Family | | Star- and rosette-shaped nannoliths
    Discoaster | Genus | | Three to many rays in one plane
      Discoaster triradiatus | Species | Tortonian–Gelasian | Three slender rays
      Discoaster tamalis | Species | Zanclean–Piacenzian | Four slender rays at right angles
      Discoaster pentaradiatus | Species | Tortonian–Gelasian | Five rays that bifurcate
      Discoaster brouweri | Species | Tortonian–Gelasian | Six slender rays, bent down at the tips
      Discoaster deflandrei | Species | Ypresian–Langhian | Six broad rays with notched tips
      Discoaster lodoensis | Species | Ypresian–Lutetian | Five to eight curved, pointed rays
      Discoaster kuepperi | Species | Ypresian–Lutetian | Eight rays, stout stem
      Discoaster sp. | Unidentified | |
  Sphenolithaceae | Family | | Cone- to dart-shaped nannoliths of radiating elements
    Sphenolithus | Genus | | A base of proximal cycles with lateral elements or a spine above
      Sphenolithus moriformis | Species | Thanetian–Messinian | Hemispherical, without a spine
      Sphenolithus heteromorphus | Species | Burdigalian–Langhian | Base wider than high, one tapering spine
      Sphenolithus abies | Species | Serravallian–Zanclean | Conical, small apical elements
Braarudosphaerales | Order | | Nannoliths of five layered segments
  Braarudosphaeraceae | Family | | Pentaliths
    Braarudosphaera | Genus | | Sutures run to the edges of the pentagon
      Braarudosphaera bigelowii | Species | Cenomanian–Extant | Regular pentagon with straight edges
      Braarudosphaera perampla | Species | Lutetian–Bartonian | Large, with rounded corners
    Micrantholithus | Genus | | Sutures run to the corners of the pentagon
      Micrantholithus vesper | Species | Ypresian–Bartonian | Deeply indented between the corners
      Micrantholithus pinguis | Species | Ypresian–Bartonian | Broad segments with shallow indents
Nannolith families inc sed | Order | | Nannoliths of unknown relations
  Ceratolithaceae | Family | | Horseshoe-shaped nannoliths
    Ceratolithus | Genus | | Strongly birefringent horseshoes
      Ceratolithus cristatus | Species | Zanclean–Extant | Arms of about equal length with a keel of nodes
      Ceratolithus armatus | Species | Zanclean–Zanclean | Robust arch with a short spine
    Amaurolithus | Genus | | Horseshoes that stay dark between crossed polars
      Amaurolithus primus | Species | Tortonian–Zanclean | Crescent without a spine
      Amaurolithus delicatus | Species | Messinian–Zanclean | Thin arch with slender arms
= Holococcoliths
Holococcoliths | Order | | Coccoliths of many small crystals of one size
  Holococcolith families inc sed | Family | | Holococcoliths whose other phase is not known
    Calyptrosphaera | Genus | | Dome-shaped (calyptroliths)
      Calyptrosphaera oblonga | Species | | Oblong dome, narrow base
      Calyptrosphaera sphaeroidea | Species | | Round dome
    Helladosphaera | Genus | | With an upright plate (helladoliths)
      Helladosphaera cornifera | Species | Quaternary–Extant | Pointed plate across a low tube
    Zygrhablithus | Genus | | Base with a massive stem
      Zygrhablithus bijugatus | Species | Thanetian–Chattian | Stem with four to six ridges
hidden | Administration | |
  deleted | Administration | |
  sandbox | Administration | |
"""

MESOZOIC = """
= Heterococcoliths
Stephanolithiales | Order | | Muroliths with upright, not imbricating elements
  Stephanolithiaceae | Family | | Low rims with radial bars
    Stephanolithion | Genus | | Polygonal or ring-shaped rim with lateral spines
      Stephanolithion bigotii | Species | Callovian–Kimmeridgian | Elongate hexagon with six spines
        Stephanolithion bigotii subsp. bigotii | Subspecies | Callovian–Kimmeridgian | Short lateral spines
        Stephanolithion bigotii subsp. maximum | Subspecies | Callovian–Oxfordian | Long lateral spines
    Rotelapillus | Genus | | Circular rim with eight bars
      Rotelapillus laffittei | Species | Tithonian–Maastrichtian | Lateral spines on a circular rim
Eiffellithales | Order | | Muroliths with a wall of imbricating elements
  Eiffellithaceae | Family | | Central cross in a broad rim
    Eiffellithus | Genus | | Cross oblique or diagonal to the axes of the ellipse
      Eiffellithus eximius | Species | Turonian–Campanian | Cross along the axes or nearly so
      Eiffellithus turriseiffelii | Species | Albian–Maastrichtian | Diagonal cross with a spine
Watznaueriales | Order | | Placoliths with tightly imbricating shields
  Watznaueriaceae | Family | | Two shields with curved sutures, inner tube cycle
    Watznaueria | Genus | | Elliptical
      Watznaueria barnesiae | Species | Bathonian–Maastrichtian | Central area closed or a slit
      Watznaueria britannica | Species | Bajocian–Albian | A bar spans the opening
    Cyclagelosphaera | Genus | | Circular
      Cyclagelosphaera margerelii | Species | Bajocian–Maastrichtian | Closed centre, small
= Holococcoliths & Nannoliths
Nannolith families inc sed | Order | | Nannoliths of unknown relations
  Nannoconaceae | Family | | Cones and barrels of spirally arranged wedges
    Nannoconus | Genus | | An axial canal or cavity inside a thick wall
      Nannoconus steinmannii | Species | Berriasian–Aptian | Cone with a narrow canal
      Nannoconus kamptneri | Species | Berriasian–Aptian | Cylinder with a canal of medium width
      Nannoconus globulus | Species | Tithonian–Aptian | Barrel with a wide cavity
      Nannoconus sp. | Unidentified | |
Mesozoic non–coccoliths | Informal group | | Things found in preparations that are no coccoliths
  Crystals & crud | Informal group | |
hidden | Administration | |
  deleted | Administration | |
  sandbox | Administration | |
"""

# What the first row of the daughters' table says in place of "Daughter taxa", where a taxon has words of its own.
CAPTIONS = {
    "Discoaster": "Discoaster ranges from Eocene to Pleistocene in this demo; the number of rays falls with time",
    "Sphenolithus": "Sphenolithus ranges from Paleocene to Pliocene in this demo",
}

# Interval: kind, top and base in Ma, stage of the base.
INTERVALS = {
    "Quaternary": ("Period", 0.00, 2.59, "Gelasian"),
    "Pleistocene": ("Epoch", 0.01, 2.59, "Gelasian"),
    "Calabrian": ("Stage", 0.78, 1.81, "Calabrian"),
    "Gelasian": ("Stage", 1.81, 2.59, "Gelasian"),
    "Piacenzian": ("Stage", 2.59, 3.60, "Piacenzian"),
    "Zanclean": ("Stage", 3.60, 5.33, "Zanclean"),
    "Messinian": ("Stage", 5.33, 7.25, "Messinian"),
    "Tortonian": ("Stage", 7.25, 11.63, "Tortonian"),
    "Serravallian": ("Stage", 11.63, 13.82, "Serravallian"),
    "Langhian": ("Stage", 13.82, 15.97, "Langhian"),
    "Burdigalian": ("Stage", 15.97, 20.44, "Burdigalian"),
    "Aquitanian": ("Stage", 20.44, 23.03, "Aquitanian"),
    "Chattian": ("Stage", 23.03, 28.09, "Chattian"),
    "Rupelian": ("Stage", 28.09, 33.89, "Rupelian"),
    "Bartonian": ("Stage", 37.75, 41.15, "Bartonian"),
    "Lutetian": ("Stage", 41.15, 47.84, "Lutetian"),
    "Ypresian": ("Stage", 47.84, 55.96, "Ypresian"),
    "Thanetian": ("Stage", 55.96, 59.24, "Thanetian"),
    "Danian": ("Stage", 61.61, 66.04, "Danian"),
    "Maastrichtian": ("Stage", 66.04, 72.05, "Maastrichtian"),
    "Campanian": ("Stage", 72.05, 83.64, "Campanian"),
    "Turonian": ("Stage", 89.77, 93.90, "Turonian"),
    "Cenomanian": ("Stage", 93.90, 100.50, "Cenomanian"),
    "Albian": ("Stage", 100.50, 113.14, "Albian"),
    "Aptian": ("Stage", 113.14, 126.30, "Aptian"),
    "Berriasian": ("Stage", 139.39, 145.01, "Berriasian"),
    "Tithonian": ("Stage", 145.01, 152.06, "Tithonian"),
    "Kimmeridgian": ("Stage", 152.06, 157.25, "Kimmeridgian"),
    "Oxfordian": ("Stage", 157.25, 163.47, "Oxfordian"),
    "Callovian": ("Stage", 163.47, 166.07, "Callovian"),
    "Bathonian": ("Stage", 166.07, 168.28, "Bathonian"),
    "Bajocian": ("Stage", 168.28, 170.30, "Bajocian"),
}

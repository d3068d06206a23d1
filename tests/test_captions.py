"""What a page says of a picture: fields wherever they stand, whatever is in them."""

import pytest

from mikrotax.captions import read_caption

FULL = "<br>File name: a.jpg<br>Image Source: Coll. X<br>Caption in source: Xus yus<br>Status: holotype<br>Notes: rare"
FULL += "<br>Location: Atlantic; 1N; ; <br>Sample: S1<br>Geological Age: NN21"
FIELDS = {
    "source": "Coll. X",
    "caption": "Xus yus",
    "status": "holotype",
    "notes": "rare",
    "location": "Atlantic; 1N",
    "sample": "S1",
    "age": "NN21",
}


def test_all_fields_of_a_title():
    assert read_caption([FULL]).fields == FIELDS


@pytest.mark.parametrize(
    "text",
    [
        FULL.replace("<br>", "<br />"),
        FULL.replace("<br>", "\n"),
        "".join(f"<p>{line}</p>" for line in FULL.split("<br>")),
        "".join(f"<li><b>{line.replace(':', ':</b>', 1)}</li>" for line in FULL.split("<br>")[1:]),
        FULL.replace("Image Source", "IMAGE SOURCE").replace("Notes", "notes"),
    ],
)
def test_the_same_fields_in_other_markup(text):
    assert read_caption([text]).fields == FIELDS


def test_what_goes_on_in_the_next_line_belongs_to_the_field_before():
    text = (
        "<br>Image Source: d'Arc's plate 4<br>and plate 5: left<br>Notes: one<br>two, see http://x/y<br>Sample: a\n b"
    )
    caption = read_caption([text])
    assert caption.fields == {
        "source": "d'Arc's plate 4 and plate 5: left",
        "notes": "one two, see http://x/y",
        "sample": "a b",
    }


def test_labels_that_are_not_known_are_kept_by_their_names():
    caption = read_caption(["<br>Image Source: X<br>Magnification: 5000<br>Copyright: (c) A. Nybody<br>Stub no: 7"])
    assert caption.fields == {"source": "X"}
    assert caption.other == {"Magnification": "5000", "Copyright": "(c) A. Nybody", "Stub no": "7"}


def test_the_first_text_that_says_something_counts():
    texts = ["Aus bus", "<br>Image Source: <br>Notes: first", "<br>Image Source: second<br>Notes: second"]
    assert read_caption(texts).fields == {"source": "second", "notes": "first"}


@pytest.mark.parametrize("text", ["Aus bus", "a.jpg", "", "see p. 5: left", "/images/m/a.jpg", "lightbox[x 800 800]"])
def test_other_attributes_are_no_captions(text):
    caption = read_caption([text])
    assert not caption.fields and not caption.unread


def test_a_caption_in_words_of_another_kind_is_reported():
    assert read_caption(["<br>Picture by: N. Obody<br>Kind of type: holotype"]).unread.startswith(
        "Picture by: N. Obody"
    )

"""From records and picture files to a data set that can be trusted: what prepare_image_model.py is made of.

The modules in the order in which the data meets them: `records` (JSON to listed pictures), `labels` (which class, and
what is left out by its name), `likeness` (what a picture looks like, and which look alike), `groups` (what must stay on
one side), `splits`, `selection` (which classes and how many pictures), `layout` (writing and swapping in), `audit`
(reading it all again), `summary` and `contact_sheet` (for a person).
"""


class DataSetError(Exception):
    """Work that could not be done. Its text is one sentence for the user: what, where, and what to type next."""

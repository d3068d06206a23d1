"""From records and image files to train/ and validate/: what prepare_image_model.py is made of.

`prepare` is the whole way of the data from top to bottom. It uses, in this order: `listing` (records to listed
pictures), `labels` (the class of each, and what is left out for what is written about it), `descriptors` and
`near_duplicates` (what tells images apart, and which show the same), `groups` (what must stay in one split),
`selection` and `splits` (which classes, how many pictures, and where they go), `layout` (writing and swapping in),
`audit` (reading everything again) and `summary` (what was done, for a person).
"""

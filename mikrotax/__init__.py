"""What a Mikrotax site looks like: names, pages, and a polite way of asking for them."""

__version__ = "0.1"

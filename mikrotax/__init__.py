"""What a Mikrotax site looks like: addresses, pages, pictures, and a polite way of asking for them."""

"""What a model is worth, as pure functions: nothing here opens a file, prints, or runs a network."""

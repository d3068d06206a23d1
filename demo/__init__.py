"""A small Mikrotax with drawn coccoliths: the embedded default for `make demo` and the tests."""

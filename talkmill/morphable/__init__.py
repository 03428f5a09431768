"""Morphable head models: a mean shape, an identity basis, expression units."""

"""Texts -> scores -> labels, from a bundle: its stages, and the classifier as users hold it."""

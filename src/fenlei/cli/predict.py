"""`fenlei predict`: a bundle and texts -> their labels, row for row."""

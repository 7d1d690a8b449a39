"""Several classifiers trained on one cut of the rows, each kept on disk, and compared."""

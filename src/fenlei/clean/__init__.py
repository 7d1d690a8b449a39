"""Labels that may be wrong -> a ranked list for people -> their corrections back in the data."""

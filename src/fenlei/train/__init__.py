"""Examples and an encoder -> a trained classifier."""

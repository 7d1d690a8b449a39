"""Where pretrained weights come from, and how many texts run through them at once."""

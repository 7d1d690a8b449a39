"""Raw files -> examples -> token ids -> packed batches."""

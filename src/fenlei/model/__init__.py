"""A packed batch -> logits -> loss; and the linear model that an encoder is compared with."""

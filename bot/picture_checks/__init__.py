"""What looks at pictures before anybody else does: how unsafe one is, and whether two look the same."""

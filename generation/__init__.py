"""Makes images. Knows no Discord and no database."""

"""Those who draw."""

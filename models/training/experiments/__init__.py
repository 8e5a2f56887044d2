"""Measurements and comparisons that may break; nothing in selfracg imports them."""

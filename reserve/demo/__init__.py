"""The demonstration: what if the Reserve had been operating on 6 January 2026. All stock in it is invented."""

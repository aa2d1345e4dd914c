"""Model configurations, the models built from them, published presets and their cost."""

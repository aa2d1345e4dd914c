"""Model configurations, their building, the published presets and what each costs."""

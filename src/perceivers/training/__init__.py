"""Training and evaluation of recipes, built on Lightning."""

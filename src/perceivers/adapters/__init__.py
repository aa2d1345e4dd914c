"""One file a modality: a raw batch → `Inputs` for the core."""

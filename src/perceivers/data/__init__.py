"""Raw samples in: readers, and the transforms that training and prediction share."""

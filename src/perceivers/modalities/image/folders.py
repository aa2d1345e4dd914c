"""Usual names of folders of images, and of folders of a class for each of their pixels."""

# In lower case.
IMAGE_FOLDERS = frozenset(
    {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "leftimg8bit", "rgb"}
)
MASK_FOLDERS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "annots", "segmentation"}
    | {"segmentations", "segmentationclass", "segmaps", "gt", "groundtruth", "ground_truth"}
    | {"gtfine", "targets", "target"}
)

"""Where the datasets are published: addresses, checksums and sizes, as data.

The publishers give hardly any checksum. Those here are the md5 or sha256 that widely used loaders (torchvision,
TensorFlow Datasets) hold their downloads against. Where there is none the address is https, and the sha256 of what came
in is noted beside it.
"""

from __future__ import annotations

import string
import urllib.parse
from dataclasses import dataclass, replace
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Source:
    """One file to fetch, and what of it goes where."""

    url: str
    into: str
    """The folder under the data root that its content goes to."""
    keep: str = ""
    """What the names of the members to unpack begin with, a regular expression; this part of the name is dropped."""
    digest: str = ""
    """"md5:..." or "sha256:..." of the file; empty where none is published."""
    size: int | None = None
    """Bytes, where they are known."""
    inner: tuple[str, ...] = ()
    """Archives in the archive, which are unpacked where they lie."""

    @property
    def file(self) -> str:
        """The file's name."""
        return PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)).name


FBRS = "https://github.com/saic-vul/fbrs_interactive_segmentation/releases/download/v1.0"
RITM = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0"
COCO = "http://images.cocodataset.org"
OPEN_IMAGES = "https://storage.googleapis.com/openimages/v5"
TOP = r"(?:[^/]+/)?"  # the archive's own folder, whatever its name


def coco_photos(into: str) -> tuple[Source, Source]:
    """The photos of COCO 2017, train and val."""
    return (
        Source(
            f"{COCO}/zips/train2017.zip",
            into,
            digest="sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            size=19336861798,
        ),
        Source(
            f"{COCO}/zips/val2017.zip",
            into,
            digest="sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            size=815585330,
        ),
    )


COCO_PANOPTIC = Source(
    f"{COCO}/annotations/panoptic_annotations_trainval2017.zip",
    "COCO",
    digest="sha256:c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
    size=860725834,
    inner=("annotations/panoptic_train2017.zip", "annotations/panoptic_val2017.zip"),
)

LVIS_ANNOTATIONS = (
    Source(
        "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_train.json.zip",
        "LVIS",
        digest="sha256:334a4caa374030a7817cf050364525e910f7960f9b6968cef47cffbf3893f8ba",
        size=350264821,
    ),
    Source(
        "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_val.json.zip",
        "LVIS",
        digest="sha256:5cae9a3c79aadb667550c2b5dcf7f4d86e059a41ec91ef690225b667e28e9ba5",
        size=64026968,
    ),
)

OPEN_IMAGES_VALIDATION = (
    Source(
        f"{OPEN_IMAGES}/validation-annotations-object-segmentation.csv",
        "OpenImages/validation",
    ),
    *(
        Source(f"{OPEN_IMAGES}/validation-masks/validation-masks-{digit}.zip", "OpenImages/validation/masks", TOP)
        for digit in string.hexdigits[:16]
    ),
    Source(
        "https://open-images-dataset.s3.amazonaws.com/tar/validation.tar.gz",
        "OpenImages/validation/images",
        "validation/",
        size=12844530798,
    ),
)

CATALOGUE: dict[str, tuple[Source, ...]] = {
    "grabcut": (Source(f"{FBRS}/GrabCut.zip", "GrabCut", TOP + "(?=(?:data|boundary)_GT/)"),),
    "berkeley": (Source(f"{FBRS}/Berkeley.zip", "Berkeley", TOP + "(?=(?:images|masks)/)"),),
    "davis": (Source(f"{FBRS}/DAVIS.zip", "DAVIS", TOP + "(?=(?:img|gt)/)"),),
    "coco_mval": (Source(f"{FBRS}/COCO_MVal.zip", "COCO_MVal", TOP + "(?=(?:img|gt)/)"),),
    "pascal_voc": (
        Source(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "VOCdevkit/VOC2012",
            "VOCdevkit/VOC2012/(?=JPEGImages/|SegmentationObject/|SegmentationClass/|ImageSets/Segmentation/)",
            digest="md5:6cd6e144f989b92b3379bac3b3de84fd",
            size=1999639040,
        ),
    ),
    "sbd": (
        Source(
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            "SBD",
            "benchmark_RELEASE/dataset/",
            digest="md5:82b4d87ceb2ed10f6038a1cba92111cb",
        ),
        Source(
            "http://home.bharathh.info/pubs/codes/SBD/train_noval.txt",
            "SBD",
            digest="md5:79bff800c5f0b1ec6b21080a3c066722",
        ),
    ),
    "ade20k": (
        Source(
            "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            "ADEChallengeData2016",
            "ADEChallengeData2016/(?=images/)",
            digest="sha256:7ff1be44964418441f542a7cc1e1a650e7dc0fc275f5d23252bc9bbdbc977b29",
            size=967382037,
        ),
        Source(
            "http://sceneparsing.csail.mit.edu/data/ChallengeData2017/annotations_instance.tar",
            "ADEChallengeData2016",
            digest="sha256:5eb0db23c64779bc646ca535a3d495db0a75700b9467f8a79eecaf728b266acd",
            size=90398720,
        ),
    ),
    "open_images": OPEN_IMAGES_VALIDATION,
    "coco_panoptic": (COCO_PANOPTIC, *coco_photos("COCO/images")),
    "lvis": (*LVIS_ANNOTATIONS, *coco_photos("LVIS")),
    "coco_lvis": (
        Source(f"{RITM}/cocolvis_annotation.tar.gz", "COCO_LVIS", TOP + "(?=(?:train|val)/)"),
        replace(coco_photos("COCO_LVIS/train/images")[0], keep="train2017/"),
    ),
}
"""Dataset -> what to fetch. Of Open Images that is the validation split (the photos of train are 500 GB), of COCO+LVIS
all annotations and the photos of train."""

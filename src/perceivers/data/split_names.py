"""Names of folders, files and table cells that stand for a split, however they are spelled.

Imports no torch.
"""

import re
from collections.abc import Collection

# Names that stand for a split by themselves, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

# What a split may be a split of: "train_set" and "TRAIN-images" are as good as "train". A number
# counts the parts of a split: "train_1".
CONTENTS = re.compile(
    r"(?i:(data)?sets?|data|splits?|folders?|files?|examples?|samples?|items?|images?|imgs?|photos?"
    r"|pictures?|pics?|sounds?|audios?|clips?|recordings?|videos?|films?|texts?|docs?|points?"
    r"|clouds?|rows?)|\d*"
)
WORD = "|".join(sorted(SPLIT_NAMES, key=len, reverse=True))
BREAK = r"[\s_\-.()\[\]]+"
CAPITAL = r"(?<=[a-z])(?=[A-Z])"  # trainA, catsTest
FIRST = re.compile(rf"(?P<split>(?i:{WORD}))(?:{BREAK}|{CAPITAL}|(?=\d+$))(?P<rest>.+?)[)\]]?")
LAST = re.compile(rf"[(\[]?(?P<rest>.+?)(?:{BREAK}|{CAPITAL})(?P<split>(?i:{WORD}))[)\]]?")
FUSED = re.compile(rf"(?P<split>(?i:{WORD}))(?P<rest>(?i:sets?|data))")
FOLD_COLUMN = re.compile(r"(?i)(?:k|cv)?[\s_\-]*folds?(?:[\s_\-]*(?:id|no|nr|number|index))?")
SPLIT_COLUMN = re.compile(
    r"(?i)(?:data(?:set)?[\s_\-]*)?(?:splits?|subset|partition)"
    r"|(?:is|in|for)[\s_\-]*(?:train|test|valid|val)(?:ing|idation)?(?:[\s_\-]\w+)?"
    r"|train[\s_\-]*test[\s_\-]*split"
)
MAX_LENGTH = 255  # characters of the name of a split
MAX_SPLITS = 20  # distinct values of a column of splits or folds at most
FOLD = re.compile(r"(?i)(?P<rest>.*?)[\s_\-.(\[]*(?:k|cv)?[\s_\-]*(?:fold|split)[\s_\-]*\d+[)\]]?")


def parse_split(name: str) -> tuple[str, str] | None:
    """Return the split that a name begins or ends with, and the rest of the name.

    Args:
        name: a name such as "train", "Test_set", "cats-train" or "trainA".

    Returns:
        The split ("train", "validation" or "test") and the rest ("", "set", "cats", "A"); None if
        no word of the name at its beginning or its end stands for a split. A name like
        "bullet-train" has one as well: whether it means a split depends on the other names.
    """
    name = name.strip()
    if len(name) > MAX_LENGTH:
        return None
    if name.lower() in SPLIT_NAMES:
        return SPLIT_NAMES[name.lower()], ""
    match = FUSED.fullmatch(name) or FIRST.fullmatch(name) or LAST.fullmatch(name)
    return (SPLIT_NAMES[match["split"].lower()], match["rest"]) if match else None


def split_of(name: str) -> str | None:
    """Return the split that a name stands for by itself, such as "Test_set"; None if it has more.

    Args:
        name: name of a folder, a file without its suffix, or the cell of a table.
    """
    parsed = parse_split(name)
    return parsed[0] if parsed and CONTENTS.fullmatch(parsed[1]) else None


def splits_of(names: Collection[str]) -> dict[str, str]:
    """Return the split of each of several names that stand for one; others are left out.

    Names count if they stand for a split by themselves, or if they are the same but for the split:
    "seg_train" and "seg_test".

    Args:
        names: names of folders that lie beside each other.
    """
    parsed = {name: found for name in names if (found := parse_split(name))}
    alike: dict[str, set[str]] = {}
    for split, rest in parsed.values():
        alike.setdefault(rest.lower(), set()).add(split)
    return {
        name: split
        for name, (split, rest) in parsed.items()
        if CONTENTS.fullmatch(rest) or len(alike[rest.lower()]) > 1
    }


def split_classes(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the split and the class of each name of a kind like "cats-train", "cats-test".

    Args:
        names: names of folders or files of examples that lie beside each other.

    Returns:
        The split and the class by name; empty unless a class has a training split and another.

    Raises:
        ValueError: the names are splits of no class ("train", "test"), folds ("fold1", "fold2"), or
            only some of them name a split. The message does not name the folder.
    """
    _refuse_folds(names)
    parsed = {name: found for name in names if (found := parse_split(name))}
    splits: dict[str, dict[str, str]] = {}
    twice: list[tuple[str, str]] = []
    for name, (split, rest) in parsed.items():
        class_ = "" if CONTENTS.fullmatch(rest) else rest
        same = splits.setdefault(class_, {}).setdefault(split, name)
        if class_ and same != name:
            twice.append((same, name))
    several = next(
        (x for class_, x in splits.items() if len(x) > 1 and ("train" in x or not class_)), None
    )
    if several is None:
        return {}
    first, second, *_ = several.values()
    if len(parsed) < len(names):
        other = next(name for name in names if name not in parsed)
        raise ValueError(
            f"{first!r} and {second!r} look like splits, but {other!r} names none, so the classes "
            "are unclear; move the files of each class to train/CLASS and test/CLASS"
        )
    if twice:
        raise ValueError(
            "{!r} and {!r} name the same split of the same class; move their files into one folder"
            "".format(*twice[0])
        )
    if len(splits) == 1:
        raise ValueError(
            f"{first!r} and {second!r} are splits, but hold no classes; expected one folder for "
            f"each class in them, such as {first}/CLASS, or a table that names the files and "
            "their labels"
        )
    if "" in splits:
        lone = next(iter(splits[""].values()))
        raise ValueError(
            f"{first!r} and {second!r} name a split and a class, and {lone!r} a split alone; move "
            "the files of each class to train/CLASS and test/CLASS"
        )
    return parsed


def _refuse_folds(names: Collection[str]) -> None:
    """Refuse parts for cross-validation, which would be learnt as classes."""
    matches = [FOLD.fullmatch(name) for name in names]
    rests = [match["rest"] for match in matches if match]
    if len(rests) < max(2, len(names)) or (len(set(rests)) == len(rests)):
        return
    first, second, *_ = sorted(names)
    raise ValueError(
        f"{first!r} and {second!r} are parts for cross-validation, not classes; move the parts to "
        "train on to train/CLASS and those to test on to test/CLASS, or give a table with the "
        "columns file, label and split"
    )


def describe_doubt(name: str, cells: Collection[str | None]) -> str:
    """Describe a column that seems to divide the rows into splits or folds but is an input.

    Args:
        name: name of the column.
        cells: its cells.

    Returns:
        The description; empty if the column does not look like that.
    """
    values = {cell for cell in cells if cell is not None}
    folds = FOLD_COLUMN.fullmatch(name) and all(value.isdecimal() for value in values)
    if not (folds or SPLIT_COLUMN.fullmatch(name)) or not 1 < len(values) <= MAX_SPLITS:
        return ""
    few = ", ".join(sorted(values)[:3]) + (", …" if len(values) > 3 else "")
    return (
        f"column {name!r} ({few}) seems to divide the rows into splits, but the model reads it as "
        f"an input; leave it out: --data.ignore {name}, or write train, validation or test in a "
        "column called split"
    )

"""What decoders say of files: said once, and not remembered by the file."""

import logging

from perceivers.modalities.notices import Notices


def test_names_of_files_are_forgotten_once_a_notice_is_said(caplog):
    """A prediction of a million files keeps none of their names."""
    notices = Notices()
    for index in range(1000):
        notices.add(f"{index}.gif", ["is an animation"])
        notices.log_first()
    assert caplog.record_tuples == [
        (
            "perceivers.modalities.notices",
            logging.WARNING,
            "0.gif is an animation (said of the first such file only)",
        )
    ]
    assert notices.take() == {}

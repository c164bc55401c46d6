"""The parts of the generated reference, one file a page."""

"""Every message and value in the house: `base` and the values first, then one file a speaker. No I/O is imported here."""

"""From a list of videos on the web to clips on the disk, with a reason for every one that is missing."""

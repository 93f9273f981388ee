"""What a run leaves in a folder: lines of JSON, maps, masks."""

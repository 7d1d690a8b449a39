"""The file formats that labelled texts come in, one file each: a path -> a source of rows."""

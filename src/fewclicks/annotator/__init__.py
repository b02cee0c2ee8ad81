"""The annotator: a page in the browser, its server, and what it keeps."""

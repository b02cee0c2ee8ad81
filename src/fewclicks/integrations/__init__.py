"""Where the users are: one file per foreign tool, each usable without the others; their pages: docs/integrations/."""
